import { VECTOR } from '../fault.ts';
import { FLAG, GPR } from '../state.ts';
import type { Description, Descriptions } from './description.ts';
import type { Ops } from './ops.ts';
import { low16 } from './segment.ts';
import { push, STACK, top } from './stack.ts';

/** Flags that IRET and POPF load at any level, TF apart; with 32 or 64 bits; and IRETQ at level 0 (SDM vol. 2). */
const PLAIN = 0x4cd5; // CF PF AF ZF SF DF OF NT
const WIDE = FLAG.ac | FLAG.id;
const RETURNED = PLAIN | WIDE | FLAG.if | FLAG.iopl | FLAG.vif | FLAG.vip;
/** The trap after the next instruction; the #GP of a virtual interrupt that is pending (SDM vol. 3 §20.4). */
const SEEN_BY_RUN_LOOP = FLAG.tf | FLAG.vip;
const R11 = 11;

const not = <V>(o: Ops<V>, condition: V): V => o.compare('eq', 32, condition, o.constant(32, 0));
const nonzero = <V>(o: Ops<V>, value: V): V => o.compare('ne', 32, value, o.constant(32, 0));
const all = <V>(o: Ops<V>, ...conditions: V[]): V => conditions.reduce((a, b) => o.binary('and', 32, a, b));
/** Some of these bits are set. */
const any = <V>(o: Ops<V>, flags: V, mask: number): V => nonzero(o, o.binary('and', 32, flags, o.constant(32, mask)));
/** Leaves an instruction that goes elsewhere to TypeScript unless all conditions hold. */
const onlyIf = <V>(o: Ops<V>, ...conditions: V[]): void => o.if(not(o, all(o, ...conditions)), () => o.escape());
/** The same for one that others follow. */
const usually = <V>(o: Ops<V>, condition: V, usual: () => void): void => o.if(condition, usual, () => o.escape());

function isCanonical<V>(o: Ops<V>, address: V): V {
  const n16 = o.constant(64, 16);
  return o.compare('eq', 64, o.binary('sar', 64, o.binary('shl', 64, address, n16), n16), address);
}

// ---------------------------------------------------------------- flags

const pushf: Description = {
  hot: true,
  dimensions: STACK,
  run(o, f) {
    o.if(
      o.systemFlag('vm'),
      () => o.escape(),
      () => {
        const flags = o.rflags();
        push(
          o,
          f,
          f.opsize,
          f.opsize === 64 ? o.zeroExtend(32, 64, flags) : f.opsize === 16 ? o.truncate(32, 16, flags) : flags,
        );
      },
    );
  },
};

/** Where nothing changes that the mode hangs on, and TF stays as it is. */
const popf: Description = {
  hot: true,
  dimensions: STACK,
  run(o, f) {
    usually(o, all(o, o.uninterrupted(), not(o, o.systemFlag('vm'))), () => {
      const { value, release } = top(o, f, f.opsize);
      const popped =
        f.opsize === 64 ? o.truncate(64, 32, value) : f.opsize === 16 ? o.zeroExtend(16, 32, value) : value;
      const old = o.rflags();
      const changed = o.binary('xor', 32, popped, old);
      const wide = f.opsize === 16 ? 0 : WIDE;
      usually(o, not(o, any(o, changed, FLAG.tf | FLAG.iopl | (wide & FLAG.ac))), () => {
        const plain = PLAIN | wide;
        const mask = o.select(o.mayChangeIf(), 32, o.constant(32, plain | FLAG.if), o.constant(32, plain));
        o.setRflags(o.binary('xor', 32, old, o.binary('and', 32, changed, mask)));
        release();
      });
    });
  },
};

const cli: Description = {
  run: o => usually(o, o.mayChangeIf(), () => o.setSystemFlag('if', o.constant(32, 0))),
};

const sti: Description = {
  run: o =>
    usually(o, all(o, o.uninterrupted(), o.mayChangeIf()), () =>
      o.if(not(o, o.systemFlag('if')), () => {
        o.setSystemFlag('if', o.constant(32, 1));
        o.holdInterrupts();
      }),
    ),
};

/** CLAC and STAC, which are no instructions above level 0. */
const userAccess = (value: 0 | 1): Description => ({
  run(o) {
    o.if(not(o, o.atLevel0()), () => o.raise(VECTOR.ud));
    o.setUserAccess(o.constant(32, value));
  },
});

