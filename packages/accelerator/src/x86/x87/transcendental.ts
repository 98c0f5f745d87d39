import type { Context } from './context.ts';
import { arcTangent, cosine, exp2m1, FRACTION, LN2, log2, ONE, PI, sine } from './fixed-point.ts';
import {
  BIAS,
  EXPONENT,
  type Float80,
  INTEGER_BIT,
  KIND,
  kind,
  SIGN,
  setInfinity,
  setOne,
  setZero,
} from './float80.ts';
import { invalid, propagate, propagateTwo } from './nan.ts';
import { normalize, round } from './round.ts';
import { FSW } from './status.ts';

/** Below 2^-70 the second term of every series is beyond the guard bits. */
const TINY = -70;
/** π/2 with the 66-bit π of the hardware (SDM vol. 1 §8.3.8), in units of 2^-67. */
const HALF_PI_66 = 0xc90fdaa22168c234cn;

/** Significand of the number last normalized, as an integer of 64 bits. */
const significand = (c: Context): bigint => (BigInt(c.hi >>> 0) << 32n) | BigInt(c.lo >>> 0);

/**
 * Rounds `value` / 2^`fraction`, positive, into `out`; `inexact` when digits were lost already. The hardware reports
 * every result of its series as inexact, so PE is set in any case.
 */
function deliver(c: Context, out: Float80, sign: number, value: bigint, fraction: number, inexact: boolean): void {
  const digits = value.toString(16).length;
  let length = 4 * digits;
  while (value >> BigInt(length - 1) === 0n) length--;
  const shift = length - 96;
  const top = shift >= 0 ? value >> BigInt(shift) : value << BigInt(-shift);
  const lost = inexact || (shift > 0 && top << BigInt(shift) !== value);
  const rest = Number(top & 0xffffffffn) | (lost ? 1 : 0);
  const lo = Number((top >> 32n) & 0xffffffffn) | 0;
  const hi = Number(top >> 64n) | 0;
  round(c, out, sign, BIAS + length - 1 - fraction, hi, lo, rest, 64);
  c.flags |= (out.se & EXPONENT) === 0 ? FSW.PE | FSW.UE : FSW.PE;
}

/** The fixed-point form of the number in `c`, whose exponent is at least 2^-128. */
function fixed(c: Context): bigint {
  const shift = Number(FRACTION) + c.exponent - BIAS - 63;
  return shift >= 0 ? significand(c) << BigInt(shift) : significand(c) >> BigInt(-shift);
}
const magnitude = (v: bigint): bigint => (v < 0n ? -v : v);
const F = Number(FRACTION);

/** `out = 2^a − 1` (F2XM1); outside −1…1 the operand is returned, which the manual leaves undefined. */
export function f2xm1(c: Context, a: Float80, out: Float80): void {
  if (propagate(c, a, out)) return;
  const sign = a.se & SIGN;
  const k = kind(a);
  if (k === KIND.zero) {
    out.copy(a);
    return;
  }
  if (k === KIND.infinity) {
    if (sign !== 0) setOne(out, SIGN);
    else out.copy(a);
    return;
  }
  normalize(c, a);
  const exponent = c.exponent - BIAS;
  if (exponent >= 0) {
    c.flags |= FSW.PE; // for −1 as well, whose result is exact
    if (exponent === 0 && c.hi === INTEGER_BIT && c.lo === 0 && sign !== 0) out.set(SIGN | (BIAS - 1), INTEGER_BIT, 0);
    else out.copy(a);
    return;
  }
  if (exponent < TINY) {
    deliver(c, out, sign, significand(c) * LN2, F + 63 - exponent, true);
    return;
  }
  const x = fixed(c);
  deliver(c, out, sign, magnitude(exp2m1(sign !== 0 ? -x : x)), F, true);
}

/** `out = b × log₂ a` (FYL2X), after SDM vol. 2 table 3-49. */
export function fyl2x(c: Context, a: Float80, b: Float80, out: Float80): void {
  if (propagateTwo(c, a, b, out)) return;
  const ka = kind(a);
  const kb = kind(b);
  const sb = b.se & SIGN;
  if (ka === KIND.zero) {
    if (kb === KIND.zero) {
      invalid(c, out);
      return;
    }
    if (kb !== KIND.infinity) c.flags = (c.flags & ~FSW.DE) | FSW.ZE;
    setInfinity(out, sb ^ SIGN);
    return;
  }
  if ((a.se & SIGN) !== 0) {
    invalid(c, out);
    return;
  }
  if (ka === KIND.infinity) {
    kb === KIND.zero ? invalid(c, out) : setInfinity(out, sb);
    return;
  }
  normalize(c, a);
  const below = c.exponent < BIAS;
  const one = c.exponent === BIAS && c.hi === INTEGER_BIT && c.lo === 0;
  if (kb === KIND.infinity) {
    one ? invalid(c, out) : setInfinity(out, below ? sb ^ SIGN : sb);
    return;
  }
  if (kb === KIND.zero || one) {
    setZero(out, below ? sb ^ SIGN : sb);
    return;
  }
  let power = c.exponent - BIAS;
  const exact = c.hi === INTEGER_BIT && c.lo === 0;
  let m = significand(c) << (FRACTION - 63n);
  // Keep log₂ m between −½ and ½, so that nothing cancels against the exponent.
  if (c.hi >>> 0 > 0xb504f333) {
    m >>= 1n;
    power++;
  }
  const logarithm = (BigInt(power) << FRACTION) + (exact ? 0n : log2(m));
  product(c, logarithm, b, F, exact, out);
}

