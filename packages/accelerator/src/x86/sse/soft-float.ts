import { MXCSR } from '../mxcsr.ts';

/** A binary interchange format (IEEE 754 §3.6). */
export interface Format {
  readonly bits: 32 | 64;
  /** Bits of the fraction. */
  readonly fraction: number;
  /** Exponent bias, which is the largest exponent too. */
  readonly bias: number;
}
export const SINGLE: Format = { bits: 32, fraction: 23, bias: 127 };
export const DOUBLE: Format = { bits: 64, fraction: 52, bias: 1023 };

/** What MXCSR asks for, and the exceptions that came up. */
export interface FloatContext {
  /** 0 nearest, 1 down, 2 up, 3 toward zero. */
  readonly rounding: number;
  readonly denormalsAreZeros: boolean;
  readonly flushToZero: boolean;
  readonly overflowMasked: boolean;
  readonly underflowMasked: boolean;
  /** Bits of {@link MXCSR}, added to by every operation. */
  flags: number;
}

/** `significand × 2^exponent`, where the number is finite. */
interface Unpacked {
  readonly sign: bigint;
  readonly kind: 'zero' | 'finite' | 'infinite' | 'nan';
  readonly denormal: boolean;
  readonly exponent: number;
  readonly significand: bigint;
}

const TOWARD_ZERO = 3;
const signOf = (f: Format, a: bigint): bigint => a >> BigInt(f.bits - 1);
const infinity = (f: Format, sign: bigint): bigint =>
  (sign << BigInt(f.bits - 1)) | (BigInt(2 * f.bias + 1) << BigInt(f.fraction));
const zero = (f: Format, sign: bigint): bigint => sign << BigInt(f.bits - 1);
const quietBit = (f: Format): bigint => 1n << BigInt(f.fraction - 1);
/** The QNaN floating-point indefinite. */
const indefinite = (f: Format): bigint => infinity(f, 1n) | quietBit(f);
const bitLength = (n: bigint): number => {
  const hex = n.toString(16);
  return 4 * hex.length - Math.clz32(Number.parseInt(hex[0]!, 16)) + 28;
};

export function isNan(f: Format, a: bigint): boolean {
  return BigInt.asUintN(f.bits - 1, a) > infinity(f, 0n);
}
const isSignaling = (f: Format, a: bigint): boolean => isNan(f, a) && (a & quietBit(f)) === 0n;

function isDenormal(f: Format, a: bigint): boolean {
  const magnitude = BigInt.asUintN(f.bits - 1, a);
  return magnitude !== 0n && magnitude < 1n << BigInt(f.fraction);
}

/** The operand as DAZ has it (SDM vol. 1 §10.2.3.4). */
export const operand = (c: FloatContext, f: Format, a: bigint): bigint =>
  c.denormalsAreZeros && isDenormal(f, a) ? zero(f, signOf(f, a)) : a;

function unpack(f: Format, a: bigint): Unpacked {
  const sign = signOf(f, a);
  const biased = Number(BigInt.asUintN(f.bits - 1, a) >> BigInt(f.fraction));
  const fraction = BigInt.asUintN(f.fraction, a);
  if (biased === 2 * f.bias + 1) {
    const kind = fraction === 0n ? 'infinite' : 'nan';
    return { sign, kind, denormal: false, exponent: 0, significand: fraction };
  }
  if (biased === 0) {
    const exponent = 1 - f.bias - f.fraction;
    return {
      sign,
      kind: fraction === 0n ? 'zero' : 'finite',
      denormal: fraction !== 0n,
      exponent,
      significand: fraction,
    };
  }
  const significand = fraction | (1n << BigInt(f.fraction));
  return { sign, kind: 'finite', denormal: false, exponent: biased - f.bias - f.fraction, significand };
}

/** An integer times `2^-n`, rounded; the second result says whether that was inexact. */
function roundShift(rounding: number, sign: bigint, value: bigint, n: number): [bigint, boolean] {
  if (n <= 0) return [value << BigInt(-n), false];
  const by = BigInt(n);
  const whole = value >> by;
  const rest = value - (whole << by);
  if (rest === 0n) return [whole, false];
  const half = 1n << (by - 1n);
  const up =
    rounding === 0
      ? rest > half || (rest === half && (whole & 1n) === 1n)
      : rounding === 1
        ? sign === 1n
        : rounding === 2 && sign === 0n;
  return [up ? whole + 1n : whole, true];
}

/**
 * Delivers `±significand × 2^exponent`, not zero, with the masked responses to overflow, underflow and inexact results
 * (SDM vol. 1 §11.5.2.4–6). Tininess is detected after rounding. What comes back when one of them is unmasked is of no
 * use, but the flags are.
 */
