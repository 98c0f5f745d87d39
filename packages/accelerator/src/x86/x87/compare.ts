import type { Context } from './context.ts';
import { compareSignificands, EXPONENT, type Float80, KIND, kind, SIGN } from './float80.ts';
import { FSW } from './status.ts';

/** Condition codes of a comparison (SDM vol. 1 table 8-6). */
export const ORDER = { greater: 0, less: FSW.C0, equal: FSW.C3, unordered: FSW.C0 | FSW.C2 | FSW.C3 } as const;

/**
 * Compares `a` with `b` (FCOM; FUCOM when `quietly`: quiet NaNs are then no invalid operation).
 * @returns one of {@link ORDER}.
 */
export function compare(c: Context, a: Float80, b: Float80, quietly: boolean): number {
  const ka = kind(a);
  const kb = kind(b);
  if (ka > KIND.infinity || kb > KIND.infinity) {
    if (!quietly || ka > KIND.quiet || kb > KIND.quiet) c.flags |= FSW.IE;
    return ORDER.unordered;
  }
  if (ka === KIND.denormal || kb === KIND.denormal) c.flags |= FSW.DE;
  if (ka === KIND.zero && kb === KIND.zero) return ORDER.equal;
  const negative = (a.se & SIGN) !== 0;
  if (((a.se ^ b.se) & SIGN) !== 0) return negative ? ORDER.less : ORDER.greater;
  const ea = a.se & EXPONENT || 1;
  const eb = b.se & EXPONENT || 1;
  const order = ea !== eb ? ea - eb : compareSignificands(a.hi, a.lo, b.hi, b.lo);
  if (order === 0) return ORDER.equal;
  return order > 0 !== negative ? ORDER.greater : ORDER.less;
}

/** Condition codes of FXAM for an operand in a register that is not empty (SDM vol. 2, FXAM). */
export function examine(a: Float80): number {
  const sign = (a.se & SIGN) !== 0 ? FSW.C1 : 0;
  switch (kind(a)) {
    case KIND.unsupported:
      return sign;
    case KIND.quiet:
    case KIND.signaling:
      return sign | FSW.C0;
    case KIND.normal:
      return sign | FSW.C2;
    case KIND.infinity:
      return sign | FSW.C2 | FSW.C0;
    case KIND.zero:
      return sign | FSW.C3;
    default:
      return sign | FSW.C3 | FSW.C2;
  }
}
