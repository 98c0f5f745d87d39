import type { Cpu } from '../cpu.ts';
import { type Decoded, OPERAND_KIND } from '../decode/decoded.ts';
import { hasFlatStack, isFlatData } from '../flat-segments.ts';
import { knownMemory } from '../known-memory.ts';
import { MODE } from '../mode.ts';
import { SEGREG } from '../registers.ts';
import { loadSegment } from '../segmentation.ts';
import { GPR } from '../state.ts';
import { movFromCr, movFromDr, movToCr, movToDr } from './control-registers.ts';
import type { Escape } from './escape.ts';

/**
 * Ends an instruction that loaded a segment register. After SS, interrupts wait for one instruction, which is to load
 * the stack pointer (SDM vol. 3 §6.8.3).
 */
function segmentLoaded(cpu: Cpu, n: number): number | undefined {
  if (n !== SEGREG.ss && keepsMode(cpu, n)) return undefined;
  const before = cpu.mode;
  cpu.updateMode();
  if (n === SEGREG.ss) cpu.holdInterrupts();
  return n === SEGREG.ss || cpu.mode !== before ? cpu.leave() : undefined;
}

/** What `Cpu.updateMode` works out has not changed with a data segment register: that of flat code is flat as before. */
function keepsMode({ mode, r }: Cpu, n: number): boolean {
  return n === SEGREG.fs || n === SEGREG.gs || ((mode & MODE.flat) !== 0 && isFlatData(r, n));
}

/** MOV to a segment register, from and to control and debug registers. */
const mov: Escape = (cpu, i) => {
  const [to, from] = i.operands;
  if (to.kind === OPERAND_KIND.seg) {
    const selector = from.kind === OPERAND_KIND.gpr ? cpu.r.gpr16(from.reg) : Number(cpu.read(i, 1) & 0xffffn);
    loadSegment(cpu, to.reg, selector);
    return segmentLoaded(cpu, to.reg);
  }
  if (to.kind === OPERAND_KIND.cr) return movToCr(cpu, i);
  if (to.kind === OPERAND_KIND.dr) return movToDr(cpu, i);
  if (from.kind === OPERAND_KIND.cr) return movFromCr(cpu, i);
  if (from.kind === OPERAND_KIND.dr) return movFromDr(cpu, i);
  // From a segment register.
  const selector = cpu.r.selector(from.reg);
  if (to.kind !== OPERAND_KIND.gpr) cpu.write(i, 0, BigInt(selector));
  else if (to.size === 16) cpu.r.setGpr16(to.reg, selector);
  else cpu.r.setGpr32(to.reg, selector);
  return undefined;
};

/** Where a doubleword on a flat 32-bit stack lies that a segment register goes to or comes from; 0 for all else. */
function flatSlot(cpu: Cpu, i: Decoded, pointer: number, write: boolean): number {
  if (i.opsize !== 32 || i.operands[0].kind !== OPERAND_KIND.seg || !hasFlatStack(cpu)) return 0;
  return knownMemory(cpu, pointer | 0, 0, 4, write, cpu.cpl === 3);
}

/** POP to memory or to a segment register. */
const pop: Escape = (cpu, i) => {
  const flat = flatSlot(cpu, i, cpu.r.gpr32(GPR.rsp), false);
  if (flat !== 0) {
    const past = cpu.r.gpr32(GPR.rsp) + 4;
    const { reg } = i.operands[0];
    loadSegment(cpu, reg, cpu.r.u32[flat >>> 2]! & 0xffff);
    cpu.r.setGpr32(GPR.rsp, past);
    return segmentLoaded(cpu, reg);
  }
  const bytes = i.opsize / 8;
  const bits = cpu.stackBits;
  const value = cpu.peekStack(i.opsize);
  const past = BigInt.asUintN(bits, cpu.stackPointer + BigInt(bytes));
  const [{ kind, reg }] = i.operands;
  if (kind === OPERAND_KIND.seg) {
    loadSegment(cpu, reg, Number(value & 0xffffn));
    cpu.r.setGpr(GPR.rsp, bits, past);
    return segmentLoaded(cpu, reg);
  }
  // An address that counts from rSP counts from its new value (SDM vol. 2 POP).
  const moved = i.base === GPR.rsp ? BigInt(bytes) : 0n;
  const offset = BigInt.asUintN(i.asize, cpu.offset(i) + moved);
  cpu.store(i.opsize, cpu.linear(i.seg, offset, bytes, true), value);
  cpu.r.setGpr(GPR.rsp, bits, past);
  return undefined;
};

/** PUSH of a segment register. */
const push: Escape = (cpu, i) => {
  const selector = cpu.r.selector(i.operands[0].reg);
  const pointer = (cpu.r.gpr32(GPR.rsp) - 4) >>> 0;
  const flat = flatSlot(cpu, i, pointer, true);
  if (flat === 0) cpu.push(i.opsize, BigInt(selector));
  else {
    cpu.r.u32[flat >>> 2] = selector;
    cpu.r.setGpr32(GPR.rsp, pointer);
  }
};

/** LDS and its kin: an offset, then a selector. */
const loadFar =
  (n: number): Escape =>
  (cpu, i) => {
    const bytes = i.opsize / 8;
    const at = cpu.address(i, bytes + 2, false);
    const offset = cpu.load(i.opsize, at);
    loadSegment(cpu, n, cpu.load16(at + BigInt(bytes)));
    cpu.write(i, 0, offset);
    return segmentLoaded(cpu, n);
  };

export const segmentMoves = {
  mov,
  pop,
  push,
  les: loadFar(SEGREG.es),
  lds: loadFar(SEGREG.ds),
  lss: loadFar(SEGREG.ss),
  lfs: loadFar(SEGREG.fs),
  lgs: loadFar(SEGREG.gs),
};
