import { controlRegisters } from './control-registers.ts';
import { descriptorTables } from './descriptor-tables.ts';
import type { Escapes } from './escape.ts';
import { farReturn } from './far-return.ts';
import { farTransfer } from './far-transfer.ts';
import { fastSystemCall } from './fast-system-call.ts';
import { flags } from './flags.ts';
import { fpuState } from './fpu-state.ts';
import { integer } from './integer.ts';
import { io } from './io.ts';
import { msrs } from './msrs.ts';
import { segmentBases } from './segment-bases.ts';
import { segmentMoves } from './segment-moves.ts';
import { softwareInterrupt } from './software-interrupt.ts';
import { SSE_ESCAPES } from './sse.ts';
import { system } from './system.ts';
import { x87 } from './x87.ts';
import { xsave } from './xsave.ts';

/**
 * Instructions carried out in TypeScript, by mnemonic: those without a description in `semantics/`, and the rare halves
 * of some that have one (`mov`, `pop`, `pushf`, `cli`, `div`, `idiv`). Rows of CPUID features that we do not have are
 * missing: the decoder never yields them.
 */
export const ESCAPES: Escapes = {
  ...x87,
  ...controlRegisters,
  ...descriptorTables,
  ...farReturn,
  ...farTransfer,
  ...fastSystemCall,
  ...flags,
  ...fpuState,
  ...integer,
  ...io,
  ...msrs,
  ...segmentBases,
  ...segmentMoves,
  ...softwareInterrupt,
  ...SSE_ESCAPES,
  ...system,
  ...xsave,
};
