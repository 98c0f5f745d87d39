import { beforeAll, describe, expect, test } from '@jest/globals';
import { VECTOR } from './fault.ts';
import { deliver } from './interrupts.ts';
import { RIGHTS, SEGREG } from './registers.ts';
import { FLAG, GPR, STATE } from './state.ts';
import { AT, SELECTOR, TestBench } from './test-bench.ts';

const INTERRUPT32 = 0x8e;
const TRAP32 = 0x8f;
const INTERRUPT16 = 0x86;
const TASK = 0x85;

let bench: TestBench;
beforeAll(() => {
  bench = new TestBench();
});

describe('§20.1.4 real mode', () => {
  test('pushes FLAGS, CS and IP, clears IF and TF, goes where the table says', () => {
    const { cpu } = bench.real();
    bench.set32(0x21 * 4, 0x1234_5678);
    cpu.r.flags = 0x302 | FLAG.cf;
    cpu.r.rip = 0x4321n;
    expect(deliver(cpu, 0x21, { external: true })).toBe(true);
    expect(cpu.r.rip).toBe(0x5678n);
    expect([cpu.r.selector(SEGREG.cs), cpu.r.base(SEGREG.cs)]).toEqual([0x1234, 0x1_2340n]);
    expect(bench.stack(16, 3)).toEqual([0x4321, 0, 0x303]);
    expect(cpu.r.flags).toBe(0x003);
    expect(cpu.r.rsp).toBe(BigInt(AT.stack0 - 6));
  });

  test('no error code is pushed', () => {
    const { cpu } = bench.real();
    deliver(cpu, VECTOR.gp, { error: 0 });
    expect(cpu.r.rsp).toBe(BigInt(AT.stack0 - 6));
  });

  test('a table that ends before the vector, and before that of #DF: shutdown', () => {
    const { cpu } = bench.real();
    cpu.r.u32[STATE.idtr / 4 + 2] = 0x1f;
    expect(deliver(cpu, 0x21, { external: true })).toBe(false);
    expect(cpu.r.rsp).toBe(BigInt(AT.stack0));
  });

  test('INT n: the return address is that of the next instruction', () => {
    const { cpu } = bench.real();
    bench.set32(0x80 * 4, 0x0100_0200);
    expect(bench.run('cd 80')).toBeUndefined();
    expect(bench.stack(16, 2)).toEqual([AT.code + 2, 0]);
    expect([cpu.r.rip, cpu.r.base(SEGREG.cs)]).toEqual([0x200n, 0x1000n]);
  });
});

