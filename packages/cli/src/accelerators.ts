import type { CpuModelName, SoftOptions } from '@mainboard/accelerator/x86';
import type { ContainerModule } from 'inversify';
import { CliError } from './errors.ts';
import { suggest } from './suggest.ts';

export const ACCELERATORS = ['auto', 'kvm', 'soft'] as const;
type Choice = (typeof ACCELERATORS)[number];

/** Models of the software CPU, least first; said here too, so that a list of them does not load it. */
export const CPUS = ['pentium3', 'x86-64', 'x86-64-v2', 'max'] as const satisfies readonly CpuModelName[];

/** The model of the software CPU for `--cpu`. @throws CliError */
export function cpuModelName(given: string): CpuModelName {
  const name = CPUS.find(cpu => cpu === given);
  if (name !== undefined) return name;
  throw new CliError(`--cpu must be one of ${CPUS.join(', ')}, not "${given}".${suggest(given, CPUS)}`);
}

export interface ChosenAccelerator {
  readonly module: ContainerModule;
  /** A line about what `auto` took and why; undefined when it was asked for by name. */
  readonly note?: string;
}

/**
 * The accelerator for `--accel`. What is not chosen is not loaded.
 * @param soft what is asked of the software CPU; what is undefined is left to it
 * @throws CliError, KvmError
 */
export async function chooseAccelerator(given: string, soft: SoftOptions): Promise<ChosenAccelerator> {
  const choice = ACCELERATORS.find(name => name === given);
  if (choice === undefined)
    throw new CliError(`--accel must be auto, kvm or soft, not "${given}".${suggest(given, ACCELERATORS)}`);
  const [asked] = Object.keys(soft);
  if (choice === 'kvm' && asked !== undefined)
    throw new CliError(`--${asked} is about the software CPU; use --accel soft with it.`);
  if (choice !== 'auto') return { module: await load(choice, soft) };
  const { name, reason } =
    asked === undefined ? await decide() : { name: 'soft' as const, reason: `--${asked} was given` };
  return { module: await load(name, soft), note: `accel ${name}: ${reason}` };
}

/** What `auto` takes on this host, and why: KVM where it runs kernel-mode code on the processor itself. */
export async function decide(): Promise<{ readonly name: 'kvm' | 'soft'; readonly reason: string }> {
  const { native, reason } = await probe();
  return { name: native ? 'kvm' : 'soft', reason: reason.replace(/\.$/, '') };
}

async function load(name: Exclude<Choice, 'auto'>, soft: SoftOptions): Promise<ContainerModule> {
  if (name === 'soft') {
    const { softModuleWith } = await import('@mainboard/accelerator/x86');
    return softModuleWith(soft);
  }
  try {
    const { KvmSystem, kvmModule } = await import('@mainboard/accelerator/kvm');
    new KvmSystem().dispose(); // says what is wrong before anything else is opened
    return kvmModule;
  } catch (error) {
    if ((error as Error).name === 'KvmError') throw error;
    throw new CliError(`KVM cannot be used: ${firstLine(error)}; use --accel soft.`);
  }
}

async function probe(): Promise<{ readonly native: boolean; readonly reason: string }> {
  try {
    const { probeKvm } = await import('@mainboard/accelerator/kvm');
    const found = probeKvm();
    return {
      native: found.nativeKernelMode,
      reason: found.usable ? found.detail : (WHY_NOT[found.code] ?? found.detail),
    };
  } catch (error) {
    return { native: false, reason: `KVM cannot be used: ${firstLine(error)}` };
  }
}

const WHY_NOT: Readonly<Record<string, string>> = {
  'not-linux': 'KVM needs Linux',
  'kvm-missing': 'there is no /dev/kvm',
  'kvm-forbidden': '/dev/kvm may not be opened by this user',
};

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]!;
