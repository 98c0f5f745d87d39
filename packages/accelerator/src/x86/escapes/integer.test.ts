import { beforeAll, describe, expect, test } from '@jest/globals';
import { VECTOR } from '../fault.ts';
import { FLAG, GPR } from '../state.ts';
import { AT, TestBench } from '../test-bench.ts';

let bench: TestBench;
beforeAll(() => {
  bench = new TestBench();
});

/** Runs a one-operand adjustment on AX. */
function adjust(code: string, ax: number, flags = 2): [ax: number, cf: boolean, af: boolean] {
  const { r } = bench.protected().cpu;
  r.setGpr32(GPR.rax, ax);
  r.flags = flags;
  expect(bench.run(code)).toBeUndefined();
  return [r.gpr16(GPR.rax), (r.flags & FLAG.cf) !== 0, (r.flags & FLAG.af) !== 0];
}

describe('decimal adjustments (SDM vol. 2)', () => {
  test.each([
    ['daa', '27', 0xae, 2, 0x14, true, true], // 79 + 35
    ['daa', '27', 0x9a, 2, 0x00, true, true],
    ['daa', '27', 0x12, FLAG.af, 0x18, false, true],
    ['das', '2f', 0xee, FLAG.cf | FLAG.af, 0x88, true, true], // 35 − 47
    ['das', '2f', 0x03, FLAG.af, 0xfd, true, true],
    ['aaa', '37', 0x000b, 2, 0x0101, true, true],
    ['aaa', '37', 0x00ff, 2, 0x0205, true, true],
    ['aas', '3f', 0x02ff, FLAG.af, 0x0109, true, true],
    ['aam', 'd4 0a', 0x003f, 2, 0x0603, false, false],
    ['aad', 'd5 0a', 0x0603, 2, 0x003f, false, false],
  ] as const)('%s %s of %i', (_, code, ax, flags, result, cf, af) => {
    expect(adjust(code, ax, flags)).toEqual([result, cf, af]);
  });

  test('AAM 0: #DE', () => {
    bench.protected();
    expect(bench.run('d4 00')).toEqual({ vector: VECTOR.de, error: 0 });
  });
});

describe('DIV and IDIV with 128-bit dividends', () => {
  const divide = (
    code: string,
    high: bigint,
    low: bigint,
    by: bigint,
  ): [bigint, bigint] | ReturnType<TestBench['run']> => {
    const { r } = bench.long().cpu;
    r.setGpr64(GPR.rdx, BigInt.asUintN(64, high));
    r.setGpr64(GPR.rax, BigInt.asUintN(64, low));
    r.setGpr64(GPR.rcx, BigInt.asUintN(64, by));
    return bench.run(code) ?? [BigInt.asIntN(64, r.gpr64(GPR.rax)), BigInt.asIntN(64, r.gpr64(GPR.rdx))];
  };
  const de = { vector: VECTOR.de, error: 0 };

  test('quotient and remainder', () => {
    expect(divide('48 f7 f1', 1n, 5n, 16n)).toEqual([1n << 60n, 5n]);
    expect(divide('48 f7 f9', -1n, -7n, 2n)).toEqual([-3n, -1n]);
    expect(divide('48 f7 f9', 0n, 1n << 63n, -2n)).toEqual([-(1n << 62n), 0n]);
  });

  test('#DE when the quotient does not fit', () => {
    expect(divide('48 f7 f1', 16n, 0n, 16n)).toEqual(de);
    expect(divide('48 f7 f9', -1n, -(1n << 63n), -1n)).toEqual(de);
    expect(divide('48 f7 f1', 0n, 1n, 0n)).toEqual(de);
  });
});

describe('stack frames', () => {
  test('ENTER 8, 0', () => {
    const { r } = bench.protected().cpu;
    r.setGpr32(GPR.rbp, 0x1111);
    expect(bench.run('c8 08 00 00')).toBeUndefined();
    expect([r.gpr32(GPR.rbp), r.gpr32(GPR.rsp)]).toEqual([AT.stack0 - 4, AT.stack0 - 12]);
    expect(bench.get32(AT.stack0 - 4)).toBe(0x1111);
  });

  test('ENTER 0, 3 copies two frame pointers, then its own', () => {
    const { r } = bench.protected().cpu;
    r.setGpr32(GPR.rbp, AT.data + 0x100);
    bench.set32(AT.data + 0xfc, 0xaaaa);
    bench.set32(AT.data + 0xf8, 0xbbbb);
    expect(bench.run('c8 00 00 03')).toBeUndefined();
    expect(bench.stack(32, 4)).toEqual([AT.stack0 - 4, 0xbbbb, 0xaaaa, AT.data + 0x100]);
    expect(r.gpr32(GPR.rbp)).toBe(AT.stack0 - 4);
  });

  test('PUSHA stores the old SP; POPA skips it', () => {
    const { r } = bench.protected().cpu;
    for (const n of [0, 1, 2, 3, 5, 6, 7]) r.setGpr32(n, 0x100 + n);
    expect(bench.run('60')).toBeUndefined();
    expect(bench.stack(32, 8)).toEqual([0x107, 0x106, 0x105, AT.stack0, 0x103, 0x102, 0x101, 0x100]);
    bench.set32(AT.stack0 - 20, 0xdead);
    for (const n of [0, 1, 2, 3, 5, 6, 7]) r.setGpr32(n, 0);
    expect(bench.run('61')).toBeUndefined();
    expect([0, 1, 2, 3, 4, 5, 6, 7].map(n => r.gpr32(n))).toEqual([
      0x100,
      0x101,
      0x102,
      0x103,
      AT.stack0,
      0x105,
      0x106,
      0x107,
    ]);
  });
});
