import type { Decoded } from '../decode/decoded.ts';

/** FOP (SDM vol. 1 §8.1.9): the low three bits of the first opcode byte, and ModRM. */
export const x87Opcode = (i: Decoded): number =>
  ((i.row.byte & 7) << 8) | (i.mod << 6) | ((i.reg & 7) << 3) | (i.rm & 7);
