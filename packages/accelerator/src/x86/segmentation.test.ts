import { beforeAll, describe, expect, test } from '@jest/globals';
import { VECTOR } from './fault.ts';
import { RIGHTS, SEGREG } from './registers.ts';
import { FLAG, GPR, STATE } from './state.ts';
import { AT, SELECTOR, TestBench } from './test-bench.ts';

let bench: TestBench;
beforeAll(() => {
  bench = new TestBench();
});

/** MOV Sreg, AX with the value given. */
function load(n: number, selector: number): ReturnType<TestBench['run']> {
  bench.cpu.r.setGpr32(GPR.rax, selector);
  return bench.run(`8e ${(0xc0 | (n << 3)).toString(16)}`);
}
const { ds, es, fs, gs, ldtr, ss, tr } = SEGREG;

describe('§20.1.1 real mode', () => {
  test('the base is the selector times 16; limit and attributes stay ("unreal" mode)', () => {
    const { cpu } = bench.real();
    cpu.r.setSegment(ds, 0, 0n, 0xffff_ffff, 0xc093);
    expect(load(ds, 0x1234)).toBeUndefined();
    expect([cpu.r.selector(ds), cpu.r.base(ds), cpu.r.limit(ds)]).toEqual([0x1234, 0x1_2340n, 0xffff_ffff]);
  });

  test('a register that protected mode left null is usable', () => {
    const { cpu } = bench.real();
    cpu.r.setSegment(ds, 0, 0n, 0, RIGHTS.unusable);
    load(ds, 0x100);
    expect([cpu.r.limit(ds), cpu.r.rights(ds)]).toEqual([0xffff, 0x93]);
  });
});

describe('§5.3–5.5 loading DS, ES, FS and GS', () => {
  test('fills base, limit and rights; sets the accessed bit in memory', () => {
    const { cpu } = bench.protected();
    bench.descriptor(SELECTOR.data, 0x1234_5678, 0x1_2345, 0x92, 0xc);
    expect(load(fs, SELECTOR.data)).toBeUndefined();
    expect([cpu.r.base(fs), cpu.r.limit(fs), cpu.r.rights(fs)]).toEqual([0x1234_5678n, 0x1234_5fff, 0xc093]);
    expect(bench.access(SELECTOR.data)).toBe(0x93);
  });

  test('null is allowed, and makes the register unusable', () => {
    const { cpu } = bench.protected();
    expect(load(gs, 3)).toBeUndefined();
    expect([cpu.r.selector(gs), cpu.r.rights(gs) & RIGHTS.unusable]).toEqual([3, RIGHTS.unusable]);
    expect(bench.run('65 0f 01 15 00 10 00 00')).toEqual({ vector: VECTOR.gp, error: 0 }); // lgdt gs:[1000h]
  });

  test.each([
    ['beyond the table', 0, SELECTOR.end, VECTOR.gp, SELECTOR.end],
    ['a system segment', 0, SELECTOR.tss, VECTOR.gp, SELECTOR.tss],
    ['code that cannot be read', 0, SELECTOR.executeOnly, VECTOR.gp, SELECTOR.executeOnly],
    ['DPL below CPL', 3, SELECTOR.data, VECTOR.gp, SELECTOR.data],
    ['DPL below RPL', 0, SELECTOR.data | 3, VECTOR.gp, SELECTOR.data],
    ['not present', 0, SELECTOR.absentData, VECTOR.np, SELECTOR.absentData],
    ['in an LDT that there is none of', 0, 4, VECTOR.gp, 4],
  ] as const)('%s: the error code is the selector', (_, cpl, selector, vector, error) => {
    const { cpu } = bench.protected(cpl);
    const before = cpu.r.selector(ds);
    expect(load(ds, selector)).toEqual({ vector, error });
    expect(cpu.r.selector(ds)).toBe(before);
  });

  test('a conforming code segment may be read whatever its DPL', () => {
    bench.protected(3);
    expect(load(ds, SELECTOR.conforming)).toBeUndefined();
  });

  test('§3.4.2 bit 2 of the selector chooses the LDT', () => {
    const { cpu } = bench.protected();
    cpu.r.setGpr32(GPR.rax, SELECTOR.ldt);
    expect(bench.run('0f 00 d0')).toBeUndefined();
    expect([cpu.r.base(ldtr), cpu.r.limit(ldtr)]).toEqual([BigInt(AT.ldt), 0xff]);
    bench.set32(AT.ldt + 8, 0x5000_ffff);
    bench.set32(AT.ldt + 12, 0x0000_9200);
    expect(load(es, 0x0c)).toBeUndefined();
    expect(cpu.r.base(es)).toBe(0x5000n);
  });
});

