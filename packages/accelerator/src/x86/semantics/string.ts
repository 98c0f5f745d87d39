import { GPR } from '../state.ts';
import type { Description, Descriptions } from './description.ts';
import type { Form, Width } from './form.ts';
import type { Ops, StringRun } from './ops.ts';

const STRING = ['asize', 'flat', 'long', 'rep'] as const;

const bytes = (w: Width): number => w / 8;

/** What one iteration needs: the element's place at rSI or rDI, and how both move. */
function pointer<V>(
  o: Ops<V>,
  f: Form,
  register: number,
  bytes: number,
  write: boolean,
): { linear: V; advance: () => void } {
  const w = f.asize;
  const offset = o.gpr(w, register);
  return {
    linear: o.segment(register === GPR.rsi ? 'effective' : 'es', w, offset, bytes, write),
    advance() {
      const stride = o.select(o.systemFlag('df'), w, o.constant(w, -bytes), o.constant(w, bytes));
      o.setGpr(w, register, o.binary('add', w, offset, stride));
    },
  };
}

/** Many iterations at once: which {@link StringRun}, and the pointers that it moves. */
interface Ahead {
  readonly run: (f: Form, w: Width) => StringRun | undefined;
  readonly pointers: readonly number[];
  /** The second argument of the run where it is no pointer. */
  readonly value?: (<V>(o: Ops<V>, w: Width) => V) | undefined;
  /** Sets the flags that the last of the iterations leaves. @param last where it began, of the first pointer */
  readonly flags?: (<V>(o: Ops<V>, f: Form, w: Width, last: V) => void) | undefined;
}

/**
 * Does iterations in front of a single step's as fast as the engine can; never the last, which the single step ends
 * the instruction with. Only forwards, and where offsets are linear addresses: a page has no end of a segment in it.
 */
function goAhead<V>(o: Ops<V>, f: Form, w: Width, { run, pointers, value, flags }: Ahead): void {
  const a = f.asize;
  const name = run(f, w);
  if (!f.flat || name === undefined) return;
  const wide = (v: V): V => (a === 64 ? v : o.zeroExtend(a, 64, v));
  const count = o.gpr(a, GPR.rcx);
  const page = o.constant(a, 0x1000);
  const most = o.truncate(a, 32, o.select(o.compare('ltU', a, count, page), a, count, page));
  const others = o.binary('sub', 32, most, o.constant(32, 1));
  const limit = o.select(o.systemFlag('df'), 32, o.constant(32, 0), others);
  o.if(limit, () => {
    const places = pointers.map(n => wide(o.gpr(a, n)));
    const done = o.iterations(name, w, limit, places[0]!, value ? value(o, w) : places[1]!);
    // Without any, the registers stay as they are: a narrow write would clear their upper halves.
    o.if(done, () => {
      const steps = a === 64 ? o.zeroExtend(32, 64, done) : done;
      const distance = o.binary('mul', a, steps, o.constant(a, bytes(w)));
      // The single step may fault, which leaves the flags of the last comparison.
      if (flags) {
        const end = o.binary('add', 64, places[0]!, wide(distance));
        flags(o, f, w, o.binary('sub', 64, end, o.constant(64, bytes(w))));
      }
      for (const n of pointers) o.setGpr(a, n, o.binary('add', a, o.gpr(a, n), distance));
      o.setGpr(a, GPR.rcx, o.binary('sub', a, count, steps));
    });
  });
}

/**
 * A string instruction from its single step (SDM vol. 2 REP/REPE/REPZ/REPNE/REPNZ). Registers are up to date after
 * every iteration, so that a fault or an interrupt in the middle resumes where it left off. `compares`: a repeat also
 * ends when ZF differs from what the prefix asks for.
 */