describe('§6.12 protected mode', () => {
  test('same level, 32-bit interrupt gate: three values, IF cleared', () => {
    const { cpu } = bench.protected();
    bench.idtGate(0x30, SELECTOR.code, 0x0010_2030, INTERRUPT32);
    cpu.r.flags = 0x202 | FLAG.nt | FLAG.tf;
    expect(deliver(cpu, 0x30, { external: true })).toBe(true);
    expect(bench.stack(32, 3)).toEqual([AT.code, SELECTOR.code, 0x4302]);
    expect([cpu.r.rip, cpu.r.flags]).toEqual([0x0010_2030n, 0x002]);
    expect(bench.access(SELECTOR.code)).toBe(0x9b);
  });

  test('a trap gate leaves IF; an exception has its error code on top and RF in the image', () => {
    const { cpu } = bench.protected();
    bench.idtGate(VECTOR.gp, SELECTOR.code, 0x100, TRAP32);
    cpu.r.flags = 0x202;
    deliver(cpu, VECTOR.gp, { error: 0x1234 });
    expect(bench.stack(32, 4)).toEqual([0x1234, AT.code, SELECTOR.code, 0x202 | FLAG.rf]);
    expect(cpu.r.flags).toBe(0x202);
  });

  test('a 16-bit gate pushes words and cuts the offset', () => {
    const { cpu } = bench.protected();
    bench.idtGate(0x30, SELECTOR.code, 0x0010_2030, INTERRUPT16);
    deliver(cpu, 0x30, { external: true });
    expect(bench.stack(16, 3)).toEqual([AT.code, SELECTOR.code, 2]);
    expect(cpu.r.rip).toBe(0x2030n);
  });

  test('§6.12.1 to an inner level: SS:ESP from the TSS, the old ones pushed', () => {
    const { cpu } = bench.protected(3);
    bench.idtGate(0x30, SELECTOR.code, 0x100, INTERRUPT32);
    expect(deliver(cpu, 0x30, { external: true })).toBe(true);
    expect(cpu.cpl).toBe(0);
    expect([cpu.r.selector(SEGREG.cs), cpu.r.selector(SEGREG.ss)]).toEqual([SELECTOR.code, SELECTOR.data]);
    expect(bench.stack(32, 5)).toEqual([AT.code, SELECTOR.userCode, 2, AT.stack3, SELECTOR.userData]);
    expect(cpu.r.rsp).toBe(BigInt(AT.stack0 - 20));
  });

  test('§7.6 a 16-bit TSS has its stacks elsewhere', () => {
    const { cpu } = bench.protected(3);
    cpu.r.setSegment(SEGREG.tr, SELECTOR.tss, BigInt(AT.tss), 0x2b, 0x83);
    bench.set16(AT.tss + 2, 0x7000);
    bench.set16(AT.tss + 4, SELECTOR.data);
    bench.idtGate(0x30, SELECTOR.code, 0x100, INTERRUPT32);
    deliver(cpu, 0x30, { external: true });
    expect(cpu.r.rsp).toBe(0x7000n - 20n);
  });

  test('§6.12.1.2 INT n to a gate of a lower DPL: #GP with the IDT bit, EXT clear, nothing changed', () => {
    const { cpu } = bench.protected(3);
    bench.idtGate(0x30, SELECTOR.code, 0x100, INTERRUPT32);
    expect(bench.run('cd 30')).toEqual({ vector: VECTOR.gp, error: 0x30 * 8 + 2 });
    expect([cpu.r.rip, cpu.r.rsp, cpu.cpl]).toEqual([BigInt(AT.code), BigInt(AT.stack3), 3]);
    bench.idtGate(0x30, SELECTOR.code, 0x100, INTERRUPT32 | 0x60);
    expect(bench.run('cd 30')).toBeUndefined();
    expect(bench.stack(32, 1)).toEqual([AT.code + 2]);
  });

  test('§6.13 faults on the way have EXT set, but not for INT n', () => {
    const { cpu } = bench.protected();
    bench.idtGate(0x30, SELECTOR.absentCode, 0x100, INTERRUPT32);
    bench.idtGate(VECTOR.np, SELECTOR.code, 0x200, INTERRUPT32);
    deliver(cpu, 0x30, { external: true });
    expect(bench.stack(32, 1)).toEqual([SELECTOR.absentCode | 1]);
    expect(cpu.r.rip).toBe(0x200n);
    bench.protected();
    bench.idtGate(0x30, SELECTOR.absentCode, 0x100, INTERRUPT32);
    expect(bench.run('cd 30')).toEqual({ vector: VECTOR.np, error: SELECTOR.absentCode });
    bench.idtGate(0x31, SELECTOR.data, 0x100, INTERRUPT32);
    expect(bench.run('cd 31')).toEqual({ vector: VECTOR.gp, error: SELECTOR.data });
    bench.idtGate(0x32, SELECTOR.code, 0x100, 0x0e);
    expect(bench.run('cd 32')).toEqual({ vector: VECTOR.np, error: 0x32 * 8 + 2 });
    bench.idtGate(0x33, 0, 0x100, INTERRUPT32);
    expect(bench.run('cd 33')).toEqual({ vector: VECTOR.gp, error: 0 });
  });

  test('a stack of the TSS that is no stack of that level: #TS; one that is absent: #SS', () => {
    const { cpu } = bench.protected(3);
    bench.idtGate(0x30, SELECTOR.code, 0x100, INTERRUPT32 | 0x60);
    bench.set32(AT.tss + 8, SELECTOR.userData);
    expect(bench.run('cd 30')).toEqual({ vector: VECTOR.ts, error: SELECTOR.userData & ~3 });
    bench.set32(AT.tss + 8, SELECTOR.absentStack);
    expect(bench.run('cd 30')).toEqual({ vector: VECTOR.ss, error: SELECTOR.absentStack });
    bench.set32(AT.tss + 8, 0);
    expect(bench.run('cd 30')).toEqual({ vector: VECTOR.ts, error: 0 });
    cpu.r.setSegment(SEGREG.tr, SELECTOR.tss, BigInt(AT.tss), 8, 0x8b);
    expect(bench.run('cd 30')).toEqual({ vector: VECTOR.ts, error: SELECTOR.tss });
  });

  test('INT3 and INTO obey the DPL, INT1 does not', () => {
    bench.protected(3);
    for (const vector of [1, 3, 4]) bench.idtGate(vector, SELECTOR.code, 0x100, INTERRUPT32);
    bench.cpu.r.flags = FLAG.of;
    expect(bench.run('cc')).toEqual({ vector: VECTOR.gp, error: 3 * 8 + 2 });
    expect(bench.run('ce')).toEqual({ vector: VECTOR.gp, error: 4 * 8 + 2 });
    expect(bench.run('f1')).toBeUndefined();
    expect(bench.stack(32, 1)).toEqual([AT.code + 1]);
  });

  test('INTO without OF goes on', () => {
    const { cpu } = bench.protected();
    expect(bench.run('ce')).toBeUndefined();
    expect(cpu.r.rip).toBe(BigInt(AT.code + 1));
  });

  test('§7.3 a task gate switches to the task, nested, with the error code on its stack', () => {
    const { cpu } = bench.protected();
    bench.idtGate(VECTOR.gp, SELECTOR.otherTss, 0, TASK);
    cpu.r.setGpr32(GPR.rbx, 0x1111);
    bench.set32(AT.otherTss + 0x20, 0x6000);
    bench.set32(AT.otherTss + 0x24, 2);
    bench.set32(AT.otherTss + 0x34, 0x2222);
    bench.set32(AT.otherTss + 0x38, 0x9000);
    for (const [at, selector] of [
      [0x48, SELECTOR.data],
      [0x4c, SELECTOR.code],
      [0x50, SELECTOR.data],
      [0x54, SELECTOR.data],
    ] as const)
      bench.set32(AT.otherTss + at, selector);
    expect(deliver(cpu, VECTOR.gp, { error: 0x58 })).toBe(true);
    expect(cpu.r.rip).toBe(0x6000n);
    expect(cpu.r.gpr32(GPR.rbx)).toBe(0x2222);
    expect(bench.stack(32, 1)).toEqual([0x58]);
    expect(cpu.r.systemFlag(FLAG.nt)).toBe(true);
    expect(bench.get16(AT.otherTss)).toBe(SELECTOR.tss);
    expect([bench.get32(AT.tss + 0x20), bench.get32(AT.tss + 0x34)]).toEqual([AT.code, 0x1111]);
    expect([bench.access(SELECTOR.tss), bench.access(SELECTOR.otherTss)]).toEqual([0x8b, 0x8b]);
    expect(cpu.r.cr0 & 8).toBe(8);
    // and IRET goes back
    cpu.r.setGpr32(GPR.rsp, 0x9000);
    expect(bench.run('cf')).toBeUndefined();
    expect([cpu.r.rip, cpu.r.gpr32(GPR.rbx), cpu.r.selector(SEGREG.tr)]).toEqual([
      BigInt(AT.code),
      0x1111,
      SELECTOR.tss,
    ]);
    expect([bench.access(SELECTOR.tss), bench.access(SELECTOR.otherTss)]).toEqual([0x8b, 0x89]);
    expect(cpu.r.systemFlag(FLAG.nt)).toBe(false);
  });
});