describe('SS', () => {
  test.each([
    ['null', 0, 0, VECTOR.gp, 0],
    ['RPL is not CPL', 0, SELECTOR.data | 3, VECTOR.gp, SELECTOR.data],
    ['DPL is not CPL', 3, SELECTOR.data | 3, VECTOR.gp, SELECTOR.data],
    ['read-only', 0, SELECTOR.readOnly, VECTOR.gp, SELECTOR.readOnly],
    ['code', 0, SELECTOR.code, VECTOR.gp, SELECTOR.code],
    ['not present', 0, SELECTOR.absentStack, VECTOR.ss, SELECTOR.absentStack],
  ] as const)('%s', (_, cpl, selector, vector, error) => {
    bench.protected(cpl);
    expect(load(ss, selector)).toEqual({ vector, error });
  });

  test('§6.8.3 holds interrupts off for one instruction', () => {
    const { cpu } = bench.protected();
    expect(load(ss, SELECTOR.data)).toBeUndefined();
    expect(cpu.shadow).toBe(true);
  });

  test('null in 64-bit mode, below level 3 and with RPL = CPL', () => {
    const { cpu } = bench.long(0);
    expect(load(ss, 0)).toBeUndefined();
    expect((cpu.r.rights(ss) & RIGHTS.dpl) >> 5).toBe(0);
    bench.long(3);
    expect(load(ss, 3)).toEqual({ vector: VECTOR.gp, error: 0 });
  });

  test('a 16-bit stack segment makes the stack pointer 16 bits wide', () => {
    const { cpu } = bench.protected();
    bench.descriptor(SELECTOR.data, 0, 0xffff, 0x92, 0);
    load(ss, SELECTOR.data);
    expect(cpu.stackBits).toBe(16);
  });
});

describe('POP, LDS and their kin', () => {
  test('POP DS moves the pointer only when the load succeeds', () => {
    const { cpu } = bench.protected();
    bench.push(32, SELECTOR.absentData);
    const before = cpu.r.rsp;
    expect(bench.run('1f')).toEqual({ vector: VECTOR.np, error: SELECTOR.absentData });
    expect(cpu.r.rsp).toBe(before);
    bench.cpu.stackPointer += 4n;
    bench.push(32, SELECTOR.data);
    expect(bench.run('1f')).toBeUndefined();
    expect([cpu.r.selector(ds), cpu.r.rsp]).toEqual([SELECTOR.data, BigInt(AT.stack0)]);
  });

  test('POP to memory at [ESP+n] counts from the new ESP', () => {
    const { cpu } = bench.protected();
    bench.push(32, 0xcafe);
    expect(bench.run('8f 44 24 08')).toBeUndefined(); // pop dword [esp+8]
    expect(bench.get32(AT.stack0 + 8)).toBe(0xcafe);
    expect(cpu.r.rsp).toBe(BigInt(AT.stack0));
  });

  test('LSS loads both, or neither', () => {
    const { cpu } = bench.protected();
    bench.set32(AT.data, 0x7000);
    bench.set16(AT.data + 4, SELECTOR.readOnly);
    expect(bench.run('0f b2 25 00 d0 00 00')).toEqual({ vector: VECTOR.gp, error: SELECTOR.readOnly });
    expect(cpu.r.rsp).toBe(BigInt(AT.stack0));
    bench.set16(AT.data + 4, SELECTOR.data);
    expect(bench.run('0f b2 25 00 d0 00 00')).toBeUndefined();
    expect([cpu.r.rsp, cpu.shadow]).toEqual([0x7000n, true]);
  });
});

describe('LTR and LLDT', () => {
  test('LTR marks the TSS busy, and refuses one that is', () => {
    const { cpu } = bench.protected();
    cpu.r.setGpr32(GPR.rax, SELECTOR.otherTss);
    expect(bench.run('0f 00 d8')).toBeUndefined();
    expect(bench.access(SELECTOR.otherTss)).toBe(0x8b);
    expect([cpu.r.base(tr), cpu.r.rights(tr)]).toEqual([BigInt(AT.otherTss), 0x8b]);
    expect(bench.run('0f 00 d8')).toEqual({ vector: VECTOR.gp, error: SELECTOR.otherTss });
    cpu.r.setGpr32(GPR.rax, 0);
    expect(bench.run('0f 00 d8')).toEqual({ vector: VECTOR.gp, error: 0 });
  });

  test('§7.2.3 in IA-32e mode descriptors have 16 bytes', () => {
    const { cpu } = bench.long();
    bench.descriptor(SELECTOR.ldt, AT.ldt, 0xff, 0x82);
    bench.set64(AT.gdt + SELECTOR.ldt + 8, 0xffff_8000n);
    cpu.r.setGpr32(GPR.rax, SELECTOR.ldt);
    expect(bench.run('0f 00 d0')).toBeUndefined();
    expect(cpu.r.base(ldtr)).toBe(0xffff_8000_0000_4800n);
  });

  test('LLDT of no LDT: #GP; null: none', () => {
    const { cpu } = bench.protected();
    cpu.r.setGpr32(GPR.rax, SELECTOR.data);
    expect(bench.run('0f 00 d0')).toEqual({ vector: VECTOR.gp, error: SELECTOR.data });
    cpu.r.setGpr32(GPR.rax, 0);
    expect(bench.run('0f 00 d0')).toBeUndefined();
    expect(cpu.r.rights(ldtr) & RIGHTS.unusable).toBe(RIGHTS.unusable);
  });

  test('#UD in real mode, #GP above level 0', () => {
    bench.real();
    expect(bench.run('0f 00 d8')).toEqual({ vector: VECTOR.ud, error: 0 });
    bench.protected(3);
    expect(bench.run('0f 00 d8')).toEqual({ vector: VECTOR.gp, error: 0 });
  });
});

