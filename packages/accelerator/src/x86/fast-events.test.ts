import { describe, expect, it } from '@jest/globals';
import { ACCELERATOR_ARENA } from '@mainboard/core';
import { EVENT, type Event, enterHandler } from './interrupts.ts';
import { SEGREG } from './registers.ts';
import { FLAG, GPR, STATE } from './state.ts';
import { AT, type Outcome, SELECTOR, TestBench } from './test-bench.ts';

const HANDLER = 0x5800;
const PAGES = [AT.gdt, AT.idt, AT.tss, AT.stack0 - 0x1000, AT.stack0, AT.stack3 - 0x1000, AT.ist1 - 0x1000];

/** All that an event may change, but for the generation in code keys, which tells how often the TLB was flushed. */
function stateOf({ cpu }: TestBench): unknown {
  const state = cpu.r.u8.slice(0, STATE.bounce);
  for (const key of [STATE.codeKey, STATE.longKeys, STATE.longKeys + 4, STATE.flatKeys, STATE.flatKeys + 4])
    new DataView(state.buffer).setInt32(key, cpu.r.i32[key / 4]! & 63, true);
  state.fill(0, STATE.faultVector, STATE.faultError + 4);
  const { cpl, mode, shadow, halted, nmiMasked } = cpu;
  return { state, flags: cpu.r.flags, cpl, mode, shadow, halted, nmiMasked };
}
const memoryOf = ({ cpu }: TestBench): Uint8Array => cpu.r.u8.slice(ACCELERATOR_ARENA, ACCELERATOR_ARENA + 0x10_0000);

/** Fills the TLB with what events touch, or only touches it. */
function touch({ cpu }: TestBench, known: boolean): void {
  for (const at of PAGES) cpu.store32(BigInt(at), cpu.load32(BigInt(at), false), false);
  if (!known) cpu.flushTlb();
}

/** Counts the accesses to memory that the general way makes; the fast one has views. */
function countAccesses({ cpu }: TestBench): () => number {
  let count = 0;
  for (const name of ['load32', 'load64', 'load', 'store'] as const) {
    const access = cpu[name] as (...args: unknown[]) => unknown;
    Object.assign(cpu, {
      [name]: (...args: unknown[]) => {
        count++;
        return access.apply(cpu, args);
      },
    });
  }
  return () => count;
}

type Act = (bench: TestBench) => Outcome;

/** Does the same with and without a TLB that knows all it takes, and compares what comes out. */
function bothWays(fast: boolean, setUp: (bench: TestBench) => void, act: Act): Outcome {
  const way = (known: boolean) => {
    const bench = new TestBench();
    setUp(bench);
    touch(bench, known);
    const accesses = countAccesses(bench);
    const outcome = act(bench);
    return { bench, outcome, accesses: accesses() };
  };
  const warm = way(true);
  const cold = way(false);
  // A fault may come before any access, both ways.
  if (fast) expect([warm.accesses, cold.accesses > 0]).toEqual([0, true]);
  else expect(warm.accesses).toBe(cold.accesses);
  expect(warm.outcome).toEqual(cold.outcome);
  expect(stateOf(warm.bench)).toEqual(stateOf(cold.bench));
  expect(Buffer.compare(memoryOf(warm.bench), memoryOf(cold.bench))).toBe(0);
  return warm.outcome;
}

const enter =
  (vector: number, event: Event, error = 0): Act =>
  bench => {
    const { cpu } = bench;
    cpu.nextRip = cpu.r.rip + 2n;
    try {
      enterHandler(cpu, vector, event, error);
    } catch (thrown) {
      if (thrown !== cpu.fault) throw thrown;
      return { vector: cpu.fault.vector, error: cpu.fault.error };
    }
    return undefined;
  };

const INTERRUPT = 0x8e;
const TRAP = 0x8f;
const USER_GATE = 0xee;
const { exception, external, software, int1 } = EVENT;

/** Descriptors as a system has them that ran for a while: accessed. */
function used(bench: TestBench): void {
  for (const selector of [
    SELECTOR.code,
    SELECTOR.data,
    SELECTOR.userCode,
    SELECTOR.userData,
    SELECTOR.code64,
    SELECTOR.userCode64,
  ])
    bench.set8(AT.gdt + (selector & 0xfff8) + 5, bench.access(selector) | 1);
}