// ---------------------------------------------------------------- levels

/** SYSCALL out of 64-bit code (SDM vol. 2). */
const syscall: Description = {
  ends: true,
  dimensions: ['long'],
  run(o, f) {
    if (!f.long) return o.escape();
    onlyIf(o, o.uninterrupted(), o.systemCallsEnabled());
    const flags = o.rflags();
    o.setGpr(64, GPR.rcx, o.nextRip(64));
    o.setGpr(32, R11, flags);
    o.setRflags(o.binary('and', 32, flags, o.unary('not', 32, o.truncate(64, 32, o.msr('fmask')))));
    const cs = o.truncate(64, 32, o.binary('shr', 64, o.msr('star'), o.constant(64, 32)));
    const level0 = o.constant(32, 0xfffc);
    o.flatStack(o.binary('and', 32, o.binary('add', 32, cs, o.constant(32, 8)), level0));
    o.flatCode(o.binary('and', 32, cs, level0));
    return o.jump(64, o.msr('lstar'));
  },
};

/** SYSRET to 64-bit code. */
const sysret: Description = {
  ends: true,
  dimensions: ['long', 'opsize'],
  run(o, f) {
    if (!f.long || f.opsize !== 64) return o.escape();
    const target = o.gpr(64, GPR.rcx);
    const flags = o.gpr(32, R11);
    onlyIf(
      o,
      o.uninterrupted(),
      o.systemCallsEnabled(),
      o.atLevel0(),
      isCanonical(o, target),
      not(o, any(o, flags, SEEN_BY_RUN_LOOP)),
    );
    o.setRflags(flags);
    const base = o.truncate(64, 32, o.binary('shr', 64, o.msr('star'), o.constant(64, 48)));
    const level3 = (offset: number): typeof base =>
      o.binary('or', 32, o.binary('add', 32, base, o.constant(32, offset)), o.constant(32, 3));
    o.flatStack(level3(8));
    o.flatCode(level3(16));
    return o.jump(64, target);
  },
};

/** CS of SYSENTER, which others are counted from. */
const sysenterCs = <V>(o: Ops<V>): V =>
  o.binary('and', 32, o.truncate(64, 32, o.msr('sysenterCs')), o.constant(32, 0xfffc));

/** SYSENTER in flat protected mode (SDM vol. 2). */
const sysenter: Description = {
  ends: true,
  dimensions: ['long'],
  run(o, f) {
    if (f.long) return o.escape();
    const cs = sysenterCs(o);
    onlyIf(o, o.uninterrupted(), o.inFlatMode(), o.compare('ne', 32, cs, o.constant(32, 0)));
    o.setSystemFlag('if', o.constant(32, 0));
    o.setGpr(32, GPR.rsp, o.truncate(64, 32, o.msr('sysenterEsp')));
    o.flatStack(o.binary('add', 32, cs, o.constant(32, 8)));
    o.flatCode(cs, 32);
    return o.jump(32, o.truncate(64, 32, o.msr('sysenterEip')));
  },
};

/** SYSEXIT in flat protected mode. */
const sysexit: Description = {
  ends: true,
  dimensions: ['long', 'opsize'],
  run(o, f) {
    if (f.long || f.opsize !== 32) return o.escape();
    const cs = sysenterCs(o);
    onlyIf(
      o,
      o.uninterrupted(),
      o.inFlatMode(),
      o.atLevel0(),
      not(o, o.systemFlag('vip')),
      o.compare('ne', 32, cs, o.constant(32, 0)),
    );
    const level3 = (offset: number): typeof cs =>
      o.binary('or', 32, o.binary('add', 32, cs, o.constant(32, offset)), o.constant(32, 3));
    const target = o.gpr(32, GPR.rdx);
    o.setGpr(32, GPR.rsp, o.gpr(32, GPR.rcx));
    o.flatStack(level3(24));
    o.flatCode(level3(16), 32);
    return o.jump(32, target);
  },
};

/**
 * IRETQ from level 0 to flat 64-bit code of level 0 or 3, and IRETD from and to flat 32-bit code (SDM vol. 2). The frame
 * lies in one page, so that a fault comes with its first word, before all checks.
 */
