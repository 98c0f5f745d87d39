import { beforeAll, describe, expect, test } from '@jest/globals';
import { VECTOR } from '../fault.ts';
import { SEGREG } from '../registers.ts';
import { FLAG, GPR } from '../state.ts';
import { AT, SELECTOR, TestBench } from '../test-bench.ts';

let bench: TestBench;
beforeAll(() => {
  bench = new TestBench();
});
const gp = { vector: VECTOR.gp, error: 0 };

describe('IN and OUT', () => {
  test('AL, AX and EAX; the port in the instruction or in DX', () => {
    const { cpu } = bench.protected();
    bench.portValue = 0x1234_5678;
    cpu.r.setGpr64(GPR.rax, 0xffff_ffff_ffff_ffffn);
    cpu.r.setGpr32(GPR.rdx, 0x1_03f8);
    bench.run('66 ed');
    expect(cpu.r.gpr64(GPR.rax)).toBe(0xffff_ffff_ffff_5678n);
    bench.run('e5 80');
    expect(cpu.r.gpr64(GPR.rax)).toBe(0x1234_5678n);
    bench.run('ee');
    bench.run('e7 70');
    bench.run('66 ef');
    expect(bench.ports).toEqual([
      { port: 0x3f8, size: 2, value: -1 },
      { port: 0x80, size: 4, value: -1 },
      { port: 0x3f8, size: 1, value: 0x78 },
      { port: 0x70, size: 4, value: 0x1234_5678 },
      { port: 0x3f8, size: 2, value: 0x5678 },
    ]);
  });
});

describe('vol. 1 §18.5 protection', () => {
  test('CPL ≤ IOPL needs no bitmap', () => {
    const { cpu } = bench.protected(3);
    expect(bench.run('e4 80')).toEqual(gp);
    cpu.r.flags = 0x3002;
    expect(bench.run('e4 80')).toBeUndefined();
  });

  test('§18.5.2 the bitmap: a bit for each byte of the port', () => {
    const { cpu } = bench.protected(3);
    cpu.r.setSegment(SEGREG.tr, SELECTOR.tss, BigInt(AT.tss), 0x67 + 0x20, 0x8b);
    bench.set16(AT.tss + 0x66, 0x68);
    for (let n = 0; n < 0x20; n++) bench.set8(AT.tss + 0x68 + n, 0xff);
    bench.set8(AT.tss + 0x68 + 0x10, 0x7f); // port 87h
    expect(bench.run('e4 87')).toBeUndefined();
    expect(bench.run('e4 86')).toEqual(gp);
    expect(bench.run('66 e5 87')).toEqual(gp);
    bench.set8(AT.tss + 0x68 + 0x11, 0xfe); // and 88h
    expect(bench.run('66 e5 87')).toBeUndefined();
    expect(bench.run('e5 87')).toEqual(gp);
    bench.set8(AT.tss + 0x68 + 0x1f, 0);
    expect(bench.run('e4 ff')).toEqual(gp); // its second byte lies beyond the limit
  });

  test('virtual-8086 mode asks the bitmap whatever IOPL is', () => {
    bench.v86(3);
    expect(bench.run('e4 80')).toEqual(gp);
  });

  test('real mode asks nobody', () => {
    bench.real();
    expect(bench.run('e4 80')).toBeUndefined();
  });
});

describe('INS and OUTS', () => {
  test('REP OUTSB takes bytes from memory, 64 at most at a time', () => {
    const { cpu } = bench.protected();
    cpu.r.setGpr32(GPR.rcx, 66);
    cpu.r.setGpr32(GPR.rsi, AT.data);
    cpu.r.setGpr32(GPR.rdx, 0x402);
    for (let n = 0; n < 66; n++) bench.set8(AT.data + n, n);
    bench.run('f3 6e');
    expect([cpu.r.rip, cpu.r.gpr32(GPR.rcx), cpu.r.gpr32(GPR.rsi)]).toEqual([BigInt(AT.code), 2, AT.data + 64]);
    bench.run('f3 6e');
    expect([cpu.r.rip, cpu.r.gpr32(GPR.rcx)]).toEqual([BigInt(AT.code + 2), 0]);
    expect(bench.ports.map(({ value }) => value)).toEqual(Array.from({ length: 66 }, (_, n) => n));
  });

  test('OUTSD takes what the overriding segment has', () => {
    const { cpu } = bench.protected();
    cpu.r.setSegment(SEGREG.fs, SELECTOR.data, 0x100n, 0xffff_ffff, 0xc093);
    cpu.r.setGpr32(GPR.rsi, AT.data - 0x100);
    cpu.r.setGpr32(GPR.rdx, 0x70);
    bench.set32(AT.data, 0x1357_9bdf);
    expect(bench.run('64 6f')).toBeUndefined();
    expect(bench.ports).toEqual([{ port: 0x70, size: 4, value: 0x1357_9bdf }]);
    expect(cpu.r.gpr32(GPR.rsi)).toBe(AT.data - 0x100 + 4);
  });

  test('INSW backwards', () => {
    const { cpu } = bench.protected();
    bench.portValue = 0xabcd;
    cpu.r.flags = FLAG.df;
    cpu.r.setGpr32(GPR.rdi, AT.data);
    expect(bench.run('66 6d')).toBeUndefined();
    expect([bench.get16(AT.data), cpu.r.gpr32(GPR.rdi)]).toEqual([0xabcd, AT.data - 2]);
  });

  test('INS faults before it reads the port, with the iterations before it done', () => {
    const { cpu } = bench.long();
    cpu.r.setGpr64(GPR.rdi, 0x1f_ffffn);
    cpu.r.setGpr64(GPR.rcx, 2n);
    expect(bench.run('f3 6c')).toEqual({ vector: VECTOR.pf, error: 2 });
    expect([cpu.r.rip, cpu.r.gpr64(GPR.rcx), cpu.r.gpr64(GPR.rdi)]).toEqual([BigInt(AT.code), 1n, 0x20_0000n]);
    expect(bench.ports.length).toBe(1);
  });
});