function round(c: FloatContext, f: Format, sign: bigint, significand: bigint, exponent: number): bigint {
  const precision = f.fraction + 1;
  const least = 1 - f.bias - f.fraction;
  const excess = bitLength(significand) - precision;
  const [unbounded, inexact] = roundShift(c.rounding, sign, significand, excess);
  const top = exponent + excess + bitLength(unbounded) - 1;
  if (top < 1 - f.bias) {
    if (!c.underflowMasked) {
      c.flags |= MXCSR.UE | (inexact ? MXCSR.PE : 0);
      return zero(f, sign);
    }
    if (c.flushToZero) {
      c.flags |= MXCSR.UE | MXCSR.PE;
      return zero(f, sign);
    }
    const [denormal, lost] = roundShift(c.rounding, sign, significand, least - exponent);
    if (lost) c.flags |= MXCSR.UE | MXCSR.PE;
    return zero(f, sign) | denormal; // a carry makes the least normal number
  }
  if (top > f.bias) {
    c.flags |= MXCSR.OE | (c.overflowMasked || inexact ? MXCSR.PE : 0);
    const away = c.rounding === 0 || c.rounding === (sign === 1n ? 1 : 2);
    return away ? infinity(f, sign) : infinity(f, sign) - 1n;
  }
  if (inexact) c.flags |= MXCSR.PE;
  const normalized = bitLength(unbounded) > precision ? unbounded >> 1n : unbounded;
  const biased = BigInt(top + f.bias) << BigInt(f.fraction);
  return zero(f, sign) | biased | BigInt.asUintN(f.fraction, normalized);
}

const invalid = (c: FloatContext, f: Format): bigint => {
  c.flags |= MXCSR.IE;
  return indefinite(f);
};

/** The result of an operation with a NaN operand: the first of them, quieted (SDM vol. 1 table 4-7). */
function nanOf(c: FloatContext, f: Format, a: bigint, b: bigint): bigint {
  if (isSignaling(f, a) || isSignaling(f, b)) c.flags |= MXCSR.IE;
  return (isNan(f, a) ? a : b) | quietBit(f);
}

export type Operation = (c: FloatContext, f: Format, a: bigint, b: bigint) => bigint;

const noteDenormals = (c: FloatContext, x: Unpacked, y: Unpacked): void => {
  if (x.denormal || y.denormal) c.flags |= MXCSR.DE;
};

/** An operation on two numbers that are not NaN; denormal operands are noted unless the operation is invalid. */
const binary =
  (compute: (c: FloatContext, f: Format, x: Unpacked, y: Unpacked) => bigint | undefined): Operation =>
  (c, f, first, second) => {
    const [a, b] = [operand(c, f, first), operand(c, f, second)];
    if (isNan(f, a) || isNan(f, b)) return nanOf(c, f, a, b);
    const [x, y] = [unpack(f, a), unpack(f, b)];
    const result = compute(c, f, x, y);
    if (result === undefined) return invalid(c, f);
    if ((c.flags & MXCSR.ZE) === 0) noteDenormals(c, x, y);
    return result;
  };

const sum = (negate: 0n | 1n): Operation =>
  binary((c, f, x, y) => {
    const ySign = y.sign ^ negate;
    if (x.kind === 'infinite') return y.kind === 'infinite' && x.sign !== ySign ? undefined : infinity(f, x.sign);
    if (y.kind === 'infinite') return infinity(f, ySign);
    const exponent = Math.min(x.exponent, y.exponent);
    const align = (n: Unpacked, sign: bigint): bigint => {
      const magnitude = n.significand << BigInt(n.exponent - exponent);
      return sign === 1n ? -magnitude : magnitude;
    };
    const total = align(x, x.sign) + align(y, ySign);
    if (total === 0n) {
      const both = x.kind === 'zero' && y.kind === 'zero' && x.sign === ySign;
      return zero(f, both ? x.sign : c.rounding === 1 ? 1n : 0n);
    }
    return total < 0n ? round(c, f, 1n, -total, exponent) : round(c, f, 0n, total, exponent);
  });

export const add: Operation = sum(0n);
export const subtract: Operation = sum(1n);

export const multiply: Operation = binary((c, f, x, y) => {
  const sign = x.sign ^ y.sign;
  const kinds = [x.kind, y.kind];
  if (kinds.includes('infinite')) return kinds.includes('zero') ? undefined : infinity(f, sign);
  if (kinds.includes('zero')) return zero(f, sign);
  return round(c, f, sign, x.significand * y.significand, x.exponent + y.exponent);
});

export const divide: Operation = binary((c, f, x, y) => {
  const sign = x.sign ^ y.sign;
  if (x.kind === y.kind && x.kind !== 'finite') return undefined;
  if (x.kind === 'infinite') return infinity(f, sign);
  if (y.kind === 'infinite' || x.kind === 'zero') return zero(f, sign);
  if (y.kind === 'zero') {
    c.flags |= MXCSR.ZE;
    return infinity(f, sign);
  }
  const shift = 2 * f.fraction + 8;
  const dividend = x.significand << BigInt(shift);
  const quotient = dividend / y.significand;
  const sticky = quotient * y.significand === dividend ? 0n : 1n;
  return round(c, f, sign, (quotient << 1n) | sticky, x.exponent - y.exponent - shift - 1);
});

