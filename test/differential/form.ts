import { BASE_RIP, type Decoded, OPERAND_KIND } from '../../packages/accelerator/src/x86/decode/decoded.ts';
import type { Outcome } from './case.ts';
import { FXSAVE } from './floating-start.ts';

/** What the form of an instruction is, besides its row: sizes, prefixes and the way memory is addressed. */
export function formOf(i: Decoded): string {
  const moffs = i.operands[0].kind === OPERAND_KIND.moffs || i.operands[1].kind === OPERAND_KIND.moffs;
  const base = i.base === BASE_RIP ? 'ip' : i.base >= 0 ? 'b' : '';
  const displacement = i.disp === 0 ? '' : i.disp >= -128 && i.disp < 128 ? 'd8' : 'd32';
  const memory = moffs ? 'moffs' : i.isMem ? `[${base}${i.index >= 0 ? `i${i.scale}` : ''}${displacement}]` : '';
  const prefixes = `${i.rep}${i.lock ? 'l' : ''}${i.segOverride ? i.seg : ''}${i.rex & 8 ? 'w' : ''}`;
  return `${i.row.index} ${i.opsize} ${i.asize} ${prefixes} ${memory}`;
}

/** What came of a case, as coarse as is useful: the exception, and the flags of all three kinds. */
export function kindOf({ vector, error, flags, fpu }: Outcome): string {
  const mxcsr = fpu[FXSAVE.mxcsr]! & 0x3f;
  const status = fpu[FXSAVE.status]! & 0x7f;
  return `${vector} ${vector === 14 ? error : ''} ${vector === 3 ? flags & 0x8d5 : ''} ${mxcsr} ${status}`;
}
