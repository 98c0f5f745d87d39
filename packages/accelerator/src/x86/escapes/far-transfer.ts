import { isCanonical } from '../canonical.ts';
import type { Cpu } from '../cpu.ts';
import { type Decoded, OPERAND_KIND } from '../decode/decoded.ts';
import { VECTOR } from '../fault.ts';
import { SEGREG } from '../registers.ts';
import {
  type Descriptor,
  isNull,
  markAccessed,
  readDescriptor,
  readStackDescriptor,
  readUpperHalf,
  SYSTEM_TYPE,
  setCode,
  setFromDescriptor,
  setNull,
  setReal,
  setV86,
} from '../segmentation.ts';
import { Stack } from '../stack.ts';
import { GPR } from '../state.ts';
import { switchTask, TASK_SWITCH } from '../tasks.ts';
import { longTssStack, tssStack } from '../tss.ts';
import type { Escape } from './escape.ts';

/** JMP and CALL to a far pointer in the instruction or in memory (SDM vol. 2 CALL, JMP). */
const far =
  (isCall: boolean): Escape =>
  (cpu, i) => {
    const bits = i.opsize;
    let selector = i.imm2;
    let offset = BigInt(i.immLo >>> 0);
    if (i.operands[0].kind !== OPERAND_KIND.farptr) {
      const bytes = bits / 8;
      const at = cpu.address(i, bytes + 2, false);
      offset = cpu.load(bits, at);
      selector = cpu.load16(at + BigInt(bytes));
    }
    if (cpu.protectedMode && !cpu.v86) return toSelector(cpu, i, selector, offset, isCall);
    if (offset > BigInt(cpu.r.limit(SEGREG.cs))) cpu.gp();
    if (isCall) pushReturn(cpu, bits);
    if (cpu.v86) setV86(cpu, SEGREG.cs, selector);
    else setReal(cpu, SEGREG.cs, selector);
    cpu.updateMode();
    return cpu.jump(offset);
  };

function pushReturn(cpu: Cpu, bits: 16 | 32 | 64): void {
  const stack = Stack.current(cpu);
  stack.push(bits, BigInt(cpu.r.selector(SEGREG.cs)));
  stack.push(bits, cpu.nextRip);
  stack.commit();
}

/** Checks a code segment reached directly: conforming, or of this very level. */
function checkDirect(cpu: Cpu, selector: number, code: Descriptor): void {
  const error = selector & 0xfffc;
  if (code.isConforming ? code.dpl > cpu.cpl : (selector & 3) > cpu.cpl || code.dpl !== cpu.cpl) cpu.gp(error);
  if (cpu.longMode && code.isLong && code.isBig) cpu.gp(error);
  if (!code.present) cpu.raise(VECTOR.np, error);
}

function checkTarget(cpu: Cpu, code: Descriptor, offset: bigint): void {
  if (cpu.longMode && code.isLong ? !isCanonical(offset) : offset > BigInt(code.limit)) cpu.gp();
}

function toSelector(cpu: Cpu, i: Decoded, selector: number, offset: bigint, isCall: boolean): number {
  if (isNull(selector)) cpu.gp();
  const error = selector & 0xfffc;
  const d = readDescriptor(cpu, selector);
  if (d.isCode) {
    checkDirect(cpu, selector, d);
    checkTarget(cpu, d, offset);
    markAccessed(cpu, d);
    if (isCall) pushReturn(cpu, i.opsize);
    setCode(cpu, selector, d, cpu.cpl);
    cpu.updateMode();
    return cpu.jump(offset);
  }
  const type = d.systemType;
  const isTss = type === SYSTEM_TYPE.tss16 || type === SYSTEM_TYPE.tss32;
  const isCallGate = type === SYSTEM_TYPE.callGate32 || (type === SYSTEM_TYPE.callGate16 && !cpu.longMode);
  if (!isCallGate && (cpu.longMode || (!isTss && type !== SYSTEM_TYPE.taskGate))) cpu.gp(error);
  if (d.dpl < cpu.cpl || d.dpl < (selector & 3)) cpu.gp(error);
  if (isCallGate) return throughGate(cpu, selector, d, isCall);
  if (!d.present) cpu.raise(VECTOR.np, error);
  switchTask(cpu, isTss ? selector : d.gateSelector, isCall ? TASK_SWITCH.call : TASK_SWITCH.jump, cpu.nextRip);
  return cpu.jump(cpu.r.rip);
}