describe('§20.3 virtual-8086 mode', () => {
  test('§20.3.1.1 to level 0: the data segments are pushed first, then null', () => {
    const { cpu } = bench.v86();
    bench.idtGate(0x30, SELECTOR.code, 0x100, INTERRUPT32);
    expect(deliver(cpu, 0x30, { external: true })).toBe(true);
    expect(bench.stack(32, 9)).toEqual([0x10, 0x500, 0x2_0002, AT.stack3, 0, 0x110, 0x120, 0x130, 0x140]);
    expect(cpu.v86).toBe(false);
    expect(cpu.cpl).toBe(0);
    expect(cpu.r.selector(SEGREG.ds)).toBe(0);
    expect(cpu.r.rights(SEGREG.ds) & RIGHTS.unusable).not.toBe(0);
  });

  test('IRET with VM goes back', () => {
    const { cpu } = bench.v86();
    bench.idtGate(0x30, SELECTOR.code, 0x100, INTERRUPT32);
    deliver(cpu, 0x30, { external: true });
    expect(bench.run('cf')).toBeUndefined();
    expect([cpu.v86, cpu.cpl, cpu.codeBits]).toEqual([true, 3, 16]);
    expect([0, 1, 2, 3, 4, 5].map(n => cpu.r.selector(n))).toEqual([0x110, 0x500, 0, 0x120, 0x130, 0x140]);
    expect(cpu.r.base(SEGREG.gs)).toBe(0x1400n);
    expect([cpu.r.rip, cpu.r.rsp]).toEqual([0x10n, BigInt(AT.stack3)]);
  });

  test('§20.3.3 INT n needs IOPL 3; INT3 a gate of DPL 3', () => {
    bench.v86(0);
    bench.idtGate(0x21, SELECTOR.code, 0x100, INTERRUPT32 | 0x60);
    expect(bench.run('cd 21')).toEqual({ vector: VECTOR.gp, error: 0 });
    bench.v86(3);
    bench.idtGate(0x21, SELECTOR.code, 0x100, INTERRUPT32 | 0x60);
    expect(bench.run('cd 21')).toBeUndefined();
    expect(bench.stack(32, 1)).toEqual([0x12]);
  });

  test('a handler that is not at level 0: #GP with its selector', () => {
    bench.v86(3);
    bench.idtGate(0x21, SELECTOR.userCode & ~3, 0x100, INTERRUPT32 | 0x60);
    expect(bench.run('cd 21')).toEqual({ vector: VECTOR.gp, error: SELECTOR.userCode & ~3 });
  });
});

