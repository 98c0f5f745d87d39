import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  type Assembler,
  assembler,
  cr0,
  cr3,
  cr4,
  dword,
  eax,
  ebp,
  ebx,
  ecx,
  edi,
  edx,
  esi,
  m,
  qword,
  r8,
  r9,
  r10,
  r11,
  rax,
  rsp,
} from '@mainboard/guests/assembler';
import { AT, VcpuBench } from '../vcpu-bench.ts';

/** A linear address, and the pages that are mapped there. */
const PAGE = 0x10_0000;
const [OLD, NEW] = [0x4_0000, 0x5_0000];
/** What INVPCID reads. */
const DESCRIPTOR = 0x6_0000;
/** Page tables that map the same but for {@link PAGE}. */
const OTHER_TABLES = 0x7_0000;
const PAE_PGE_OSFXSR = 0x6a0n;
const PCIDE = 0x2_0000n;
const PCID = 5n;
const OTHER_PCID = 6n;
const KEEP = 1n << 63n;
const WRITABLE = 3n;
const GLOBAL = 0x100n;

type Emit = (a: Assembler) => void;
const invpcid =
  (kind: number): Emit =>
  a => {
    a.mov(rax, kind);
    a.invpcid(rax, m(r8));
  };
const toggle =
  (register: typeof cr0, bit: number): Emit =>
  a => {
    a.mov(rax, register);
    a.xor(rax, bit);
    a.mov(register, rax);
  };
const loadCr3: Emit = a => a.mov(cr3, r9);

/**
 * Ways to forget a translation, and whether they forget one of a global page as well (SDM vol. 3 §4.10.4.1). INVPCID of
 * an address need not, and does.
 */
const WAYS: readonly [name: string, emit: Emit, global: boolean, pcids?: boolean][] = [
  ['INVLPG', a => a.invlpg(m(r10)), true],
  ['INVLPG with CR4.PCIDE', a => a.invlpg(m(r10)), true, true],
  ['MOV to CR3', loadCr3, false],
  ['MOV to CR3 with CR4.PCIDE', loadCr3, false, true],
  ['INVPCID of an address', invpcid(0), true, true],
  ['INVPCID of a context', invpcid(1), false, true],
  ['INVPCID of everything', invpcid(2), true, true],
  ['INVPCID of all but global pages', invpcid(3), false, true],
  ['a change of CR4.PGE', toggle(cr4, 0x80), true],
  ['a change of CR4.SMEP', toggle(cr4, 0x10_0000), true],
  ['a change of CR0.WP', toggle(cr0, 0x1_0000), true],
];