/** A call gate (SDM vol. 3 §5.8.3); in IA-32e mode it has 16 bytes and leads to 64-bit code (§5.8.3.1). */
function throughGate(cpu: Cpu, gateSelector: number, gate: Descriptor, isCall: boolean): number {
  const { r } = cpu;
  const long = cpu.longMode;
  const upper = long ? readUpperHalf(cpu, gateSelector, gate) : 0n;
  if (!gate.present) cpu.raise(VECTOR.np, gateSelector & 0xfffc);
  const selector = gate.gateSelector;
  if (isNull(selector)) cpu.gp();
  const error = selector & 0xfffc;
  const code = readDescriptor(cpu, selector);
  if (!code.isCode || code.dpl > cpu.cpl) cpu.gp(error);
  if (long && (!code.isLong || code.isBig)) cpu.gp(error);
  if (!isCall && !code.isConforming && code.dpl !== cpu.cpl) cpu.gp(error);
  if (!code.present) cpu.raise(VECTOR.np, error);
  const big = gate.systemType === SYSTEM_TYPE.callGate32;
  const bits = long ? 64 : big ? 32 : 16;
  const offset = upper | BigInt(big ? gate.gateOffset : gate.gateOffset & 0xffff);
  checkTarget(cpu, code, offset);
  if (isCall && !code.isConforming && code.dpl < cpu.cpl) {
    if (long) innerLong(cpu, code.dpl);
    else inner(cpu, gate, code.dpl, bits as 16 | 32);
    markAccessed(cpu, code);
    setCode(cpu, selector, code, code.dpl);
  } else {
    markAccessed(cpu, code);
    if (isCall) pushReturn(cpu, bits);
    setCode(cpu, selector, code, cpu.cpl);
  }
  cpu.updateMode();
  return cpu.jump(offset);

  /** The stack of a more privileged level, with the caller's parameters copied to it. */
  function inner(cpu: Cpu, gate: Descriptor, cpl: number, bits: 16 | 32): void {
    const { selector: ss, pointer } = tssStack(cpu, cpl, 0);
    const data = readStackDescriptor(cpu, ss, cpl, VECTOR.ts);
    const from = Stack.current(cpu);
    const to = Stack.of(cpu, data, BigInt(pointer), cpl, ss & 0xfffc);
    to.push(bits, BigInt(r.selector(SEGREG.ss)));
    to.push(bits, r.gpr(GPR.rsp, 32));
    const parameters = Array.from({ length: gate.high & 31 }, () => from.pop(bits));
    for (const value of parameters.reverse()) to.push(bits, value);
    to.push(bits, BigInt(r.selector(SEGREG.cs)));
    to.push(bits, cpu.nextRip);
    markAccessed(cpu, data);
    setFromDescriptor(cpu, SEGREG.ss, ss, data);
    r.setGpr32(GPR.rsp, pointer);
    to.commit();
  }

  function innerLong(cpu: Cpu, cpl: number): void {
    const to = Stack.long(cpu, longTssStack(cpu, cpl, 0, 0), cpl, 0);
    to.push(64, BigInt(r.selector(SEGREG.ss)));
    to.push(64, cpu.bits64 ? r.rsp : r.gpr(GPR.rsp, 32));
    to.push(64, BigInt(r.selector(SEGREG.cs)));
    to.push(64, cpu.nextRip);
    setNull(cpu, SEGREG.ss, cpl, cpl);
    r.rsp = to.pointer;
  }
}

export const farTransfer = { 'jmp far': far(false), 'call far': far(true) };
