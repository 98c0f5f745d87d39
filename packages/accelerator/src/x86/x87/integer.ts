import type { Context } from './context.ts';
import { BIAS, EXPONENT, type Float80, INTEGER_BIT, KIND, kind, SIGN, setOne, setZero } from './float80.ts';
import { propagate } from './nan.ts';
import { shiftRightJam } from './round.ts';
import { FSW, RC } from './status.ts';

/**
 * Rounds a finite number to an integer magnitude of 64 bits, left in `c.hi:c.lo`; sets PE and C1.
 * @returns whether it fits.
 */
export function roundMagnitude(c: Context, a: Float80, rounding: number): boolean {
  const shift = BIAS + 63 - (a.se & EXPONENT);
  if (shift < 0) return false;
  c.hi = a.hi;
  c.lo = a.lo;
  c.rest = 0;
  shiftRightJam(c, shift);
  if (c.rest === 0) return true;
  const negative = (a.se & SIGN) !== 0;
  let up: boolean;
  if (rounding === RC.nearest) up = c.rest < 0 && (c.rest !== INTEGER_BIT || (c.lo & 1) !== 0);
  else up = rounding === (negative ? RC.down : RC.up);
  c.flags |= FSW.PE;
  if (up) {
    c.flags |= FSW.C1;
    c.lo = (c.lo + 1) | 0;
    if (c.lo === 0) c.hi = (c.hi + 1) | 0;
  }
  return true;
}

/**
 * Converts to a signed integer (FIST, FISTP, FISTTP), left in `c.hi:c.lo`. What does not fit, NaNs and infinities are
 * an invalid operation, whose masked response is the integer indefinite.
 * @param bits width of the destination: 16, 32 or 64.
 */
export function toInteger(c: Context, a: Float80, bits: number, rounding: number): void {
  if (kind(a) <= KIND.denormal && roundMagnitude(c, a, rounding)) {
    const negative = (a.se & SIGN) !== 0;
    if (fits(c.hi, c.lo, bits, negative)) {
      if (negative) {
        c.lo = -c.lo | 0;
        c.hi = (~c.hi + (c.lo === 0 ? 1 : 0)) | 0;
      }
      return;
    }
  }
  c.flags = (c.flags & ~(FSW.PE | FSW.C1)) | FSW.IE;
  c.hi = bits === 64 ? INTEGER_BIT : -1;
  c.lo = bits === 64 ? 0 : bits === 32 ? INTEGER_BIT : -0x8000;
}

function fits(hi: number, lo: number, bits: number, negative: boolean): boolean {
  if (bits === 64) return hi >= 0 || (negative && hi === INTEGER_BIT && lo === 0);
  const limit = bits === 32 ? 0x80000000 : 0x8000;
  return hi === 0 && (negative ? lo >>> 0 <= limit : lo >>> 0 < limit);
}

/** `out = hi:lo`, a signed 64-bit integer (FILD); exact. */
export function fromInteger(hi: number, lo: number, out: Float80): void {
  const sign = hi < 0 ? SIGN : 0;
  if (sign !== 0) {
    lo = -lo | 0;
    hi = (~hi + (lo === 0 ? 1 : 0)) | 0;
  }
  setMagnitude(sign, hi, lo, out);
}

/** `out` = an unsigned 64-bit integer with a sign; exact. */
export function setMagnitude(sign: number, hi: number, lo: number, out: Float80): void {
  if ((hi | lo) === 0) {
    setZero(out, sign);
    return;
  }
  let exponent = BIAS + 63;
  if (hi === 0) {
    hi = lo;
    lo = 0;
    exponent -= 32;
  }
  const n = Math.clz32(hi);
  if (n > 0) {
    hi = (hi << n) | (lo >>> (32 - n));
    lo <<= n;
  }
  out.set(sign | (exponent - n), hi, lo);
}

/** `out` = `a` rounded to an integer (FRNDINT). */
export function roundToInteger(c: Context, a: Float80, out: Float80): void {
  if (propagate(c, a, out)) return;
  // From 2^63 on, infinity included, everything is an integer.
  if ((a.se & EXPONENT) >= BIAS + 63 || kind(a) === KIND.zero) {
    out.copy(a);
    return;
  }
  roundMagnitude(c, a, c.rounding);
  setMagnitude(a.se & SIGN, c.hi, c.lo, out);
}

/** The integer part of `a` as a number, clamped to ±0x20000: what FSCALE adds to an exponent. */
export function truncateForScale(a: Float80): number {
  const exponent = a.se & EXPONENT;
  if (exponent < BIAS) return 0;
  const magnitude = exponent > BIAS + 16 ? 0x20000 : (a.hi >>> 0) >>> (BIAS + 31 - exponent);
  return (a.se & SIGN) !== 0 ? -magnitude : magnitude;
}

/** `out` = a small integer; exact. */
export function setSmall(value: number, out: Float80): void {
  if (value === 1) setOne(out, 0);
  else fromInteger(value < 0 ? -1 : 0, value | 0, out);
}
