import type { OperandKind } from '../decode/decoded.ts';

/** Bits of an integer. Values of 8 and 16 bits are kept zero-extended. */
export type Width = 8 | 16 | 32 | 64;
export type AddressWidth = 16 | 32 | 64;

export interface FormOperand {
  readonly kind: OperandKind;
  /** Bits. */
  readonly size: number;
}

/**
 * What is known of an instruction before its registers and constants are: engines specialise on it. A description
 * may look at the dimensions it declares (see {@link Dimension}) and at its operands, at nothing else.
 */
export interface Form {
  readonly mnemonic: string;
  readonly operands: readonly FormOperand[];
  /** Effective operand size. */
  readonly opsize: 16 | 32 | 64;
  /** Effective address size. */
  readonly asize: AddressWidth;
  /** Width of the stack pointer: 64 in 64-bit mode, else by SS.B. */
  readonly stack: AddressWidth;
  /** ES, SS, DS and the effective segment start at 0 and end at 4 GiB or beyond: offsets are linear addresses. */
  readonly flat: boolean;
  /** In 64-bit mode. */
  readonly long: boolean;
  /** F2 or F3 on a string instruction, else 0. */
  readonly rep: 0 | 0xf2 | 0xf3;
  /** A 16-byte memory operand that does not lie on 16 bytes is #GP(0) (SDM vol. 2 §2.5, exception types 1, 2 and 4). */
  readonly aligned: boolean;
  /** Condition code of jcc, setcc and cmovcc (SDM vol. 1 appendix B). */
  readonly condition: number;
}

/** What a description may depend on besides its operands. */
export type Dimension = 'opsize' | 'asize' | 'stack' | 'flat' | 'long' | 'rep';
