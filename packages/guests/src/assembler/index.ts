export type { Assembler, AssemblerOptions, Datum, Mnemonics } from './assembler.ts';
export { assembler } from './assembler.ts';
export type { AssemblerErrorCode } from './errors.ts';
export { AssemblerError } from './errors.ts';
export type { Bits, CodeName } from './forms.ts';
export * from './operands.ts';
