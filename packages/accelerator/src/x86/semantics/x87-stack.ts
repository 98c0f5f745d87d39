import { FSW } from '../x87/status.ts';
import type { Ops } from './ops.ts';

/** Physical register of ST(i). */
export function register<V>(o: Ops<V>, i: V | undefined): V {
  const top = o.binary('shr', 32, o.x87Word('status'), o.constant(32, 11));
  return o.binary('and', 32, i === undefined ? top : o.binary('add', 32, top, i), o.constant(32, 7));
}

/** Physical register of ST(n), whatever the operands are. */
export const st = <V>(o: Ops<V>, n: number): V => register(o, n === 0 ? undefined : o.constant(32, n));

/** A condition: the physical register is not empty. */
export const isValid = <V>(o: Ops<V>, r: V): V =>
  o.binary('and', 32, o.binary('shr', 32, o.x87Word('tags'), r), o.constant(32, 1));

export const both = <V>(o: Ops<V>, a: V, b: V): V => o.binary('and', 32, a, b);

/**
 * Describes an instruction by its usual case. Where `body` does not come to call `done`, nothing may have changed, and
 * the escape does the whole.
 */
export function usually<V>(o: Ops<V>, body: (done: () => void) => void): void {
  const [no, yes] = [o.constant(32, 0), o.constant(32, 1)];
  const finished = o.cell(32, no);
  o.if(o.x87Ready(), () => body(() => finished.set(yes)));
  o.if(o.compare('eq', 32, finished.get(), no), () => o.escape());
}

/** What becomes of the status word and the stack at the end of an instruction. */
export interface Outcome<V> {
  /** Condition codes that are replaced. */
  readonly clear?: number;
  /** Condition codes and exception flags that are set. */
  readonly flags?: V;
  /** Registers popped; −1 pushes one, which has its value already. */
  readonly pops?: number;
}

/** Ends an instruction that is no control instruction. */
export function finish<V>(o: Ops<V>, { clear = FSW.C1, flags, pops = 0 }: Outcome<V>): void {
  const and = (a: V, mask: number): V => o.binary('and', 32, a, o.constant(32, mask));
  o.x87Pointers();
  if (clear === 0 && flags === undefined && pops === 0) return;
  const status = o.x87Word('status');
  let next = and(status, 0xffff & ~clear & ~(pops === 0 ? 0 : FSW.TOP));
  if (pops !== 0) {
    const top = and(o.binary('add', 32, status, o.constant(32, pops << 11)), FSW.TOP);
    next = o.binary('or', 32, next, top);
    const bit = (n: number): V => o.binary('shl', 32, o.constant(32, 1), st(o, n));
    let tags = o.x87Word('tags');
    if (pops < 0) tags = o.binary('or', 32, tags, bit(-1));
    else
      for (let n = 0; n < pops; n++) tags = o.binary('and', 32, tags, o.binary('xor', 32, bit(n), o.constant(32, -1)));
    o.setX87Word('tags', tags);
  }
  if (flags !== undefined) next = o.binary('or', 32, next, flags);
  o.setX87Word('status', next);
}
