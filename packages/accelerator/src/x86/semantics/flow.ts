import { OPERAND_KIND } from '../decode/decoded.ts';
import { GPR } from '../state.ts';
import type { Description, Descriptions } from './description.ts';
import type { Form, Width } from './form.ts';
import type { Ops } from './ops.ts';
import { loadSegment, low16 } from './segment.ts';
import { probePush, push, STACK, top } from './stack.ts';

// ---------------------------------------------------------------- stack

const pushOperand: Description = {
  hot: true,
  dimensions: STACK,
  run(o, f) {
    const { size } = f.operands[0]!;
    const value = o.read(0);
    push(o, f, f.opsize, size < f.opsize ? o.zeroExtend(size as Width, f.opsize, value) : value);
  },
};

const popOperand: Description = {
  hot: true,
  dimensions: STACK,
  ignoresMemory: true, // the stack comes first
  run(o, f) {
    const { kind } = f.operands[0]!;
    // POP to memory computes its address with the new stack pointer.
    if (kind !== OPERAND_KIND.gpr && kind !== OPERAND_KIND.seg) return o.escape();
    const { value, release } = top(o, f, f.opsize);
    if (kind === OPERAND_KIND.seg) return loadSegment(o, low16(o, f.opsize, value), release);
    release();
    o.write(0, value); // after the pointer moved, so that POP rSP leaves what was popped
  },
};

const leave: Description = {
  hot: true,
  dimensions: STACK,
  run(o, f) {
    const frame = o.gpr(f.stack, GPR.rbp);
    const value = o.load(f.opsize, o.segment('ss', f.stack, frame, f.opsize / 8, false));
    o.setGpr(f.stack, GPR.rsp, o.binary('add', f.stack, frame, o.constant(f.stack, f.opsize / 8)));
    o.setGpr(f.opsize, GPR.rbp, value);
  },
};

// ---------------------------------------------------------------- near transfers

/**
 * #GP(0) at a near transfer whose target is not canonical, before anything else of it (SDM vol. 2 CALL, JMP, RET).
 * @param before what may fault first.
 */
function requireCanonical<V>(o: Ops<V>, f: Form, target: V, before = (): void => {}): void {
  if (f.opsize !== 64) return;
  const n16 = o.constant(64, 16);
  const extended = o.binary('sar', 64, o.binary('shl', 64, target, n16), n16);
  o.if(o.compare('ne', 64, extended, target), () => {
    before();
    o.raise(13);
  });
}

const isRelative = (f: Form): boolean => f.operands[0]!.kind === OPERAND_KIND.rel;

const jmp: Description = {
  hot: true,
  ends: true,
  dimensions: ['opsize'],
  run(o, f) {
    if (isRelative(f)) return o.branch();
    const target = o.read(0);
    requireCanonical(o, f, target);
    o.jump(f.opsize, target);
  },
};

const call: Description = {
  hot: true,
  ends: true,
  dimensions: STACK,
  run(o, f) {
    const target = isRelative(f) ? undefined : o.read(0);
    // AMD's processors look at the stack first.
    if (target !== undefined) requireCanonical(o, f, target, () => probePush(o, f, f.opsize));
    push(o, f, f.opsize, o.nextRip(f.opsize));
    if (target === undefined) o.branch();
    else o.jump(f.opsize, target);
  },
};

const ret: Description = {
  hot: true,
  ends: true,
  dimensions: STACK,
  run(o, f) {
    const { value, release } = top(o, f, f.opsize);
    requireCanonical(o, f, value);
    if (f.operands.length === 0) release();
    else {
      const bytes = o.read(0);
      release(f.stack === 64 ? o.zeroExtend(16, 64, bytes) : bytes);
    }
    o.jump(f.opsize, value);
  },
};

const jcc: Description = {
  hot: true,
  ends: true,
  dimensions: ['opsize'],
  run: (o, f) => o.branch(o.condition(f.condition)),
};

/** LOOP, LOOPZ, LOOPNZ: the count lives in CX, ECX or RCX by address size. */
const loop = (zf: 0 | 1 | undefined): Description => ({
  ends: true,
  dimensions: ['opsize', 'asize'],
  run(o, f) {
    const count = o.binary('sub', f.asize, o.gpr(f.asize, GPR.rcx), o.constant(f.asize, 1));
    o.setGpr(f.asize, GPR.rcx, count);
    const more = o.compare('ne', f.asize, count, o.constant(f.asize, 0));
    o.branch(
      zf === undefined ? more : o.binary('and', 32, more, o.compare('eq', 32, o.flag('zf'), o.constant(32, zf))),
    );
  },
});

const jcxz: Description = {
  ends: true,
  dimensions: ['opsize', 'asize'],
  run: (o, f) => o.branch(o.compare('eq', f.asize, o.gpr(f.asize, GPR.rcx), o.constant(f.asize, 0))),
};

export const flow = {
  push: pushOperand,
  pop: popOperand,
  leave,
  jmp,
  call,
  ret,
  jcc,
  loop: loop(undefined),
  loopz: loop(1),
  loopnz: loop(0),
  jcxz,
} satisfies Descriptions;
