import type { Row } from '../isa/row.ts';

/** What an operand is; see {@link Operand}. */
export const OPERAND_KIND = {
  none: 0,
  /** General register, see {@link Operand.reg} and {@link Operand.high}. */
  gpr: 1,
  /** Memory at `seg:base + index << scale + disp`. */
  mem: 2,
  /** Memory at `seg:imm` (A0–A3): the address is `immHi:immLo`, zero-extended from the address size. */
  moffs: 3,
  /** Memory at `seg:rSI`, the source of a string operation. */
  si: 4,
  /** Memory at `es:rDI`, the destination of a string operation. */
  di: 5,
  /** Immediate `immHi:immLo`, already extended to the operand's size (and, as a signed number, beyond). */
  imm: 6,
  /** The second immediate, `imm2`, zero-extended. */
  imm2: 7,
  /** Branch target, relative to the end of the instruction: `immHi:immLo`, sign-extended. */
  rel: 8,
  /** Direct far pointer: selector `imm2`, offset `immLo`, unsigned. */
  farptr: 9,
  /** Segment register, in the order es cs ss ds fs gs. */
  seg: 10,
  cr: 11,
  dr: 12,
  mm: 13,
  xmm: 14,
  /** x87 register ST(reg). */
  st: 15,
  /** The constant 1 of the D0/D1 shifts. */
  one: 16,
} as const;
export type OperandKind = (typeof OPERAND_KIND)[keyof typeof OPERAND_KIND];

/** The value of {@link Decoded.base} when an address is relative to the next instruction. */
export const BASE_RIP = 16;

/** What decoding came to. */
export const DECODE = {
  ok: 0,
  /** No such instruction in this mode, or LOCK where it is not allowed: #UD. */
  undefined: 1,
  /** Longer than 15 bytes: #GP(0). */
  tooLong: 2,
  /** The bytes given end before the instruction does; nothing is known of it yet. */
  needMore: 3,
} as const;
export type DecodeResult = (typeof DECODE)[keyof typeof DECODE];

/** Numbers of segment registers in instructions. */
export const SEG = { es: 0, cs: 1, ss: 2, ds: 3, fs: 4, gs: 5 } as const;

export class Operand {
  kind: OperandKind = OPERAND_KIND.none;
  /** Register number, 0–15; 0 when the operand is no register. Of AH, CH, DH and BH: that of rAX, rCX, rDX and rBX. */
  reg = 0;
  /** An 8-bit register in bits 15:8 of `reg`. */
  high = false;
  /** Bits that the operand has: 8, 16, 32, 64, 80, 128, up to 4096; 0 where the state decides (`xsave`) or nothing is read. */
  size = 0;
}

/** A decoded instruction. The decoder fills the one it is given; keep it by {@link Decoded.copy}. */
export class Decoded {
  row: Row;
  /** Bytes, 1–15. */
  length = 0;
  /** Effective operand size in bits, 16, 32 or 64; for d64 and f64 rows too. */
  opsize: 16 | 32 | 64 = 32;
  /** Effective address size in bits. */
  asize: 16 | 32 | 64 = 32;
  /** Effective segment of the memory operand (or of implied memory), by {@link SEG}; −1 without one. */
  seg = -1;
  /** A segment prefix took effect (in 64-bit mode only FS and GS do). */
  segOverride = false;
  /** The last F2 or F3 prefix, also where it selects the row. */
  rep: 0 | 0xf2 | 0xf3 = 0;
  lock = false;
  /** The REX byte, 40–4F, or its bits from VEX; 0 when there is none. */
  rex = 0;
  hasRex = false;

  /** ModRM.mod, 0–3; meaningful when the row has a ModRM byte, as `reg`, `rm` and `isMem`. */
  mod = 0;
  /** ModRM.reg with REX.R, 0–15. */
  reg = 0;
  /** ModRM.rm with REX.B, 0–15. */
  rm = 0;
  /** The ModRM byte names memory. */
  isMem = false;
  /** Base register 0–15, {@link BASE_RIP}, or −1. */
  base = -1;
  /** Index register 0–15, or −1. */
  index = -1;
  /** Log₂ of the index's factor, 0–3. */
  scale = 0;
  /** Displacement, sign-extended. */
  disp = 0;

  /** Lower half of the first immediate, as an i32. */
  immLo = 0;
  /** Upper half of the first immediate, its extension or the upper half of an imm64 or moffs64, as an i32. */
  immHi = 0;
  /** Second immediate, zero-extended: nesting level of `enter`, selector of a far pointer. */
  imm2 = 0;

  /** How many of {@link operands} count. */
  count = 0;
  readonly operands: readonly [Operand, Operand, Operand, Operand] = [
    new Operand(),
    new Operand(),
    new Operand(),
    new Operand(),
  ];

  constructor(row: Row) {
    this.row = row;
  }

  /** A separate instruction with the same contents. */
  copy(): Decoded {
    const to = new Decoded(this.row);
    for (let i = 0; i < 4; i++) Object.assign(to.operands[i]!, this.operands[i]);
    return Object.assign(to, this, { operands: to.operands });
  }
}
