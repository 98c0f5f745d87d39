import { beforeAll, describe, expect, test } from '@jest/globals';
import { VECTOR } from '../fault.ts';
import { MSR } from '../msr.ts';
import { CR0, CR4, EFER, SEGREG } from '../registers.ts';
import { FLAG, GPR, STATE } from '../state.ts';
import { AT, SELECTOR, TestBench } from '../test-bench.ts';

let bench: TestBench;
beforeAll(() => {
  bench = new TestBench();
});
const gp = (error = 0) => ({ vector: VECTOR.gp, error });
const ud = { vector: VECTOR.ud, error: 0 };

/** MOV CRn, rAX. */
function writeCr(n: number, value: bigint): ReturnType<TestBench['run']> {
  bench.cpu.r.setGpr64(GPR.rax, value);
  return bench.run(n === 8 ? '44 0f 22 c0' : `0f 22 ${(0xc0 | (n << 3)).toString(16)}`);
}

describe('MOV CR (SDM vol. 2)', () => {
  test('PG without PE, and NW without CD: #GP', () => {
    bench.real();
    expect(writeCr(0, BigInt(CR0.pg))).toEqual(gp());
    expect(writeCr(0, BigInt(CR0.nw))).toEqual(gp());
  });

  test('ET reads as 1, bits that do not exist as 0', () => {
    const { cpu } = bench.real();
    expect(writeCr(0, 0x1f_ffc0n)).toBeUndefined();
    expect(cpu.r.cr0).toBe(0x5_0010);
  });

  test('§9.8.5 LME, PAE and PG together make IA-32e mode; the bits of CS stay those of compatibility mode', () => {
    const { cpu } = bench.protected();
    expect(writeCr(4, BigInt(CR4.pae))).toBeUndefined();
    cpu.r.efer = EFER.lme;
    expect(writeCr(0, BigInt(CR0.pg | CR0.pe))).toBeUndefined();
    expect([cpu.longMode, cpu.codeBits]).toEqual([true, 32]);
    expect(writeCr(0, BigInt(CR0.pe))).toBeUndefined();
    expect(cpu.longMode).toBe(false);
  });

  test('without PAE it does not', () => {
    const { cpu } = bench.protected();
    cpu.r.efer = EFER.lme;
    expect(writeCr(0, BigInt((CR0.pg | CR0.pe) >>> 0))).toEqual(gp());
  });

  test('64-bit mode: PG and PAE cannot go, upper halves must be 0', () => {
    bench.long();
    expect(writeCr(0, BigInt(CR0.pe))).toEqual(gp());
    expect(writeCr(4, 0n)).toEqual(gp());
    expect(writeCr(0, 1n << 32n)).toEqual(gp());
    expect(writeCr(3, 1n << 40n)).toEqual(gp());
    expect(writeCr(8, 16n)).toEqual(gp());
    expect(writeCr(8, 7n)).toBeUndefined();
    expect(bench.run('44 0f 20 c3')).toBeUndefined();
    expect(bench.cpu.r.gpr64(GPR.rbx)).toBe(7n);
  });

  test('CR4: bits of features that CPUID does not list are #GP', () => {
    bench.protected();
    for (const bit of [6, 12, 13, 19, 22, 23]) expect(writeCr(4, 1n << BigInt(bit))).toEqual(gp());
    expect(writeCr(4, BigInt(CR4.osfxsr | CR4.pge))).toBeUndefined();
    bench = new TestBench('x86-64-v2').protected();
    for (const bit of [11, 16, 17, 18, 20, 21]) expect(writeCr(4, 1n << BigInt(bit))).toEqual(gp());
    bench = new TestBench();
  });

  test('vol. 3 §4.4.1 PAE paging: reserved bits of a PDPTE that is present are #GP, by CR3, CR0 and CR4', () => {
    const tables = AT.data;
    const begin = (entry: bigint): void => {
      const { r } = bench.protected().cpu;
      r.cr4 = CR4.pae;
      bench.set64(tables + 0x20, 1n);
      bench.set64(tables + 0x38, entry);
    };
    const enable = (): unknown => writeCr(0, BigInt(bench.cpu.r.cr0 | CR0.pg));
    for (const entry of [3n, 5n, 0x21n, 0x101n, (1n << 40n) | 1n, (1n << 52n) | 1n, (1n << 63n) | 1n]) {
      begin(entry);
      bench.cpu.r.cr3 = BigInt(tables + 0x20);
      expect(enable()).toEqual(gp());
      expect(bench.cpu.r.cr0 & CR0.pg).toBe(0);
      bench.cpu.r.cr3 = BigInt(tables + 0x1000);
      expect(enable()).toBeUndefined();
      expect(writeCr(3, BigInt(tables + 0x20))).toEqual(gp());
      bench.cpu.r.cr3 = BigInt(tables + 0x20);
      expect(writeCr(4, BigInt(CR4.pae | CR4.pge))).toEqual(gp());
      expect(writeCr(4, BigInt(CR4.pae | CR4.tsd))).toBeUndefined();
    }
    for (const entry of [0x1e6n, 0xe19n]) {
      begin(entry);
      bench.cpu.r.cr3 = BigInt(tables + 0x20);
      expect(enable()).toBeUndefined();
    }
  });

  test('level 0 only', () => {
    bench.protected(3);
    expect(bench.run('0f 20 c0')).toEqual(gp());
    expect(writeCr(3, 0n)).toEqual(gp());
  });

  test('LMSW sets PE, but does not clear it; SMSW and CLTS', () => {
    const { cpu } = bench.protected();
    cpu.r.setGpr32(GPR.rax, 0x8);
    expect(bench.run('0f 01 f0')).toBeUndefined();
    expect(cpu.r.cr0 & 0xf).toBe(9);
    expect(bench.run('0f 01 e3')).toBeUndefined();
    expect(cpu.r.gpr32(GPR.rbx)).toBe(cpu.r.cr0);
    expect(cpu.r.i32[STATE.mmxFault / 4]).toBe(VECTOR.nm);
    expect(bench.run('0f 06')).toBeUndefined();
    expect(cpu.r.i32[STATE.mmxFault / 4]).toBe(0);
  });
});

