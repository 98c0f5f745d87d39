import { beforeAll, describe, expect, test } from '@jest/globals';
import { VECTOR } from '../fault.ts';
import { SEGREG } from '../registers.ts';
import { GPR } from '../state.ts';
import { AT, SELECTOR, TestBench } from '../test-bench.ts';

let bench: TestBench;
beforeAll(() => {
  bench = new TestBench();
});

/** PUSH and POP by segment register; CS has no POP. */
const STACK = [
  ['ES', SEGREG.es, '06', '07'],
  ['SS', SEGREG.ss, '16', '17'],
  ['DS', SEGREG.ds, '1e', '1f'],
  ['FS', SEGREG.fs, '0f a0', '0f a1'],
  ['GS', SEGREG.gs, '0f a8', '0f a9'],
] as const;
const LONG = STACK.filter(([name]) => name === 'FS' || name === 'GS');

describe('PUSH and POP of segment registers (SDM vol. 2)', () => {
  test.each(STACK)('%s in 32-bit code, with 32-bit and 16-bit operands', (_, n, push, pop) => {
    const { cpu } = bench.protected();
    expect(bench.run(push)).toBeUndefined();
    expect(bench.stack(32, 1)).toEqual([SELECTOR.data]);
    expect(bench.run(`66 ${push}`)).toBeUndefined();
    expect(cpu.stackPointer).toBe(BigInt(AT.stack0 - 6));
    expect(bench.stack(16, 1)).toEqual([SELECTOR.data]);
    cpu.r.setSegment(n, 0, 0n, 0xffff_ffff, 0xc093);
    expect(bench.run(`66 ${pop}`)).toBeUndefined();
    expect(cpu.r.selector(n)).toBe(SELECTOR.data);
    expect(bench.run(pop)).toBeUndefined();
    expect(cpu.stackPointer).toBe(BigInt(AT.stack0));
  });

  test.each(STACK)('POP %s of a code segment that cannot be read: #GP, and rSP stays', (_, n, __, pop) => {
    const { cpu } = bench.protected();
    bench.push(32, SELECTOR.executeOnly);
    expect(bench.run(pop)).toEqual({ vector: VECTOR.gp, error: SELECTOR.executeOnly });
    expect([cpu.r.selector(n), cpu.stackPointer]).toEqual([SELECTOR.data, BigInt(AT.stack0 - 4)]);
  });

  test.each(LONG)('%s in 64-bit mode: eight bytes', (_, n, push, pop) => {
    const { cpu } = bench.long();
    expect(bench.run(push)).toBeUndefined();
    expect(bench.stack(64, 1)).toEqual([SELECTOR.data]);
    bench.push(64, 0);
    expect(bench.run(pop)).toBeUndefined();
    expect([cpu.r.selector(n), cpu.stackPointer]).toEqual([0, BigInt(AT.stack0 - 8)]);
  });

  test.each(STACK)('%s in real mode: the base is 16 times the selector', (_, n, push, pop) => {
    const { cpu } = bench.real();
    bench.push(16, 0x123);
    expect(bench.run(pop)).toBeUndefined();
    expect(cpu.r.base(n)).toBe(0x1230n);
    if (n === SEGREG.ss) return;
    expect(bench.run(push)).toBeUndefined();
    expect(bench.stack(16, 1)).toEqual([0x123]);
  });
});

describe('LDS, LES, LSS, LFS and LGS (SDM vol. 2)', () => {
  const LOADS = [
    ['LES', SEGREG.es, 'c4'],
    ['LSS', SEGREG.ss, '0f b2'],
    ['LDS', SEGREG.ds, 'c5'],
    ['LFS', SEGREG.fs, '0f b4'],
    ['LGS', SEGREG.gs, '0f b5'],
  ] as const;

  test.each(LOADS)('%s: an offset, then a selector', (_, n, opcode) => {
    const { cpu } = bench.protected();
    bench.set32(AT.data, 0x89ab_cdef);
    bench.set16(AT.data + 4, SELECTOR.data | 1);
    cpu.r.setGpr32(GPR.rdi, AT.data);
    // Its RPL must not be more than the segment's level.
    expect(bench.run(`${opcode} 07`)).toEqual({ vector: VECTOR.gp, error: SELECTOR.data });
    bench.set16(AT.data + 4, SELECTOR.data);
    expect(bench.run(`${opcode} 07`)).toBeUndefined();
    expect([cpu.r.gpr32(GPR.rax), cpu.r.selector(n)]).toEqual([0x89ab_cdef, SELECTOR.data]);
  });

  test.each(LOADS)('%s of a segment that is not present leaves both registers alone', (_, n, opcode) => {
    const { cpu } = bench.protected();
    bench.set32(AT.data, 0x89ab_cdef);
    bench.set16(AT.data + 4, SELECTOR.absentData);
    cpu.r.setGpr32(GPR.rdi, AT.data);
    cpu.r.setGpr32(GPR.rax, 5);
    const vector = n === SEGREG.ss ? VECTOR.ss : VECTOR.np;
    expect(bench.run(`${opcode} 07`)).toEqual({ vector, error: SELECTOR.absentData });
    expect([cpu.r.gpr32(GPR.rax), cpu.r.selector(n)]).toEqual([5, SELECTOR.data]);
  });

  test('LGS in 64-bit mode with REX.W: a 64-bit offset', () => {
    const { cpu } = bench.long();
    bench.set64(AT.data, 0x1234_5678_9abc_def0n);
    bench.set16(AT.data + 8, 0);
    cpu.r.setGpr64(GPR.rdi, BigInt(AT.data));
    expect(bench.run('48 0f b5 07')).toBeUndefined();
    expect([cpu.r.gpr64(GPR.rax), cpu.r.selector(SEGREG.gs)]).toEqual([0x1234_5678_9abc_def0n, 0]);
  });
});
