import type { Cpu } from './cpu.ts';
import { VECTOR } from './fault.ts';
import { RIGHTS, SEGREG } from './registers.ts';

/** The current TSS is one of 32 bits (or, in IA-32e mode, of 64). */
export const isBigTss = (cpu: Cpu): boolean => (cpu.r.rights(SEGREG.tr) & 8) !== 0;

/** #TS with the selector of the current TSS: it is too short. */
const tooShort = (cpu: Cpu, ext: number): never => cpu.raise(VECTOR.ts, (cpu.r.selector(SEGREG.tr) & 0xfffc) | ext);

/** SS and eSP of a more privileged level, from the TSS (SDM vol. 3 §7.2.1, §7.6). #TS when it ends before them. */
export function tssStack(cpu: Cpu, cpl: number, ext: number): { selector: number; pointer: number } {
  const { r } = cpu;
  const base = r.base(SEGREG.tr);
  const big = isBigTss(cpu);
  const offset = big ? 4 + cpl * 8 : 2 + cpl * 4;
  if (offset + (big ? 6 : 4) - 1 > r.limit(SEGREG.tr)) tooShort(cpu, ext);
  const at = base + BigInt(offset);
  if (big) return { pointer: cpu.load32(at, false), selector: cpu.load16(at + 4n, false) };
  return { pointer: cpu.load16(at, false), selector: cpu.load16(at + 2n, false) };
}

/** RSP of a privilege level, or one of the seven of the interrupt stack table (SDM vol. 3 §7.7). */
export function longTssStack(cpu: Cpu, cpl: number, ist: number, ext: number): bigint {
  const { r } = cpu;
  const offset = ist ? 0x1c + ist * 8 : 4 + cpl * 8;
  if (r.rights(SEGREG.tr) & RIGHTS.unusable || offset + 7 > r.limit(SEGREG.tr)) tooShort(cpu, ext);
  return cpu.load64(r.base(SEGREG.tr) + BigInt(offset), false);
}

/**
 * Whether the I/O permission bitmap lets this program use ports `port` to `port + size − 1` (SDM vol. 1 §18.5.2).
 * @param size 1, 2 or 4
 */
export function ioPermitted(cpu: Cpu, port: number, size: number): boolean {
  const { r } = cpu;
  const limit = r.limit(SEGREG.tr);
  if (r.rights(SEGREG.tr) & RIGHTS.unusable || !isBigTss(cpu) || limit < 0x67) return false;
  const base = r.base(SEGREG.tr);
  // Always two bytes are read, so that the bitmap must end in one that is not used.
  const at = cpu.load16(base + 0x66n, false) + (port >> 3);
  if (at + 1 > limit) return false;
  const bits = cpu.load16(base + BigInt(at), false) >> (port & 7);
  return (bits & ((1 << size) - 1)) === 0;
}