describe('§17.2 debug registers', () => {
  test('DR4 and DR5 are DR6 and DR7, or #UD with CR4.DE', () => {
    const { cpu } = bench.protected();
    cpu.r.setGpr32(GPR.rax, 0);
    bench.run('0f 23 e0'); // mov dr4, eax
    bench.run('0f 21 f3'); // mov ebx, dr6
    expect(cpu.r.gpr32(GPR.rbx)).toBe(0xffff_0ff0);
    cpu.r.cr4 = CR4.de;
    expect(bench.run('0f 23 e0')).toEqual(ud);
  });
});

describe('RDMSR and WRMSR', () => {
  const write = (msr: number, value: bigint): ReturnType<TestBench['run']> => {
    const { r } = bench.cpu;
    r.setGpr32(GPR.rcx, msr);
    r.setGpr32(GPR.rax, Number(value & 0xffff_ffffn));
    r.setGpr32(GPR.rdx, Number(value >> 32n));
    return bench.run('0f 30');
  };
  const read = (msr: number): bigint | ReturnType<TestBench['run']> => {
    const { r } = bench.cpu;
    r.setGpr32(GPR.rcx, msr);
    return bench.run('0f 32') ?? (BigInt(r.gpr32(GPR.rdx)) << 32n) | BigInt(r.gpr32(GPR.rax));
  };

  test('what holds state', () => {
    const { cpu } = bench.long();
    for (const msr of [MSR.star, MSR.lstar, MSR.kernelGsBase, MSR.sysenterCs, MSR.sysenterEip]) {
      expect(write(msr, 0xffff_8000_1234_5678n)).toBeUndefined();
      expect(read(msr)).toBe(0xffff_8000_1234_5678n);
    }
    expect(write(MSR.fsBase, 0x7000_0000_0000n)).toBeUndefined();
    expect(cpu.r.base(SEGREG.fs)).toBe(0x7000_0000_0000n);
    expect(write(MSR.tsc, 1000n)).toBeUndefined();
    expect(read(MSR.tsc)).toBe(1000n);
  });

  test('TSC_ADJUST holds what was added to the TSC, and adds to it', () => {
    bench.long();
    write(MSR.tsc, 5000n);
    const adjust = read(MSR.tscAdjust) as bigint;
    write(MSR.tsc, 7000n);
    expect(read(MSR.tscAdjust)).toBe(adjust + 2000n);
    write(MSR.tscAdjust, adjust - 4000n);
    expect([read(MSR.tscAdjust), read(MSR.tsc)]).toEqual([BigInt.asUintN(64, adjust - 4000n), 1000n]);
  });

  test('#GP: unknown registers, addresses that are not canonical, reserved bits, memory types, level 3', () => {
    bench.long();
    expect(read(0x1234)).toEqual(gp());
    expect(write(MSR.apicBase, 0n)).toEqual(gp());
    expect(write(MSR.lstar, 0x8000_0000_0000n)).toEqual(gp());
    expect(write(MSR.efer, 0x1000n)).toEqual(gp());
    expect(write(MSR.efer, 0n)).toEqual(gp()); // LME while paging is on
    expect(write(MSR.pat, 2n)).toEqual(gp());
    bench.long(3);
    expect(read(MSR.star)).toEqual(gp());
  });

  test('the K8 that CPUID names has an Interrupt Pending Message register', () => {
    bench.long();
    expect(read(MSR.interruptPending)).toBe(0n);
  });

  test('EFER.LMA cannot be written', () => {
    const { cpu } = bench.protected();
    expect(write(MSR.efer, BigInt(EFER.lma | EFER.nxe))).toBeUndefined();
    expect(cpu.r.efer).toBe(EFER.nxe);
  });

  test('SWAPGS', () => {
    const { cpu } = bench.long();
    cpu.r.setBase(SEGREG.gs, 0x1111n);
    cpu.msrs.set(MSR.kernelGsBase, 0x2222n);
    expect(bench.run('0f 01 f8')).toBeUndefined();
    expect([cpu.r.base(SEGREG.gs), cpu.msrs.get(MSR.kernelGsBase)]).toEqual([0x2222n, 0x1111n]);
  });

  test('RDTSC and RDTSCP: CR4.TSD keeps them for level 0', () => {
    const { cpu } = bench.protected(3);
    cpu.msrs.tsc = 0x1_0000_0005n;
    cpu.msrs.set(MSR.tscAux, 9n);
    expect(bench.run('0f 01 f9')).toBeUndefined();
    expect([GPR.rax, GPR.rdx, GPR.rcx].map(n => cpu.r.gpr32(n))).toEqual([5, 1, 9]);
    cpu.r.cr4 = CR4.tsd;
    expect(bench.run('0f 31')).toEqual(gp());
  });
});

