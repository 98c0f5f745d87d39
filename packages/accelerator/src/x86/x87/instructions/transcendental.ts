import type { X87Execute } from '../cpu.ts';
import { FSW } from '../status.ts';
import type { Binary, Unary } from './arithmetic.ts';

/** `ST(1) = f(ST(0), ST(1))` and a pop: FYL2X, FYL2XP1, FPATAN. */
export const intoSecond =
  (operation: Binary): X87Execute =>
  fpu => {
    const c = fpu.begin();
    if (fpu.isEmpty(0) || fpu.isEmpty(1)) {
      fpu.underflow(1, true);
      return true;
    }
    fpu.read(0, c.a);
    fpu.read(1, c.b);
    operation(c, c.a, c.b, c.result);
    if (fpu.suppressed()) return true;
    fpu.write(1, c.result);
    fpu.pop();
    fpu.finish();
    return true;
  };

/** `ST(0) = f(ST(0))`, or C2 and nothing else when ST(0) is out of range: FSIN, FCOS. */
export const ranged =
  (operation: Unary): X87Execute =>
  fpu => {
    const c = fpu.begin(FSW.C1 | FSW.C2);
    if (fpu.isEmpty(0)) {
      fpu.underflow(0, false);
      return true;
    }
    fpu.read(0, c.a);
    operation(c, c.a, c.result);
    if (fpu.suppressed()) return true;
    fpu.write(0, c.result);
    fpu.finish();
    return true;
  };