describe('§6.14 IA-32e mode', () => {
  test('§6.14.2 same level: SS:RSP always pushed, RSP aligned to 16 bytes', () => {
    const { cpu } = bench.long();
    bench.idtGate(0x30, SELECTOR.code64, 0x1234, INTERRUPT32);
    cpu.r.rsp = BigInt(AT.stack0 - 8);
    cpu.r.flags = 0x202;
    expect(deliver(cpu, 0x30, { external: true })).toBe(true);
    expect(cpu.r.rsp).toBe(BigInt(AT.stack0 - 16 - 40));
    expect(bench.stack(64, 5)).toEqual([AT.code, SELECTOR.code64, 0x202, AT.stack0 - 8, SELECTOR.data]);
    expect([cpu.r.rip, cpu.r.flags]).toEqual([0x1234n, 2]);
    expect(cpu.r.selector(SEGREG.ss)).toBe(SELECTOR.data);
  });

  test('§6.14.4 to an inner level: RSP0, SS null with the new level', () => {
    const { cpu } = bench.long(3);
    bench.idtGate(VECTOR.pf, SELECTOR.code64, 0x1234, INTERRUPT32);
    expect(deliver(cpu, VECTOR.pf, { error: 6 })).toBe(true);
    expect([cpu.cpl, cpu.r.selector(SEGREG.ss), cpu.bits64]).toEqual([0, 0, true]);
    expect(bench.stack(64, 6)).toEqual([6, AT.code, SELECTOR.userCode64, 2 | FLAG.rf, AT.stack3, SELECTOR.userData]);
    expect(cpu.r.rsp).toBe(BigInt(AT.stack0 - 48));
  });

  test('§6.14.5 IST: its stack even at the same level', () => {
    const { cpu } = bench.long();
    bench.idtGate(VECTOR.df, SELECTOR.code64, 0x1234, INTERRUPT32, 1);
    deliver(cpu, VECTOR.df, { error: 0 });
    expect(cpu.r.rsp).toBe(BigInt(AT.ist1 - 48));
    expect(bench.stack(64, 1)).toEqual([0]);
  });

  test('from compatibility mode, and back by IRETQ', () => {
    const { cpu } = bench.long(3, 32);
    bench.idtGate(0x80, SELECTOR.code64, 0x1234, TRAP32 | 0x60);
    expect(bench.run('cd 80')).toBeUndefined();
    expect(cpu.bits64).toBe(true);
    expect(bench.stack(64, 5)).toEqual([AT.code + 2, SELECTOR.userCode, 2, AT.stack3, SELECTOR.userData]);
    expect(bench.run('48 cf')).toBeUndefined();
    expect([cpu.codeBits, cpu.cpl, cpu.r.rip, cpu.r.rsp]).toEqual([32, 3, BigInt(AT.code + 2), BigInt(AT.stack3)]);
  });

  test('gates of 16 bits, of tasks, and to code that is not 64-bit: #GP', () => {
    bench.long();
    bench.idtGate(0x30, SELECTOR.code64, 0x100, INTERRUPT16);
    expect(bench.run('cd 30')).toEqual({ vector: VECTOR.gp, error: 0x30 * 8 + 2 });
    bench.idtGate(0x31, SELECTOR.code, 0x100, INTERRUPT32);
    expect(bench.run('cd 31')).toEqual({ vector: VECTOR.gp, error: SELECTOR.code });
  });

  test('a stack that is not canonical: #SS', () => {
    bench.long(3);
    bench.set64(AT.tss + 4, 0x8000_0000_0000n);
    bench.idtGate(0x30, SELECTOR.code64, 0x100, INTERRUPT32 | 0x60);
    expect(bench.run('cd 30')).toEqual({ vector: VECTOR.ss, error: 0 });
  });
});

