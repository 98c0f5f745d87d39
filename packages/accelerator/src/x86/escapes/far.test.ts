import { beforeAll, describe, expect, test } from '@jest/globals';
import { VECTOR } from '../fault.ts';
import { MSR } from '../msr.ts';
import { RIGHTS, SEGREG } from '../registers.ts';
import { FLAG, GPR } from '../state.ts';
import { AT, SELECTOR, TestBench } from '../test-bench.ts';

let bench: TestBench;
beforeAll(() => {
  bench = new TestBench();
});

/** Far pointer operand of 16:32. */
const pointer = (selector: number, offset: number): string =>
  [offset, offset >> 8, offset >> 16, offset >> 24, selector, selector >> 8]
    .map(n => (n & 0xff).toString(16).padStart(2, '0'))
    .join(' ');
const jmp = (selector: number, offset = 0x100): ReturnType<TestBench['run']> =>
  bench.run(`ea ${pointer(selector, offset)}`);
const call = (selector: number, offset = 0x100): ReturnType<TestBench['run']> =>
  bench.run(`9a ${pointer(selector, offset)}`);
const gp = (error: number) => ({ vector: VECTOR.gp, error });

describe('JMP and CALL far', () => {
  test('real mode: CS:IP; CALL pushes the old one', () => {
    const { cpu } = bench.real();
    expect(bench.run('9a 34 12 00 20')).toBeUndefined();
    expect([cpu.r.rip, cpu.r.base(SEGREG.cs)]).toEqual([0x1234n, 0x2_0000n]);
    expect(bench.stack(16, 2)).toEqual([AT.code + 5, 0]);
  });

  test('to code of the same level', () => {
    const { cpu } = bench.protected();
    expect(call(SELECTOR.code16)).toBeUndefined();
    expect([cpu.codeBits, cpu.r.rip]).toEqual([16, 0x100n]);
    expect(bench.stack(32, 2)).toEqual([AT.code + 7, SELECTOR.code]);
  });

  test('from protected to 64-bit mode, when IA-32e mode is active', () => {
    const { cpu } = bench.long(0, 32);
    expect(jmp(SELECTOR.code64)).toBeUndefined();
    expect(cpu.bits64).toBe(true);
  });

  test.each([
    ['null', 0, 0, gp(0)],
    ['data', 0, SELECTOR.data, gp(SELECTOR.data)],
    ['an outer level', 0, SELECTOR.userCode, gp(SELECTOR.userCode & ~3)],
    ['an inner level', 3, SELECTOR.code, gp(SELECTOR.code)],
    ['not present', 0, SELECTOR.absentCode, { vector: VECTOR.np, error: SELECTOR.absentCode }],
    ['a busy TSS', 0, SELECTOR.tss, gp(SELECTOR.tss)],
  ] as const)('%s', (_, cpl, selector, outcome) => {
    bench.protected(cpl);
    expect(jmp(selector)).toEqual(outcome);
  });

  test('a conforming segment runs at the level of its caller', () => {
    const { cpu } = bench.protected(3);
    expect(jmp(SELECTOR.conforming)).toBeUndefined();
    expect([cpu.cpl, cpu.r.selector(SEGREG.cs)]).toEqual([3, SELECTOR.conforming | 3]);
  });

  test('an offset beyond the limit: #GP(0)', () => {
    bench.protected();
    expect(jmp(SELECTOR.code16, 0x1_0000)).toEqual(gp(0));
  });

  test('through memory', () => {
    const { cpu } = bench.protected();
    bench.set32(AT.data, 0x4444);
    bench.set16(AT.data + 4, SELECTOR.code);
    expect(bench.run('ff 2d 00 d0 00 00')).toBeUndefined();
    expect(cpu.r.rip).toBe(0x4444n);
  });
});