describe.each(['off', 'on', 'eager'] as const)('jit %s', jit => {
  let bench: VcpuBench;
  beforeEach(() => {
    bench = new VcpuBench(jit).long();
    for (const [at, value] of [
      [OLD, 0xaaaa],
      [NEW, 0xbbbb],
    ] as const) {
      const a = assembler({ bits: 64 });
      a.dd(value);
      a.align(0x100);
      a.mov(edi, value); // a function
      a.ret();
      put(at, a);
    }
    bench.view.setBigUint64(DESCRIPTOR, PCID, true);
    bench.view.setBigUint64(DESCRIPTOR + 8, BigInt(PAGE), true);
  });

  const put = (at: number, a: Assembler): void => bench.put(at, Buffer.from(a.assemble()).toString('hex'));

  /** Runs code to its HLT. @param next what it finds in R9, for CR3 */
  const run = (code: Emit, cr4Bits: bigint, next: bigint): void => {
    const a = assembler({ bits: 64, origin: AT.code });
    code(a);
    a.hlt();
    put(AT.code, a);
    const { gpr } = bench.vcpu.save();
    bench.set({
      cr4: PAE_PGE_OSFXSR | cr4Bits,
      cr3: BigInt(AT.pml4) | (cr4Bits ? PCID : 0n),
      gpr: gpr
        .with(8, BigInt(DESCRIPTOR))
        .with(9, next)
        .with(10, BigInt(PAGE))
        .with(11, BigInt(PAGE + 0x100)),
    });
    bench.run();
    expect(bench.exception).toBeUndefined();
  };

  /** Reads of the page: as data, by way of the stack pointer, and as code. */
  const look = (a: Assembler, data: typeof ecx, stack: typeof edx): void => {
    a.mov(data, dword(r10));
    a.mov(rsp, r10);
    a.mov(stack, dword(rsp));
    a.mov(rsp, AT.stack);
    a.call(r11);
  };

  describe.each(WAYS)('%s', (_name, forget, forgetsGlobal, pcids = false) => {
    test.each([
      ['a page', WRITABLE, true],
      ['a global page', WRITABLE | GLOBAL, forgetsGlobal],
    ] as const)('%s: data, stack and code', (_kind, flags, forgotten) => {
      bench.map(PAGE, OLD, flags);
      run(
        a => {
          look(a, ecx, edx);
          a.mov(esi, edi);
          a.mov(rax, BigInt(NEW) | flags);
          a.mov(qword(bench.entry(PAGE)), rax);
          forget(a);
          look(a, ebx, ebp);
        },
        pcids ? PCIDE : 0n,
        BigInt(AT.pml4) | (pcids ? PCID : 0n),
      );
      const then = forgotten ? 0xbbbb : 0xaaaa;
      expect([bench.gpr(1), bench.gpr(2), bench.gpr(6)]).toEqual([0xaaaa, 0xaaaa, 0xaaaa]);
      expect([bench.gpr(3), bench.gpr(5), bench.gpr(7)]).toEqual([then, then, then]);
    });
  });

  describe('the same linear page in two contexts', () => {
    beforeEach(() => {
      const { view } = bench;
      for (const level of [0, 1, 2])
        view.setBigUint64(OTHER_TABLES + level * 4096, BigInt(OTHER_TABLES + (level + 1) * 4096) | 7n, true);
      for (let page = 0; page < 512; page++)
        view.setBigUint64(OTHER_TABLES + 0x3000 + 8 * page, BigInt(page * 4096) | WRITABLE, true);
      view.setBigUint64(OTHER_TABLES + 0x3000 + 8 * (PAGE >> 12), BigInt(NEW) | WRITABLE, true);
      bench.map(PAGE, OLD);
    });
    const here = BigInt(AT.pml4) | PCID;
    const there = BigInt(OTHER_TABLES) | OTHER_PCID;
    const switchTo = (a: Assembler, value: bigint): void => {
      a.mov(rax, value);
      a.mov(cr3, rax);
    };
    /** Counts, in EBX, looks that found something else. */
    const expectLook = (a: Assembler, value: number): void => {
      look(a, ecx, edx);
      for (const register of [ecx, edx, edi]) {
        a.xor(register, value);
        a.or(ebx, register);
      }
    };

    test.each([
      ['kept', KEEP],
      ['forgotten', 0n],
    ])('each sees its own, with translations that are %s', (_name, keep) => {
      run(
        a => {
          a.xor(ebx, ebx);
          for (let turn = 0; turn < 4; turn++) {
            expectLook(a, 0xaaaa);
            switchTo(a, there | keep);
            expectLook(a, 0xbbbb);
            switchTo(a, here | keep);
          }
        },
        PCIDE,
        0n,
      );
      expect(bench.gpr(3)).toBe(0);
    });

    test.each([
      ['INVPCID of its context', (a: Assembler) => invpcid(1)(a)],
      ['INVPCID of its address', (a: Assembler) => invpcid(0)(a)],
      ['INVPCID of everything', (a: Assembler) => invpcid(2)(a)],
      ['INVPCID of all but global pages', (a: Assembler) => invpcid(3)(a)],
    ])('what is forgotten of the other one by %s', (_name, forget) => {
      run(
        a => {
          a.xor(ebx, ebx);
          expectLook(a, 0xaaaa);
          switchTo(a, there | KEEP);
          a.mov(rax, BigInt(NEW) | WRITABLE);
          a.mov(qword(bench.entry(PAGE)), rax);
          forget(a);
          switchTo(a, here | KEEP);
          expectLook(a, 0xbbbb);
        },
        PCIDE,
        0n,
      );
      expect(bench.gpr(3)).toBe(0);
    });

    test('a page that is written in one while the other runs it', () => {
      bench.map(PAGE + 4096, NEW);
      run(
        a => {
          a.xor(ebx, ebx);
          a.mov(eax, dword(r10, 4096));
          a.mov(dword(r10, 4096), eax); // may be written without a look
          switchTo(a, there | KEEP);
          expectLook(a, 0xbbbb);
          switchTo(a, here | KEEP);
          a.mov(dword(r10, 0x1101), 0xcccc); // MOV EDI, CCCCh
          switchTo(a, there | KEEP);
          a.call(r11);
          a.xor(edi, 0xcccc);
          a.or(ebx, edi);
        },
        PCIDE,
        0n,
      );
      expect(bench.gpr(3)).toBe(0);
    });
  });
});