const system =
  (mode: 'long' | 'protected', cpl: 0 | 3, gate: number = INTERRUPT, change: (bench: TestBench) => void = () => {}) =>
  (bench: TestBench): void => {
    bench[mode](cpl);
    used(bench);
    const code = mode === 'long' ? SELECTOR.code64 : SELECTOR.code;
    for (const vector of [1, 14, 0x40]) bench.idtGate(vector, code, HANDLER, gate);
    bench.cpu.r.flags = 0x202 | FLAG.cf | FLAG.tf | FLAG.nt;
    bench.cpu.r.u32[STATE.dr / 4 + 14] = 0x2400;
    bench.cpu.shadow = true;
    change(bench);
  };

describe.each(['long', 'protected'] as const)('%s mode: events, with and without a TLB that knows', mode => {
  const word = mode === 'long' ? 16 : 8;
  it.each<[string, boolean, 0 | 3, number, number, Event, ((bench: TestBench) => void)?]>([
    ['an interrupt', true, 0, INTERRUPT, 0x40, external],
    ['an interrupt from level 3', true, 3, INTERRUPT, 0x40, external],
    ['a trap gate', true, 3, TRAP, 0x40, external],
    ['a page fault', true, 0, INTERRUPT, 14, exception],
    ['a page fault at level 3', true, 3, INTERRUPT, 14, exception],
    ['a debug exception', true, 3, INTERRUPT, 1, exception],
    ['INT1', true, 3, INTERRUPT, 1, int1],
    ['INT n', true, 3, USER_GATE, 0x40, software],
    ['INT n to a gate that level 3 may not use', false, 3, INTERRUPT, 0x40, software],
    ['a gate that is not present', false, 0, 0x0e, 0x40, external],
    ['a gate of another type', false, 0, 0x8c, 0x40, external],
    [
      'a table that ends before',
      false,
      0,
      INTERRUPT,
      0x40,
      external,
      b => {
        b.cpu.r.u32[STATE.idtr / 4 + 2] = 0x40 * word + word - 2;
      },
    ],
    [
      'a handler whose segment was not used before',
      false,
      0,
      INTERRUPT,
      0x40,
      external,
      b => b.set8(AT.gdt + (mode === 'long' ? SELECTOR.code64 : SELECTOR.code) + 5, 0x9a),
    ],
    [
      'a handler in a data segment',
      false,
      0,
      INTERRUPT,
      0x40,
      external,
      b => b.idtGate(0x40, SELECTOR.data, HANDLER, INTERRUPT),
    ],
    [
      'a handler in a conforming segment',
      false,
      3,
      INTERRUPT,
      0x40,
      external,
      b => b.idtGate(0x40, SELECTOR.conforming, HANDLER, INTERRUPT),
    ],
    ['a handler without a segment', false, 0, INTERRUPT, 0x40, external, b => b.idtGate(0x40, 3, HANDLER, INTERRUPT)],
    [
      'a handler in a table that ends before',
      false,
      0,
      INTERRUPT,
      0x40,
      external,
      b => {
        b.cpu.r.u32[STATE.gdtr / 4 + 2] = 0xe;
      },
    ],
    [
      'a TSS that ends before its stack',
      false,
      3,
      INTERRUPT,
      0x40,
      external,
      b => b.cpu.r.setSegment(SEGREG.tr, SELECTOR.tss, BigInt(AT.tss), 4, 0x8b),
    ],
    [
      'a stack that is not aligned',
      true,
      0,
      INTERRUPT,
      0x40,
      external,
      b => {
        b.cpu.r.rsp = BigInt(AT.stack0 - 4);
      },
    ],
    [
      'a stack on two pages',
      false,
      0,
      INTERRUPT,
      0x40,
      external,
      b => {
        b.cpu.r.rsp = BigInt(AT.stack0 + (mode === 'long' ? 16 : 8));
      },
    ],
    [
      'a stack at 0',
      false,
      0,
      INTERRUPT,
      0x40,
      external,
      b => {
        b.cpu.r.rsp = 0n;
      },
    ],
    [
      'a segment register that was not null',
      true,
      3,
      INTERRUPT,
      0x40,
      external,
      b => {
        b.cpu.r.setSegment(SEGREG.cs, 0x73, 0x1000n, 0xffff, b.cpu.r.rights(SEGREG.cs));
      },
    ],
  ])('%s', (...[, fast, cpl, gate, vector, event, change]) => {
    bothWays(fast, system(mode, cpl, gate, change), enter(vector, event, 5));
  });
});