describe('flags', () => {
  test('STI holds interrupts off for one instruction, unless they were on', () => {
    const { cpu } = bench.protected();
    expect(bench.run('fb')).toBeUndefined();
    expect([cpu.shadow, cpu.r.systemFlag(FLAG.if)]).toEqual([true, true]);
    cpu.shadow = false;
    bench.run('fb');
    expect(cpu.shadow).toBe(false);
  });

  test('CLI and STI need CPL ≤ IOPL', () => {
    const { cpu } = bench.protected(3);
    expect(bench.run('fb')).toEqual(gp());
    expect(bench.run('fa')).toEqual(gp());
    cpu.r.flags = 0x3002;
    expect(bench.run('fb')).toBeUndefined();
    bench.v86(2);
    expect(bench.run('fa')).toEqual(gp());
  });

  test('POPF: IOPL at level 0 only, IF with CPL ≤ IOPL, RF and VM never', () => {
    const { cpu } = bench.protected();
    bench.push(32, 0x3f_7fd7);
    expect(bench.run('9d')).toBeUndefined();
    expect(cpu.r.flags).toBe(0x24_7fd7);
    bench.protected(3);
    bench.push(32, 0x3202);
    bench.run('9d');
    expect(cpu.r.flags).toBe(2);
  });

  test('16-bit POPF leaves the upper half', () => {
    const { cpu } = bench.protected();
    cpu.r.flags = FLAG.id;
    bench.push(16, 0x3);
    bench.run('66 9d');
    expect(cpu.r.flags).toBe(FLAG.id | 3);
  });

  test('virtual-8086 mode: PUSHF and POPF need IOPL 3; IOPL stays', () => {
    bench.v86(0);
    expect(bench.run('9c')).toEqual(gp());
    expect(bench.run('9d')).toEqual(gp());
    const { cpu } = bench.v86(3);
    expect(bench.run('66 9c')).toBeUndefined();
    expect(bench.stack(32, 1)).toEqual([0x3002]);
    cpu.stackPointer += 4n;
    bench.push(16, 0x0202);
    expect(bench.run('9d')).toBeUndefined();
    expect(cpu.r.flags).toBe(0x2_3202);
  });
});

