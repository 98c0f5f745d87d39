import { beforeEach, describe, expect, test } from '@jest/globals';
import { ACCELERATOR_ARENA } from '@mainboard/core';
import { PRIVILEGE } from './privilege.ts';
import { CR4 } from './registers.ts';
import { GPR, TLB } from './state.ts';
import { AT, TestBench } from './test-bench.ts';
import { AT as AT_VCPU, VcpuBench } from './vcpu-bench.ts';

const TABLES = 0xe_0000;
/** Tables of another address space, which differ in the page tables only. */
const OTHER_TABLES = 0xb_0000;
/** Linear address of the pages that the tests map. */
const PAGES = 0x20_0000n;
const [A, B] = [0x2_0000, 0x3_0000];
const FLAGS = 7n;
const GLOBAL = 0x100n;
const KEEP = 1n << 63n;

let bench: TestBench;
beforeEach(() => {
  bench = new TestBench().long();
  bench.set64(TABLES + 0x2008, BigInt(TABLES + 0x3000) | FLAGS);
  bench.set64(OTHER_TABLES, BigInt(OTHER_TABLES + 0x1000) | FLAGS);
  bench.set64(OTHER_TABLES + 0x1000, BigInt(OTHER_TABLES + 0x2000) | FLAGS);
  bench.set64(OTHER_TABLES + 0x2000, 0x87n);
  bench.set64(OTHER_TABLES + 0x2008, BigInt(OTHER_TABLES + 0x3000) | FLAGS);
  bench.set32(A, 0xaaaa);
  bench.set32(B, 0xbbbb);
});

const map = (page: number, physical: number, flags = FLAGS, tables = TABLES): void =>
  bench.set64(tables + 0x3000 + 8 * page, BigInt(physical) | flags);
/** What the processor reads in a page, as a supervisor or a user. */
const read = (page: number, user = false): number => bench.cpu.load32(PAGES + BigInt(page) * 4096n, user);
const writeCr = (n: 3 | 4, value: bigint): void => {
  bench.cpu.r.setGpr64(GPR.rax, value);
  expect(bench.run(`0f22${(0xc0 | (n << 3)).toString(16)}`)).toBeUndefined();
};
const setCr4 = (bits: number): void => writeCr(4, BigInt(bench.cpu.r.cr4 | bits));
const clearCr4 = (bits: number): void => writeCr(4, BigInt(bench.cpu.r.cr4 & ~bits));
const invlpg = (page: number): void => {
  bench.cpu.r.setGpr64(GPR.rax, PAGES + BigInt(page) * 4096n);
  expect(bench.run('0f0138')).toBeUndefined();
};
const invpcid = (kind: bigint, pcid: bigint, page = 0): void => {
  bench.cpu.r.setGpr64(GPR.rdi, BigInt(AT.data));
  bench.cpu.r.setGpr64(GPR.rax, kind);
  bench.set64(AT.data, pcid);
  bench.set64(AT.data + 8, PAGES + BigInt(page) * 4096n);
  expect(bench.run('660f388207')).toBeUndefined();
};
const CR3 = BigInt(TABLES);

