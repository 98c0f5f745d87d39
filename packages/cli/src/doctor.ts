import { release } from 'node:os';
import { decide } from './accelerators.ts';
import { columns } from './columns.ts';

/** What this host can do, for people. */
export async function examine(): Promise<string> {
  const host = [
    ['node', `${process.version} on ${process.platform} ${release()}, ${process.arch}`],
    ['kvm', ...(await kvm())],
    ['soft', soft()],
  ];
  const { name, reason } = await decide();
  return `${columns(host, '')}${await extensions()}\n--accel auto takes ${name}: ${reason}\n`;
}

async function kvm(): Promise<string[]> {
  try {
    const { probeKvm } = await import('@mainboard/accelerator/kvm');
    const probe = probeKvm();
    if (!probe.usable) return [`not usable: ${probe.detail}`];
    const rates = Object.entries(probe.rates).map(
      ([mode, rate]) => `${mode} ${rate === 0 ? 'does not run' : million(rate)}`,
    );
    return [`usable. ${probe.detail}\n      A loop runs, in instructions a second: ${rates.join(', ')}`];
  } catch (error) {
    return [`not usable: ${(error as Error).message}`];
  }
}

const million = (rate: number): string => `${(rate / 1e6).toFixed(rate < 1e7 ? 1 : 0)} M`;

async function extensions(): Promise<string> {
  try {
    const { inspectKvm } = await import('@mainboard/accelerator/kvm');
    const { apiVersion, extensions: found } = inspectKvm();
    const [present, absent] = [true, false].map(wanted =>
      Object.entries(found).filter(([, value]) => value > 0 === wanted),
    ) as [[string, number][], [string, number][]];
    const rows = present.map(([name, value]) => [name, value === 1 ? 'yes' : `${value}`]);
    const lacking = absent.length === 0 ? '' : `  missing: ${absent.map(([name]) => name).join(', ')}\n`;
    return `\nKVM API ${apiVersion}\n${columns(rows)}${lacking}`;
  } catch {
    return ''; // said above
  }
}

/** `(module (func return_call 0))`: tail calls, which the interpreter's handlers are chained by. */
const TAIL_CALL = Uint8Array.of(
  0,
  0x61,
  0x73,
  0x6d,
  1,
  0,
  0,
  0,
  1,
  4,
  1,
  0x60,
  0,
  0,
  3,
  2,
  1,
  0,
  10,
  6,
  1,
  4,
  0,
  0x12,
  0,
  0x0b,
);

function soft(): string {
  if (!WebAssembly.validate(TAIL_CALL))
    return 'not usable: this Node has no WebAssembly tail calls; take Node 20 or newer.';
  try {
    new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  } catch {
    return 'not usable: this Node has no shared WebAssembly memory.';
  }
  return 'usable: WebAssembly with tail calls and shared memory';
}