describe('LAR, LSL, VERR, VERW, ARPL', () => {
  const zf = (): boolean => (bench.cpu.r.flags & FLAG.zf) !== 0;
  const look = (code: string, selector: number): number | undefined => {
    bench.cpu.r.setGpr32(GPR.rcx, selector);
    bench.cpu.r.setGpr32(GPR.rax, 0xdead_beef);
    expect(bench.run(code)).toBeUndefined();
    return zf() ? bench.cpu.r.gpr32(GPR.rax) : undefined;
  };

  test('LAR gives access rights, LSL the limit in bytes', () => {
    bench.protected();
    expect(look('0f 02 c1', SELECTOR.data)).toBe(0x00c0_9200);
    expect(look('0f 03 c1', SELECTOR.data)).toBe(0xffff_ffff);
    expect(look('0f 03 c1', SELECTOR.tss)).toBe(0x2fff);
    expect(look('0f 02 c1', SELECTOR.end)).toBeUndefined();
    expect(look('0f 02 c1', 0)).toBeUndefined();
    expect(bench.cpu.r.gpr32(GPR.rax)).toBe(0xdead_beef);
  });

  test('neither looks at what the level or the RPL may not see', () => {
    bench.protected(3);
    expect(look('0f 02 c1', SELECTOR.data)).toBeUndefined();
    expect(look('0f 02 c1', SELECTOR.userData)).toBe(0x00c0_f200);
    expect(look('0f 02 c1', SELECTOR.conforming)).toBe(0x00c0_9e00);
    bench.protected(0);
    expect(look('0f 02 c1', SELECTOR.data | 3)).toBeUndefined();
  });

  test('LAR sees call gates, LSL does not; interrupt gates neither', () => {
    bench.protected();
    bench.gate(AT.gdt + SELECTOR.gate, SELECTOR.code, 0, 0x8c);
    expect(look('0f 02 c1', SELECTOR.gate)).toBe(0x8c00);
    expect(look('0f 03 c1', SELECTOR.gate)).toBeUndefined();
    bench.gate(AT.gdt + SELECTOR.gate, SELECTOR.code, 0, 0x8e);
    expect(look('0f 02 c1', SELECTOR.gate)).toBeUndefined();
  });

  test('VERR and VERW', () => {
    bench.protected();
    const verify = (code: string, selector: number): boolean => look(code, selector) !== undefined;
    expect(verify('0f 00 e1', SELECTOR.readOnly)).toBe(true);
    expect(verify('0f 00 e9', SELECTOR.readOnly)).toBe(false);
    expect(verify('0f 00 e9', SELECTOR.data)).toBe(true);
    expect(verify('0f 00 e1', SELECTOR.executeOnly)).toBe(false);
    expect(verify('0f 00 e1', SELECTOR.tss)).toBe(false);
  });

  test('ARPL raises the RPL', () => {
    bench.protected();
    bench.cpu.r.setGpr32(GPR.rax, 0x10);
    bench.cpu.r.setGpr32(GPR.rcx, 0x1b);
    expect(bench.run('63 c8')).toBeUndefined();
    expect([bench.cpu.r.gpr16(GPR.rax), zf()]).toEqual([0x13, true]);
    expect(bench.run('63 c8')).toBeUndefined();
    expect(zf()).toBe(false);
  });
});

describe('LGDT, SIDT and their kin', () => {
  test('the base has 24 bits with a 16-bit operand size', () => {
    const { cpu } = bench.protected();
    bench.set16(AT.data, 0x1234);
    bench.set32(AT.data + 2, 0xaabb_ccdd);
    bench.run('0f 01 15 00 d0 00 00');
    expect([cpu.r.u64[STATE.gdtr / 8], cpu.r.u32[STATE.gdtr / 4 + 2]]).toEqual([0xaabb_ccddn, 0x1234]);
    bench.run('66 0f 01 1d 00 d0 00 00');
    expect(cpu.r.u64[STATE.idtr / 8]).toBe(0xbb_ccddn);
    bench.run('0f 01 05 10 d0 00 00');
    expect([bench.get16(AT.data + 16), bench.get32(AT.data + 18)]).toEqual([0x1234, 0xaabb_ccdd]);
  });

  test('64-bit mode: ten bytes, a canonical base', () => {
    const { cpu } = bench.long();
    bench.set16(AT.data, 0x77);
    bench.set64(AT.data + 2, 0xffff_ffff_8000_0000n);
    expect(bench.run('0f 01 1c 25 00 d0 00 00')).toBeUndefined();
    expect(cpu.r.u64[STATE.idtr / 8]).toBe(0xffff_ffff_8000_0000n);
    bench.set64(AT.data + 2, 0x8000_0000_0000n);
    expect(bench.run('0f 01 1c 25 00 d0 00 00')).toEqual({ vector: VECTOR.gp, error: 0 });
  });
});