describe('MOV to CR3 without PCIDs (SDM vol. 3 §4.10.4.1)', () => {
  test('forgets what is not global, for all privileges', () => {
    map(0, A);
    expect([read(0), read(0, true)]).toEqual([0xaaaa, 0xaaaa]);
    map(0, B);
    expect([read(0), read(0, true)]).toEqual([0xaaaa, 0xaaaa]);
    writeCr(3, CR3);
    expect([read(0), read(0, true)]).toEqual([0xbbbb, 0xbbbb]);
  });

  test('global pages stay (§4.10.2.4), until INVLPG', () => {
    setCr4(CR4.pge);
    map(0, A, FLAGS | GLOBAL);
    expect([read(0), read(0, true)]).toEqual([0xaaaa, 0xaaaa]);
    map(0, B, FLAGS | GLOBAL);
    writeCr(3, CR3);
    expect([read(0), read(0, true)]).toEqual([0xaaaa, 0xaaaa]);
    invlpg(0);
    expect([read(0), read(0, true)]).toEqual([0xbbbb, 0xbbbb]);
  });

  test('without CR4.PGE no page is global; a change of CR4.PGE forgets all', () => {
    map(0, A, FLAGS | GLOBAL);
    expect(read(0)).toBe(0xaaaa);
    map(0, B, FLAGS | GLOBAL);
    writeCr(3, CR3);
    expect(read(0)).toBe(0xbbbb);
    setCr4(CR4.pge);
    map(0, A, FLAGS | GLOBAL);
    expect(read(0)).toBe(0xaaaa);
    map(0, B, FLAGS | GLOBAL);
    clearCr4(CR4.pge);
    expect(read(0)).toBe(0xbbbb);
  });

  test('a large page is global as a whole; INVLPG of any part forgets all of it', () => {
    setCr4(CR4.pge);
    const pde = TABLES + 0x2000 + 8 * 2;
    const at = (part: number): number => bench.cpu.load32(0x40_0000n + BigInt(A + part * 4096));
    bench.set64(pde, 0x87n | GLOBAL);
    expect([at(0), at(16)]).toEqual([0xaaaa, 0xbbbb]);
    bench.set64(pde, 0n);
    writeCr(3, CR3);
    expect([at(0), at(16)]).toEqual([0xaaaa, 0xbbbb]);
    invlpg(512 + 511);
    expect(() => at(0)).toThrow();
    expect(() => at(16)).toThrow();
  });

  test('all entries of all privileges', () => {
    setCr4(CR4.pge);
    for (let page = 0; page < 512; page++) map(page, A, page === 7 ? FLAGS | GLOBAL : FLAGS);
    for (let page = 0; page < 512; page++) expect([read(page), read(page, true)]).toEqual([0xaaaa, 0xaaaa]);
    for (let page = 0; page < 512; page++) map(page, B, FLAGS);
    writeCr(3, CR3);
    for (let page = 0; page < 512; page++) expect(read(page)).toBe(page === 7 ? 0xaaaa : 0xbbbb);
  });

  test('pages that come and go more often than there is room to note', () => {
    for (let i = 0; i < 5000; i++) {
      const page = i % 300;
      map(page, A);
      bench.cpu.flushPage(Number(PAGES) + page * 4096);
      expect(read(page)).toBe(0xaaaa);
    }
    for (let page = 0; page < 300; page++) map(page, B);
    writeCr(3, CR3);
    for (let page = 0; page < 300; page++) expect(read(page)).toBe(0xbbbb);
  });

  test('a global page and another one that take turns at one place', () => {
    setCr4(CR4.pge);
    const far = 0x20_0000n + BigInt(TLB.entries) * 4096n; // the same entry of the TLB
    bench.set64(TABLES + 0x2000 + 8 * Number(far >> 21n), BigInt(TABLES + 0x4000) | FLAGS);
    const mapFar = (physical: number, flags: bigint): void => bench.set64(TABLES + 0x4000, BigInt(physical) | flags);
    for (const [near, global] of [
      [true, GLOBAL],
      [false, GLOBAL],
      [true, 0n],
      [false, 0n],
    ] as const) {
      map(0, A, near ? FLAGS : FLAGS | global);
      mapFar(A, near ? FLAGS | global : FLAGS);
      for (const address of near ? [PAGES, far] : [far, PAGES]) expect(bench.cpu.load32(address)).toBe(0xaaaa);
      map(0, B);
      mapFar(B, FLAGS);
      writeCr(3, CR3);
      expect(bench.cpu.load32(near ? far : PAGES)).toBe(global ? 0xaaaa : 0xbbbb);
      expect(bench.cpu.load32(near ? PAGES : far)).toBe(0xbbbb);
      setCr4(0);
      clearCr4(CR4.pge);
      setCr4(CR4.pge);
    }
  });
});