/** `out = logarithm / 2^fraction × b` */
function product(c: Context, logarithm: bigint, b: Float80, fraction: number, exact: boolean, out: Float80): void {
  const sign = (b.se & SIGN) ^ (logarithm < 0n ? SIGN : 0);
  normalize(c, b);
  deliver(c, out, sign, magnitude(logarithm) * significand(c), fraction + 63 - (c.exponent - BIAS), !exact);
}

/**
 * `out = b × log₂(a + 1)` (FYL2XP1), after SDM vol. 2 table 3-50. From −1 down the manual leaves the result undefined;
 * it is `a`, as on AMD's processors.
 */
export function fyl2xp1(c: Context, a: Float80, b: Float80, out: Float80): void {
  if (propagateTwo(c, a, b, out)) return;
  const ka = kind(a);
  const kb = kind(b);
  const sign = (a.se ^ b.se) & SIGN;
  if (ka === KIND.infinity) {
    if ((a.se & SIGN) !== 0 || kb === KIND.zero) {
      invalid(c, out);
      return;
    }
    setInfinity(out, sign);
    return;
  }
  if (ka === KIND.zero) {
    kb === KIND.infinity ? invalid(c, out) : setZero(out, sign);
    return;
  }
  normalize(c, a);
  if (kb === KIND.infinity) {
    setInfinity(out, sign);
    return;
  }
  if (kb === KIND.zero) {
    setZero(out, sign);
    return;
  }
  if ((a.se & SIGN) !== 0 && c.exponent >= BIAS) {
    c.flags |= FSW.PE;
    out.copy(a);
    return;
  }
  const exponent = c.exponent - BIAS;
  if (exponent < TINY) {
    const tiny = ((a.se & SIGN) !== 0 ? -1n : 1n) * ((significand(c) * ONE * ONE) / LN2);
    product(c, tiny, b, F + 63 - exponent, false, out);
    return;
  }
  // From 2^100 on, adding 1 changes nothing that would show.
  let m = exponent >= 100 ? significand(c) << (FRACTION - 63n) : ONE + (a.se & SIGN ? -fixed(c) : fixed(c));
  let power = exponent >= 100 ? exponent : 0;
  while (m > (ONE * 3n) / 2n) {
    m >>= 1n;
    power++;
  }
  while (m < (ONE * 3n) / 4n) {
    m <<= 1n;
    power--;
  }
  product(c, (BigInt(power) << FRACTION) + log2(m), b, F, false, out);
}

/** `out = atan(b ÷ a)` in the quadrant of (a, b) (FPATAN), after SDM vol. 2 table 3-38. */
export function fpatan(c: Context, a: Float80, b: Float80, out: Float80): void {
  if (propagateTwo(c, a, b, out)) return;
  const ka = kind(a);
  const kb = kind(b);
  const left = (a.se & SIGN) !== 0;
  const sign = b.se & SIGN;
  if (kb === KIND.infinity) {
    const angle = ka === KIND.infinity ? (left ? 3n * PI : PI) >> 2n : PI >> 1n;
    deliver(c, out, sign, angle, F, true);
    return;
  }
  if (kb === KIND.zero || ka === KIND.infinity) {
    if (left) deliver(c, out, sign, PI, F, true);
    else setZero(out, sign);
    return;
  }
  if (ka === KIND.zero) {
    deliver(c, out, sign, PI >> 1n, F, true);
    return;
  }
  normalize(c, a);
  const x = significand(c);
  const ex = c.exponent;
  normalize(c, b);
  const y = significand(c);
  const distance = c.exponent - ex;
  const steep = distance > 0 || (distance === 0 && y > x);
  const shift = -Math.abs(distance);
  if (shift < TINY) {
    if (steep) {
      deliver(c, out, sign, left ? (PI >> 1n) + 1n : (PI >> 1n) - 1n, F, true);
      return;
    }
    if (left) {
      deliver(c, out, sign, PI - 1n, F, true);
      return;
    }
    const quotient = (y << 192n) / x;
    deliver(c, out, sign, quotient, 192 - distance, quotient * x !== y << 192n);
    return;
  }
  const ratio = (steep ? (x << FRACTION) / y : (y << FRACTION) / x) >> BigInt(-shift);
  let angle = arcTangent(ratio);
  if (steep) angle = (PI >> 1n) - angle;
  if (left) angle = PI - angle;
  deliver(c, out, sign, angle, F, true);
}