describe('the rest', () => {
  test('HLT waits; level 0 only', () => {
    const { cpu } = bench.protected();
    expect(bench.run('f4')).toBeUndefined();
    expect([cpu.halted, cpu.r.rip]).toEqual([true, BigInt(AT.code + 1)]);
    bench.protected(3);
    expect(bench.run('f4')).toEqual(gp());
  });

  test('UD0, UD1, UD2 and RSM: #UD', () => {
    bench.protected();
    for (const code of ['0f ff c0', '0f b9 c0', '0f 0b', '0f aa']) expect(bench.run(code)).toEqual(ud);
  });

  test('INVLPG forgets a page, and all of a large one', () => {
    const { cpu } = bench.long();
    const pde = 0xe_2000;
    expect(cpu.load32(BigInt(AT.data))).toBe(0);
    bench.set64(pde, 0n);
    expect(cpu.load32(BigInt(AT.data))).toBe(0); // still in the TLB
    expect(bench.run('0f 01 3c 25 00 00 00 00')).toBeUndefined(); // invlpg [0], of the same 2 MiB
    expect(() => cpu.load32(BigInt(AT.data))).toThrow();
    expect(cpu.fault).toMatchObject({ vector: VECTOR.pf, error: 0 });
  });

  test('CPUID clears the upper halves', () => {
    const { cpu } = bench.long(3);
    for (const n of [0, 1, 2, 3]) cpu.r.setGpr64(n, 0xffff_ffff_0000_0000n);
    expect(bench.run('0f a2')).toBeUndefined();
    expect(cpu.r.gpr64(GPR.rbx)).toBe(0x6874_7541n); // "Auth"
  });

  test('CLFLUSH faults like a load', () => {
    bench.long();
    expect(bench.run('0f ae 3c 25 00 00 40 00')).toEqual({ vector: VECTOR.pf, error: 0 });
    expect(bench.run('0f ae 3c 25 00 d0 00 00')).toBeUndefined();
  });
});

