import { type Decoded, OPERAND_KIND } from '../../packages/accelerator/src/x86/decode/decoded.ts';
import { AF, CF, OF } from '../../packages/accelerator/src/x86/isa/row.ts';

const SHIFTS = new Set(['shl', 'shr', 'sar']);
const ROTATES = new Set(['rol', 'ror', 'rcl', 'rcr']);
const DOUBLE_SHIFTS = new Set(['shld', 'shrd']);

/** What an instruction's count operand is, or undefined when that is not known or the instruction has none. */
function countOf(i: Decoded, cl: number | undefined): number | undefined {
  const operand = i.operands[i.count - 1]!;
  const count = operand.kind === OPERAND_KIND.imm ? i.immLo & 0xff : operand.kind === OPERAND_KIND.one ? 1 : cl;
  return count === undefined ? undefined : count & (i.operands[0].size === 64 ? 63 : 31);
}

/**
 * Flags without a defined value after an instruction (SDM vol. 2, "Flags Affected"): fewer than its row says where the
 * count is known.
 * @param cl CL before it, if known.
 */
export function undefinedFlags(i: Decoded, cl?: number): number {
  const { mnemonic, undef = 0 } = i.row;
  const shift = SHIFTS.has(mnemonic);
  if (!shift && !ROTATES.has(mnemonic) && !DOUBLE_SHIFTS.has(mnemonic)) return undef;
  const count = countOf(i, cl);
  if (count === undefined) return undef;
  if (count === 0) return 0;
  const of = count === 1 ? 0 : OF;
  if (DOUBLE_SHIFTS.has(mnemonic)) return count > i.operands[0].size ? undef : of | AF;
  if (!shift) return of;
  return AF | of | (mnemonic !== 'sar' && count >= i.operands[0].size ? CF : 0);
}

/** The manual leaves more than flags open: a result, which processors compute each in their own way. */
export function isUndefined(i: Decoded, cl?: number): boolean {
  const { mnemonic } = i.row;
  if (mnemonic === 'bswap') return i.opsize === 16;
  if (!DOUBLE_SHIFTS.has(mnemonic) || i.opsize !== 16) return false;
  const count = countOf(i, cl);
  return count === undefined || count > 16;
}