describe('process-context identifiers (SDM vol. 3 §4.10.1)', () => {
  beforeEach(() => setCr4(CR4.pge | CR4.pcide));
  const one = CR3 | 1n;
  const two = BigInt(OTHER_TABLES) | 2n;

  test('bit 63 of what goes to CR3 keeps what is known of its PCID; without it that is forgotten', () => {
    map(0, A);
    map(0, B, FLAGS, OTHER_TABLES);
    writeCr(3, one);
    expect([read(0), read(0, true)]).toEqual([0xaaaa, 0xaaaa]);
    writeCr(3, two);
    expect([read(0), read(0, true)]).toEqual([0xbbbb, 0xbbbb]);
    map(0, B);
    writeCr(3, one | KEEP);
    expect([read(0), read(0, true)]).toEqual([0xaaaa, 0xaaaa]);
    writeCr(3, one | KEEP); // it is the current one
    expect(read(0)).toBe(0xaaaa);
    writeCr(3, two | KEEP);
    expect([read(0), read(0, true)]).toEqual([0xbbbb, 0xbbbb]);
    writeCr(3, one);
    expect([read(0), read(0, true)]).toEqual([0xbbbb, 0xbbbb]);
  });

  test('what is not there in one is not found by another', () => {
    map(0, A);
    writeCr(3, one);
    expect(read(0)).toBe(0xaaaa);
    writeCr(3, two | KEEP);
    expect(() => read(0)).toThrow();
    expect(() => read(0, true)).toThrow();
  });

  test('global pages are the same in all', () => {
    map(0, A, FLAGS | GLOBAL);
    writeCr(3, one);
    expect(read(0)).toBe(0xaaaa);
    writeCr(3, two);
    expect(read(0)).toBe(0xaaaa);
    invlpg(0); // whatever the PCID they were found with
    expect(() => read(0)).toThrow();
    map(0, B);
    writeCr(3, one | KEEP);
    expect(read(0)).toBe(0xbbbb);
  });

  test('INVLPG leaves other contexts alone', () => {
    map(0, A);
    map(0, A, FLAGS, OTHER_TABLES);
    writeCr(3, one);
    expect(read(0)).toBe(0xaaaa);
    writeCr(3, two);
    expect(read(0)).toBe(0xaaaa);
    map(0, B);
    map(0, B, FLAGS, OTHER_TABLES);
    invlpg(0);
    expect(read(0)).toBe(0xbbbb);
    writeCr(3, one | KEEP);
    expect(read(0)).toBe(0xaaaa);
  });

  test('more contexts than are remembered: none sees what is another one’s', () => {
    for (let round = 0; round < 2; round++)
      for (let pcid = 0; pcid < 20; pcid++) {
        const [tables, physical] = pcid % 2 ? [OTHER_TABLES, B] : [TABLES, A];
        map(0, physical, FLAGS, tables);
        writeCr(3, BigInt(tables) | BigInt(pcid) | KEEP);
        expect(read(0)).toBe(pcid % 2 ? 0xbbbb : 0xaaaa);
      }
  });

  test('what is not kept of a context with many entries is walked for again', () => {
    bench.set64(TABLES + 0x2010, BigInt(TABLES + 0x3000) | FLAGS); // the same pages once more
    for (let page = 0; page < 512; page++) map(page, A);
    writeCr(3, one);
    const all = (): number[] => Array.from({ length: 2048 }, (_, i) => read(i >> 1, i % 2 === 1));
    expect(new Set(all())).toEqual(new Set([0xaaaa]));
    for (let page = 0; page < 512; page++) map(page, B);
    writeCr(3, two);
    expect(() => read(3)).toThrow();
    writeCr(3, one | KEEP);
    const seen = all();
    expect(seen.filter(value => value === 0xaaaa).length).toBeGreaterThan(1000);
    expect(seen.every(value => value === 0xaaaa || value === 0xbbbb)).toBe(true);
    writeCr(3, two | KEEP);
    writeCr(3, one);
    expect(new Set(all())).toEqual(new Set([0xbbbb]));
  });

  test('a change of CR4.PCIDE from 1 to 0 forgets all, whatever the context', () => {
    map(0, A);
    map(1, A, FLAGS | GLOBAL);
    writeCr(3, one);
    expect([read(0), read(1)]).toEqual([0xaaaa, 0xaaaa]);
    writeCr(3, CR3);
    map(0, B);
    map(1, B, FLAGS | GLOBAL);
    clearCr4(CR4.pcide);
    expect([read(0), read(1)]).toEqual([0xbbbb, 0xbbbb]);
    setCr4(CR4.pcide);
    writeCr(3, one | KEEP);
    expect(read(0)).toBe(0xbbbb);
  });

  test('rights that hang on CR0 and CR4 are not kept: SMEP, WP', () => {
    map(0, A, FLAGS);
    map(1, A, 1n);
    writeCr(3, one);
    const { cpu } = bench;
    const page = Number(PAGES);
    expect(cpu.mmu.fetch(page, 0, PRIVILEGE.supervisor)).toBe(ACCELERATOR_ARENA + A);
    writeCr(3, two);
    setCr4(CR4.smep);
    writeCr(3, one | KEEP);
    expect(cpu.mmu.fetch(page, 0, PRIVILEGE.supervisor)).toBe(-1);
  });

  test('INVPCID (SDM vol. 2) of an address, a context, everything, all contexts', () => {
    // What is still the old page afterwards, of: this context, another one, a global page.
    const old = (kind: bigint, pcid: bigint): boolean[] => {
      map(0, A);
      map(0, A, FLAGS, OTHER_TABLES);
      map(1, A, FLAGS | GLOBAL, OTHER_TABLES);
      map(1, A, FLAGS | GLOBAL);
      invpcid(2n, 0n);
      writeCr(3, one);
      read(0);
      writeCr(3, two);
      expect([read(0), read(1)]).toEqual([0xaaaa, 0xaaaa]);
      map(0, B);
      map(0, B, FLAGS, OTHER_TABLES);
      map(1, B, FLAGS | GLOBAL, OTHER_TABLES);
      invpcid(kind, pcid, 0);
      const current = read(0) === 0xaaaa;
      const global = read(1) === 0xaaaa;
      writeCr(3, one | KEEP);
      return [current, read(0) === 0xaaaa, global];
    };
    expect(old(0n, 2n)).toEqual([false, true, true]);
    expect(old(0n, 1n)).toEqual([true, false, true]);
    expect(old(0n, 3n)).toEqual([true, true, true]);
    expect(old(1n, 2n)).toEqual([false, true, true]);
    expect(old(1n, 1n)).toEqual([true, false, true]);
    expect(old(2n, 0n)).toEqual([false, false, false]);
    expect(old(3n, 0n)).toEqual([false, false, true]);
  });
});

