import { OPERAND_KIND } from '../decode/decoded.ts';
import type { Form, Width } from './form.ts';
import { type Ops, X87_TEMPORARY } from './ops.ts';

/** {@link X87_TEMPORARY} as a register. */
export const temporary = <V>(o: Ops<V>): V => o.constant(32, X87_TEMPORARY);

/** Brings the memory operand, a floating-point number or an integer, into a register. @returns a condition: it was usual */
export function fetch<V>(o: Ops<V>, f: Form, integer: boolean, to: V): V {
  const w = f.operands[0]!.size as Width;
  const value = o.read(0);
  if (!integer) return o.x87(w === 32 ? 'fromF32' : 'fromF64', to, value);
  return o.x87('fromInteger', to, w === 64 ? value : o.signExtend(w, 64, value));
}

/** The first operand is a register ST(i). */
export const isRegisterForm = (f: Form): boolean => f.operands[0]?.kind === OPERAND_KIND.st;