describe('§5.8.3 call gates', () => {
  test('to an inner level: the stack of the TSS, parameters copied in order', () => {
    const { cpu } = bench.protected(3);
    bench.gate(AT.gdt + SELECTOR.gate, SELECTOR.code, 0x1234, 0xec, 2);
    bench.push(32, 0xaaaa, 0xbbbb);
    expect(call(SELECTOR.gate | 3)).toBeUndefined();
    expect([cpu.cpl, cpu.r.rip]).toEqual([0, 0x1234n]);
    expect(bench.stack(32, 6)).toEqual([
      AT.code + 7,
      SELECTOR.userCode,
      0xbbbb,
      0xaaaa,
      AT.stack3 - 8,
      SELECTOR.userData,
    ]);
    // and RET 8 goes back, releasing them on both stacks
    expect(bench.run('ca 08 00')).toBeUndefined();
    expect([cpu.cpl, cpu.r.rip, cpu.r.rsp]).toEqual([3, BigInt(AT.code + 7), BigInt(AT.stack3)]);
  });

  test('DPL below CPL or RPL: #GP with the gate; absent: #NP with it', () => {
    bench.protected(3);
    bench.gate(AT.gdt + SELECTOR.gate, SELECTOR.code, 0x1234, 0x8c);
    expect(call(SELECTOR.gate)).toEqual(gp(SELECTOR.gate));
    bench.gate(AT.gdt + SELECTOR.gate, SELECTOR.code, 0x1234, 0x6c);
    expect(call(SELECTOR.gate)).toEqual({ vector: VECTOR.np, error: SELECTOR.gate });
  });

  test('a 16-bit gate: words, of the parameters too; the offset has 16 bits', () => {
    const { cpu } = bench.protected(3);
    bench.gate(AT.gdt + SELECTOR.gate, SELECTOR.code, 0x55_1234, 0xe4, 3);
    bench.push(16, 0xaaaa, 0xbbbb, 0xcccc);
    expect(call(SELECTOR.gate | 3)).toBeUndefined();
    expect([cpu.cpl, cpu.r.rip]).toEqual([0, 0x1234n]);
    const old = [(AT.stack3 - 6) & 0xffff, SELECTOR.userData];
    expect(bench.stack(16, 7)).toEqual([AT.code + 7, SELECTOR.userCode, 0xcccc, 0xbbbb, 0xaaaa, ...old]);
    expect(bench.run('66 ca 06 00')).toBeUndefined();
    expect([cpu.cpl, cpu.r.rip, cpu.r.rsp]).toEqual([3, BigInt(AT.code + 7), BigInt(AT.stack3)]);
  });

  test('31 parameters; at the same level none are copied', () => {
    bench.protected(3);
    bench.gate(AT.gdt + SELECTOR.gate, SELECTOR.code, 0x1234, 0xec, 31);
    const values = Array.from({ length: 31 }, (_, n) => n + 1);
    bench.push(32, ...values);
    expect(call(SELECTOR.gate | 3)).toBeUndefined();
    expect(bench.stack(32, 33).slice(2)).toEqual(values.toReversed());
    bench.protected();
    bench.gate(AT.gdt + SELECTOR.gate, SELECTOR.code, 0x1234, 0xec, 2);
    bench.push(32, 7);
    expect(call(SELECTOR.gate)).toBeUndefined();
    expect(bench.stack(32, 3)).toEqual([AT.code + 7, SELECTOR.code, 7]);
  });

  test('to a conforming segment: the level and the stack stay, by CALL and by JMP', () => {
    const { cpu } = bench.protected(3);
    bench.gate(AT.gdt + SELECTOR.gate, SELECTOR.conforming, 0x1234, 0xec, 2);
    expect(call(SELECTOR.gate | 3)).toBeUndefined();
    expect([cpu.cpl, cpu.r.selector(SEGREG.cs), cpu.r.rsp]).toEqual([
      3,
      SELECTOR.conforming | 3,
      BigInt(AT.stack3 - 8),
    ]);
    expect(jmp(SELECTOR.gate | 3)).toBeUndefined();
    expect(cpu.r.rip).toBe(0x1234n);
  });

  test('what the gate leads to: null is #GP(0), data #GP, an outer level #GP, absent #NP', () => {
    for (const [selector, outcome] of [
      [0, gp(0)],
      [SELECTOR.data, gp(SELECTOR.data)],
      [SELECTOR.userCode, gp(SELECTOR.userCode & ~3)],
      [SELECTOR.absentCode, { vector: VECTOR.np, error: SELECTOR.absentCode }],
    ] as const) {
      bench.protected();
      bench.gate(AT.gdt + SELECTOR.gate, selector, 0x1234, 0xec);
      expect(call(SELECTOR.gate)).toEqual(outcome);
    }
  });

  test('no stack for the level: #TS; one with no room for the frame: #SS; nothing has changed', () => {
    const { cpu } = bench.protected(3);
    bench.gate(AT.gdt + SELECTOR.gate, SELECTOR.code, 0x1234, 0xec);
    bench.set32(AT.tss + 8, SELECTOR.readOnly);
    expect(call(SELECTOR.gate | 3)).toEqual({ vector: VECTOR.ts, error: SELECTOR.readOnly });
    bench.descriptor(SELECTOR.absentStack, 0, 0xff, 0x92, 4);
    bench.set32(AT.tss + 8, SELECTOR.absentStack);
    expect(call(SELECTOR.gate | 3)).toEqual({ vector: VECTOR.ss, error: SELECTOR.absentStack });
    expect([cpu.cpl, cpu.r.rip, cpu.r.rsp]).toEqual([3, BigInt(AT.code), BigInt(AT.stack3)]);
  });

  test('JMP does not change the level', () => {
    bench.protected(3);
    bench.gate(AT.gdt + SELECTOR.gate, SELECTOR.code, 0x1234, 0xec);
    expect(jmp(SELECTOR.gate)).toEqual(gp(SELECTOR.code));
  });

  test('§5.8.3.1 64-bit gates: 16 bytes, SS null, four quadwords', () => {
    const { cpu } = bench.long(3);
    bench.gate(AT.gdt + SELECTOR.gate, SELECTOR.code64, 0x1234, 0xec);
    bench.set64(AT.gdt + SELECTOR.gate + 8, 0x7fffn);
    bench.set32(AT.data, 0);
    bench.set16(AT.data + 4, SELECTOR.gate);
    expect(bench.run('ff 1c 25 00 d0 00 00')).toBeUndefined();
    expect([cpu.r.rip, cpu.cpl, cpu.r.selector(SEGREG.ss)]).toEqual([0x7fff_0000_1234n, 0, 0]);
    expect(bench.stack(64, 4)).toEqual([AT.code + 7, SELECTOR.userCode64, AT.stack3, SELECTOR.userData]);
    expect(bench.run('48 cb')).toBeUndefined();
    expect([cpu.cpl, cpu.r.rip, cpu.r.rsp]).toEqual([3, BigInt(AT.code + 7), BigInt(AT.stack3)]);
  });
});

