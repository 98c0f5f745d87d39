import { beforeEach, describe, expect, test } from '@jest/globals';
import { CR0, CR4 } from '../registers.ts';
import { GPR, STATE } from '../state.ts';
import { AT, TestBench } from '../test-bench.ts';

const XSAVE = '480fae27'; // [RDI], with 64-bit pointers
const XSAVEOPT = '480fae37';
const XRSTOR = '480fae2f';
const HEADER = AT.data + 512;

let bench: TestBench;
beforeEach(() => {
  bench = new TestBench().long();
  const { r, x87 } = bench.cpu;
  r.cr4 |= CR4.osxsave;
  r.u64[STATE.xcr0 / 8] = 3n;
  r.setGpr64(GPR.rdi, BigInt(AT.data));
  r.setGpr64(GPR.rax, 0xffff_ffffn);
  r.setGpr64(GPR.rdx, 0xffff_ffffn);
  x87.clear();
});

const setXmm = (n: number, value: bigint): void => {
  bench.cpu.r.u64[STATE.xmm / 8 + 2 * n] = value;
};
const xmm = (n: number): bigint => bench.cpu.r.u64[STATE.xmm / 8 + 2 * n]!;
const fill = (): void => {
  for (let at = 0; at < 640; at += 8) bench.set64(AT.data + at, 0x5555_5555_5555_5555n);
};
const header = (present: bigint): void => {
  for (let at = 0; at < 64; at += 8) bench.set64(HEADER + at, at === 0 ? present : 0n);
};

describe('XSAVE (SDM vol. 1 §13.7)', () => {
  test('both components; XSTATE_BV says which are in use, and is all of the header that is written', () => {
    fill();
    header(0n);
    bench.set64(HEADER + 8, 7n);
    setXmm(15, 0x1234n);
    expect(bench.run(XSAVE)).toBeUndefined();
    expect([bench.get16(AT.data), bench.get32(AT.data + 24), bench.get32(AT.data + 28)]).toEqual([
      0x37f, 0x1f80, 0xffff,
    ]);
    expect(bench.get64(AT.data + 160 + 15 * 16)).toBe(0x1234n);
    expect(bench.get64(AT.data + 416)).toBe(0x5555_5555_5555_5555n);
    expect([bench.get64(HEADER), bench.get64(HEADER + 8)]).toEqual([2n, 7n]);
  });

  test('what is not asked for keeps its place and its bit', () => {
    fill();
    header(3n);
    bench.cpu.r.setGpr64(GPR.rax, 1n);
    expect(bench.run(XSAVE)).toBeUndefined();
    expect(bench.get32(AT.data + 24)).toBe(0x5555_5555);
    expect(bench.get64(AT.data + 160)).toBe(0x5555_5555_5555_5555n);
    expect(bench.get64(HEADER)).toBe(2n); // x87 is as after initialization
  });

  test('XSAVEOPT leaves out components that are not in use', () => {
    fill();
    header(3n);
    setXmm(0, 9n);
    expect(bench.run(XSAVEOPT)).toBeUndefined();
    expect([bench.get16(AT.data), bench.get64(AT.data + 160), bench.get64(HEADER)]).toEqual([0x5555, 9n, 2n]);
  });

  const faults = (vector: number): void => {
    for (const code of [XSAVE, XSAVEOPT, XRSTOR]) expect(bench.run(code)).toEqual({ vector, error: 0 });
  };

  test('#GP for an area that does not lie on 64 bytes', () => {
    bench.cpu.r.setGpr64(GPR.rdi, BigInt(AT.data + 16));
    faults(13);
  });

  test('#NM by CR0.TS, #UD without CR4.OSXSAVE', () => {
    const { r } = bench.cpu;
    r.cr0 |= CR0.ts;
    faults(7);
    r.cr4 &= ~CR4.osxsave;
    faults(6);
  });
});

describe('XRSTOR (SDM vol. 1 §13.8)', () => {
  test('what XSTATE_BV does not have is initialized; MXCSR is loaded all the same', () => {
    bench.cpu.x87.reset();
    setXmm(3, 5n);
    header(0n);
    bench.set32(AT.data + 24, 0x1fa0);
    expect(bench.run(XRSTOR)).toBeUndefined();
    expect([bench.cpu.x87.control, bench.cpu.x87.tags, xmm(3)]).toEqual([0x37f, 0, 0n]);
    expect(bench.cpu.r.u32[STATE.mxcsr / 4]).toBe(0x1fa0);
  });

  test('XSAVE and XRSTOR give the state back', () => {
    const { cpu } = bench;
    for (let n = 0; n < 16; n++) setXmm(n, BigInt(n + 1));
    cpu.x87.control = 0x27f;
    expect(bench.run(XSAVE)).toBeUndefined();
    for (let n = 0; n < 16; n++) setXmm(n, 0n);
    cpu.x87.control = 0x37f;
    expect(bench.run(XRSTOR)).toBeUndefined();
    expect(Array.from({ length: 16 }, (_, n) => xmm(n))).toEqual(Array.from({ length: 16 }, (_, n) => BigInt(n + 1)));
    expect(cpu.x87.control).toBe(0x27f);
  });

  test('#GP: components that XCR0 does not have, a compacted area, reserved bytes, reserved bits of MXCSR', () => {
    header(4n);
    expect(bench.run(XRSTOR)).toEqual({ vector: 13, error: 0 });
    for (const at of [8, 16]) {
      header(0n);
      bench.set64(HEADER + at, 1n << 63n);
      expect(bench.run(XRSTOR)).toEqual({ vector: 13, error: 0 });
    }
    header(0n);
    bench.set32(AT.data + 24, 0x1_0000);
    expect(bench.run(XRSTOR)).toEqual({ vector: 13, error: 0 });
  });
});

