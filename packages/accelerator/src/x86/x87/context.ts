import { Float80 } from './float80.ts';

/** Width of a significand that a result is rounded to, in bits. */
export type Precision = 24 | 53 | 64;

/**
 * How one operation computes and what it found out: the control word's fields going in, status flags coming out.
 * Every FPU has its own; the scratch numbers in it spare allocations.
 */
export class Context {
  /** The rounding-control field, see `RC`. */
  rounding = 0;
  /** From the precision-control field. Conversions and remainders ignore it (§8.1.5.2). */
  precision: Precision = 64;
  /** Exception masks: 1 is masked. */
  masks = 0x3f;
  /** Exception flags and condition codes, in the places of the status word. Operations add to it, callers clear it. */
  flags = 0;
  /** Condition codes that the instruction replaces; it keeps the others. */
  clear = 0;

  /** A significand with 32 bits below it; the result of functions that have more than one number to return. */
  exponent = 0;
  hi = 0;
  lo = 0;
  rest = 0;

  readonly a: Float80 = new Float80();
  readonly b: Float80 = new Float80();
  readonly result: Float80 = new Float80();
  /** The second result of FPTAN, FSINCOS and FXTRACT. */
  readonly pushed: Float80 = new Float80();
}
