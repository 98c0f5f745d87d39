import type { Outcome } from './case.ts';
import { FXSAVE } from './floating-start.ts';

/** Twice the error that the manual allows RCPPS and RSQRTPS, 1.5 × 2^-12: two processors may differ by so much. */
const TOLERANCE = 3 / 4096;
const PE = 0x20;
const C1 = 0x200;

/**
 * The software's registers, with silicon's approximations in place of its own where they are near enough: single-
 * precision lanes of XMM registers, x87 registers within one unit in the last place, and C1, which says how those were
 * rounded.
 */
export function withApproximations(software: Outcome, silicon: Outcome): Outcome {
  const fpu = software.fpu.slice();
  const mine = new DataView(fpu.buffer);
  const other = new DataView(silicon.fpu.buffer, silicon.fpu.byteOffset, silicon.fpu.length);
  for (let at: number = FXSAVE.xmm; at < FXSAVE.xmm + 256; at += 4) {
    const ratio = mine.getFloat32(at, true) / other.getFloat32(at, true);
    if (Math.abs(ratio - 1) < TOLERANCE) mine.setUint32(at, other.getUint32(at, true), true);
  }
  const status = other.getUint16(FXSAVE.status, true);
  if (status & PE) {
    for (let at: number = FXSAVE.st; at < FXSAVE.xmm; at += 16)
      if (isFinite80(other, at) && distance(mine, other, at) <= 1n) fpu.set(silicon.fpu.subarray(at, at + 10), at);
    mine.setUint16(FXSAVE.status, (mine.getUint16(FXSAVE.status, true) & ~C1) | (status & C1), true);
  }
  return { ...software, fpu };
}

const isFinite80 = (view: DataView, at: number): boolean => (view.getUint16(at + 8, true) & 0x7fff) !== 0x7fff;

/** Units in the last place between two numbers. */
function distance(a: DataView, b: DataView, at: number): bigint {
  const order = (view: DataView): bigint => {
    const exponent = view.getUint16(at + 8, true);
    const integer = exponent & 0x7fff ? 1n << 63n : 0n;
    const magnitude = (BigInt(exponent & 0x7fff) << 63n) + view.getBigUint64(at, true) - integer;
    return exponent & 0x8000 ? -magnitude : magnitude;
  };
  const d = order(a) - order(b);
  return d < 0n ? -d : d;
}
