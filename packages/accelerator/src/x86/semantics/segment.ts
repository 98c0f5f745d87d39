import type { Width } from './form.ts';
import type { Ops } from './ops.ts';

/** A selector as 32 bits, from an operand of any width. */
export function low16<V>(o: Ops<V>, w: Width, value: V): V {
  if (w === 16) return o.zeroExtend(16, 32, value);
  return o.binary('and', 32, w === 64 ? o.truncate(64, 32, value) : value, o.constant(32, 0xffff));
}

/** Loads the segment register that is the first operand, then does the rest of the instruction. */
export function loadSegment<V>(o: Ops<V>, selector: V, rest = (): void => {}): void {
  o.if(o.loadData(0, selector), rest, () => o.escape());
}