/** An angle of ±π/4 at most, and how many right angles were taken off. */
interface Reduced {
  readonly r: bigint;
  readonly quadrant: number;
}

function reduce(c: Context, a: Float80): Reduced {
  const negative = (a.se & SIGN) !== 0;
  const exponent = c.exponent - BIAS;
  if (exponent < -1) return { r: negative ? -fixed(c) : fixed(c), quadrant: 0 };
  const x = significand(c) << BigInt(exponent + 4);
  const turns = (2n * x + HALF_PI_66) / (2n * HALF_PI_66);
  const r = (x - turns * HALF_PI_66) << (FRACTION - 67n);
  const quadrant = Number(turns & 3n);
  return negative ? { r: -r, quadrant: (4 - quadrant) & 3 } : { r, quadrant };
}

/**
 * Sorts out what needs no series. @returns whether `operation` may go on with the number normalized in `c`:
 * infinities are invalid, and from 2^63 on C2 is set and nothing is done.
 */
function inRange(c: Context, a: Float80, out: Float80): boolean {
  if (propagate(c, a, out)) return false;
  if (kind(a) === KIND.infinity) {
    invalid(c, out);
    return false;
  }
  if ((a.se & EXPONENT) >= BIAS + 63) {
    c.flags |= FSW.C2;
    out.copy(a);
    return false;
  }
  normalize(c, a);
  return true;
}

const signed = (c: Context, out: Float80, value: bigint): void =>
  deliver(c, out, value < 0n ? SIGN : 0, magnitude(value), F, true);

function putSine(c: Context, a: Float80, { r, quadrant }: Reduced, out: Float80): void {
  if (c.exponent - BIAS < TINY) {
    justBelow(c, a, out);
    return;
  }
  const value = (quadrant & 1) !== 0 ? cosine(r) : sine(r);
  signed(c, out, (quadrant & 2) !== 0 ? -value : value);
}
function putCosine(c: Context, { r, quadrant }: Reduced, out: Float80): void {
  if (c.exponent - BIAS < TINY) {
    deliver(c, out, 0, ONE - 1n, F, true);
    return;
  }
  const value = (quadrant & 1) !== 0 ? sine(r) : cosine(r);
  signed(c, out, quadrant === 1 || quadrant === 2 ? -value : value);
}
/** `a` less an infinitesimal: what a sine is near zero. */
function justBelow(c: Context, a: Float80, out: Float80): void {
  deliver(c, out, a.se & SIGN, (significand(c) << 64n) - 1n, 127 - (c.exponent - BIAS), true);
}

/** `out = sin a` (FSIN). */
export function fsin(c: Context, a: Float80, out: Float80): void {
  if (kind(a) === KIND.zero) {
    out.copy(a);
    return;
  }
  if (inRange(c, a, out)) putSine(c, a, reduce(c, a), out);
}

/** `out = cos a` (FCOS). */
export function fcos(c: Context, a: Float80, out: Float80): void {
  if (kind(a) === KIND.zero) {
    setOne(out, 0);
    return;
  }
  if (inRange(c, a, out)) putCosine(c, reduce(c, a), out);
}

/** `c.result = sin a`, `c.pushed = cos a` (FSINCOS). */
export function fsincos(c: Context, a: Float80): void {
  if (kind(a) === KIND.zero) {
    c.result.copy(a);
    setOne(c.pushed, 0);
    return;
  }
  if (!inRange(c, a, c.result)) {
    c.pushed.copy(c.result);
    return;
  }
  const reduced = reduce(c, a);
  putCosine(c, reduced, c.pushed);
  normalize(c, a);
  c.flags &= ~FSW.C1;
  putSine(c, a, reduced, c.result);
}

/** `c.result = tan a`, `c.pushed = 1` (FPTAN). */
export function fptan(c: Context, a: Float80): void {
  setOne(c.pushed, 0);
  if (kind(a) === KIND.zero) {
    c.result.copy(a);
    return;
  }
  if (!inRange(c, a, c.result)) {
    c.pushed.copy(c.result);
    return;
  }
  const { r, quadrant } = reduce(c, a);
  if (c.exponent - BIAS < TINY) {
    deliver(c, c.result, a.se & SIGN, (significand(c) << 64n) + 1n, 127 - (c.exponent - BIAS), true);
    return;
  }
  const value = (quadrant & 1) !== 0 ? -(cosine(r) << FRACTION) / sine(r) : (sine(r) << FRACTION) / cosine(r);
  signed(c, c.result, value);
}
