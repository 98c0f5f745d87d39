import type { Context } from './context.ts';
import {
  BIAS,
  compareSignificands,
  EXPONENT,
  type Float80,
  INTEGER_BIT,
  KIND,
  kind,
  MAX_EXPONENT,
  SIGN,
  setInfinity,
  setZero,
} from './float80.ts';
import { invalid, propagateTwo } from './nan.ts';
import { normalize, round } from './round.ts';
import { FSW } from './status.ts';

const TWO32 = 0x100000000;

/** `out = a ÷ b` (FDIV). */
export function divide(c: Context, a: Float80, b: Float80, out: Float80): void {
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
    if (ka === kb && (ka === KIND.infinity || ka === KIND.zero)) {
      invalid(c, out);
      return;
    }
    if (ka === KIND.infinity) {
      setInfinity(out, sign);
      return;
    }
    if (kb === KIND.infinity || ka === KIND.zero) {
      setZero(out, sign);
      return;
    }
    if (kb === KIND.zero) {
      c.flags = (c.flags & ~FSW.DE) | FSW.ZE; // a division by zero comes before a denormal operand (SDM vol. 1 §8.6)
      setInfinity(out, sign);
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

  let exponent = ea - eb + BIAS;
  const whole = compareSignificands(ahi, alo, bhi, blo) >= 0;
  let rl = alo >>> 0;
  let rh = ahi >>> 0;
  const dl = blo >>> 0;
  const dh = bhi >>> 0;
  if (whole) {
    rl -= dl;
    rh -= dh;
    if (rl < 0) {
      rl += TWO32;
      rh--;
    }
  } else exponent--;

  // Five digits of 16 bits (Knuth, TAOCP vol. 2 §4.3.1 D); the remainder stays below the divisor.
  c.hi = c.lo = c.rest = 0;
  for (let digit = 0; digit < 5; digit++) {
    const shifted = rh * 0x10000 + (rl >>> 16);
    let q = Math.min(Math.floor(shifted / dh), 0xffff);
    const product = q * dl;
    rl = ((rl << 16) >>> 0) - (product % TWO32);
    rh = shifted - q * dh - Math.floor(product / TWO32);
    if (rl < 0) {
      rl += TWO32;
      rh--;
    }
    while (rh < 0) {
      q--;
      rl += dl;
      rh += dh;
      if (rl >= TWO32) {
        rl -= TWO32;
        rh++;
      }
    }
    if (digit === 0) c.hi = q << 16;
    else if (digit === 1) c.hi |= q;
    else if (digit === 2) c.lo = q << 16;
    else if (digit === 3) c.lo |= q;
    else c.rest = q << 16;
  }
  let { hi, lo, rest } = c;
  if (whole) {
    rest = (rest >>> 1) | (lo << 31);
    lo = (lo >>> 1) | (hi << 31);
    hi = (hi >>> 1) | INTEGER_BIT;
  }
  round(c, out, sign, exponent, hi, lo, rl + rh !== 0 ? rest | 1 : rest);
}
