import type { FunctionWriter, Value } from '../wasm/function.ts';
import { FSW } from '../x87/status.ts';
import {
  BIAS,
  EXPONENT,
  isNormal,
  isZero,
  readExtended,
  roundingControl,
  roundOff,
  SIGN,
  TOP_BIT,
  writeExtended,
} from './x87-round.ts';

/** Bits of the fraction and of the exponent of the narrow formats (SDM vol. 1 §4.2.2). */
const FORMAT = { 32: { fraction: 23, exponent: 8 }, 64: { fraction: 52, exponent: 11 } } as const;

const wide = (f: FunctionWriter, v: Value): Value => f.op('i64.extend_i32_u', v);

/** (register, bits) → a condition: the number is normal or zero, and was put into the register. */
export function writeFromFloat(f: FunctionWriter, size: 32 | 64): void {
  const { fraction, exponent: width } = FORMAT[size];
  const to = f.param(0);
  const bits = size === 32 ? wide(f, f.param(1)) : f.param(1);
  const largest = (1 << width) - 1;
  const field = f.op('i32.wrap_i64', f.op('i64.shr_u', bits, f.i64(fraction)));
  const exponent = f.op('i32.and', field, f.i32(largest));
  const sign = f.op('i32.and', f.op('i32.shl', field, f.i32(15 - width)), f.i32(SIGN));
  const significand = f.op('i64.or', f.op('i64.shl', bits, f.i64(63 - fraction)), f.i64(TOP_BIT));
  f.if(f.op('i32.lt_u', f.op('i32.sub', exponent, f.i32(1)), f.i32(largest - 1)), () => {
    const biased = f.op('i32.add', exponent, f.i32(BIAS - (largest >> 1)));
    writeExtended(f, to, significand, f.op('i32.or', sign, biased));
    f.return(f.i32(1));
  });
  f.if(f.op('i64.eqz', f.op('i64.shl', bits, f.i64(65 - size))), () => {
    writeExtended(f, to, f.i64(0), sign);
    f.return(f.i32(1));
  });
  f.return(f.i32(0));
}

/** (register, integer) → 1. */
export function writeFromInteger(f: FunctionWriter): void {
  const [to, value] = [f.param(0), f.param(1)];
  f.if(f.op('i64.eqz', value), () => {
    writeExtended(f, to, f.i64(0), f.i32(0));
    f.return(f.i32(1));
  });
  const negative = f.op('i64.lt_s', value, f.i64(0));
  const magnitude = f.select(negative, f.op('i64.sub', f.i64(0), value), value);
  const leading = f.op('i64.clz', magnitude);
  const exponent = f.op('i32.sub', f.i32(BIAS + 63), f.op('i32.wrap_i64', leading));
  const sign = f.op('i32.shl', negative, f.i32(15));
  writeExtended(f, to, f.op('i64.shl', magnitude, leading), f.op('i32.or', sign, exponent));
  f.return(f.i32(1));
}

/**
 * (register of the result, register) → a condition: the result, bits instead of a significand and status flags instead
 * of sign and exponent, was delivered. It is not outside of the range of the format's normal numbers.
 */
export function writeToFloat(f: FunctionWriter, size: 32 | 64): void {
  const { fraction, exponent: width } = FORMAT[size];
  const to = f.param(0);
  const a = readExtended(f, f.param(1));
  const largest = (1 << width) - 1;
  const negative = f.op('i32.shr_u', a.signExponent, f.i32(15));
  const sign = f.op('i64.shl', wide(f, negative), f.i64(size - 1));
  f.if(isZero(f, a), () => {
    writeExtended(f, to, sign, f.i32(0));
    f.return(f.i32(1));
  });
  const biased = f.op('i32.and', a.signExponent, f.i32(EXPONENT));
  const rebiased = f.op('i32.sub', biased, f.i32(BIAS - (largest >> 1)));
  const inRange = f.op('i32.lt_u', f.op('i32.sub', rebiased, f.i32(1)), f.i32(largest - 1));
  f.if(f.op('i32.eqz', f.op('i32.and', isNormal(f, a), inRange)), () => f.return(f.i32(0)));
  const dropped = BigInt(63 - fraction);
  const exponent = f.variable('i32', rebiased);
  const significand = f.variable('i64', f.op('i64.and', a.significand, f.i64(-1n << dropped)));
  const rest = f.variable('i64', f.op('i64.shl', a.significand, f.i64(64n - dropped)));
  const step = f.i64(1n << dropped);
  const flags = roundOff(f, { significand, exponent, rest, step, negative, control: roundingControl(f) });
  f.if(f.op('i32.ge_u', f.get(exponent), f.i32(largest)), () => f.return(f.i32(0)));
  const low = f.op(
    'i64.and',
    f.op('i64.shr_u', f.get(significand), f.i64(dropped)),
    f.i64((1n << BigInt(fraction)) - 1n),
  );
  const high = f.op('i64.or', sign, f.op('i64.shl', wide(f, f.get(exponent)), f.i64(fraction)));
  writeExtended(f, to, f.op('i64.or', high, low), f.get(flags));
  f.return(f.i32(1));
}

