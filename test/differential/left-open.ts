import type { Decoded } from '../../packages/accelerator/src/x86/decode/decoded.ts';
import type { Row } from '../../packages/accelerator/src/x86/isa/row.ts';
import { DATA } from './case.ts';

/** What both sides may do as they like in a case. */
export interface LeftOpen {
  /** Status flags. */
  readonly flags: number;
  /** The last result is an approximation (`near.ts`). */
  readonly approximate: boolean;
  /** Bytes of memory, as offsets in {@link DATA}, from and to (exclusive). */
  readonly memory: readonly (readonly [from: number, to: number])[];
  /**
   * RIP of instructions with large images in memory, or two operands, or MASKMOVQ. Which byte of one is tried first, and what is stored before a
   * fault, is the processor's affair.
   */
  readonly images: readonly number[];
  /**
   * RIP of instructions with an operand of ten bytes, which processors access in two pieces: the end of the segment in
   * the second is found before or after what is wrong with the first.
   */
  readonly pieces: readonly number[];
}

/** DEVIATION §10.4.3: approximations, each processor's own. */
const RECIPROCAL = /^r(cp|sqrt)[ps]s$/;
const TRANSCENDENTAL = new Set(['f2xm1', 'fyl2x', 'fyl2xp1', 'fptan', 'fpatan', 'fsin', 'fcos', 'fsincos']);
/**
 * They store pointers to instruction and operand, or load MXCSR; see {@link pointersOf}. Whether a byte that
 * MASKMOVQ does not store may fault is the processor's affair: what is before it must leave its address alone.
 */
const ALONE = new Set(['fxsave', 'fxrstor', 'fnsave', 'fnstenv', 'ldmxcsr', 'maskmovq', 'maskmovdqu']);

export const hasImage = ({ mnemonic }: Row): boolean =>
  /^(fn?stenv|fldenv|fn?save|frstor|fxsave|fxrstor|bound|maskmovq)$/.test(mnemonic);

export const hasPieces = ({ operands }: Row): boolean => operands.some(({ type }) => type === 't');

export const isApproximate = ({ mnemonic }: Row): boolean => RECIPROCAL.test(mnemonic) || TRANSCENDENTAL.has(mnemonic);

/** A row whose result no other instruction may see. */
export const isSolitary = (row: Row): boolean => isApproximate(row) || ALONE.has(row.mnemonic);

/**
 * Where an instruction stores pointers to instruction and operand, which AMD processors keep only after exceptions, and
 * the mask of MXCSR (SDM vol. 1 figures 8-9 to 8-12, table 10-2).
 * @param address linear, of its operand
 */
export function pointersOf({ row, opsize }: Decoded, address: bigint): [number, number][] {
  const at = Number(address) - DATA.address;
  if (row.mnemonic === 'fxsave')
    return [
      [at + 6, at + 24],
      [at + 28, at + 32],
    ];
  if (row.mnemonic !== 'fnsave' && row.mnemonic !== 'fnstenv') return [];
  return opsize === 16 ? [[at + 6, at + 14]] : [[at + 12, at + 28]];
}
