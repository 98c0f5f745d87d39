import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Feature } from '../../packages/accelerator/src/x86/isa/row.ts';
import {
  type Case,
  CODE,
  FPU_SIZE,
  INPUT_SIZE,
  OUTPUT_SIZE,
  type Outcome,
  readOutcome,
  WINDOW,
  writeCase,
} from './case.ts';
import { siliconProgram } from './silicon-program.ts';

/** The processor that runs this, as the oracle. */
export class Silicon {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** @returns why there is no oracle, where there is none. */
  static build(): Silicon | { readonly missing: string } {
    if (process.arch !== 'x64' || process.platform !== 'linux') return { missing: 'needs Linux on x86-64' };
    const directory = mkdtempSync(join(tmpdir(), 'silicon-'));
    writeFileSync(join(directory, 'silicon'), siliconProgram(), { mode: 0o755 });
    const silicon = new Silicon(directory);
    if (silicon.#spawn([]).status === 0) return silicon;
    silicon.dispose();
    return { missing: `needs a directory to run a program in; set TMPDIR (${tmpdir()} allows none)` };
  }

  dispose(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Whether the kernel lets a process have 16-bit segments. */
  get runs16Bit(): boolean {
    const nothing = {
      code: new Uint8Array(0),
      rip: CODE.address,
      gpr: new BigUint64Array(16),
      flags: 0,
      bits: 16,
      fpu: new Uint8Array(FPU_SIZE),
    } as const;
    return this.#spawn([{ ...nothing, window: new Uint8Array(WINDOW.size) }]).status === 0;
  }

  /** Runs cases in one process. */
  run(cases: readonly Case[]): Outcome[] {
    if (cases.length === 0) return [];
    const { status, signal, stdout } = this.#spawn(cases);
    if (status !== 0 || stdout.length !== cases.length * OUTPUT_SIZE)
      throw new Error(`the program on silicon ended with ${signal ?? `status ${status}`} after ${stdout.length} bytes`);
    const view = new DataView(stdout.buffer, stdout.byteOffset, stdout.length);
    return cases.map((_, n) => readOutcome(view, n * OUTPUT_SIZE));
  }

  #spawn(cases: readonly Case[]): SpawnSyncReturns<Buffer> {
    const input = new DataView(new ArrayBuffer(cases.length * INPUT_SIZE));
    for (const [n, c] of cases.entries()) writeCase(c, input, n * INPUT_SIZE);
    return spawnSync(join(this.#directory, 'silicon'), [], {
      input: new Uint8Array(input.buffer),
      maxBuffer: cases.length * OUTPUT_SIZE + 1,
    });
  }
}

/** CPUID features of rows under the names of /proc/cpuinfo, where they differ. */
const KERNEL_NAMES: Readonly<Partial<Record<Feature, string>>> = {
  'sse4.1': 'sse4_1',
  'sse4.2': 'sse4_2',
  clfsh: 'clflush',
  cet: 'user_shstk',
  lahf64: 'lahf_lm',
  lzcnt: 'abm',
  sha: 'sha_ni',
  sse3: 'pni',
};

/** Whether this processor has a feature; rows of one that it lacks have no oracle. */
export function siliconFeatures(): (feature: Feature) => boolean {
  const line = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
  const flags = new Set(line.trim().split(/\s+/));
  return feature => flags.has(KERNEL_NAMES[feature] ?? feature);
}
