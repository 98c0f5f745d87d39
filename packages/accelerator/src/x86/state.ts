/**
 * Where the software CPU keeps its state at the start of the guest memory's arena. The registers come first, so that
 * the address of a register is the number that instruction records carry. Offsets and sizes are in bytes.
 */
export const STATE = {
  /** Sixteen general registers of 8 bytes, in the order of their numbers. */
  gpr: 0x000,
  /** Always zero: the base or index that an address does not have. */
  zero: 0x080,
  /** RIP at which the running block starts; records hold distances from it. */
  blockRip: 0x088,
  /** RIP, valid while no block runs. */
  rip: 0x090,
  /** Lazy flags: the last result, sign-extended to 64 bits. ZF and SF come from it, PF from its low byte. */
  flagResult: 0x098,
  /** Lazy flags: CF in bit 63, CF xor OF in bit 62, AF in bit 3; bit 1 flips SF, bit 0 flips PF. */
  flagAux: 0x0a0,
  /** The other bits of RFLAGS (i32): TF IF DF IOPL NT RF VM AC VIF VIP ID, and bit 1. */
  flagsSystem: 0x0a8,
  /** Instructions left until the run loop wants control (i32); a block that ends below zero leaves. */
  budget: 0x0ac,
  /** Offset of the translation look-aside buffer for the current privilege (i32). */
  tlb: 0x0b0,
  /** What code depends on besides its address: mode, privilege and generation (i32); see `JumpCache`. */
  codeKey: 0x0b4,
  /** Linear address that an address record left for the record after it (i64). */
  address: 0x0b8,
  /** Vector of the fault that ended a run (i32), its error code (i32). */
  faultVector: 0x0c0,
  faultError: 0x0c4,
  cr2: 0x0c8,
  /** Offset of the link field to fill in, when a run ended with `link`; of the record, with `unfit` (i32). */
  linkSlot: 0x0d0,
  /** Not zero when the next SSE instruction must fault (i32): the vector. */
  sseFault: 0x0d4,
  /** Not zero when the next MMX instruction must fault (i32): the vector. */
  mmxFault: 0x0d8,
  /** How the host's arithmetic differs from what MXCSR asks for (i32): a `FLOAT_STATE`. */
  floatState: 0x0dc,
  mxcsr: 0x0e0,
  /** Not zero when CLI and STI are allowed outright (i32): CPL ≤ IOPL, or real mode. */
  mayChangeIf: 0x0e4,
  /** Current privilege level, 0–3 (i32). */
  cpl: 0x0fc,
  /** Offset of the TLB for implicit supervisor accesses, and for all supervisor's while EFLAGS.AC is clear (i32). */
  guardedTlb: 0x0f8,
  /** Record at which a run ended with `fault`, `restart` or `escaped` (i32). */
  record: 0x0e8,
  /** Not zero unless x87 instructions may be used and mask all exceptions (i32): then they go by escapes. */
  x87Unusual: 0x0ec,
  /** Address of the instruction after the one that an escape carries out (i64). */
  nextRip: 0x0f0,
  /** Eight segment registers of {@link SEGMENT} bytes: es cs ss ds fs gs ldtr tr. */
  segments: 0x100,
  /** Sixteen XMM registers of 16 bytes. */
  xmm: 0x200,
  /** x87 registers and control words; see `x87/state.ts`. */
  x87: 0x300,
  /** A number of 16 bytes on its way between x87 instructions' steps; as a register it would have the number 10. */
  x87Temporary: 0x3a0,
  /** CR0, CR3, CR4 and CR8, i64 each, at 8 times their number. */
  cr: 0x400,
  /** DR0–DR7, i64 each. */
  dr: 0x448,
  /** GDTR and IDTR: base i64, limit u32. */
  gdtr: 0x490,
  idtr: 0x4a0,
  efer: 0x4b0,
  xcr0: 0x4b8,
  /** The TLB entry that a compiled region keeps at hand for the stack: write tag (i64) and addend (i32). */
  stackTag: 0x4c0,
  stackAddend: 0x4c8,
  /** Bits of {@link ATTENTION} (i32): while there are any, what lets events in or steps to another level ends the run. */
  attention: 0x4cc,
  /** Interrupts wait for one instruction more (i32), the one at `shadowRip` (i64); see `Cpu.holdInterrupts`. */
  shadow: 0x4d0,
  shadowRip: 0x4d8,
  /** What `codeKey` is in 64-bit mode: for levels 0 to 2, for level 3 (i32 each). */
  longKeys: 0x4e0,
  /** The same of flat 32-bit code in protected mode. */
  flatKeys: 0x4f0,
  /** The time-stamp counter on its way to an instruction (i64). */
  timestamp: 0x4e8,
  /**
   * What the lazy flags are while one compiled region enters another (i32), by `FLAGS`: else `raw`, which is 0, and the
   * two words above are what they say.
   */
  flagKind: 0x4fc,
  /** Values on their way between the bus and an instruction, up to 64 bytes. */
  bounce: 0x500,
  /** The model-specific registers of `MSR_WORD`, i64 each. */
  msrs: 0x540,
} as const;