describe('§6.15 interrupt 8: double faults', () => {
  const present = (...vectors: number[]): void => {
    for (const vector of vectors) bench.idtGate(vector, SELECTOR.code, vector * 0x100, INTERRUPT32);
  };

  test('contributory after contributory is a double fault with error code 0', () => {
    const { cpu } = bench.protected();
    present(VECTOR.df); // #GP's gate is absent, which is #NP
    bench.idtGate(VECTOR.gp, SELECTOR.code, 0, 0x0e);
    expect(deliver(cpu, VECTOR.gp, { error: 5 })).toBe(true);
    expect(cpu.r.rip).toBe(0x800n);
    expect(bench.stack(32, 2)).toEqual([0, AT.code]);
  });

  test('contributory after benign is delivered itself', () => {
    const { cpu } = bench.protected();
    bench.idtGate(VECTOR.ud, SELECTOR.code, 0, 0x0e);
    present(VECTOR.np, VECTOR.df);
    deliver(cpu, VECTOR.ud);
    expect(cpu.r.rip).toBe(0xb00n);
    expect(bench.stack(32, 1)).toEqual([VECTOR.ud * 8 + 3]);
  });

  test('contributory after a page fault is a double fault; a page fault after contributory is not', () => {
    const { cpu } = bench.protected();
    bench.idtGate(VECTOR.pf, SELECTOR.code, 0, 0x0e);
    present(VECTOR.df, VECTOR.np);
    deliver(cpu, VECTOR.pf, { error: 2 });
    expect(cpu.r.rip).toBe(0x800n);

    bench.long();
    bench.idtGate(VECTOR.pf, SELECTOR.code64, 0xe00, INTERRUPT32, 1);
    bench.idtGate(VECTOR.gp, SELECTOR.code64, 0xd00, INTERRUPT32);
    cpu.r.rsp = 0x40_0000n; // not mapped
    deliver(cpu, VECTOR.gp, { error: 0 });
    expect(cpu.r.rip).toBe(0xe00n);
    expect(cpu.r.cr2).toBe(0x3f_fff8n);
    expect(bench.stack(64, 1)).toEqual([2]);
  });

  test('a fault in the delivery of a double fault is a shutdown, registers as before', () => {
    const { cpu } = bench.protected();
    cpu.r.u32[STATE.idtr / 4 + 2] = 0;
    expect(deliver(cpu, VECTOR.gp, { error: 0 })).toBe(false);
    expect([cpu.r.rip, cpu.r.rsp]).toEqual([BigInt(AT.code), BigInt(AT.stack0)]);
    expect(deliver(cpu, 0x30, { external: true })).toBe(false);
  });
});

test('§17.2.4 a debug exception clears DR7.GD', () => {
  const { cpu } = bench.protected();
  bench.idtGate(VECTOR.db, SELECTOR.code, 0x100, INTERRUPT32);
  cpu.r.u32[STATE.dr / 4 + 14] = 0x2400;
  expect(bench.run('0f 21 f8')).toEqual({ vector: VECTOR.db, error: 0 });
  expect(cpu.r.u32[STATE.dr / 4 + 12]! & 0x2000).toBe(0x2000);
  deliver(cpu, VECTOR.db);
  expect(cpu.r.u32[STATE.dr / 4 + 14]).toBe(0x400);
});
