import type { Context } from './context.ts';
import { BIAS, type Float80, KIND, kind, SIGN } from './float80.ts';
import { invalid, propagate } from './nan.ts';
import { normalize, round } from './round.ts';

const TWO32 = 0x100000000;

/** `out = √a` (FSQRT). */
export function squareRoot(c: Context, a: Float80, out: Float80): void {
  if (propagate(c, a, out)) return;
  const ka = kind(a);
  if (ka === KIND.zero) {
    out.copy(a);
    return;
  }
  if ((a.se & SIGN) !== 0) {
    invalid(c, out);
    return;
  }
  if (ka === KIND.infinity) {
    out.copy(a);
    return;
  }

  normalize(c, a);
  // The radicand is the significand with an even exponent, read from the top two bits at a time.
  const even = (c.exponent & 1) !== 0;
  const exponent = (c.exponent + BIAS - (even ? 0 : 1)) / 2;
  let hi = c.hi;
  let lo = c.lo;
  let next = 0;
  if (even) {
    next = lo << 31;
    lo = (lo >>> 1) | (hi << 31);
    hi >>>= 1;
  }
  let rootHigh = 0;
  let rootLow = 0;
  let remainderHigh = 0;
  let remainderLow = 0;
  for (let bit = 0; bit < 65; bit++) {
    remainderHigh = remainderHigh * 4 + (remainderLow >>> 30);
    remainderLow = ((remainderLow << 2) | (hi >>> 30)) >>> 0;
    hi = (hi << 2) | (lo >>> 30);
    lo = (lo << 2) | (next >>> 30);
    next <<= 2;
    const trialHigh = rootHigh * 4 + (rootLow >>> 30);
    const trialLow = ((rootLow << 2) | 1) >>> 0;
    rootHigh = rootHigh * 2 + (rootLow >>> 31);
    rootLow = (rootLow << 1) >>> 0;
    if (remainderHigh > trialHigh || (remainderHigh === trialHigh && remainderLow >= trialLow)) {
      remainderHigh -= trialHigh;
      remainderLow -= trialLow;
      if (remainderLow < 0) {
        remainderLow += TWO32;
        remainderHigh--;
      }
      rootLow |= 1;
      rootLow >>>= 0;
    }
  }
  // 65 bits: 64 of the result and one below them.
  const rest = (rootLow << 31) | (remainderHigh + remainderLow !== 0 ? 1 : 0);
  const low = (rootLow >>> 1) | ((rootHigh & 1) << 31);
  round(c, out, 0, exponent, Math.floor(rootHigh / 2) | 0, low, rest);
}
