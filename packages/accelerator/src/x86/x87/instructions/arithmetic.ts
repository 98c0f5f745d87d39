import type { Context } from '../context.ts';
import { fromF32, fromF64 } from '../convert.ts';
import type { X87Cpu, X87Execute } from '../cpu.ts';
import { type Float80, KIND, kind, SIGN, setIndefinite } from '../float80.ts';
import { fromInteger } from '../integer.ts';
import type { X87 } from '../state.ts';
import { FSW } from '../status.ts';

/** `out = a ∘ b`. */
export type Binary = (c: Context, a: Float80, b: Float80, out: Float80) => void;
export type Unary = (c: Context, a: Float80, out: Float80) => void;

/** The operation of FSUBR and FDIVR. */
export const reversed =
  (operation: Binary): Binary =>
  (c, a, b, out) =>
    operation(c, b, a, out);

function operate(fpu: X87, operation: Binary, to: number, from: number, pop: boolean): boolean {
  const c = fpu.begin();
  if (fpu.isEmpty(to) || fpu.isEmpty(from)) {
    fpu.underflow(to, pop);
    return true;
  }
  fpu.read(to, c.a);
  fpu.read(from, c.b);
  operation(c, c.a, c.b, c.result);
  if (fpu.suppressed()) return true;
  fpu.write(to, c.result);
  if (pop) fpu.pop();
  fpu.finish();
  return true;
}

/** `ST(0) = ST(0) ∘ ST(i)` */
export const toTop =
  (operation: Binary): X87Execute =>
  (fpu, _cpu, i) =>
    operate(fpu, operation, 0, i, false);
/** `ST(i) = ST(i) ∘ ST(0)`, and a pop where the mnemonic ends in P. */
export const toRegister =
  (operation: Binary, pop: boolean): X87Execute =>
  (fpu, _cpu, i) =>
    operate(fpu, operation, i, 0, pop);

/** Fetches a memory operand into a register. @returns whether it was a denormal of its own format. */
type Fetch = (cpu: X87Cpu, out: Float80) => boolean;
export interface Source {
  readonly size: number;
  readonly fetch: Fetch;
}
export const M32FP: Source = { size: 4, fetch: (cpu, out) => fromF32(cpu.operand.getInt32(0, true), out) };
export const M64FP: Source = {
  size: 8,
  fetch: (cpu, out) => fromF64(cpu.operand.getInt32(4, true), cpu.operand.getInt32(0, true), out),
};
const integer = (size: number, high: (cpu: X87Cpu) => number, low: (cpu: X87Cpu) => number): Source => ({
  size,
  fetch: (cpu, out) => {
    fromInteger(high(cpu), low(cpu), out);
    return false;
  },
});
const int16 = (cpu: X87Cpu): number => cpu.operand.getInt16(0, true);
const int32 = (cpu: X87Cpu): number => cpu.operand.getInt32(0, true);
export const M16INT: Source = integer(2, cpu => int16(cpu) >> 31, int16);
export const M32INT: Source = integer(4, cpu => int32(cpu) >> 31, int32);
export const M64INT: Source = integer(8, cpu => cpu.operand.getInt32(4, true), int32);

/** `ST(0) = ST(0) ∘ memory` */
export const withMemory =
  (operation: Binary, source: Source): X87Execute =>
  (fpu, cpu) => {
    if (!cpu.load(source.size)) return false;
    const c = fpu.begin();
    if (fpu.isEmpty(0)) {
      fpu.underflow(0, false);
      return true;
    }
    fpu.read(0, c.a);
    const denormal = source.fetch(cpu, c.b);
    const quiet = kind(c.a) >= KIND.quiet;
    operation(c, c.a, c.b, c.result);
    if (denormal && !quiet && (c.flags & (FSW.IE | FSW.ZE)) === 0) c.flags |= FSW.DE;
    if (fpu.suppressed()) return true;
    fpu.write(0, c.result);
    fpu.finish();
    return true;
  };

/** `ST(0) = f(ST(0))`: FSQRT, FRNDINT. */
export const unary =
  (operation: Unary): X87Execute =>
  fpu => {
    const c = fpu.begin();
    if (fpu.isEmpty(0)) {
      fpu.underflow(0, false);
      return true;
    }
    fpu.read(0, c.a);
    operation(c, c.a, c.result);
    if (fpu.suppressed()) return true;
    fpu.write(0, c.result);
    fpu.finish();
    return true;
  };

/** `ST(0) = f(ST(0), ST(1))`, without a pop: FSCALE, FPREM, FPREM1. @param clear condition codes it replaces. */
export const withSecond =
  (operation: Binary, clear: number): X87Execute =>
  fpu => {
    const c = fpu.begin(clear);
    if (fpu.isEmpty(0) || fpu.isEmpty(1)) {
      fpu.underflow(0, false);
      return true;
    }
    fpu.read(0, c.a);
    fpu.read(1, c.b);
    operation(c, c.a, c.b, c.result);
    if (fpu.suppressed()) return true;
    fpu.write(0, c.result);
    fpu.finish();
    return true;
  };

/** FCHS and FABS: the sign bit alone, no exception but a stack fault. */
const signBit =
  (change: (se: number) => number): X87Execute =>
  fpu => {
    const c = fpu.begin();
    if (fpu.isEmpty(0)) {
      fpu.underflow(0, false);
      return true;
    }
    fpu.read(0, c.a);
    c.a.se = change(c.a.se);
    fpu.write(0, c.a);
    fpu.finish();
    return true;
  };
export const fchs: X87Execute = signBit(se => se ^ SIGN);
export const fabs: X87Execute = signBit(se => se & ~SIGN);

/**
 * A function of ST(0) with two results: `c.result` replaces ST(0), `c.pushed` is pushed (FXTRACT, FPTAN, FSINCOS).
 * @param clear condition codes it replaces.
 */
export const pushing =
  (operation: (c: Context, a: Float80) => void, clear: number): X87Execute =>
  fpu => {
    const c = fpu.begin(clear);
    const under = fpu.isEmpty(0);
    if (under || !fpu.isEmpty(7)) {
      if (!fpu.stackFault(under ? 0 : FSW.C1)) return true;
      setIndefinite(c.result);
      fpu.write(0, c.result);
      fpu.push(c.result);
      return true;
    }
    fpu.read(0, c.a);
    operation(c, c.a);
    if (fpu.suppressed()) return true;
    if ((c.flags & FSW.C2) === 0) {
      fpu.write(0, c.result);
      fpu.push(c.pushed);
    }
    fpu.finish();
    return true;
  };
