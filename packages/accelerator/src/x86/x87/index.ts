export type { X87Cpu, X87Execute } from './cpu.ts';
export type { EnvironmentFormat } from './environment.ts';
export { FXSAVE_LAYOUT, readFxsave, writeFxsave } from './fxsave.ts';
export { type X87Instruction, x87Instruction } from './instructions.ts';
export { X87, X87_LAYOUT } from './state.ts';
export { FSW } from './status.ts';