describe('§7.3 task switches', () => {
  test('JMP to a TSS: the old one is no longer busy', () => {
    const { cpu } = bench.protected();
    for (const [at, value] of [
      [0x20, 0x6000],
      [0x24, 2],
      [0x38, 0x9000],
      [0x48, SELECTOR.data],
      [0x4c, SELECTOR.code],
      [0x50, SELECTOR.data],
      [0x54, SELECTOR.data],
    ] as const)
      bench.set32(AT.otherTss + at, value);
    expect(jmp(SELECTOR.otherTss)).toBeUndefined();
    expect([cpu.r.rip, cpu.r.rsp, cpu.r.systemFlag(FLAG.nt)]).toEqual([0x6000n, 0x9000n, false]);
    expect([bench.access(SELECTOR.tss), bench.access(SELECTOR.otherTss)]).toEqual([0x89, 0x8b]);
    expect(bench.get32(AT.tss + 0x20)).toBe(AT.code + 7);
  });

  test('table 7-1: a stack that the new task may not have is #TS in the new task', () => {
    const { cpu } = bench.protected();
    for (const [at, value] of [
      [0x20, 0x6000],
      [0x24, 2],
      [0x38, 0x9000],
      [0x4c, SELECTOR.code],
      [0x50, SELECTOR.readOnly],
    ] as const)
      bench.set32(AT.otherTss + at, value);
    expect(jmp(SELECTOR.otherTss)).toEqual({ vector: VECTOR.ts, error: SELECTOR.readOnly });
    expect([cpu.r.rip, cpu.r.selector(SEGREG.tr)]).toEqual([0x6000n, SELECTOR.otherTss]);
  });

  test('a TSS that is too short: #TS in the old task', () => {
    const { cpu } = bench.protected();
    bench.descriptor(SELECTOR.otherTss, AT.otherTss, 0x66, 0x89);
    expect(jmp(SELECTOR.otherTss)).toEqual({ vector: VECTOR.ts, error: SELECTOR.otherTss });
    expect(cpu.r.rip).toBe(BigInt(AT.code));
  });

  test('there are none in IA-32e mode: IRET with NT is #GP', () => {
    bench.long();
    bench.cpu.r.flags = FLAG.nt;
    expect(bench.run('48 cf')).toEqual(gp(0));
  });
});