describe('§6.14 IA-32e mode alone', () => {
  it('an interrupt stack', () => {
    bothWays(
      false,
      system('long', 3, INTERRUPT, b => b.idtGate(0x40, SELECTOR.code64, HANDLER, INTERRUPT, 1)),
      enter(0x40, external),
    );
  });
  it('a handler that is not canonical', () => {
    bothWays(
      false,
      system('long', 3, INTERRUPT, b => b.set32(AT.idt + 0x40 * 16 + 8, 0x8000)),
      enter(0x40, external),
    );
  });
  it('a stack of the TSS that is not canonical', () => {
    bothWays(
      false,
      system('long', 3, INTERRUPT, b => b.set32(AT.tss + 8, 0x8000)),
      enter(0x40, external),
    );
  });
  it('from compatibility mode, whose stack pointer has 32 bits', () => {
    const setUp = (bench: TestBench): void => {
      bench.long(3, 32);
      used(bench);
      bench.idtGate(0x40, SELECTOR.code64, HANDLER, INTERRUPT);
      bench.cpu.r.rsp = 0x1234_0000_9000n;
    };
    bothWays(true, setUp, enter(0x40, external));
  });
});

describe('§6.12 protected mode alone', () => {
  it('from virtual-8086 mode', () => {
    const setUp = (bench: TestBench): void => {
      bench.v86();
      used(bench);
      bench.idtGate(0x40, SELECTOR.code, HANDLER, INTERRUPT);
    };
    bothWays(false, setUp, enter(0x40, external));
  });
  it('a 16-bit TSS', () => {
    const tss16 = (b: TestBench): void => b.cpu.r.setSegment(SEGREG.tr, SELECTOR.tss, BigInt(AT.tss), 0x2b, 0x83);
    bothWays(false, system('protected', 3, INTERRUPT, tss16), enter(0x40, external));
  });
  it('a stack segment with a base', () => {
    const based = (b: TestBench): void => b.cpu.r.setSegment(SEGREG.ss, SELECTOR.data, 0x100n, 0xffff_ffff, 0xc093);
    bothWays(false, system('protected', 0, INTERRUPT, based), enter(0x40, external));
  });
});

/** Puts a frame on the stack of level 0. */
const frame =
  (mode: 'long' | 'protected', values: number[], change: (bench: TestBench) => void = () => {}) =>
  (bench: TestBench): void => {
    bench[mode](0);
    used(bench);
    bench.cpu.nmiMasked = true;
    bench.cpu.r.rsp = BigInt(AT.stack0 - 64);
    bench.push(mode === 'long' ? 64 : 32, ...values.toReversed());
    bench.cpu.r.setSegment(SEGREG.fs, 0, 0n, 0, 0x1_0000);
    change(bench);
  };
const FLAGS = 0x3202 | FLAG.cf | FLAG.ac | FLAG.tf;

describe('IRETQ, with and without a TLB that knows', () => {
  const iret: Act = bench => bench.run('48 cf');
  it.each<[string, boolean, number[], ((bench: TestBench) => void)?]>([
    ['to level 3', true, [HANDLER, SELECTOR.userCode64, FLAGS, AT.stack3, SELECTOR.userData]],
    ['to level 0', true, [HANDLER, SELECTOR.code64, FLAGS, AT.stack3, SELECTOR.data]],
    ['to level 0 without a stack segment', true, [HANDLER, SELECTOR.code64, FLAGS, AT.stack3 + 3, 0]],
    ['to level 3 without a stack segment', false, [HANDLER, SELECTOR.userCode64, FLAGS, AT.stack3, 3]],
    ['to compatibility mode', false, [HANDLER, SELECTOR.userCode, FLAGS, AT.stack3, SELECTOR.userData]],
    ['without a code segment', false, [HANDLER, 0, FLAGS, AT.stack3, SELECTOR.userData]],
    [
      'to an RPL that is not the segment’s',
      false,
      [HANDLER, SELECTOR.userCode64 & ~3, FLAGS, AT.stack3, SELECTOR.userData],
    ],
    ['to a stack of another level', false, [HANDLER, SELECTOR.userCode64, FLAGS, AT.stack3, SELECTOR.data]],
    ['to a stack that may not be written', false, [HANDLER, SELECTOR.code64, FLAGS, AT.stack3, SELECTOR.readOnly]],
    ['to what is not canonical', false, [0x8000_0000_0000, SELECTOR.userCode64, FLAGS, AT.stack3, SELECTOR.userData]],
    [
      'a nested task',
      false,
      [HANDLER, SELECTOR.userCode64, FLAGS, AT.stack3, SELECTOR.userData],
      b => {
        b.cpu.r.flags = FLAG.nt;
      },
    ],
    [
      'a frame on two pages',
      false,
      [HANDLER, SELECTOR.userCode64, FLAGS, AT.stack3, SELECTOR.userData],
      b => {
        b.cpu.r.rsp = BigInt(AT.stack0 - 16);
      },
    ],
  ])('%s', (...[, fast, values, change]) => {
    bothWays(fast, frame('long', values, change), iret);
  });
});

