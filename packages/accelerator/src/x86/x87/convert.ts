import type { Context } from './context.ts';
import { BIAS, EXPONENT, type Float80, INTEGER_BIT, KIND, kind, QUIET_BIT, SIGN, setZero } from './float80.ts';
import { normalize, round } from './round.ts';
import { FSW } from './status.ts';

const F32_BIAS = 127;
const F64_BIAS = 1023;

/** Widens single precision; exact, and a signaling NaN stays one. @returns whether it was a denormal. */
export function fromF32(bits: number, out: Float80): boolean {
  const sign = (bits >>> 16) & SIGN;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  if (exponent === 0) {
    if (fraction === 0) {
      setZero(out, sign);
      return false;
    }
    const n = Math.clz32(fraction);
    out.set(sign | (BIAS - F32_BIAS + 9 - n), fraction << n, 0);
    return true;
  }
  out.set(sign | (exponent === 0xff ? EXPONENT : exponent - F32_BIAS + BIAS), INTEGER_BIT | (fraction << 8), 0);
  return false;
}

/** Widens double precision; exact, and a signaling NaN stays one. @returns whether it was a denormal. */
export function fromF64(high: number, low: number, out: Float80): boolean {
  const sign = (high >>> 16) & SIGN;
  const exponent = (high >>> 20) & 0x7ff;
  const hi = (high << 11) | (low >>> 21);
  const lo = low << 11;
  if (exponent === 0) {
    if (((hi & ~INTEGER_BIT) | lo) === 0) {
      setZero(out, sign);
      return false;
    }
    // The fraction without an integer bit: the exponent of the smallest normal number.
    let top = hi & ~INTEGER_BIT;
    let bottom = lo;
    let e = BIAS - F64_BIAS + 1;
    if (top === 0) {
      top = bottom;
      bottom = 0;
      e -= 32;
    }
    const n = Math.clz32(top);
    if (n > 0) {
      top = (top << n) | (bottom >>> (32 - n));
      bottom <<= n;
    }
    out.set(sign | (e - n), top, bottom);
    return true;
  }
  out.set(sign | (exponent === 0x7ff ? EXPONENT : exponent - F64_BIAS + BIAS), INTEGER_BIT | hi, lo);
  return false;
}

/**
 * Narrows for a store: `c.result` becomes `a` rounded to the format's precision, with the format's bias.
 * Signaling NaNs and unsupported encodings are an invalid operation; denormal operands are no exception here.
 */
function narrow(c: Context, a: Float80, precision: 24 | 53, bias: number): void {
  const out = c.result;
  const sign = a.se & SIGN;
  const special = 2 * bias + 1;
  const k = kind(a);
  switch (k) {
    case KIND.zero:
      setZero(out, sign);
      return;
    case KIND.infinity:
      out.set(sign | special, INTEGER_BIT, 0);
      return;
    case KIND.unsupported:
      c.flags |= FSW.IE;
      out.set(SIGN | special, INTEGER_BIT | QUIET_BIT, 0);
      return;
    case KIND.quiet:
    case KIND.signaling:
      if (k === KIND.signaling) c.flags |= FSW.IE;
      out.set(sign | special, a.hi | QUIET_BIT, a.lo);
      return;
  }
  normalize(c, a);
  round(c, out, sign, c.exponent - BIAS + bias, c.hi, c.lo, 0, precision, 2 * bias);
}

/** Exponent field of a narrowed number: 0 without the integer bit. */
const field = (a: Float80): number => (a.hi < 0 ? a.se & EXPONENT : 0);

/** Converts to single precision (FST m32fp). @returns the bits. */
export function toF32(c: Context, a: Float80): number {
  narrow(c, a, 24, F32_BIAS);
  const r = c.result;
  return ((r.se & SIGN) << 16) | (field(r) << 23) | ((r.hi >>> 8) & 0x7fffff);
}

/** Converts to double precision (FST m64fp), left in `c.hi:c.lo`. */
export function toF64(c: Context, a: Float80): void {
  narrow(c, a, 53, F64_BIAS);
  const r = c.result;
  c.hi = ((r.se & SIGN) << 16) | (field(r) << 20) | ((r.hi >>> 11) & 0xfffff);
  c.lo = (r.lo >>> 11) | (r.hi << 21);
}
