import type { Context } from './context.ts';
import { compareSignificands, type Float80, KIND, kind, SIGN, setZero } from './float80.ts';
import { invalid, propagateTwo } from './nan.ts';
import { normalize, normalizeAndRound } from './round.ts';
import { FSW } from './status.ts';

/**
 * `out` = the remainder of `a ÷ b`: FPREM with a quotient rounded towards zero, FPREM1 (`nearest`) with one rounded to
 * the nearest integer. The quotient's low bits go to C0 (bit 2), C3 (bit 1) and C1 (bit 0). When the exponents differ
 * by 64 or more, the reduction is partial and C2 is set (SDM vol. 2, FPREM).
 */
export function remainder(c: Context, a: Float80, b: Float80, nearest: boolean, out: Float80): void {
  if (propagateTwo(c, a, b, out)) return;
  const ka = kind(a);
  const kb = kind(b);
  if (ka === KIND.infinity || kb === KIND.zero) {
    invalid(c, out);
    return;
  }
  // A suppressed instruction leaves them alone.
  if ((c.flags & ~c.masks) === 0) c.clear |= FSW.C0 | FSW.C3;
  if (ka === KIND.zero) {
    out.copy(a);
    return;
  }
  let sign = a.se & SIGN;
  normalize(c, a);
  const ea = c.exponent;
  let hi = c.hi;
  let lo = c.lo;
  if (kb === KIND.infinity) {
    normalizeAndRound(c, out, sign, ea, hi, lo, 0, 64);
    return;
  }
  normalize(c, b);
  const eb = c.exponent;
  const bhi = c.hi;
  const blo = c.lo;
  const difference = ea - eb;
  if (difference < (nearest ? -1 : 0)) {
    normalizeAndRound(c, out, sign, ea, hi, lo, 0, 64);
    return;
  }

  const partial = difference >= 64;
  // Leaves between 1 and 32 steps of a long reduction undone per round, as the processors do.
  const steps = partial ? (difference & 0x1f) | 0x20 : difference;
  const exponent = ea - Math.max(steps, 0);
  let quotient = 0;
  let carry = 0;
  for (let step = steps; step >= 0; step--) {
    quotient <<= 1;
    if (carry !== 0 || compareSignificands(hi, lo, bhi, blo) >= 0) {
      const low = (lo >>> 0) - (blo >>> 0);
      hi = (hi - bhi - (low < 0 ? 1 : 0)) | 0;
      lo = low | 0;
      quotient |= 1;
    }
    if (step > 0) {
      carry = hi >>> 31;
      hi = (hi << 1) | (lo >>> 31);
      lo <<= 1;
    }
  }

  if (partial) c.flags |= FSW.C2;
  else {
    if (nearest) {
      // Twice the remainder against the divisor; one bit less when the dividend's exponent is the smaller by one.
      const twiceHi = difference < 0 ? hi : (hi << 1) | (lo >>> 31);
      const twiceLo = difference < 0 ? lo : lo << 1;
      const order = difference >= 0 && hi < 0 ? 1 : compareSignificands(twiceHi, twiceLo, bhi, blo);
      if (order > 0 || (order === 0 && (quotient & 1) !== 0)) {
        if (difference < 0) {
          borrowOne(c, out, sign ^ SIGN, eb, bhi, blo, hi, lo);
          return;
        }
        const low = (blo >>> 0) - (lo >>> 0);
        hi = (bhi - hi - (low < 0 ? 1 : 0)) | 0;
        lo = low | 0;
        sign ^= SIGN;
        quotient++;
      }
    }
    quotientBits(c, quotient);
  }
  if ((hi | lo) === 0) {
    setZero(out, a.se & SIGN);
    return;
  }
  normalizeAndRound(c, out, sign, exponent, hi, lo, 0, 64);
}

function quotientBits(c: Context, quotient: number): void {
  if ((quotient & 4) !== 0) c.flags |= FSW.C0;
  if ((quotient & 2) !== 0) c.flags |= FSW.C3;
  if ((quotient & 1) !== 0) c.flags |= FSW.C1;
}

/** FPREM1 where |b|/2 < |a| < |b| and the exponents differ by one: the quotient is 1, the remainder |b| − |a|. */
function borrowOne(
  c: Context,
  out: Float80,
  sign: number,
  exponent: number,
  bhi: number,
  blo: number,
  hi: number,
  lo: number,
): void {
  quotientBits(c, 1);
  const rest = lo << 31;
  const half = (lo >>> 1) | (hi << 31);
  const low = (blo >>> 0) - (half >>> 0) - (rest !== 0 ? 1 : 0);
  normalizeAndRound(c, out, sign, exponent, (bhi - (hi >>> 1) - (low < 0 ? 1 : 0)) | 0, low | 0, -rest | 0, 64);
}
