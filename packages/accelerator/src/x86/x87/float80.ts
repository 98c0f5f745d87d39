/**
 * The double extended-precision format (Intel SDM vol. 1 §4.2.2): a sign, a 15-bit exponent with bias 16383, and a
 * 64-bit significand whose integer bit is explicit. Mutable, so that arithmetic need not allocate.
 */
export class Float80 {
  /** Sign in bit 15, biased exponent in bits 14:0. */
  se = 0;
  /** Significand bits 63:32, as a signed 32-bit number: negative means that the integer bit is set. */
  hi = 0;
  /** Significand bits 31:0, as a signed 32-bit number. */
  lo = 0;

  set(se: number, hi: number, lo: number): void {
    this.se = se;
    this.hi = hi;
    this.lo = lo;
  }

  copy(from: Float80): void {
    this.se = from.se;
    this.hi = from.hi;
    this.lo = from.lo;
  }
}

export const SIGN = 0x8000;
export const EXPONENT = 0x7fff;
/** Biased exponent of 1.0. */
export const BIAS = 0x3fff;
/** Biased exponent of the largest finite numbers. */
export const MAX_EXPONENT = 0x7ffe;
/** Significand bits 63:32 of a power of two. */
export const INTEGER_BIT = -0x80000000;
/** Significand bit 62, which tells quiet from signaling NaNs. */
export const QUIET_BIT = 0x40000000;

/** What an encoding stands for (Intel SDM vol. 1 table 4-3, §8.2.2). Ordered: from `infinity` on, no finite number. */
export const KIND = {
  zero: 0,
  normal: 1,
  /** Pseudo-denormals too: exponent 0 with the integer bit set. */
  denormal: 2,
  infinity: 3,
  quiet: 4,
  signaling: 5,
  /** Unnormals, pseudo-infinities and pseudo-NaNs: an exponent other than 0 without the integer bit. */
  unsupported: 6,
} as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

export function kind(a: Float80): Kind {
  const exponent = a.se & EXPONENT;
  if (exponent === 0) return (a.hi | a.lo) === 0 ? KIND.zero : KIND.denormal;
  if (a.hi >= 0) return KIND.unsupported;
  if (exponent !== EXPONENT) return KIND.normal;
  if (a.hi === INTEGER_BIT && a.lo === 0) return KIND.infinity;
  return (a.hi & QUIET_BIT) !== 0 ? KIND.quiet : KIND.signaling;
}

export const setZero = (out: Float80, sign: number): void => out.set(sign, 0, 0);
export const setInfinity = (out: Float80, sign: number): void => out.set(sign | EXPONENT, INTEGER_BIT, 0);
export const setOne = (out: Float80, sign: number): void => out.set(sign | BIAS, INTEGER_BIT, 0);
/** The QNaN floating-point indefinite (Intel SDM vol. 1 §4.8.3.7). */
export const setIndefinite = (out: Float80): void => out.set(SIGN | EXPONENT, INTEGER_BIT | QUIET_BIT, 0);

/** Unsigned comparison of two 64-bit significands: negative, zero or positive. */
export const compareSignificands = (ahi: number, alo: number, bhi: number, blo: number): number =>
  ahi !== bhi ? (ahi >>> 0) - (bhi >>> 0) : (alo >>> 0) - (blo >>> 0);