/** Bits of {@link STATE.attention}: an NMI or interrupt is announced; a breakpoint is armed; NMIs wait for an IRET. */
export const ATTENTION = { event: 1, breakpoint: 2, nmiMasked: 4 } as const;

/** Offset of a control register. */
export const crPlace = (n: number): number => (n === 2 ? STATE.cr2 : STATE.cr + 8 * n);

/** A segment register in {@link STATE.segments}. */
export const SEGMENT = {
  size: 0x20,
  base: 0x00,
  /** Lowest and highest valid offset (u32), expand-down segments included; low > high when there is none. */
  low: 0x08,
  high: 0x0c,
  /** Bit 0: readable, bit 1: writable (u32). */
  access: 0x10,
  selector: 0x14,
  /** Limit in bytes (u32), access rights as in `SegmentState` (u32). */
  limit: 0x18,
  rights: 0x1c,
} as const;

/** The jump cache, by pairs of entries, of which the first one is the one that was used last. */
export const JUMP_CACHE = {
  base: 0x4_0000,
  entries: 8192,
  entrySize: 32,
  /** RIP (i64), code key (i32), offset of the block's first record (i32). */
  rip: 0,
  key: 8,
  block: 12,
  /** What the TLB's entry of its page had to add (i32); 1 where RIP is no linear address. */
  addend: 16,
} as const;

/**
 * Translation look-aside buffers, one for each `PRIVILEGE`, direct-mapped by page number. Tags are linear page
 * addresses; −1 in a tag sends the access to `Mmu.translate`.
 */
export const TLB = {
  base: 0x1_0000,
  /** Twice as many as make a copy of 4 MiB miss at every page; with four times as many, nothing gets faster. */
  entries: 2048,
  entrySize: 32,
  /** Tags of pages that may be read, written and executed without a further look (i64). */
  read: 0x00,
  write: 0x08,
  execute: 0x10,
  /** What to add to the low half of a linear address to get its offset in the memory (i32). */
  addend: 0x18,
  /** What page it is (i32): {@link TLB.global}, and above it, its size as a power of two. */
  page: 0x1c,
  /** In `page`: the page is the same in all process contexts. */
  global: 1,
  /** Bytes of one buffer. */
  size: 2048 * 32,
  /** How many there are. */
  count: 3,
} as const;

/** What is known of process contexts other than the current one: TLB entries that are put aside, see `Tlb`. */
export const CONTEXTS = {
  /** Offsets of entries of the TLB (u32), which may hold what is not global. */
  list: 0x8_0000,
  listed: 8192,
  /** An area for each context. */
  base: 0x8_8000,
  count: 8,
  /** Entries in an area at most. */
  most: 1024,
  /** In an area: offsets of its entries' places in the TLB (u32), then the entries. */
  entries: 4 * 1024,
  size: (4 + TLB.entrySize) * 1024,
} as const;

/** Predecoded instructions; see `interpreter/record.ts`. */
export const RECORDS = { base: 0x10_0000, end: 0x780_0000 } as const;

export const GPR = { rax: 0, rcx: 1, rdx: 2, rbx: 3, rsp: 4, rbp: 5, rsi: 6, rdi: 7 } as const;

export const FLAG = {
  cf: 0x1,
  pf: 0x4,
  af: 0x10,
  zf: 0x40,
  sf: 0x80,
  tf: 0x100,
  if: 0x200,
  df: 0x400,
  of: 0x800,
  iopl: 0x3000,
  nt: 0x4000,
  rf: 0x1_0000,
  vm: 0x2_0000,
  ac: 0x4_0000,
  vif: 0x8_0000,
  vip: 0x10_0000,
  id: 0x20_0000,
} as const;
/** The flags that arithmetic sets. */
export const STATUS_FLAGS = 0x8d5;