describe('IRETD in protected mode, with and without a TLB that knows', () => {
  const iret: Act = bench => bench.run('cf');
  it.each<[string, boolean, number[], ((bench: TestBench) => void)?]>([
    ['to level 3', true, [HANDLER, SELECTOR.userCode, FLAGS, AT.stack3, SELECTOR.userData]],
    ['to level 0', true, [HANDLER, SELECTOR.code, FLAGS]],
    ['to virtual-8086 mode', false, [0x100, 0x500, FLAGS | FLAG.vm, AT.stack3, 0, 0, 0, 0, 0]],
    ['to 16-bit code', false, [0x100, SELECTOR.code16, FLAGS]],
    ['without a code segment', false, [HANDLER, 0, FLAGS]],
    ['to a stack of another level', false, [HANDLER, SELECTOR.userCode, FLAGS, AT.stack3, SELECTOR.data]],
    ['without a stack segment', false, [HANDLER, SELECTOR.userCode, FLAGS, AT.stack3, 3]],
    [
      'from a stack of 16 bits',
      false,
      [HANDLER, SELECTOR.code, FLAGS],
      b => {
        b.cpu.r.setSegment(SEGREG.ss, SELECTOR.data, 0n, 0xffff, 0x93);
        b.cpu.updateMode();
      },
    ],
  ])('%s', (...[, fast, values, change]) => {
    bothWays(fast, frame('protected', values, change), iret);
  });
});

describe('segment registers, with and without a TLB that knows', () => {
  const run =
    (code: string): Act =>
    bench =>
      bench.run(code);
  const load =
    (mode: 'long' | 'protected', cpl: 0 | 3, selector: number) =>
    (bench: TestBench): void => {
      system(mode, cpl)(bench);
      bench.cpu.r.setGpr64(GPR.rax, BigInt(selector));
      bench.cpu.r.rsp = BigInt(AT.stack0 - 64);
      bench.set32(AT.stack0 - 64, selector | 0x5555_0000);
    };
  it.each<[string, boolean, 0 | 3, number]>([
    ['data', true, 0, SELECTOR.data],
    ['data of level 3', true, 3, SELECTOR.userData],
    ['data of level 3 at level 0', true, 0, SELECTOR.userData],
    ['data of level 0 at level 3', false, 3, SELECTOR.data],
    ['data by an RPL of 3', false, 0, SELECTOR.data | 3],
    ['data that was not used before', false, 0, SELECTOR.absentData],
    ['data that may not be written', false, 0, SELECTOR.readOnly],
    ['code', false, 0, SELECTOR.code],
    ['an entry of the LDT', false, 0, SELECTOR.data | 4],
    ['an entry behind the table', false, 0, SELECTOR.end],
  ])('%s', (_name, fast, cpl, selector) => {
    bothWays(fast, load('long', cpl, selector), run('8e d8')); // MOV DS, EAX
    bothWays(fast, load('protected', cpl, selector), run('8e d8'));
    if (fast && cpl === 0) bothWays(true, load('protected', cpl, selector), run('1f')); // POP DS
  });
  it('PUSH of a segment register', () => {
    bothWays(true, load('protected', 0, 0), run('1e'));
    bothWays(false, load('protected', 0, 0), run('66 1e'));
  });
});
