import { beforeEach, describe, expect, test } from '@jest/globals';
import { MSR } from '../msr.ts';
import { CR4, SEGREG } from '../registers.ts';
import { GPR } from '../state.ts';
import { AT, TestBench } from '../test-bench.ts';

const gp = { vector: 13, error: 0 };
const ud = { vector: 6, error: 0 };
let bench: TestBench;
beforeEach(() => {
  bench = new TestBench().long();
});

describe('CR4.UMIP (SDM vol. 3 §2.5)', () => {
  const STORES = ['0f0107', '0f010f', '0f0000', '0f00c8', '0f01e0']; // SGDT, SIDT [RDI]; SLDT [RAX]; STR, SMSW EAX

  test.each(STORES)('%s is #GP above level 0 only', code => {
    for (const [cpl, umip, outcome] of [
      [3, true, gp],
      [3, false, undefined],
      [0, true, undefined],
    ] as const) {
      bench.long(cpl);
      const { r } = bench.cpu;
      r.setGpr64(GPR.rax, BigInt(AT.data));
      r.setGpr64(GPR.rdi, BigInt(AT.data));
      if (umip) r.cr4 |= CR4.umip;
      expect(bench.run(code)).toEqual(outcome);
    }
  });
});

describe('RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE (SDM vol. 2)', () => {
  test('32 and 64 bits', () => {
    const { r } = bench.cpu;
    r.cr4 |= CR4.fsgsbase;
    r.setGpr64(GPR.rax, 0x7fff_5678_9abcn);
    expect(bench.run('f3480faed0')).toBeUndefined(); // WRFSBASE RAX
    expect(bench.run('f30faed8')).toBeUndefined(); // WRGSBASE EAX
    expect([r.base(SEGREG.fs), r.base(SEGREG.gs)]).toEqual([0x7fff_5678_9abcn, 0x5678_9abcn]);
    expect(bench.run('f30faec1')).toBeUndefined(); // RDFSBASE ECX
    expect(bench.run('f3480faeca')).toBeUndefined(); // RDGSBASE RDX
    expect([r.gpr64(GPR.rcx), r.gpr64(GPR.rdx)]).toEqual([0x5678_9abcn, 0x5678_9abcn]);
  });

  test('#GP for an address that is not canonical; #UD without CR4.FSGSBASE or the feature', () => {
    const { r } = bench.cpu;
    expect(bench.run('f3480faed0')).toEqual(ud);
    r.cr4 |= CR4.fsgsbase;
    r.setGpr64(GPR.rax, 1n << 47n);
    expect(bench.run('f3480faed0')).toEqual(gp);
    bench = new TestBench('x86-64-v2').long();
    bench.cpu.r.cr4 |= CR4.fsgsbase;
    expect(bench.run('f3480faed0')).toEqual(ud);
  });
});

describe('PCID (SDM vol. 3 §4.10.1)', () => {
  const write = (n: number, value: bigint): unknown => {
    bench.cpu.r.setGpr64(GPR.rax, value);
    return bench.run(`0f22${(0xc0 | (n << 3)).toString(16)}`);
  };

  test('CR4.PCIDE: only in IA-32e mode, and while the PCID is 0', () => {
    const { r } = bench.cpu;
    const on = BigInt(r.cr4 | CR4.pcide);
    r.cr3 |= 5n;
    expect(write(4, on)).toEqual(gp);
    r.cr3 &= ~0xfffn;
    expect(write(4, on)).toBeUndefined();
    bench = new TestBench().protected();
    expect(write(4, BigInt(CR4.pcide))).toEqual(gp);
  });

  test('bit 63 of what goes to CR3 is no part of it, and reserved without PCIDE', () => {
    const { r } = bench.cpu;
    const value = r.cr3 | 7n;
    expect(write(3, value | (1n << 63n))).toEqual(gp);
    expect(write(4, BigInt(r.cr4 | CR4.pcide))).toBeUndefined();
    expect(write(3, value | (1n << 63n))).toBeUndefined();
    expect(r.cr3).toBe(value);
    expect(write(3, value | (1n << 62n))).toEqual(gp);
  });

  test('INVPCID: kinds, reserved bits, PCIDs without PCIDE, addresses, privilege', () => {
    const INVPCID = '660f388207'; // RAX, [RDI]
    const run = (kind: bigint, pcid: bigint, linear = 0n): unknown => {
      bench.cpu.r.setGpr64(GPR.rdi, BigInt(AT.data));
      bench.cpu.r.setGpr64(GPR.rax, kind);
      bench.set64(AT.data, pcid);
      bench.set64(AT.data + 8, linear);
      return bench.run(INVPCID);
    };
    for (const kind of [0n, 1n, 2n, 3n]) expect(run(kind, 0n)).toBeUndefined();
    expect(run(4n, 0n)).toEqual(gp);
    expect(run(2n, 0x1000n)).toEqual(gp);
    expect(run(1n, 5n)).toEqual(gp);
    expect(run(3n, 5n)).toBeUndefined();
    expect(run(0n, 0n, 1n << 47n)).toEqual(gp);
    bench.cpu.r.cr4 |= CR4.pcide;
    expect(run(1n, 5n)).toBeUndefined();
    bench.long(3);
    expect(run(2n, 0n)).toEqual(gp);
  });
});

describe('what is small', () => {
  test('RDPID: TSC_AUX', () => {
    bench.cpu.msrs.set(MSR.tscAux, 0x1_0000_0007n);
    expect(bench.run('f30fc7f8')).toBeUndefined();
    expect(bench.cpu.r.gpr64(GPR.rax)).toBe(0x1_0000_0007n);
  });

  test.each(['660fae3f', '660fae37'])('%s faults as a load does', code => {
    bench.cpu.r.setGpr64(GPR.rdi, 0x40_0000n);
    expect(bench.run(code)).toEqual({ vector: 14, error: 0 });
    bench.cpu.r.setGpr64(GPR.rdi, BigInt(AT.data));
    expect(bench.run(code)).toBeUndefined();
  });

  test('MSRs of features that a model lacks are #GP', () => {
    for (const [model, msr] of [
      ['pentium3', MSR.efer],
      ['pentium3', MSR.star],
      ['pentium3', MSR.fsBase],
      ['pentium3', MSR.tscAdjust],
      ['x86-64', MSR.tscAux],
    ] as const) {
      bench = new TestBench(model).protected();
      bench.cpu.r.setGpr64(GPR.rcx, BigInt(msr));
      for (const code of ['0f32', '0f30']) expect(bench.run(code)).toEqual(gp);
    }
  });
});