describe('RET far and IRET', () => {
  test('real mode: 16-bit IRET keeps the upper flags', () => {
    const { cpu } = bench.real();
    bench.push(16, 0x7fd7, 0x1000, 0x200);
    cpu.r.flags = FLAG.ac | FLAG.id;
    expect(bench.run('cf')).toBeUndefined();
    expect([cpu.r.rip, cpu.r.base(SEGREG.cs)]).toEqual([0x200n, 0x1_0000n]);
    expect(cpu.r.flags).toBe(FLAG.ac | FLAG.id | 0x7fd7);
  });

  test('to an outer level: data segments that it may not use become null', () => {
    const { cpu } = bench.protected();
    cpu.r.setSegment(SEGREG.fs, SELECTOR.userData, 0n, 0xffff_ffff, 0xc0f3);
    bench.push(32, SELECTOR.userData, AT.stack3, 0x202, SELECTOR.userCode, 0x1111);
    expect(bench.run('cf')).toBeUndefined();
    expect([cpu.cpl, cpu.r.rip, cpu.r.rsp, cpu.r.flags]).toEqual([3, 0x1111n, BigInt(AT.stack3), 0x202]);
    expect([cpu.r.selector(SEGREG.ds), cpu.r.selector(SEGREG.fs)]).toEqual([0, SELECTOR.userData]);
    expect(cpu.r.rights(SEGREG.ds) & RIGHTS.unusable).toBe(RIGHTS.unusable);
  });

  test.each([
    ['to an inner level', 3, [SELECTOR.code, 0x100], gp(SELECTOR.code)],
    ['null CS', 0, [0, 0x100], gp(0)],
    ['data', 0, [SELECTOR.data, 0x100], gp(SELECTOR.data)],
    ['absent', 0, [SELECTOR.absentCode, 0x100], { vector: VECTOR.np, error: SELECTOR.absentCode }],
  ] as const)('RET: %s', (_, cpl, values, outcome) => {
    const { cpu } = bench.protected(cpl);
    bench.push(32, ...values);
    const before = cpu.r.rsp;
    expect(bench.run('cb')).toEqual(outcome);
    expect(cpu.r.rsp).toBe(before);
  });

  test('outward, with a stack of another level: #GP with SS', () => {
    bench.protected();
    bench.push(32, SELECTOR.data, AT.stack3, SELECTOR.userCode, 0x100);
    expect(bench.run('cb')).toEqual(gp(SELECTOR.data));
  });

  test('at level 3 IRET changes neither IOPL nor IF', () => {
    const { cpu } = bench.protected(3);
    bench.push(32, 0x3202 | FLAG.ac, SELECTOR.userCode, 0x100);
    cpu.r.flags = 2;
    expect(bench.run('cf')).toBeUndefined();
    expect(cpu.r.flags).toBe(2 | FLAG.ac);
  });

  test('IRET lets NMIs in', () => {
    const { cpu } = bench.protected();
    cpu.nmiMasked = true;
    bench.push(32, 2, SELECTOR.code, 0x100);
    bench.run('cf');
    expect(cpu.nmiMasked).toBe(false);
  });

  test('IRETQ at the same level loads SS:RSP too; SS may be null', () => {
    const { cpu } = bench.long();
    bench.push(64, 0, AT.stack3, 0x202, SELECTOR.code64, 0x1111);
    expect(bench.run('48 cf')).toBeUndefined();
    expect([cpu.r.rip, cpu.r.rsp, cpu.r.selector(SEGREG.ss)]).toEqual([0x1111n, BigInt(AT.stack3), 0]);
  });

  test('IRETQ to level 3: no null SS, a canonical RIP', () => {
    bench.long();
    bench.push(64, 3, AT.stack3, 0x202, SELECTOR.userCode64, 0x1111);
    expect(bench.run('48 cf')).toEqual(gp(0));
    bench.long();
    bench.push(64, SELECTOR.userData, AT.stack3, 0x202, SELECTOR.userCode64, 0x8000_0000_0000);
    expect(bench.run('48 cf')).toEqual(gp(0));
  });
});

