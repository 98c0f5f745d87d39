import { type Assembler, dword, eax, ecx, edi } from '../assembler/index.ts';
import { HOLE, RAM } from './layout.ts';

/** Page-table bits (Intel SDM vol. 3 §5.3). */
export const PAGE = { P: 1, W: 2, U: 4, A: 0x20, D: 0x40, PS: 0x80, NX: 1n << 63n } as const;

const at = (page: number) => RAM.tables + page * 0x1000;

/** All tables map the first MiBs one to one, and have an empty table for the pages from {@link TEST} on. */
export const TABLE = {
  /** 32-bit paging. */
  pd: at(0),
  pt: at(1),
  testPt: at(2),
  /** PAE. */
  paePdpt: at(3),
  paePd: at(4),
  paePt: at(5),
  paeTestPt: at(6),
  /** 4-level paging, which shares PAE's page tables. */
  pml4: at(7),
  pdpt: at(8),
  holePd: at(9),
  highPdpt: at(10),
} as const;

/** Linear address of the first test page. */
export const TEST = 0x40_0000;
/** The first MiBs again, by one large page: 4 MiB in 32-bit paging, 2 MiB else. */
export const LARGE = 0x80_0000;
/** The first MiBs again at the top of the address space, in 4-level paging. */
export const HIGH = 0xffff_ffff_c000_0000n;

/** Builds all page tables, from 32-bit code without paging. Clobbers eax, ecx, edi. */
export function buildTables(a: Assembler): void {
  a.mov(edi, RAM.tables);
  a.xor(eax, eax);
  a.mov(ecx, (11 * 0x1000) / 4);
  a.rep().stosd();
  const all = PAGE.P | PAGE.W | PAGE.U;
  const fill = (table: number, entries: number, width: number) => {
    const next = a.fresh('entry');
    a.mov(edi, table);
    a.mov(eax, all);
    a.mov(ecx, entries);
    a.label(next);
    a.mov(dword(edi), eax);
    a.add(eax, 0x1000);
    a.add(edi, width);
    a.loop(next);
  };
  fill(TABLE.pt, 1024, 4);
  fill(TABLE.paePt, 512, 8);
  const put = (table: number, index: number, width: number, value: number) =>
    a.mov(dword(table + index * width), value);
  put(TABLE.pd, 0, 4, TABLE.pt | all);
  put(TABLE.pd, TEST >>> 22, 4, TABLE.testPt | all);
  put(TABLE.pd, LARGE >>> 22, 4, PAGE.PS | all);
  put(TABLE.paePdpt, 0, 8, TABLE.paePd | PAGE.P);
  put(TABLE.paePd, 0, 8, TABLE.paePt | all);
  put(TABLE.paePd, TEST >>> 21, 8, TABLE.paeTestPt | all);
  put(TABLE.paePd, LARGE >>> 21, 8, PAGE.PS | all);
  put(TABLE.pml4, 0, 8, TABLE.pdpt | all);
  put(TABLE.pml4, 511, 8, TABLE.highPdpt | all);
  put(TABLE.pdpt, 0, 8, TABLE.paePd | all);
  put(TABLE.pdpt, HOLE >>> 30, 8, TABLE.holePd | all);
  put(TABLE.highPdpt, 511, 8, TABLE.paePd | all);
  put(TABLE.holePd, (HOLE >>> 21) & 511, 8, HOLE | PAGE.PS | all);
}