/** Largest integer whose square is not above `n`, by Newton's method from above. */
function integerRoot(n: bigint): bigint {
  let root = 1n << BigInt((bitLength(n) + 1) >> 1);
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

export function squareRoot(c: FloatContext, f: Format, source: bigint): bigint {
  const a = operand(c, f, source);
  if (isNan(f, a)) return nanOf(c, f, a, a);
  const x = unpack(f, a);
  if (x.kind === 'zero') return a;
  if (x.sign === 1n) return invalid(c, f);
  if (x.kind === 'infinite') return a;
  if (x.denormal) c.flags |= MXCSR.DE;
  const shift = 2 * f.fraction + 8 + (x.exponent & 1);
  const square = x.significand << BigInt(shift);
  const root = integerRoot(square);
  const sticky = root * root === square ? 0n : 1n;
  return round(c, f, 0n, (root << 1n) | sticky, (x.exponent - shift) / 2 - 1);
}

/** −1, 0 or 1; undefined when one is NaN. Notes denormal operands. */
function order(c: FloatContext, f: Format, a: bigint, b: bigint): -1 | 0 | 1 | undefined {
  if (isNan(f, a) || isNan(f, b)) return undefined;
  if (isDenormal(f, a) || isDenormal(f, b)) c.flags |= MXCSR.DE;
  const value = (n: bigint): bigint => {
    const magnitude = BigInt.asUintN(f.bits - 1, n);
    return signOf(f, n) === 1n ? -magnitude : magnitude;
  };
  const difference = value(a) - value(b);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/**
 * Compares. `quiet`: only signaling NaNs are invalid operands.
 * @returns −1, 0 or 1; undefined when unordered.
 */
export function compare(
  c: FloatContext,
  f: Format,
  first: bigint,
  second: bigint,
  quiet: boolean,
): -1 | 0 | 1 | undefined {
  const [a, b] = [operand(c, f, first), operand(c, f, second)];
  const result = order(c, f, a, b);
  if (result === undefined && (!quiet || isSignaling(f, a) || isSignaling(f, b))) c.flags |= MXCSR.IE;
  return result;
}

/** MIN (`wanted` −1) and MAX (1): the second operand unless the first is strictly beyond it. */
const extreme =
  (wanted: -1 | 1): Operation =>
  (c, f, first, second) => {
    const [a, b] = [operand(c, f, first), operand(c, f, second)];
    return compare(c, f, a, b, false) === wanted ? a : b;
  };
export const minimum: Operation = extreme(-1);
export const maximum: Operation = extreme(1);

/** To a signed integer of `width` bits; what does not fit gives the least number and IE. */
export function toInteger(c: FloatContext, f: Format, source: bigint, width: number, truncate: boolean): bigint {
  const x = unpack(f, operand(c, f, source));
  const least = 1n << BigInt(width - 1);
  if (x.kind === 'zero') return 0n;
  if (x.kind === 'finite' && x.exponent < 64) {
    const rounding = truncate ? TOWARD_ZERO : c.rounding;
    const [magnitude, inexact] = roundShift(rounding, x.sign, x.significand, -x.exponent);
    if (magnitude < least || (magnitude === least && x.sign === 1n)) {
      if (inexact) c.flags |= MXCSR.PE;
      return BigInt.asUintN(width, x.sign === 1n ? -magnitude : magnitude);
    }
  }
  c.flags |= MXCSR.IE;
  return least;
}

/** To a whole number of the same format. `rounding` as in MXCSR. */
export function toWhole(c: FloatContext, f: Format, source: bigint, rounding: number): bigint {
  const a = operand(c, f, source);
  const x = unpack(f, a);
  if (x.kind === 'nan') return nanOf(c, f, a, a);
  if (x.kind !== 'finite' || x.exponent >= 0) return a;
  const [magnitude, inexact] = roundShift(rounding, x.sign, x.significand, -x.exponent);
  if (inexact) c.flags |= MXCSR.PE;
  return magnitude === 0n ? zero(f, x.sign) : round(c, f, x.sign, magnitude, 0);
}

/** @param value a signed integer. */
export function fromInteger(c: FloatContext, f: Format, value: bigint): bigint {
  if (value === 0n) return 0n;
  return value < 0n ? round(c, f, 1n, -value, 0) : round(c, f, 0n, value, 0);
}

/** From one format to the other; of a NaN the high bits of the fraction stay. */
export function convert(c: FloatContext, from: Format, to: Format, source: bigint): bigint {
  const a = operand(c, from, source);
  const x = unpack(from, a);
  switch (x.kind) {
    case 'zero':
      return zero(to, x.sign);
    case 'infinite':
      return infinity(to, x.sign);
    case 'nan': {
      if (isSignaling(from, a)) c.flags |= MXCSR.IE;
      const shift = BigInt(to.fraction - from.fraction);
      const fraction = shift >= 0n ? x.significand << shift : x.significand >> -shift;
      return infinity(to, x.sign) | fraction | quietBit(to);
    }
    default:
      if (x.denormal) c.flags |= MXCSR.DE;
      return round(c, to, x.sign, x.significand, x.exponent);
  }
}
