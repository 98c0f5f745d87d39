import type { Context } from './context.ts';
import { BIAS, EXPONENT, type Float80, KIND, kind, MAX_EXPONENT, SIGN, setInfinity, setZero } from './float80.ts';
import { invalid, propagateTwo } from './nan.ts';
import { normalize, round } from './round.ts';

/** Bits 63:32 of the product of two unsigned 32-bit numbers, as an unsigned number. */
export function multiplyHigh(a: number, b: number): number {
  const al = a & 0xffff;
  const ah = a >>> 16;
  const bl = b & 0xffff;
  const bh = b >>> 16;
  const low = Math.imul(al, bl) >>> 16;
  const cross = Math.imul(ah, bl) >>> 0;
  // At most 0xffff + 0xffff0001 + 0xffff: both sums stay below 2³².
  const middle = (Math.imul(al, bh) >>> 0) + low + (cross & 0xffff);
  return (Math.imul(ah, bh) >>> 0) + (cross >>> 16) + Math.floor(middle / 0x10000);
}

/** `out = a × b` (FMUL). */
export function multiply(c: Context, a: Float80, b: Float80, out: Float80): void {
  const sign = (a.se ^ b.se) & SIGN;
  let ea = a.se & EXPONENT;
  let eb = b.se & EXPONENT;
  let ahi = a.hi;
  let alo = a.lo;
  let bhi = b.hi;
  let blo = b.lo;
  const regular = ahi < 0 && bhi < 0 && (ea - 1) >>> 0 < MAX_EXPONENT && (eb - 1) >>> 0 < MAX_EXPONENT;
  if (!regular) {
    if (propagateTwo(c, a, b, out)) return;
    const ka = kind(a);
    const kb = kind(b);
    if (ka === KIND.infinity || kb === KIND.infinity) {
      if (ka === KIND.zero || kb === KIND.zero) {
        invalid(c, out);
        return;
      }
      setInfinity(out, sign);
      return;
    }
    if (ka === KIND.zero || kb === KIND.zero) {
      setZero(out, sign);
      return;
    }
    normalize(c, a);
    ea = c.exponent;
    ahi = c.hi;
    alo = c.lo;
    normalize(c, b);
    eb = c.exponent;
    bhi = c.hi;
    blo = c.lo;
  }

  // Four partial products, summed by columns of 32 bits.
  const column1 = multiplyHigh(alo, blo) + (Math.imul(ahi, blo) >>> 0) + (Math.imul(alo, bhi) >>> 0);
  const column2 =
    multiplyHigh(ahi, blo) + multiplyHigh(alo, bhi) + (Math.imul(ahi, bhi) >>> 0) + Math.floor(column1 / 0x100000000);
  let hi = (multiplyHigh(ahi, bhi) + Math.floor(column2 / 0x100000000)) | 0;
  let lo = column2 | 0;
  let rest = column1 | 0;
  const below = Math.imul(alo, blo);
  let exponent = ea + eb - BIAS + 1;
  if (hi >= 0) {
    hi = (hi << 1) | (lo >>> 31);
    lo = (lo << 1) | (rest >>> 31);
    rest = (rest << 1) | (below >>> 31);
    exponent--;
  }
  round(c, out, sign, exponent, hi, lo, below !== 0 ? rest | 1 : rest);
}
