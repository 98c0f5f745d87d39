import type { Context } from './context.ts';
import { BIAS, EXPONENT, type Float80, KIND, kind, SIGN, setInfinity, setZero } from './float80.ts';
import { setSmall, truncateForScale } from './integer.ts';
import { invalid, propagate, propagateTwo } from './nan.ts';
import { normalize, round } from './round.ts';
import { FSW } from './status.ts';

/** `out = a × 2^trunc(b)` (FSCALE). */
export function scale(c: Context, a: Float80, b: Float80, out: Float80): void {
  if (propagateTwo(c, a, b, out)) return;
  const ka = kind(a);
  if (kind(b) === KIND.infinity) {
    const down = (b.se & SIGN) !== 0;
    if (ka === (down ? KIND.infinity : KIND.zero)) {
      invalid(c, out);
      return;
    }
    if (down) {
      setZero(out, a.se & SIGN);
      return;
    }
    setInfinity(out, a.se & SIGN);
    return;
  }
  if (ka === KIND.zero || ka === KIND.infinity) {
    out.copy(a);
    return;
  }
  normalize(c, a);
  round(c, out, a.se & SIGN, c.exponent + truncateForScale(b), c.hi, c.lo, 0, 64);
}

/** `exponent` = the unbiased exponent of `a`, `significand` = `a` with the exponent of 1.0 (FXTRACT). */
export function extract(c: Context, a: Float80, exponent: Float80, significand: Float80): void {
  if (propagate(c, a, significand)) {
    exponent.copy(significand);
    return;
  }
  const ka = kind(a);
  if (ka === KIND.zero) {
    c.flags |= FSW.ZE;
    significand.copy(a);
    setInfinity(exponent, SIGN);
    return;
  }
  if (ka === KIND.infinity) {
    significand.copy(a);
    setInfinity(exponent, 0);
    return;
  }
  normalize(c, a);
  const unbiased = c.exponent - BIAS;
  significand.set((a.se & SIGN) | (BIAS & EXPONENT), c.hi, c.lo);
  setSmall(unbiased, exponent);
}
