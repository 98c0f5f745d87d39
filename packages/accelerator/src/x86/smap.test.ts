import { beforeEach, describe, expect, test } from '@jest/globals';
import { FLAG } from './state.ts';
import { AT, VcpuBench } from './vcpu-bench.ts';

/** Bits of CR4 besides those of the bench. */
const SMEP = 1n << 20n;
const SMAP = 1n << 21n;
const USER = AT.data;
const READ = '8b042500000200'; // MOV EAX, [USER]
const WRITE = '89042500000200';
const STAC = '0f01cb';
const CLAC = '0f01ca';
const HLT = 'f4';

const modes = ['off', 'eager'] as const;

describe.each(modes)('supervisor-mode access prevention (SDM vol. 3 §4.6.1), jit %s', jit => {
  let bench: VcpuBench;
  beforeEach(() => {
    bench = new VcpuBench(jit).long();
    bench.map(USER, USER, 7n);
    const { cr4 } = bench.vcpu.save();
    bench.set({ cr4: cr4 | SMAP });
  });
  const rights = (): number[] => [bench.exception ?? -1, bench.exception === 14 ? bench.stack(0) : 0];

  test('a supervisor may not read user pages', () => {
    bench.run(READ + HLT);
    expect(rights()).toEqual([14, 1]);
  });

  test('nor write them', () => {
    bench.run(WRITE + HLT);
    expect(rights()).toEqual([14, 3]);
  });

  test('with EFLAGS.AC it may, until CLAC: what the TLB knows does not outlive it', () => {
    bench.run(STAC + READ + WRITE + CLAC + READ + HLT);
    expect(rights()).toEqual([14, 1]);
    expect(bench.stack(1)).toBe(AT.code + 3 + 7 + 7 + 3);
  });

  test('STAC and CLAC again and again', () => {
    bench.run((STAC + READ + CLAC).repeat(20) + STAC + READ + HLT);
    expect(bench.exception).toBeUndefined();
    expect(Number(bench.vcpu.save().rflags) & FLAG.ac).toBe(FLAG.ac);
  });

  test('POPF that clears AC closes user pages again', () => {
    // STAC; read; PUSH 2; POPF; read
    bench.run(`${STAC}${READ}6a02 9d${READ}${HLT}`);
    expect(rights()).toEqual([14, 1]);
  });

  test('implicit accesses never touch user pages, whatever AC: an LDT', () => {
    const { segments } = bench.vcpu.save();
    bench.set({ segments: { ...segments, ldtr: { selector: 0x20, base: BigInt(USER), limit: 0xff, rights: 0x82 } } });
    bench.run(`${STAC}${READ} 66b80c00 8ed8${HLT}`); // MOV AX, 0Ch; MOV DS, AX
    expect(rights()).toEqual([14, 1]);
    expect(bench.vcpu.save().cr2).toBe(BigInt(USER + 8));
  });

  test('instructions may be fetched from user pages', () => {
    bench.map(AT.code, AT.code, 7n);
    bench.run(`90${HLT}`);
    expect(bench.exception).toBeUndefined();
  });

  test('without CR4.SMAP, AC is only a flag', () => {
    const { cr4 } = bench.vcpu.save();
    bench.set({ cr4: cr4 & ~SMAP });
    bench.run(CLAC + READ + STAC + READ + HLT);
    expect(bench.exception).toBeUndefined();
  });
});

test('SMAP: STAC and CLAC are #UD in a model without it', () => {
  for (const code of [STAC, CLAC]) {
    const bench = new VcpuBench('off', 'x86-64-v2').long();
    bench.run(code + HLT);
    expect(bench.exception).toBe(6);
  }
});

describe('supervisor-mode execution prevention (SDM vol. 3 §4.6.1)', () => {
  test('a supervisor fetches nothing from user pages; the error code says that it was a fetch', () => {
    const bench = new VcpuBench().long();
    bench.map(USER, USER, 7n);
    bench.put(USER, HLT);
    const { cr4, efer } = bench.vcpu.save();
    bench.set({ cr4: cr4 | SMEP, efer: efer & ~0x800n });
    bench.run('b800000200 ffe0'); // MOV EAX, USER; JMP RAX
    expect([bench.exception, bench.stack(0), bench.stack(1)]).toEqual([14, 0x11, USER]);
  });

  test('data is not its business', () => {
    const bench = new VcpuBench().long();
    bench.map(USER, USER, 7n);
    bench.set({ cr4: bench.vcpu.save().cr4 | SMEP });
    bench.run(READ + WRITE + HLT);
    expect(bench.exception).toBeUndefined();
  });
});
