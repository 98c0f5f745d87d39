import { OPERAND_KIND } from '../decode/decoded.ts';

/**
 * A predecoded instruction, or one part of one: 32 bytes that a handler finds at the offset it is called with. Records
 * of a block lie in a row; the handler of each calls the next in tail position. Register fields hold the register's
 * address in the CPU state. Offsets in bytes.
 */
export const RECORD = {
  size: 32,
  /** Index of the handler in the interpreter's table (u32). */
  handler: 0,
  /**
   * First and second register operand (u16); of ST(i), the i. An address record: the bytes to check; 1 when they are written. A record
   * of a compiled region: the info of its access; why the region is left.
   */
  a: 4,
  b: 6,
  /** Base and index register of the memory operand; `STATE.zero` where there is none (u16). Without one: third register. */
  base: 8,
  index: 10,
  /** Log₂ of the index's factor (u8). */
  scale: 12,
  /** Bytes of the instruction (u8). */
  length: 13,
  /** Distance of the instruction from the start of its block (u16). */
  start: 14,
  /**
   * Displacement; of a branch, distance of its target from the start of the block; of a compiled region's record, the
   * place it stands for (i32).
   */
  disp: 16,
  /** Effective segment register (u16). */
  segment: 20,
  /** Instructions of the block before this one (u16). Of a block's first record that enters a region: which entry. */
  count: 22,
  entry: 22,
  /** Immediate, sign-extended; displacement of an address record; index of an escape's instruction (i64). */
  imm: 24,
  /** Of an x87 instruction: FOP (u16). */
  opcode: 24,
  /**
   * Of an x87 instruction whose address record left a linear address: where what its segment added is kept (u16), and
   * the bits by which offsets are narrower than 64 (u8).
   */
  segmentBase: 10,
  narrower: 12,
  /** Of a `straddle`: offset in the memory of the instruction's second page (u32). */
  nextPage: 16,
  /** Of a branch: first record of the block at the target, or a {@link LINK} (u32). */
  taken: 24,
  /** Of a conditional branch: the same for the instruction after it. */
  fallthrough: 28,
} as const;

/** A link that is not an offset. */
export const LINK = {
  /** Not looked for yet: ends the run, so that the block is found and filled in. */
  unknown: 0,
  /** Cannot be kept (another page may be mapped there tomorrow): goes by the jump cache. */
  dynamic: 1,
} as const;

/** Why a run of records came back. */
export const STOP = {
  /** The escape changed nothing about what comes next: go on (never seen by the run loop). */
  next: 0,
  /** The budget is used up; `STATE.rip` is where to go on. */
  slice: 1,
  /** No block is known for `STATE.rip`. */
  lookup: 2,
  /** As `lookup`; the block is to be filled in at `STATE.linkSlot`. */
  link: 3,
  /** The instruction of `STATE.record` faulted; vector and error code are in the state. */
  fault: 4,
  /** The instruction of `STATE.record` has more to do, but somebody else comes first. */
  restart: 5,
  /** As `lookup`; the region of the record at `STATE.linkSlot` cannot run where it is mapped now. */
  unfit: 7,
  /** An escape finished its instruction, set `STATE.rip` and wants the run loop to look again. */
  escaped: 6,
} as const;
export type Stop = (typeof STOP)[keyof typeof STOP];

/** How a handler finds its memory operand. */
export const ADDRESSING = {
  /** There is none. */
  none: 0,
  /** The address record before it left the linear address in `STATE.address`. */
  slot: 1,
  /** base + index × scale + disp, 64 bits wide. */
  flat64: 2,
  /** The same, wrapped to 32 bits. */
  flat32: 3,
} as const;
export type Addressing = (typeof ADDRESSING)[keyof typeof ADDRESSING];

/** Kinds whose address goes into field `a` or `b` of a record. */
export function isRegister(kind: number): boolean {
  return (
    kind === OPERAND_KIND.gpr ||
    kind === OPERAND_KIND.seg ||
    kind === OPERAND_KIND.cr ||
    kind === OPERAND_KIND.mm ||
    kind === OPERAND_KIND.xmm ||
    kind === OPERAND_KIND.st
  );
}