describe('FPU and SSE state', () => {
  test('FXSAVE and FXRSTOR bring everything back, 16-byte aligned', () => {
    const { cpu } = bench.long(3);
    cpu.setMxcsr(0x1fa0);
    cpu.x87.control = 0x27f;
    for (let n = 0; n < 32; n++) cpu.r.u64[STATE.xmm / 8 + n] = BigInt(n + 1);
    bench.set8(AT.data + 464, 0x55);
    expect(bench.run('48 0f ae 04 25 00 d0 00 00')).toBeUndefined();
    expect([bench.get16(AT.data), bench.get32(AT.data + 24), bench.get32(AT.data + 28)]).toEqual([
      0x27f, 0x1fa0, 0xffff,
    ]);
    expect(bench.get64(AT.data + 160 + 8 * 31)).toBe(32n);
    expect(bench.get8(AT.data + 464)).toBe(0x55);
    cpu.r.u64.fill(0n, STATE.xmm / 8, STATE.xmm / 8 + 32);
    cpu.x87.control = 0x37f;
    cpu.setMxcsr(0);
    expect(bench.run('48 0f ae 0c 25 00 d0 00 00')).toBeUndefined();
    expect(cpu.r.u64[STATE.xmm / 8 + 31]).toBe(32n);
    expect([cpu.x87.control, cpu.r.i32[STATE.mxcsr / 4]]).toEqual([0x27f, 0x1fa0]);
    expect(bench.run('0f ae 04 25 08 d0 00 00')).toEqual(gp());
  });

  test('reserved bits of MXCSR: #GP; TS: #NM', () => {
    const { cpu } = bench.long();
    bench.set32(AT.data, 0x1_0000);
    expect(bench.run('0f ae 14 25 00 d0 00 00')).toEqual(gp());
    bench.set32(AT.data, 0x7f80);
    expect(bench.run('0f ae 14 25 00 d0 00 00')).toBeUndefined();
    expect(cpu.r.i32[STATE.floatState / 4]).toBe(2);
    expect(bench.run('0f ae 1c 25 04 d0 00 00')).toBeUndefined();
    expect(bench.get32(AT.data + 4)).toBe(0x7f80);
    cpu.r.cr0 |= CR0.ts;
    cpu.updateMode();
    expect(bench.run('0f ae 14 25 00 d0 00 00')).toEqual({ vector: VECTOR.nm, error: 0 });
    expect(bench.run('0f ae 04 25 00 d0 00 00')).toEqual({ vector: VECTOR.nm, error: 0 });
  });

  test('x87 arithmetic through memory; FIP and FDP', () => {
    const { cpu } = bench.protected();
    bench.set64(AT.data, 0x4004_0000_0000_0000n); // 2.5
    expect(bench.run('dd 05 00 d0 00 00')).toBeUndefined(); // fld
    expect(bench.run('d8 c0')).toBeUndefined(); // fadd st, st
    expect(bench.run('dd 1d 08 d0 00 00')).toBeUndefined(); // fstp
    expect(bench.get64(AT.data + 8)).toBe(0x4014_0000_0000_0000n);
    expect(bench.run('d9 35 20 d0 00 00')).toBeUndefined(); // fnstenv
    expect(bench.get32(AT.data + 0x20 + 16) >>> 16).toBe(0x51d);
    expect(bench.get32(AT.data + 0x20 + 20)).toBe(AT.data + 8);
    expect(bench.get16(AT.data + 0x20 + 24)).toBe(SELECTOR.data);
    expect(cpu.r.gpr32(GPR.rax)).toBe(0);
  });

  test('§8.7 an unmasked exception is #MF at the next waiting instruction, MMX included', () => {
    const { cpu } = bench.protected();
    bench.set16(AT.data, 0x37b); // zero-divide unmasked
    bench.run('d9 2d 00 d0 00 00'); // fldcw
    bench.run('d9 e8'); // fld1
    bench.run('d9 ee'); // fldz
    expect(bench.run('de f9')).toBeUndefined(); // fdivp
    const mf = { vector: VECTOR.mf, error: 0 };
    expect(bench.run('9b')).toEqual(mf);
    expect(bench.run('d9 e8')).toEqual(mf);
    expect(bench.run('0f 77')).toEqual(mf);
    expect(bench.run('db e2')).toBeUndefined(); // fnclex
    expect(bench.run('9b')).toBeUndefined();
    expect(bench.run('0f 77')).toBeUndefined();
    expect(cpu.x87.tags).toBe(0);
  });

  test('§2.5 EM and TS: #NM; WAIT with TS and MP only', () => {
    const { cpu } = bench.protected();
    const nm = { vector: VECTOR.nm, error: 0 };
    cpu.r.cr0 |= CR0.ts;
    expect(bench.run('d9 e8')).toEqual(nm);
    expect(bench.run('db e3')).toEqual(nm);
    expect(bench.run('9b')).toBeUndefined();
    cpu.r.cr0 |= CR0.mp;
    expect(bench.run('9b')).toEqual(nm);
  });

  test('a store that faults leaves the x87 stack alone', () => {
    const { cpu } = bench.long();
    bench.run('d9 e8');
    expect(bench.run('dd 1c 25 00 00 40 00')).toEqual({ vector: VECTOR.pf, error: 2 });
    expect(cpu.x87.top).toBe(7);
  });
});

describe('cache control and performance counters (SDM vol. 2)', () => {
  test.each([
    ['INVD', '0f 08'],
    ['WBINVD', '0f 09'],
    ['WBNOINVD', 'f3 0f 09'],
  ])('%s: at level 0 only', (_, code) => {
    bench.protected();
    expect(bench.run(code)).toBeUndefined();
    bench.protected(3);
    expect(bench.run(code)).toEqual(gp());
  });

  test('RDPMC: #GP, as there is no counter', () => {
    bench.protected();
    expect(bench.run('0f 33')).toEqual(gp());
  });
});
