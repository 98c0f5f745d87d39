import type { X87Execute } from '../cpu.ts';
import {
  environmentSize,
  readEnvironment,
  readState,
  stateSize,
  writeEnvironment,
  writeState,
} from '../environment.ts';
import { EXCEPTIONS, FSW } from '../status.ts';

/** FNOP, and what the 8087 and the 287 knew and the 387 ignores: FNENI, FNDISI, FNSETPM. */
export const nothing: X87Execute = () => true;

export const fninit: X87Execute = fpu => {
  fpu.initialize();
  return true;
};

/** FNCLEX: exception flags, SF, ES and B; the condition codes stay. */
export const fnclex: X87Execute = fpu => {
  fpu.status = fpu.status & ~(EXCEPTIONS | FSW.SF);
  return true;
};

export const fldcw: X87Execute = (fpu, cpu) => {
  if (!cpu.load(2)) return false;
  fpu.control = cpu.operand.getUint16(0, true);
  return true;
};

export const fnstcw: X87Execute = (fpu, cpu) => {
  cpu.operand.setUint16(0, fpu.control, true);
  return cpu.store(2);
};

export const fnstsw: X87Execute = (fpu, cpu) => {
  cpu.operand.setUint16(0, fpu.status, true);
  return cpu.store(2);
};

export const fnstswAx: X87Execute = (fpu, cpu) => {
  cpu.setAx(fpu.status);
  return true;
};

export const fldenv: X87Execute = (fpu, cpu) => {
  if (!cpu.load(environmentSize(cpu.environment))) return false;
  readEnvironment(fpu, cpu.operand, cpu.environment);
  return true;
};

/** FNSTENV masks all exceptions once the environment is stored. */
export const fnstenv: X87Execute = (fpu, cpu) => {
  writeEnvironment(fpu, cpu.operand, cpu.environment);
  if (!cpu.store(environmentSize(cpu.environment))) return false;
  fpu.control = fpu.control | EXCEPTIONS;
  return true;
};

export const frstor: X87Execute = (fpu, cpu) => {
  if (!cpu.load(stateSize(cpu.environment))) return false;
  readState(fpu, cpu.operand, cpu.environment);
  return true;
};

export const fnsave: X87Execute = (fpu, cpu) => {
  writeState(fpu, cpu.operand, cpu.environment);
  if (!cpu.store(stateSize(cpu.environment))) return false;
  fpu.initialize();
  return true;
};

/** FINCSTP and FDECSTP: TOP alone, whatever the tags say. */
export const fincstp: X87Execute = fpu => {
  fpu.top = fpu.top + 1;
  fpu.status = fpu.status & ~FSW.C1;
  return true;
};
export const fdecstp: X87Execute = fpu => {
  fpu.top = fpu.top - 1;
  fpu.status = fpu.status & ~FSW.C1;
  return true;
};

export const ffree: X87Execute = (fpu, _cpu, i) => {
  fpu.free(i);
  fpu.status = fpu.status & ~FSW.C1;
  return true;
};
/** FFREE and a pop; undocumented by Intel, documented by AMD's older manuals. */
export const ffreep: X87Execute = (fpu, _cpu, i) => {
  fpu.free(i);
  fpu.pop();
  fpu.status = fpu.status & ~FSW.C1;
  return true;
};