describe('SYSCALL, SYSRET, SYSENTER, SYSEXIT', () => {
  const star = (BigInt(SELECTOR.userCode64 - 16) << 48n) | (BigInt(SELECTOR.code64) << 32n);

  test('SYSCALL saves RIP and RFLAGS, masks flags, goes to LSTAR; SYSRET comes back', () => {
    const { cpu } = bench.long(3);
    const { msrs, r } = cpu;
    msrs.set(MSR.star, star);
    msrs.set(MSR.lstar, 0xffff_8000_0000_1000n);
    msrs.set(MSR.fmask, BigInt(FLAG.if | FLAG.df));
    r.flags = 0x602 | FLAG.cf;
    expect(bench.run('0f 05')).toBeUndefined();
    expect([r.rip, r.gpr64(GPR.rcx), r.gpr64(11)]).toEqual([0xffff_8000_0000_1000n, BigInt(AT.code + 2), 0x603n]);
    expect([cpu.cpl, r.flags, r.selector(SEGREG.cs), r.selector(SEGREG.ss)]).toEqual([
      0,
      3,
      SELECTOR.code64,
      SELECTOR.code64 + 8,
    ]);
    expect(cpu.bits64).toBe(true);
    expect(r.rsp).toBe(BigInt(AT.stack3));
    expect(bench.run('48 0f 07')).toBeUndefined();
    expect([r.rip, cpu.cpl, r.flags, r.selector(SEGREG.cs)]).toEqual([
      BigInt(AT.code + 2),
      3,
      0x603,
      SELECTOR.userCode64,
    ]);
  });

  test('SYSRET without REX.W goes to compatibility mode', () => {
    const { cpu } = bench.long();
    cpu.msrs.set(MSR.star, star);
    cpu.r.setGpr64(GPR.rcx, 0x1_0000_1234n);
    cpu.r.setGpr64(11, 0x202n);
    expect(bench.run('0f 07')).toBeUndefined();
    expect([cpu.codeBits, cpu.r.rip, cpu.cpl]).toEqual([32, 0x1234n, 3]);
  });

  test('AMD APM vol. 3: SYSCALL from compatibility mode goes to CSTAR, from protected mode to STAR', () => {
    const { cpu } = bench.long(3, 32);
    cpu.msrs.set(MSR.star, star);
    cpu.msrs.set(MSR.cstar, 0x7777n);
    expect(bench.run('0f 05')).toBeUndefined();
    expect([cpu.r.rip, cpu.bits64, cpu.r.gpr64(GPR.rcx)]).toEqual([0x7777n, true, BigInt(AT.code + 2)]);

    bench.protected(3);
    cpu.r.efer = 1;
    cpu.msrs.set(MSR.star, (BigInt(SELECTOR.code) << 32n) | 0x5555n);
    cpu.r.flags = 0x202;
    expect(bench.run('0f 05')).toBeUndefined();
    expect([cpu.r.rip, cpu.codeBits, cpu.cpl, cpu.r.flags]).toEqual([0x5555n, 32, 0, 2]);
  });

  test('#UD unless EFER.SCE', () => {
    const { cpu } = bench.long(3);
    cpu.r.efer &= ~1;
    expect(bench.run('0f 05')).toEqual({ vector: VECTOR.ud, error: 0 });
  });

  test('SYSENTER and SYSEXIT', () => {
    const { cpu } = bench.protected(3);
    expect(bench.run('0f 34')).toEqual(gp(0)); // no selector
    cpu.msrs.set(MSR.sysenterCs, BigInt(SELECTOR.code));
    cpu.msrs.set(MSR.sysenterEip, 0x1234n);
    cpu.msrs.set(MSR.sysenterEsp, 0x7000n);
    cpu.r.flags = 0x202;
    expect(bench.run('0f 34')).toBeUndefined();
    expect([cpu.cpl, cpu.r.rip, cpu.r.rsp, cpu.r.flags]).toEqual([0, 0x1234n, 0x7000n, 2]);
    cpu.r.setGpr32(GPR.rdx, 0x5555);
    cpu.r.setGpr32(GPR.rcx, 0x6666);
    expect(bench.run('0f 35')).toBeUndefined();
    expect([cpu.cpl, cpu.r.rip, cpu.r.rsp, cpu.r.selector(SEGREG.cs)]).toEqual([
      3,
      0x5555n,
      0x6666n,
      (SELECTOR.code + 16) | 3,
    ]);
  });
});

test('BOUND: #BR outside', () => {
  const { cpu } = bench.protected();
  bench.set32(AT.data, -5 >>> 0);
  bench.set32(AT.data + 4, 5);
  cpu.r.setGpr32(GPR.rax, -5 >>> 0);
  expect(bench.run('62 05 00 d0 00 00')).toBeUndefined();
  cpu.r.setGpr32(GPR.rax, 6);
  expect(bench.run('62 05 00 d0 00 00')).toEqual({ vector: VECTOR.br, error: 0 });
});
