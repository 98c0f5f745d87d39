import { OPERAND_KIND, type Operand, type OperandKind } from './decoded.ts';

export function setOperand(operand: Operand, kind: OperandKind, reg: number): void {
  operand.kind = kind;
  operand.reg = reg;
}

/** @param size in bits, 0 where the state decides or nothing is read */
export function setMemory(operand: Operand, size: number): void {
  operand.kind = OPERAND_KIND.mem;
  operand.size = size;
}

/** A general register of the size that the operand has. Without REX, the 8-bit registers 4 to 7 are AH, CH, DH and BH. */
export function setGpr(operand: Operand, reg: number, hasRex: boolean): void {
  operand.kind = OPERAND_KIND.gpr;
  operand.high = operand.size === 8 && !hasRex && reg > 3;
  operand.reg = operand.high ? reg - 4 : reg;
}
