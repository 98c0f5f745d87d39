import { beforeEach, describe, expect, test } from '@jest/globals';
import { VECTOR } from './fault.ts';
import { CR4, SEGREG } from './registers.ts';
import { FLAG } from './state.ts';
import { AT, SELECTOR, TestBench } from './test-bench.ts';

const CLI = 'fa';
const STI = 'fb';
const PUSHF = '9c';
const POPF = '9d';
const IRET = 'cf';
const gp = { vector: VECTOR.gp, error: 0 };
/** The redirection bitmap, right before the I/O permission bitmap. */
const BITMAP = AT.tss + 0x68;
const { vif, vip, vm, tf, nt, iopl, if: IF, cf } = FLAG;

let bench: TestBench;
beforeEach(() => {
  bench = new TestBench();
});

/** Virtual-8086 mode with CR4.VME and a TSS that redirects all vectors but those given. */
function extended(level = 0, flags = 0, ...monitored: number[]): TestBench['cpu'] {
  const { cpu } = bench.v86(level);
  cpu.r.cr4 |= CR4.vme;
  cpu.r.flags |= flags;
  cpu.r.setSegment(SEGREG.tr, SELECTOR.tss, BigInt(AT.tss), 0x2fff, 0x8b);
  bench.set16(AT.tss + 0x66, 0x68 + 32);
  for (const vector of monitored) bench.set8(BITMAP + (vector >> 3), 1 << (vector & 7));
  bench.idtGate(0x21, SELECTOR.code, 0x100, 0xee);
  bench.set32(0x21 * 4, 0x1234_5678);
  return cpu;
}

describe('SDM vol. 3 §20.3.2: CR4.VME and IOPL < 3', () => {
  test('CLI and STI change VIF', () => {
    const { r } = extended();
    expect(bench.run(STI)).toBeUndefined();
    expect(r.flags).toBe(vm | vif | 2);
    expect(bench.cpu.shadow).toBe(false);
    expect(bench.run(CLI)).toBeUndefined();
    expect(r.flags).toBe(vm | 2);
  });

  test('STI with VIP is #GP(0), CLI is not', () => {
    extended(0, vip);
    expect(bench.run(STI)).toEqual(gp);
    expect(bench.run(CLI)).toBeUndefined();
  });

  test('with IOPL 3 it is IF, and VIP does not count', () => {
    const { r } = extended(3, vip);
    expect(bench.run(STI)).toBeUndefined();
    expect(r.flags).toBe(vm | vip | iopl | IF | 2);
  });

  test.each([0, vif])('PUSHF: VIF in the place of IF, IOPL 3', state => {
    const { r } = extended(1, IF | state);
    expect(bench.run(PUSHF)).toBeUndefined();
    expect(bench.stack(16, 1)).toEqual([iopl | (state ? IF : 0) | 2]);
    expect(r.iopl).toBe(1);
  });

  test('POPF: IF goes to VIF; IF and IOPL stay', () => {
    const { r } = extended(1, IF);
    bench.push(16, iopl | IF | nt | cf);
    expect(bench.run(POPF)).toBeUndefined();
    expect(r.flags).toBe(vm | vif | IF | nt | 0x1000 | cf | 2);
    bench.push(16, 0);
    expect(bench.run(POPF)).toBeUndefined();
    expect(r.flags).toBe(vm | IF | 0x1000 | 2);
  });

  test.each([
    ['POPF', POPF],
    ['IRET', IRET],
  ])('%s: #GP(0) for TF, and for IF with VIP; nothing has changed', (_name, code) => {
    for (const [state, image] of [
      [0, tf],
      [vip, IF],
    ] as const) {
      const { r } = extended(0, state);
      bench.push(16, image, 0, 0);
      if (code === POPF) bench.push(16, image);
      const { rsp } = r;
      expect(bench.run(code)).toEqual(gp);
      expect([r.rsp, r.flags, r.rip]).toEqual([rsp, vm | state | 2, 0x10n]);
    }
    const { r } = extended(0, vip);
    bench.push(16, 0, 0, 0);
    expect(bench.run(code)).toBeUndefined();
    expect(r.flags).toBe(vm | vip | 2);
  });

  test('IRET: IF goes to VIF', () => {
    const { r } = extended();
    bench.push(16, iopl | IF | cf, 0x200, 0x34);
    expect(bench.run(IRET)).toBeUndefined();
    expect([r.flags, r.selector(SEGREG.cs), r.rip]).toEqual([vm | vif | cf | 2, 0x200, 0x34n]);
  });

  test('PUSHFD, POPFD and IRETD still need IOPL 3', () => {
    for (const code of ['669c', '669d', '66cf']) {
      extended();
      expect(bench.run(code)).toEqual(gp);
    }
  });

  test('without CR4.VME all of them need IOPL 3', () => {
    for (const code of [CLI, STI, PUSHF, POPF, IRET]) {
      const { r } = extended();
      r.cr4 = CR4.pvi;
      expect(bench.run(code)).toEqual(gp);
    }
  });

  test('POPFD at level 0 leaves VIF and VIP', () => {
    const { cpu } = bench.protected();
    cpu.r.flags = vif | 2;
    bench.push(32, vip | 2);
    expect(bench.run(POPF)).toBeUndefined();
    expect(cpu.r.flags).toBe(vif | 2);
  });
});

