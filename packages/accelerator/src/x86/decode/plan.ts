import { type Addressing, type OperandType, TYPES } from '../isa/operand.ts';
import type { Row } from '../isa/row.ts';
import { hasModrm } from './lookup.ts';

/** Where the decoder finds an operand; {@link Addressing} with numbers, and immediates told apart by their width. */
export const FROM = {
  /** General register by ModRM.rm, or memory. */
  rmGpr: 1,
  rmMm: 2,
  rmXmm: 3,
  gpr: 4, // by ModRM.reg
  mm: 5,
  xmm: 6,
  segment: 7,
  control: 8,
  debug: 9,
  opcode: 10, // general register by the opcode's low bits
  st: 11, // by ModRM.rm
  fixedGpr: 12,
  fixedSegment: 13,
  fixedSt: 14,
  fixedXmm: 15,
  one: 16,
  si: 17,
  di: 18,
  moffs: 19,
  farPointer: 20,
  byte: 21, // zero-extended
  word: 22, // zero-extended
  signedByte: 23,
  signed: 24, // 16 or 32 bits by operand size
  full: 25, // 16, 32 or 64 bits by operand size
  relativeByte: 26,
  relative: 27, // 16 or 32 bits by operand size
  vvvv: 28, // general register by VEX.vvvv
} as const;

/** Attributes of a row as bits. */
export const MODRM = 1;
export const LOCKABLE = 2;
export const D64 = 4;
export const F64 = 8;
export const ANY_MOD = 16;
export const IMPLIED_MEMORY = 32;
export const VVVV = 64;

export const MAX_OPERANDS = 4;

const BY_ADDRESSING: Readonly<Partial<Record<Addressing, number>>> = {
  A: FROM.farPointer,
  B: FROM.vvvv,
  C: FROM.control,
  D: FROM.debug,
  E: FROM.rmGpr,
  G: FROM.gpr,
  M: FROM.rmGpr,
  N: FROM.rmMm,
  O: FROM.moffs,
  P: FROM.mm,
  Q: FROM.rmMm,
  R: FROM.rmGpr,
  S: FROM.segment,
  U: FROM.rmXmm,
  V: FROM.xmm,
  W: FROM.rmXmm,
  X: FROM.si,
  Y: FROM.di,
  Z: FROM.opcode,
  gpr: FROM.fixedGpr,
  seg: FROM.fixedSegment,
  st: FROM.fixedSt,
  sti: FROM.st,
  xmm0: FROM.fixedXmm,
  one: FROM.one,
};
const IMMEDIATE: Readonly<Partial<Record<OperandType, number>>> = {
  b: FROM.byte,
  w: FROM.word,
  bs: FROM.signedByte,
  zs: FROM.signed,
  v: FROM.full,
};

/** The rows as numbers in flat arrays, which is what the decoder reads. */
export class Plan {
  /** By row: the bits MODRM to VVVV. */
  readonly bits: Uint8Array;
  readonly counts: Uint8Array;
  /** By row × {@link MAX_OPERANDS} + operand: one of {@link FROM}. */
  readonly from: Uint8Array;
  /** Likewise: the register that the row names. */
  readonly fixed: Uint8Array;
  /** Likewise × 8: bits as a register at operand size 16, 32 and 64, one spare, then the same as memory. */
  readonly sizes: Uint16Array;

  constructor(rows: readonly Row[]) {
    this.bits = Uint8Array.from(rows, bitsOf);
    this.counts = Uint8Array.from(rows, row => row.operands.length);
    this.from = new Uint8Array(rows.length * MAX_OPERANDS);
    this.fixed = new Uint8Array(rows.length * MAX_OPERANDS);
    this.sizes = new Uint16Array(rows.length * MAX_OPERANDS * 8);
    for (const [index, row] of rows.entries()) {
      for (const [i, operand] of row.operands.entries()) {
        const at = index * MAX_OPERANDS + i;
        this.from[at] = fromOf(operand.addressing, operand.type);
        this.fixed[at] = operand.reg;
        this.sizes.set(TYPES[operand.type], at * 8);
        this.sizes.set(TYPES[operand.memoryType], at * 8 + 4);
      }
    }
  }
}

function bitsOf(row: Row): number {
  return (
    (hasModrm(row) ? MODRM : 0) |
    (row.lock ? LOCKABLE : 0) |
    (row.d64 ? D64 : 0) |
    (row.f64 ? F64 : 0) |
    (row.anyMod ? ANY_MOD : 0) |
    (row.impliedMemory ? IMPLIED_MEMORY : 0) |
    (row.operands.some(({ addressing }) => addressing === 'B') ? VVVV : 0)
  );
}

function fromOf(addressing: Addressing, type: OperandType): number {
  const from =
    addressing === 'I'
      ? IMMEDIATE[type]
      : addressing === 'J'
        ? type === 'bs'
          ? FROM.relativeByte
          : FROM.relative
        : BY_ADDRESSING[addressing];
  if (from === undefined) throw new Error(`the decoder has no operand ${addressing}${type}`);
  return from;
}

/** Bits of the operand size attribute (SDM vol. 1 tables 3-3 and 3-4) of an instruction whose row has these attributes. */
export function operandSize(bits: 16 | 32 | 64, attributes: number, rex: number, opsize66: boolean): 16 | 32 | 64 {
  if (bits !== 64) return (bits === 32) !== opsize66 ? 32 : 16;
  if (rex & 8 || attributes & F64) return 64;
  if (opsize66) return 16;
  return attributes & D64 ? 64 : 32;
}
