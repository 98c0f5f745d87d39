import type { Context } from './context.ts';
import { compareSignificands, type Float80, KIND, type Kind, kind, QUIET_BIT, SIGN, setIndefinite } from './float80.ts';
import { FSW } from './status.ts';

/**
 * The masked response to an invalid operation: the indefinite QNaN (SDM vol. 1 §8.5.1.2). It comes before a denormal
 * operand (§8.6).
 */
export function invalid(c: Context, out: Float80): void {
  c.flags = (c.flags & ~FSW.DE) | FSW.IE;
  setIndefinite(out);
}

/** Handles a lone operand that is a NaN or unsupported. @returns whether it was, and `out` is the result. */
export function propagate(c: Context, a: Float80, out: Float80): boolean {
  const ka = kind(a);
  if (ka <= KIND.infinity) {
    if (ka === KIND.denormal) c.flags |= FSW.DE;
    return false;
  }
  if (ka === KIND.unsupported) invalid(c, out);
  else {
    if (ka === KIND.signaling) c.flags |= FSW.IE;
    out.set(a.se, a.hi | QUIET_BIT, a.lo);
  }
  return true;
}

/**
 * Handles two operands of which one may be a NaN or unsupported, and notes denormal ones.
 * @returns whether one was, and `out` is the result (SDM vol. 1 table 4-7, rows for the x87 FPU).
 */
export function propagateTwo(c: Context, a: Float80, b: Float80, out: Float80): boolean {
  const ka = kind(a);
  const kb = kind(b);
  if (ka <= KIND.infinity && kb <= KIND.infinity) {
    if (ka === KIND.denormal || kb === KIND.denormal) c.flags |= FSW.DE;
    return false;
  }
  if (ka === KIND.unsupported || kb === KIND.unsupported) {
    invalid(c, out);
    return true;
  }
  if (ka === KIND.signaling || kb === KIND.signaling) c.flags |= FSW.IE;
  const chosen = choose(a, ka, b, kb);
  out.set(chosen.se, chosen.hi | QUIET_BIT, chosen.lo);
  return true;
}

function choose(a: Float80, ka: Kind, b: Float80, kb: Kind): Float80 {
  if (ka <= KIND.infinity) return b;
  if (kb <= KIND.infinity) return a;
  // A quiet NaN wins over a signaling one, else the larger significand, else the positive sign.
  if (ka !== kb) return ka === KIND.quiet ? a : b;
  const order = compareSignificands(a.hi, a.lo, b.hi, b.lo);
  if (order !== 0) return order > 0 ? a : b;
  return (a.se & SIGN) === 0 ? a : b;
}