describe('SDM vol. 3 §20.3.3: INT n', () => {
  test('method 5: bit clear, IOPL 3: the program’s handler, IF and TF cleared', () => {
    const { r } = extended(3, IF | tf | cf);
    expect(bench.run('cd21')).toBeUndefined();
    expect([r.selector(SEGREG.cs), r.base(SEGREG.cs), r.rip]).toEqual([0x1234, 0x1_2340n, 0x5678n]);
    expect(bench.stack(16, 3)).toEqual([0x12, 0x500, iopl | IF | tf | cf | 2]);
    expect(r.flags).toBe(vm | iopl | cf | 2);
  });

  test('method 6: bit clear, IOPL < 3: the image has VIF as IF and an IOPL of 3; VIF and TF are cleared', () => {
    const { r } = extended(0, vif | vip | tf | nt);
    expect(bench.run('cd21')).toBeUndefined();
    expect(r.rip).toBe(0x5678n);
    expect(bench.stack(16, 3)).toEqual([0x12, 0x500, iopl | IF | tf | nt | 2]);
    expect(r.flags).toBe(vm | vip | nt | 2);
  });

  test('method 4: bit set, IOPL 3: the gate of the IDT', () => {
    const { cpu } = bench;
    extended(3, 0, 0x21);
    expect(bench.run('cd21')).toBeUndefined();
    expect([cpu.v86, cpu.cpl, cpu.r.rip]).toEqual([false, 0, 0x100n]);
  });

  test('method 3: bit set, IOPL < 3: #GP(0)', () => {
    extended(2, 0, 0x21);
    expect(bench.run('cd21')).toEqual(gp);
  });

  test('CD 03 is redirected, INT3 and INTO are not', () => {
    const { cpu } = bench;
    extended(0, FLAG.of);
    bench.set32(3 * 4, 0x0100_0002);
    for (const vector of [3, 4]) bench.idtGate(vector, SELECTOR.code, vector * 0x100, 0xee);
    expect(bench.run('cd03')).toBeUndefined();
    expect([cpu.v86, cpu.r.rip]).toEqual([true, 2n]);
    for (const [code, rip] of [
      ['cc', 0x300n],
      ['ce', 0x400n],
    ] as const) {
      extended(0, FLAG.of);
      for (const vector of [3, 4]) bench.idtGate(vector, SELECTOR.code, vector * 0x100, 0xee);
      expect(bench.run(code)).toBeUndefined();
      expect([cpu.v86, cpu.r.rip]).toEqual([false, rip]);
    }
  });

  test('a TSS that ends before the bitmap, or is one of 16 bits: #GP(0)', () => {
    for (const [limit, rights] of [
      [0x66, 0x8b],
      [0x6b, 0x8b],
      [0x2fff, 0x83],
    ] as const) {
      const { r } = extended(3);
      r.setSegment(SEGREG.tr, SELECTOR.tss, BigInt(AT.tss), limit, rights);
      expect(bench.run('cd21')).toEqual(gp);
    }
    extended(3);
    bench.set16(AT.tss + 0x66, 16); // the bitmap would begin before the TSS
    expect(bench.run('cd21')).toEqual(gp);
  });

  test('a stack that ends: #SS(0), nothing has changed', () => {
    const { r } = extended(0, vif);
    r.rsp = 1n;
    expect(bench.run('cd21')).toEqual({ vector: VECTOR.ss, error: 0 });
    expect([r.flags, r.rsp, r.rip]).toEqual([vm | vif | 2, 1n, 0x10n]);
  });
});

describe('SDM vol. 3 §20.4: CR4.PVI', () => {
  const user = (flags: number): TestBench['cpu'] => {
    const { cpu } = bench.protected(3);
    cpu.r.cr4 |= CR4.pvi;
    cpu.r.flags = flags | 2;
    return cpu;
  };

  test('CLI and STI at level 3 change VIF; STI with VIP is #GP(0)', () => {
    const { r } = user(IF);
    expect(bench.run(STI)).toBeUndefined();
    expect(r.flags).toBe(vif | IF | 2);
    expect(bench.run(CLI)).toBeUndefined();
    expect(r.flags).toBe(IF | 2);
    r.flags |= vip;
    expect(bench.run(STI)).toEqual(gp);
  });

  test('IOPL 3: IF; levels 1 and 2, or CR4.VME instead: #GP(0)', () => {
    const { cpu } = bench;
    user(iopl);
    expect(bench.run(STI)).toBeUndefined();
    expect(cpu.r.flags).toBe(iopl | IF | 2);
    user(0);
    cpu.cpl = 2;
    expect(bench.run(CLI)).toEqual(gp);
    user(0);
    cpu.r.cr4 = CR4.vme;
    expect(bench.run(CLI)).toEqual(gp);
  });

  test('PUSHF and POPF deal with IF as ever', () => {
    const { r } = user(vif);
    expect(bench.run(PUSHF)).toBeUndefined();
    expect(bench.stack(32, 1)).toEqual([vif | 2]);
    bench.push(32, IF | 2);
    expect(bench.run(POPF)).toBeUndefined();
    expect(r.flags).toBe(vif | 2);
  });

  test('64-bit mode has it as well', () => {
    const { cpu } = bench.long(3);
    cpu.r.cr4 |= CR4.pvi;
    expect(bench.run(STI)).toBeUndefined();
    expect(cpu.r.flags).toBe(vif | 2);
  });
});

test('SDM vol. 3 §2.5: CR4.VME and CR4.PVI exist', () => {
  bench.long();
  bench.cpu.r.setGpr64(0, BigInt(bench.cpu.r.cr4 | CR4.vme | CR4.pvi));
  expect(bench.run('0f22e0')).toBeUndefined();
  expect(bench.cpu.r.cr4 & 3).toBe(3);
});