const iret: Description = {
  ends: true,
  dimensions: ['long', ...STACK],
  run(o, f) {
    const w = f.long ? 64 : 32;
    if (f.opsize !== w) return o.escape();
    onlyIf(o, o.uninterrupted(), o.atLevel0(), not(o, o.systemFlag('nt')));
    if (w === 32) onlyIf(o, o.inFlatMode());
    const bytes = w / 8;
    const pointer = o.gpr(w, GPR.rsp);
    const inPage = o.binary('and', w, pointer, o.constant(w, 0xfff));
    onlyIf(o, o.compare('leU', w, inPage, o.constant(w, 4096 - 5 * bytes)));
    const past = (words: number): typeof pointer => o.binary('add', w, pointer, o.constant(w, words * bytes));
    const word = (n: number): typeof pointer => o.load(w, o.segment('ss', w, past(n), bytes, false));
    const low = (value: typeof pointer): typeof pointer => (w === 64 ? o.truncate(64, 32, value) : value);
    const target = word(0);
    const cs = low16(o, w, word(1));
    const flags = low(word(2));
    const stack = o.cell(w, past(3));
    const ss = o.cell(32, o.constant(32, 0));
    const popStack = (): void => {
      stack.set(word(3));
      ss.set(low16(o, w, word(4)));
    };
    if (w === 64) popStack();
    else o.if(o.binary('and', 32, cs, o.constant(32, 3)), popStack);
    if (w === 64) onlyIf(o, isCanonical(o, target));
    // RF would hold back a breakpoint at the next instruction, which clears it: there is none.
    onlyIf(o, not(o, any(o, flags, w === 64 ? SEEN_BY_RUN_LOOP : SEEN_BY_RUN_LOOP | FLAG.vm)));
    onlyIf(o, o.returnsFlat(cs, ss.get(), w));
    o.setRflags(o.binary('and', 32, flags, o.constant(32, RETURNED)));
    o.if(ss.get(), () => o.flatStack(ss.get()));
    o.flatCode(cs, w);
    o.setGpr(w, GPR.rsp, stack.get());
    return o.jump(w, target);
  },
};

const swapgs: Description = {
  run(o) {
    o.if(not(o, o.atLevel0()), () => o.raise(VECTOR.gp));
    o.swapGs();
  },
};

const readBase = (n: 'fs' | 'gs'): Description => ({
  run: (o, f) =>
    usually(o, nonzero(o, o.mayUseBases()), () => {
      const base = o.segmentBase(n);
      o.write(0, f.operands[0]!.size === 64 ? base : o.truncate(64, 32, base));
    }),
});

const writeBase = (n: 'fs' | 'gs'): Description => ({
  run(o, f) {
    const value = o.read(0);
    const base = f.operands[0]!.size === 64 ? value : o.zeroExtend(32, 64, value);
    usually(o, all(o, nonzero(o, o.mayUseBases()), isCanonical(o, base)), () => o.setSegmentBase(n, base));
  },
});

// ---------------------------------------------------------------- time

const rdtsc = (auxiliary: boolean): Description => ({
  run: o =>
    usually(o, o.mayReadTimestamp(), () => {
      const time = o.timestamp();
      o.setGpr(32, GPR.rax, o.truncate(64, 32, time));
      o.setGpr(32, GPR.rdx, o.truncate(64, 32, o.binary('shr', 64, time, o.constant(64, 32))));
      if (auxiliary) o.setGpr(32, GPR.rcx, o.truncate(64, 32, o.msr('tscAux')));
    }),
});

/**
 * The usual cases of what changes levels, lets events in or looks at the time; `escapes/` has the others. Nothing here
 * ends a run, so what the run loop has to see is no usual case: a trap, an event that may come now, a breakpoint.
 */
export const system = {
  pushf,
  popf,
  cli,
  sti,
  clac: userAccess(0),
  stac: userAccess(1),
  syscall,
  sysret,
  sysenter,
  sysexit,
  iret,
  swapgs,
  rdfsbase: readBase('fs'),
  rdgsbase: readBase('gs'),
  wrfsbase: writeBase('fs'),
  wrgsbase: writeBase('gs'),
  rdtsc: rdtsc(false),
  rdtscp: rdtsc(true),
} satisfies Descriptions;