describe.each(['off', 'eager'] as const)('code and contexts, jit %s', jit => {
  const FUNCTION = 0x10_0000;
  const [FIRST, SECOND] = [0x4_0000, 0x5_0000];
  const CALL = 'ffd3'; // CALL RBX
  const LOAD_CR3 = '0f22d8'; // MOV CR3, RAX
  const REMAP = '48893425 00480000'; // MOV [page-table entry of the function], RSI
  let vcpu: VcpuBench;
  beforeEach(() => {
    vcpu = new VcpuBench(jit).long();
    vcpu.put(FIRST, 'ffc1c3'); // INC ECX; RET
    vcpu.put(SECOND, 'ffc2c3'); // INC EDX; RET
  });
  /** @param flags of the page of the function that is called. @returns how often the first and the second were */
  const calls = (code: string, flags: bigint, cr4 = 0x6a0n): number[] => {
    vcpu.map(FUNCTION, FIRST, flags);
    vcpu.set({
      cr4,
      gpr: vcpu.vcpu
        .save()
        .gpr.with(0, BigInt(AT_VCPU.pml4))
        .with(1, 0n)
        .with(2, 0n)
        .with(3, BigInt(FUNCTION))
        .with(6, BigInt(SECOND) | flags),
    });
    vcpu.run(`${code}f4`);
    expect(vcpu.exception).toBeUndefined();
    return [vcpu.gpr(1), vcpu.gpr(2)];
  };

  test('supervisor code is found anew after MOV to CR3, unless its page is global', () => {
    const code = CALL + CALL + REMAP + LOAD_CR3 + CALL + CALL;
    expect(vcpu.entry(FUNCTION)).toBe(0x4800);
    expect(calls(code, 3n)).toEqual([2, 2]);
    vcpu.set({ halted: false, rip: BigInt(AT_VCPU.code) });
    expect(calls(code, 0x103n)).toEqual([4, 0]);
    vcpu.set({ halted: false, rip: BigInt(AT_VCPU.code) });
    expect(calls(code, 0x103n, 0x620n)).toEqual([2, 2]);
  });

  test('INVLPG makes global code be found anew', () => {
    // INVLPG [RBX]
    expect(calls(`${CALL}${CALL}${REMAP}${LOAD_CR3}${CALL}0f013b${CALL}`, 0x103n)).toEqual([3, 1]);
  });

  test('user code is known by context', () => {
    const task = 0x9_0000;
    const trees = [AT_VCPU.pml4, 0x6_0000];
    for (const level of [0, 1, 2])
      vcpu.view.setBigUint64(trees[1]! + level * 4096, BigInt(trees[1]! + (level + 1) * 4096) | 7n, true);
    for (let page = 0; page < 512; page++) vcpu.map(page * 4096, page * 4096, 7n);
    vcpu.map(FUNCTION, FIRST, 7n);
    for (let page = 0; page < 512; page++)
      vcpu.view.setBigUint64(trees[1]! + 0x3000 + 8 * page, BigInt(page * 4096) | 7n, true);
    vcpu.view.setBigUint64(trees[1]! + 0x3000 + 8 * (FUNCTION >> 12), BigInt(SECOND) | 7n, true);
    vcpu.view.setBigUint64(task + 4, BigInt(AT_VCPU.stack), true);
    const { segments, gpr } = vcpu.vcpu.save();
    const data = { ...segments.ss, selector: 0x23, rights: 0xc0f3 };
    vcpu.set({
      cr4: 0x2_06a0n,
      rflags: 0x3002n, // IOPL 3
      gpr: gpr
        .with(1, 0n)
        .with(2, 0n)
        .with(3, BigInt(FUNCTION))
        .with(4, BigInt(AT_VCPU.stack - 0x1000)),
      segments: {
        ...segments,
        cs: { ...segments.cs, selector: 0x1b, rights: 0xa0fb },
        ss: data,
        tr: { selector: 0x18, base: BigInt(task), limit: 0x67, rights: 0x8b },
      },
    });
    const { cpu } = vcpu.vcpu;
    // What port and value say is loaded into CR3: tree and PCID, and whether to keep what is known.
    vcpu.onOut = (port, value) => {
      cpu.r.cr3 = BigInt(trees[value & 1]!) | BigInt(1 + (value & 1));
      cpu.contextChanged(port === 0x81);
    };
    const switchTo = (n: number, keep: boolean): string => `b00${n} e68${keep ? 1 : 0}`;
    // HLT in user code is #GP, whose handler halts.
    vcpu.run(
      [0, 1, 0, 1, 1, 0].map((n, i) => switchTo(n, i >= 2) + CALL + CALL).join('') +
        // The same page of the other context, entered as code that nobody knew.
        `${switchTo(1, false)}${CALL}f4`,
    );
    expect(vcpu.exception).toBe(13);
    expect([vcpu.gpr(1), vcpu.gpr(2)]).toEqual([6, 7]);
  });

  test('a page that came to hold code while its context was not the current one', () => {
    vcpu.map(FUNCTION, FIRST, 3n);
    const other = AT_VCPU.pml4; // the same tables with another PCID
    const { gpr } = vcpu.vcpu.save();
    vcpu.set({ cr4: 0x2_06a0n, gpr: gpr.with(1, 0n).with(2, 0n).with(3, BigInt(FUNCTION)) });
    const load = (pcid: number, keep: boolean): string =>
      `48b8 ${(other | pcid)
        .toString(16)
        .padStart(4, '0')
        .replace(/(..)(..)/, '$2$1')}0000000000${keep ? '80' : '00'}${LOAD_CR3}`;
    // In context 1 the page is written, in 2 it is called, in 1 written: INC ECX becomes INC EDX.
    const write = (byte: string): string => `c60425 01001000 ${byte}`;
    vcpu.run(`${load(1, false)}${write('c1')}${load(2, false)}${CALL}${load(1, true)}${write('c2')}${CALL}f4`);
    expect(vcpu.exception).toBeUndefined();
    expect([vcpu.gpr(1), vcpu.gpr(2)]).toEqual([1, 1]);
  });
});