/**
 * (register of the result, register, rounding control) → a condition: the result, a signed 64-bit integer and status
 * flags instead of sign and exponent, was delivered.
 */
export function writeToInteger(f: FunctionWriter): void {
  const [to, control] = [f.param(0), f.param(2)];
  const a = readExtended(f, f.param(1));
  f.if(isZero(f, a), () => {
    writeExtended(f, to, f.i64(0), f.i32(0));
    f.return(f.i32(1));
  });
  const shift = f.op('i32.sub', f.i32(BIAS + 63), f.op('i32.and', a.signExponent, f.i32(EXPONENT)));
  // −2^63 is left to the escape, with all that does not fit.
  const small = f.op('i32.gt_s', shift, f.i32(0));
  f.if(f.op('i32.eqz', f.op('i32.and', isNormal(f, a), small)), () => f.return(f.i32(0)));
  const significand = f.variable('i64', f.i64(0));
  const rest = f.variable('i64', f.i64(1));
  f.if(
    f.op('i32.lt_u', shift, f.i32(64)),
    () => {
      const n = wide(f, shift);
      f.set(significand, f.op('i64.shr_u', a.significand, n));
      f.set(rest, f.op('i64.shl', a.significand, f.op('i64.sub', f.i64(0), n)));
    },
    () => f.if(f.op('i32.eq', shift, f.i32(64)), () => f.set(rest, a.significand)),
  );
  const negative = f.op('i32.shr_u', a.signExponent, f.i32(15));
  const exponent = f.variable('i32');
  const flags = roundOff(f, { significand, exponent, rest, step: f.i64(1), negative, control });
  const magnitude = f.get(significand);
  f.if(f.op('i64.lt_s', magnitude, f.i64(0)), () => f.return(f.i32(0)));
  const value = f.select(negative, f.op('i64.sub', f.i64(0), magnitude), magnitude);
  writeExtended(f, to, value, f.get(flags));
  f.return(f.i32(1));
}

/** (register, register) → condition codes (SDM vol. 1 table 8-6); C2 when one is neither normal nor 0. */
export function writeCompare(f: FunctionWriter): void {
  const [a, b] = [readExtended(f, f.param(0)), readExtended(f, f.param(1))];
  const [zeroA, zeroB] = [isZero(f, a), isZero(f, b)];
  const usual = f.op('i32.and', f.op('i32.or', zeroA, isNormal(f, a)), f.op('i32.or', zeroB, isNormal(f, b)));
  f.if(f.op('i32.eqz', usual), () => f.return(f.i32(FSW.C2)));
  f.if(f.op('i32.and', zeroA, zeroB), () => f.return(f.i32(FSW.C3)));
  const negative = f.op('i32.shr_u', a.signExponent, f.i32(15));
  const less = (condition: Value): void => f.return(f.select(condition, f.i32(FSW.C0), f.i32(0)));
  const different = f.op('i32.shr_u', f.op('i32.xor', a.signExponent, b.signExponent), f.i32(15));
  f.if(different, () => less(negative));
  const sameExponent = f.op('i32.eq', a.signExponent, b.signExponent);
  const same = f.op('i32.and', sameExponent, f.op('i64.eq', a.significand, b.significand));
  f.if(same, () => f.return(f.i32(FSW.C3)));
  const below = f.select(
    sameExponent,
    f.op('i64.lt_u', a.significand, b.significand),
    f.op('i32.lt_u', a.signExponent, b.signExponent),
  );
  less(f.op('i32.xor', below, negative));
}
