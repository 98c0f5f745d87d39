import type { Context } from './context.ts';
import {
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
import { normalizeAndRound, round, shiftRightJam } from './round.ts';
import { RC } from './status.ts';

/** `out = a + b` (FADD). `out` may be one of the operands, here and in all operations. */
export const add = (c: Context, a: Float80, b: Float80, out: Float80): void => addSigned(c, a, b, 0, out);
/** `out = a − b` (FSUB). */
export const subtract = (c: Context, a: Float80, b: Float80, out: Float80): void => addSigned(c, a, b, SIGN, out);

function addSigned(c: Context, a: Float80, b: Float80, flip: number, out: Float80): void {
  const ea = a.se & EXPONENT;
  const eb = b.se & EXPONENT;
  const regular = a.hi < 0 && b.hi < 0 && (ea - 1) >>> 0 < MAX_EXPONENT && (eb - 1) >>> 0 < MAX_EXPONENT;
  if (!regular) {
    if (propagateTwo(c, a, b, out)) return;
    if (ea === EXPONENT || eb === EXPONENT) {
      addInfinity(c, a, b, flip, out);
      return;
    }
  }
  addFinite(c, a, b, flip, out);
}

function addInfinity(c: Context, a: Float80, b: Float80, flip: number, out: Float80): void {
  const sa = a.se & SIGN;
  const sb = (b.se & SIGN) ^ flip;
  if (kind(a) !== KIND.infinity) setInfinity(out, sb);
  else if (kind(b) !== KIND.infinity || sa === sb) setInfinity(out, sa);
  else invalid(c, out);
}

function addFinite(c: Context, a: Float80, b: Float80, flip: number, out: Float80): void {
  let sa = a.se & SIGN;
  let sb = (b.se & SIGN) ^ flip;
  // Zeros and denormals have the exponent of the smallest normal numbers.
  let ea = a.se & EXPONENT || 1;
  let eb = b.se & EXPONENT || 1;
  let ahi = a.hi;
  let alo = a.lo;
  let bhi = b.hi;
  let blo = b.lo;
  const swap = ea !== eb ? ea < eb : ahi !== bhi ? ahi >>> 0 < bhi >>> 0 : alo >>> 0 < blo >>> 0;
  if (swap) {
    [sa, sb] = [sb, sa];
    [ea, eb] = [eb, ea];
    [ahi, bhi] = [bhi, ahi];
    [alo, blo] = [blo, alo];
  }
  c.hi = bhi;
  c.lo = blo;
  c.rest = 0;
  if (ea !== eb) shiftRightJam(c, ea - eb);
  bhi = c.hi;
  blo = c.lo;
  let rest = c.rest;

  if (sa === sb) {
    const low = (alo >>> 0) + (blo >>> 0);
    const high = (ahi >>> 0) + (bhi >>> 0) + (low > 0xffffffff ? 1 : 0);
    let lo = low | 0;
    let hi = high | 0;
    if (high > 0xffffffff) {
      rest = (rest >>> 1) | (rest & 1) | (lo << 31);
      lo = (lo >>> 1) | (hi << 31);
      hi = (hi >>> 1) | INTEGER_BIT;
      round(c, out, sa, ea + 1, hi, lo, rest);
      return;
    }
    if (hi < 0) {
      round(c, out, sa, ea, hi, lo, rest);
      return;
    }
    if ((hi | lo) === 0) {
      setZero(out, sa);
      return;
    }
    normalizeAndRound(c, out, sa, ea, hi, lo, rest);
    return;
  }

  const borrow = rest !== 0 ? 1 : 0;
  rest = -rest | 0;
  const low = (alo >>> 0) - (blo >>> 0) - borrow;
  const lo = low | 0;
  const hi = (ahi - bhi - (low < 0 ? 1 : 0)) | 0;
  if ((hi | lo | rest) === 0) {
    setZero(out, c.rounding === RC.down ? SIGN : 0);
    return;
  }
  normalizeAndRound(c, out, sa, ea, hi, lo, rest);
}
