import { GPR } from '../state.ts';
import type { Dimension, Form, Width } from './form.ts';
import type { Ops } from './ops.ts';

/** What every instruction on the stack depends on. */
export const STACK: readonly Dimension[] = ['opsize', 'stack', 'flat'];

/** Pushes a value. */
export function push<V>(o: Ops<V>, f: Form, w: Width, value: V): void {
  const pointer = o.binary('sub', f.stack, o.gpr(f.stack, GPR.rsp), o.constant(f.stack, w / 8));
  o.store(w, o.segment('ss', f.stack, pointer, w / 8, true), value);
  o.setGpr(f.stack, GPR.rsp, pointer);
}

/** Faults where {@link push} would. */
export function probePush<V>(o: Ops<V>, f: Form, w: Width): void {
  const pointer = o.binary('sub', f.stack, o.gpr(f.stack, GPR.rsp), o.constant(f.stack, w / 8));
  o.probeWrite(w / 8, o.segment('ss', f.stack, pointer, w / 8, true));
}

/** Reads the top of the stack; `release` then moves the pointer past it. */
export function top<V>(o: Ops<V>, f: Form, w: Width): { value: V; release: (extra?: V) => void } {
  const pointer = o.gpr(f.stack, GPR.rsp);
  return {
    value: o.load(w, o.segment('ss', f.stack, pointer, w / 8, false)),
    release(extra) {
      const past = o.binary('add', f.stack, pointer, o.constant(f.stack, w / 8));
      o.setGpr(f.stack, GPR.rsp, extra === undefined ? past : o.binary('add', f.stack, past, extra));
    },
  };
}
