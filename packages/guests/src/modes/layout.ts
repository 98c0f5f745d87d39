import { FLAT, SEG, segment } from '../descriptors.ts';

/** Where the self-test keeps things in RAM; linear addresses. Nothing but the test pages moves under paging. */
export const RAM = {
  variables: 0x500,
  gdt: 0x2000,
  idt: 0x3000,
  /** TSS with an I/O bitmap for all ports behind it. */
  tss: 0x5000,
  realStack: 0x7c00,
  stack: 0x9000,
  /** ESP0 and RSP0: where entries from ring 3 find their stack. */
  ring0Stack: 0xa000,
  userStack: 0xb000,
  istStack: 0xc000,
  /** Scratch memory, and code that modifies itself. */
  scratch: 0xd000,
  tables: 0x1_0000,
  /** Pages for paging checks. */
  pages: 0x2_0000,
} as const;

/** Physical address that nothing answers. */
export const HOLE = 0xd000_0000;

/** Variables; four bytes each, eight from `trapIp` on. */
export const V = {
  failures: RAM.variables,
  step: RAM.variables + 4,
  /** Where a caught exception continues; 0: none is expected. */
  resume: RAM.variables + 8,
  savedSp: RAM.variables + 12,
  vector: RAM.variables + 16,
  error: RAM.variables + 20,
  ticks: RAM.variables + 24,
  checkSp: RAM.variables + 28,
  /** Where the run goes on when a check fails. */
  next: RAM.variables + 32,
  tableRegister: RAM.variables + 36,
  trapIp: RAM.variables + 48,
  trapCs: RAM.variables + 56,
  trapFlags: RAM.variables + 64,
  trapSp: RAM.variables + 72,
  cr2: RAM.variables + 80,
} as const;

/**
 * Selectors. Their order is what SYSCALL and SYSRET ask for (Intel SDM vol. 3 §5.8.8), and their values are Linux's:
 * a KVM that runs ring 3 without hardware support shows it the host's.
 */
export const SEL = {
  code32: 0x08,
  code64: 0x10,
  data: 0x18,
  userCode32: 0x23,
  userData: 0x2b,
  userCode64: 0x33,
  code16: 0x38,
  data16: 0x40,
  /** 16 bytes in long mode. */
  tss: 0x48,
  /** Two that checks fill as they need. */
  test0: 0x58,
  test1: 0x60,
} as const;
export const GDT_BYTES = 0x68;

const CODE16 = SEG.code | SEG.readable | SEG.accessed | SEG.present;
const DATA16 = SEG.data | SEG.writable | SEG.accessed | SEG.present;

/** What the GDT begins with, from selector 0 on. */
export const GDT: readonly bigint[] = [
  0n,
  FLAT.code32,
  FLAT.code64,
  FLAT.data,
  FLAT.userCode32,
  FLAT.userData,
  FLAT.userCode64,
  segment(0xf_0000, 0xffff, CODE16),
  segment(0, 0xffff, DATA16),
  0n,
  0n,
  0n,
  0n,
];