const string = (
  body: <V>(o: Ops<V>, f: Form, w: Width) => void,
  { compares = false, ahead }: { compares?: boolean; ahead?: Ahead } = {},
): Description => ({
  hot: true,
  dimensions: STRING,
  run(o, f) {
    const w = f.operands[0]!.size as Width;
    if (f.rep === 0) return body(o, f, w);
    const a = f.asize;
    const zero = o.constant(a, 0);
    const count = (): ReturnType<typeof o.gpr> => o.gpr(a, GPR.rcx);
    o.if(o.compare('ne', a, count(), zero), () =>
      o.repeat(stop => {
        if (ahead) goAhead(o, f, w, ahead);
        body(o, f, w);
        const left = o.binary('sub', a, count(), o.constant(a, 1));
        o.setGpr(a, GPR.rcx, left);
        // The last turn ends the instruction: a single step traps once for it.
        o.if(o.compare('eq', a, left, zero), stop);
        if (compares) o.if(o.compare('ne', 32, o.flag('zf'), o.constant(32, f.rep === 0xf3 ? 1 : 0)), stop);
        o.iteration();
      }),
    );
  },
});

/** rAX, zero-extended. */
const accumulator = <V>(o: Ops<V>, w: Width): V => {
  const value = o.gpr(w, GPR.rax);
  return w === 64 ? value : o.zeroExtend(w, 64, value);
};

export const strings = {
  movs: string(
    (o, f, w) => {
      const from = pointer(o, f, GPR.rsi, bytes(w), false);
      const value = o.load(w, from.linear); // whatever may be wrong with the destination
      const to = pointer(o, f, GPR.rdi, bytes(w), true);
      o.store(w, to.linear, value);
      from.advance();
      to.advance();
    },
    { ahead: { run: () => 'move', pointers: [GPR.rsi, GPR.rdi] } },
  ),
  stos: string(
    (o, f, w) => {
      const to = pointer(o, f, GPR.rdi, bytes(w), true);
      o.store(w, to.linear, o.gpr(w, GPR.rax));
      to.advance();
    },
    { ahead: { run: () => 'fill', pointers: [GPR.rdi], value: accumulator } },
  ),
  lods: string((o, f, w) => {
    const from = pointer(o, f, GPR.rsi, bytes(w), false);
    const value = o.load(w, from.linear);
    o.setGpr(w, GPR.rax, value);
    from.advance();
  }),
  scas: string(
    (o, f, w) => {
      const at = pointer(o, f, GPR.rdi, bytes(w), false);
      const a = o.gpr(w, GPR.rax);
      const b = o.load(w, at.linear);
      o.flagsSub(w, a, b, o.binary('sub', w, a, b));
      at.advance();
    },
    {
      compares: true,
      ahead: {
        run: (f, w) => (w !== 8 ? undefined : f.rep === 0xf3 ? 'skipEqual' : 'skipOther'),
        pointers: [GPR.rdi],
        value: accumulator,
        flags(o, f, w, last) {
          const a = o.gpr(w, GPR.rax);
          const b = f.rep === 0xf3 ? a : o.load(w, last);
          o.flagsSub(w, a, b, o.binary('sub', w, a, b));
        },
      },
    },
  ),
  cmps: string(
    (o, f, w) => {
      const left = pointer(o, f, GPR.rsi, bytes(w), false);
      const a = o.load(w, left.linear);
      const right = pointer(o, f, GPR.rdi, bytes(w), false);
      const b = o.load(w, right.linear);
      o.flagsSub(w, a, b, o.binary('sub', w, a, b));
      left.advance();
      right.advance();
    },
    {
      compares: true,
      ahead: {
        run: f => (f.rep === 0xf3 ? 'skipSame' : undefined),
        pointers: [GPR.rsi, GPR.rdi],
        flags(o, _f, w) {
          const same = o.constant(w, 0);
          o.flagsSub(w, same, same, same);
        },
      },
    },
  ),
  xlat: {
    dimensions: ['asize', 'flat', 'long'],
    run(o, f) {
      const a = f.asize;
      const index = o.gpr(8, GPR.rax);
      const offset = o.binary('add', a, o.gpr(a, GPR.rbx), a === 64 ? o.zeroExtend(8, 64, index) : index);
      o.setGpr(8, GPR.rax, o.load(8, o.segment('effective', a, offset, 1, false)));
    },
  },
} satisfies Descriptions;
