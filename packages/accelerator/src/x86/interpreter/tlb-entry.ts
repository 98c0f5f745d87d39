import { STATE, TLB } from '../state.ts';
import type { FunctionWriter, Value } from '../wasm/function.ts';

/** Distance, from the start of a TLB, of the entry in which a linear address would be found. */
export function tlbSlot(f: FunctionWriter, linear: Value): Value {
  return f.op(
    'i32.and',
    f.op('i32.wrap_i64', f.op('i64.shr_u', linear, f.i64(Math.log2(4096 / TLB.entrySize)))),
    f.i32((TLB.entries - 1) * TLB.entrySize),
  );
}

/** The place in the TLB where a linear address would be found. */
export function tlbEntry(f: FunctionWriter, linear: Value): Value {
  return f.op('i32.add', f.load('i32.load', f.i32(0), STATE.tlb), tlbSlot(f, linear));
}
