/**
 * Elementary functions on fixed-point numbers: a bigint v stands for v / 2^192. Arguments of 2^-70 and more keep some
 * 120 significant bits, so that rounding the result to 64 bits is all but always the correct rounding.
 * BigInt is at home here: no guest spends its time in these instructions.
 */
export const FRACTION = 192n;
export const ONE: bigint = 1n << FRACTION;

const multiply = (a: bigint, b: bigint): bigint => (a * b) >> FRACTION;
const divide = (a: bigint, b: bigint): bigint => (a << FRACTION) / b;

/** Σ s^(2n+1)/(2n+1), with alternating signs for the arc tangent. */
function oddSeries(s: bigint, alternating: boolean): bigint {
  const square = multiply(s, s);
  let power = s;
  let sum = s;
  for (let n = 3n; power !== 0n && power !== -1n; n += 2n) {
    power = multiply(power, square);
    if (alternating) power = -power;
    sum += power / n;
  }
  return sum;
}

/** Machin: π/4 = 4 atan(1/5) − atan(1/239). */
export const PI: bigint = 4n * (4n * oddSeries(ONE / 5n, true) - oddSeries(ONE / 239n, true));
/** ln 2 = 2 atanh(1/3). */
export const LN2: bigint = 2n * oddSeries(ONE / 3n, false);

/** 2^x − 1 for |x| ≤ 1. */
export function exp2m1(x: bigint): bigint {
  const z = multiply(x, LN2);
  let term = z;
  let sum = z;
  for (let n = 2n; term !== 0n && term !== -1n; n++) {
    term = multiply(term, z) / n;
    sum += term;
  }
  return sum;
}

/** log₂ of a number between ½ and 2. */
export const log2 = (m: bigint): bigint => divide(2n * oddSeries(divide(m - ONE, m + ONE), false), LN2);

/** sin r for |r| ≤ 1. */
export function sine(r: bigint): bigint {
  return alternating(r, r, 2n);
}
/** cos r for |r| ≤ 1. */
export function cosine(r: bigint): bigint {
  return alternating(r, ONE, 1n);
}
function alternating(r: bigint, first: bigint, n: bigint): bigint {
  const square = multiply(r, r);
  let term = first;
  let sum = first;
  while (term !== 0n && term !== -1n) {
    term = -multiply(term, square) / (n * (n + 1n));
    sum += term;
    n += 2n;
  }
  return sum;
}

/** atan t for 0 ≤ t ≤ 1: two halvings of the angle, then the series. */
export function arcTangent(t: bigint): bigint {
  for (let n = 0; n < 2; n++) t = divide(t, ONE + squareRoot(ONE * ONE + t * t));
  return 4n * oddSeries(t, true);
}

/** ⌊√n⌋ by Newton's iteration, from above. */
function squareRoot(n: bigint): bigint {
  let root = 1n << BigInt((n.toString(16).length * 4) / 2 + 1);
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}
