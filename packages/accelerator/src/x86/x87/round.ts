import type { Context, Precision } from './context.ts';
import { EXPONENT, type Float80, INTEGER_BIT, MAX_EXPONENT, setInfinity } from './float80.ts';
import { FSW, RC } from './status.ts';

/** What an unmasked overflow subtracts from the exponent, and an unmasked underflow adds (SDM vol. 1 §8.5.4, §8.5.5). */
const BIAS_ADJUST = 24576;

/** Shifts `c.hi:c.lo:c.rest` right by `n` ≥ 0; bits that fall out leave a one in the lowest place. */
export function shiftRightJam(c: Context, n: number): void {
  let { hi, lo, rest } = c;
  let sticky = 0;
  if (n >= 96) {
    sticky = hi | lo | rest;
    hi = lo = rest = 0;
  } else {
    while (n >= 32) {
      sticky |= rest;
      rest = lo;
      lo = hi;
      hi = 0;
      n -= 32;
    }
    if (n > 0) {
      sticky |= rest << (32 - n);
      rest = (rest >>> n) | (lo << (32 - n));
      lo = (lo >>> n) | (hi << (32 - n));
      hi >>>= n;
    }
  }
  c.hi = hi | 0;
  c.lo = lo | 0;
  c.rest = sticky !== 0 ? rest | 1 : rest | 0;
}

/** Whether a discarded tail `rest` (its top bit is worth half a unit) increments the magnitude. */
function roundsUp(rounding: number, sign: number, rest: number, odd: number): boolean {
  if (rounding === RC.nearest) return rest < 0 && (odd !== 0 || rest !== INTEGER_BIT);
  if (rest === 0) return false;
  return rounding === RC.down ? sign !== 0 : rounding === RC.up && sign === 0;
}

/**
 * Rounds `c.hi:c.lo:c.rest` to `precision` bits counted from bit 63, whatever that bit holds. On return `c.rest` is
 * what was cut off, `c.exponent` is one more if the carry went out of the top. @returns whether it was incremented.
 */
function roundSignificand(c: Context, sign: number, precision: Precision): boolean {
  let { hi, lo, rest } = c;
  let step = 1;
  if (precision === 53) {
    rest = (lo << 21) | (rest >>> 11) | (rest << 21 !== 0 ? 1 : 0);
    lo &= ~0x7ff;
    step = 0x800;
  } else if (precision === 24) {
    rest = (hi << 24) | (lo >>> 8) | (((lo << 24) | rest) !== 0 ? 1 : 0);
    hi &= ~0xff;
    lo = 0;
    step = 0x100;
  }
  const up = roundsUp(c.rounding, sign, rest, (precision === 24 ? hi : lo) & step);
  if (up) {
    if (precision === 24) hi = (hi + step) | 0;
    else {
      lo = (lo + step) | 0;
      if (lo === 0) hi = (hi + 1) | 0;
    }
    if (hi === 0 && lo === 0) {
      hi = INTEGER_BIT;
      c.exponent++;
    }
  }
  c.hi = hi;
  c.lo = lo;
  c.rest = rest;
  return up;
}

/**
 * Delivers a finite result other than zero: rounds, and gives the responses to overflow, underflow and inexact
 * results, masked and unmasked (SDM vol. 1 §8.5.4–8.5.6). Tininess is detected after rounding.
 *
 * @param sign 0 or 0x8000.
 * @param exponent biased, any integer.
 * @param hi significand with its top bit set; `rest` are 32 bits below it, the lowest of them sticky.
 * @param top the largest exponent of the destination; narrower formats are rounded with their own bias.
 */
export function round(
  c: Context,
  out: Float80,
  sign: number,
  exponent: number,
  hi: number,
  lo: number,
  rest: number,
  precision: Precision = c.precision,
  top: number = MAX_EXPONENT,
): void {
  c.exponent = exponent;
  c.hi = hi;
  c.lo = lo;
  c.rest = rest;
  if (exponent <= 0) {
    roundTiny(c, out, sign, precision);
    return;
  }
  if (roundSignificand(c, sign, precision)) c.flags |= FSW.C1;
  if (c.exponent > top) {
    overflow(c, out, sign, precision, top);
    return;
  }
  if (c.rest !== 0) c.flags |= FSW.PE;
  out.se = sign | c.exponent;
  out.hi = c.hi;
  out.lo = c.lo;
}

