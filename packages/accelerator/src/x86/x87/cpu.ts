import type { EnvironmentFormat } from './environment.ts';
import type { X87 } from './state.ts';

/** What an x87 instruction needs from the processor around it. */
export interface X87Cpu {
  /** The memory operand's bytes between here and the processor; 108 bytes or more. */
  readonly operand: DataView;
  /** Reads `size` bytes at the instruction's memory operand into {@link operand}. @returns false on a fault. */
  load(size: number): boolean;
  /** Writes the first `size` bytes of {@link operand} to the memory operand, all or none. @returns false on a fault. */
  store(size: number): boolean;
  /** Whether {@link store} would write. @returns false on a fault. */
  probeStore(size: number): boolean;
  /** CF (bit 0), PF (2) and ZF (6) count: FCMOVcc tests them, FCOMI and its kin set them and clear OF, SF and AF. */
  eflags: number;
  /** AX, for FNSTSW. */
  setAx(value: number): void;
  /** How FLDENV, FRSTOR, FNSTENV and FNSAVE see memory, by mode and operand size. */
  readonly environment: EnvironmentFormat;
}

/**
 * Executes one x87 instruction. @param i the register operand ST(i), 0 without one.
 * @returns false when `load` or `store` faulted; nothing has changed then.
 */
export type X87Execute = (fpu: X87, cpu: X87Cpu, i: number) => boolean;