describe('an area in one page or in two, with and without a TLB that knows', () => {
  const FXSAVE = '480fae07'; // [RDI]
  const FXRSTOR = '480fae0f';

  test.each([
    ['XSAVE', XSAVE, XRSTOR],
    ['XSAVEOPT', XSAVEOPT, XRSTOR],
    ['FXSAVE', FXSAVE, FXRSTOR],
  ] as const)('%s', (_name, save, restore) => {
    const { cpu } = bench;
    const area = (at: number): bigint[] => Array.from({ length: 72 }, (_, n) => bench.get64(at + 8 * n));
    const state = (): bigint[] => [
      ...Array.from({ length: 32 }, (_, n) => cpu.r.u64[STATE.xmm / 8 + n]!),
      // Without selectors, which an image with 64-bit pointers does not have.
      ...Array.from({ length: 19 }, (_, n) => cpu.r.u64[STATE.x87 / 8 + n]!),
      BigInt(cpu.r.u32[STATE.mxcsr / 4]!),
    ];
    // FLD1, FLDPI, FCHS: registers and pointers that are not zero.
    expect(bench.run('d9e8d9ebd9e0')).toBeUndefined();
    for (let n = 0; n < 32; n++) cpu.r.u64[STATE.xmm / 8 + n] = 0x0123_4567_89ab_cdefn * BigInt(n + 1);
    const before = state();
    const seen = new Set<string>();
    for (const at of [AT.data, AT.data + 0x1000 - 64, AT.data + 0x1000 - 512])
      for (const known of [false, true]) {
        for (let byte = 0; byte < 576; byte += 8) bench.set64(at + byte, byte < 512 ? 0x5555_5555_5555_5555n : 0n);
        cpu.r.setGpr64(GPR.rdi, BigInt(at));
        if (!known) cpu.flushTlb();
        expect(bench.run(save)).toBeUndefined();
        seen.add(String(area(at)));
        cpu.x87.clear();
        for (let n = 0; n < 32; n++) cpu.r.u64[STATE.xmm / 8 + n] = 0n;
        if (!known) cpu.flushTlb();
        expect(bench.run(restore)).toBeUndefined();
        expect(state()).toEqual(before);
      }
    expect(seen.size).toBe(1);
  });
});

describe('XGETBV and XSETBV (SDM vol. 2)', () => {
  test('XCR0', () => {
    const { r } = bench.cpu;
    r.setGpr64(GPR.rcx, 0n);
    r.setGpr64(GPR.rax, 1n);
    r.setGpr64(GPR.rdx, 0n);
    expect(bench.run('0f01d1')).toBeUndefined();
    expect(bench.run('0f01d0')).toBeUndefined();
    expect([r.gpr64(GPR.rax), r.gpr64(GPR.rdx), r.u64[STATE.xcr0 / 8]]).toEqual([1n, 0n, 1n]);
  });

  test.each([
    [1n, 1n, 0n],
    [0n, 2n, 0n],
    [0n, 7n, 0n],
    [0n, 3n, 1n],
  ])('#GP: ECX %i, EAX %i, EDX %i', (rcx, rax, rdx) => {
    const { r } = bench.cpu;
    r.setGpr64(GPR.rcx, rcx);
    r.setGpr64(GPR.rax, rax);
    r.setGpr64(GPR.rdx, rdx);
    expect(bench.run('0f01d1')).toEqual({ vector: 13, error: 0 });
  });

  test('XSETBV is for level 0, XGETBV for all', () => {
    bench = new TestBench().long(3);
    const { r } = bench.cpu;
    r.cr4 |= CR4.osxsave;
    r.setGpr64(GPR.rax, 1n);
    expect(bench.run('0f01d1')).toEqual({ vector: 13, error: 0 });
    expect(bench.run('0f01d0')).toBeUndefined();
  });

  test('#UD without the feature', () => {
    bench = new TestBench('x86-64-v2').long();
    for (const code of [XSAVE, XRSTOR, '0f01d0', '0f01d1']) expect(bench.run(code)).toEqual({ vector: 6, error: 0 });
  });
});