function overflow(c: Context, out: Float80, sign: number, precision: Precision, top: number): void {
  c.flags |= FSW.OE;
  if ((c.masks & FSW.OE) === 0) {
    if (c.rest !== 0) c.flags |= FSW.PE;
    // FSCALE alone can leave the range by more than the adjustment (SDM vol. 1 §8.5.4).
    if (c.exponent - BIAS_ADJUST > MAX_EXPONENT) {
      c.flags |= FSW.PE | FSW.C1;
      setInfinity(out, sign);
    } else out.set(sign | (c.exponent - BIAS_ADJUST), c.hi, c.lo);
    return;
  }
  c.flags |= FSW.PE;
  const away = c.rounding === RC.nearest || c.rounding === (sign !== 0 ? RC.down : RC.up);
  if (away) {
    c.flags |= FSW.C1;
    out.set(sign | (top + 1), INTEGER_BIT, 0);
  } else {
    c.flags &= ~FSW.C1;
    out.set(sign | top, precision === 24 ? -0x100 : -1, precision === 64 ? -1 : precision === 53 ? -0x800 : 0);
  }
}

function roundTiny(c: Context, out: Float80, sign: number, precision: Precision): void {
  const { exponent, hi, lo, rest } = c;
  const up = roundSignificand(c, sign, precision);
  const tiny = c.exponent <= 0;
  if (tiny && (c.masks & FSW.UE) === 0) {
    c.flags |= FSW.UE;
    if (c.rest !== 0) c.flags |= FSW.PE;
    if (up) c.flags |= FSW.C1;
    if (c.exponent + BIAS_ADJUST <= 0) {
      c.flags |= FSW.PE;
      out.set(sign, 0, 0);
    } else out.set(sign | ((c.exponent + BIAS_ADJUST) & EXPONENT), c.hi, c.lo);
    return;
  }
  c.exponent = 0;
  c.hi = hi;
  c.lo = lo;
  c.rest = rest;
  shiftRightJam(c, 1 - exponent);
  if (roundSignificand(c, sign, precision)) c.flags |= FSW.C1;
  if (c.rest !== 0) c.flags |= tiny ? FSW.UE | FSW.PE : FSW.PE;
  out.se = c.hi < 0 ? sign | 1 : sign;
  out.hi = c.hi;
  out.lo = c.lo;
}

/**
 * Brings a significand with leading zeros into the form that {@link round} takes, and delivers it.
 * `hi:lo:rest` must not be zero.
 */
export function normalizeAndRound(
  c: Context,
  out: Float80,
  sign: number,
  exponent: number,
  hi: number,
  lo: number,
  rest: number,
  precision: Precision = c.precision,
): void {
  while (hi === 0) {
    hi = lo;
    lo = rest;
    rest = 0;
    exponent -= 32;
  }
  const n = Math.clz32(hi);
  if (n > 0) {
    hi = (hi << n) | (lo >>> (32 - n));
    lo = (lo << n) | (rest >>> (32 - n));
    rest <<= n;
    exponent -= n;
  }
  round(c, out, sign, exponent, hi, lo, rest, precision);
}

/** Puts the value of a finite number other than zero into `c` with its top bit set: `c.exponent`, `c.hi`, `c.lo`. */
export function normalize(c: Context, a: Float80): void {
  let exponent = a.se & EXPONENT;
  let { hi, lo } = a;
  if (exponent === 0) exponent = 1;
  if (hi >= 0) {
    if (hi === 0) {
      hi = lo;
      lo = 0;
      exponent -= 32;
    }
    const n = Math.clz32(hi);
    if (n > 0) {
      hi = (hi << n) | (lo >>> (32 - n));
      lo <<= n;
      exponent -= n;
    }
  }
  c.exponent = exponent;
  c.hi = hi;
  c.lo = lo;
}
