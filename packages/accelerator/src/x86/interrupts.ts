import { isCanonical } from './canonical.ts';
import type { Cpu } from './cpu.ts';
import { enterLongFast, enterProtectedFast } from './fast-delivery.ts';
import { pushesErrorCode, VECTOR } from './fault.ts';
import { SEGREG } from './registers.ts';
import {
  Descriptor,
  isNull,
  markAccessed,
  readDescriptor,
  readStackDescriptor,
  SYSTEM_TYPE,
  setCode,
  setFromDescriptor,
  setNull,
  setReal,
} from './segmentation.ts';
import { Stack } from './stack.ts';
import { FLAG, GPR, STATE } from './state.ts';
import { switchTask, TASK_SWITCH } from './tasks.ts';
import { longTssStack, tssStack } from './tss.ts';

/** What is delivered, as far as delivery differs. */
export const EVENT = {
  /** An exception other than those below: RIP is that of the instruction it belongs to, or the next of a trap. */
  exception: 0,
  /** From outside the processor. */
  external: 1,
  /** INT n, INT3 and INTO: the gate's DPL counts, and RIP goes on after the instruction. */
  software: 2,
  /** INT1: RIP goes on after the instruction, and the gate's DPL does not count. */
  int1: 3,
} as const;
export type Event = (typeof EVENT)[keyof typeof EVENT];

/** How an event is delivered; nothing given: an exception with error code 0. */
export interface Delivery {
  /** Error code, for the exceptions that push one. */
  readonly error?: number;
  /** INT n, INT3 or INTO. */
  readonly software?: boolean;
  /** An interrupt or NMI. */
  readonly external?: boolean;
}

/** Exceptions whose handlers return to the instruction itself push RF as 1 (SDM vol. 3 §17.3.1.1). */
const FAULTS = 0x000b_7ce1;

/** Classes of SDM vol. 3 table 6-5. */
const BENIGN = 0;
const CONTRIBUTORY = 1;
const PAGE_FAULT = 2;
const DOUBLE_FAULT = 3;
function classOf(vector: number): number {
  if (vector === VECTOR.pf) return PAGE_FAULT;
  if (vector === VECTOR.df) return DOUBLE_FAULT;
  return vector === VECTOR.de || (vector >= VECTOR.ts && vector <= VECTOR.gp) ? CONTRIBUTORY : BENIGN;
}

/**
 * Delivers an exception or interrupt between two instructions; exceptions met on the way are delivered in its place,
 * or become a double fault (SDM vol. 3 §6.15, interrupt 8).
 * @returns false on a triple fault: the processor shuts down, its registers as before.
 */
export function deliver(
  cpu: Cpu,
  vector: number,
  { error = 0, software = false, external = false }: Delivery = {},
): boolean {
  let event: Event = software ? EVENT.software : external ? EVENT.external : EVENT.exception;
  let first = event === EVENT.exception ? classOf(vector) : BENIGN;
  let current = vector;
  let code = error;
  for (;;) {
    try {
      enterHandler(cpu, current, event, code);
      return true;
    } catch (thrown) {
      if (thrown !== cpu.fault) throw thrown;
    }
    const second = classOf(cpu.fault.vector);
    if (first === DOUBLE_FAULT && second !== BENIGN) return false;
    if ((first === CONTRIBUTORY && second === CONTRIBUTORY) || (first === PAGE_FAULT && second !== BENIGN)) {
      current = VECTOR.df;
      code = 0;
      first = DOUBLE_FAULT;
    } else {
      current = cpu.fault.vector;
      code = cpu.fault.error;
      first = second;
    }
    event = EVENT.exception;
  }
}

/**
 * Enters the handler of an event. Throws `cpu.fault` when that faults; nothing but memory below the stack has changed
 * then (a task switch excepted: it may fault in the new task).
 */
export function enterHandler(cpu: Cpu, vector: number, event: Event, error: number): void {
  if (!cpu.protectedMode) enterReal(cpu, vector, event);
  else {
    const after = event === EVENT.software || event === EVENT.int1;
    const code = event === EVENT.exception && pushesErrorCode(vector) ? error : -1;
    const flags = pushedFlags(cpu, vector, event);
    const long = cpu.longMode;
    const enterFast = long ? enterLongFast : enterProtectedFast;
    if (!enterFast(cpu, vector, flags, after, event === EVENT.software, code)) {
      if (long) enterLong(cpu, vector, event, error);
      else enterProtected(cpu, vector, event, error);
    }
  }
  cpu.shadow = false;
  cpu.halted = false;
  // A debug exception ends the guard of the debug registers (SDM vol. 3 §17.2.4, GD).
  if (vector === VECTOR.db && event !== EVENT.software) cpu.r.i32[STATE.dr / 4 + 14]! &= ~0x2000;
  cpu.updateMode();
}

const returnAddress = (cpu: Cpu, event: Event): bigint =>
  event === EVENT.software || event === EVENT.int1 ? cpu.nextRip : cpu.r.rip;

/** RFLAGS as they are pushed. */
function pushedFlags(cpu: Cpu, vector: number, event: Event): number {
  const { flags } = cpu.r;
  return event === EVENT.exception && vector < 32 && (FAULTS >>> vector) & 1 ? flags | FLAG.rf : flags;
}

const clearFlags = (cpu: Cpu, mask: number): void => {
  cpu.r.i32[STATE.flagsSystem / 4]! &= ~mask;
};

/** Real mode (SDM vol. 3 §20.1.4): a table of far pointers; no error codes. */
function enterReal(cpu: Cpu, vector: number, event: Event): void {
  const { r } = cpu;
  const at = vector * 4;
  if (at + 3 > r.u32[STATE.idtr / 4 + 2]!) cpu.gp();
  const entry = cpu.load32(BigInt.asUintN(32, r.u64[STATE.idtr / 8]! + BigInt(at)), false);
  const stack = Stack.current(cpu);
  stack.push(16, BigInt(r.flags & 0xffff));
  stack.push(16, BigInt(r.selector(SEGREG.cs)));
  stack.push(16, returnAddress(cpu, event));
  stack.commit();
  setReal(cpu, SEGREG.cs, entry >>> 16);
  clearFlags(cpu, FLAG.if | FLAG.tf | FLAG.ac | FLAG.rf);
  r.rip = BigInt(entry & 0xffff);
}

/** Checks a gate; its type comes with it. @param size bytes of an entry */
function readGate(cpu: Cpu, vector: number, event: Event, size: 8 | 16): Descriptor {
  const { r } = cpu;
  const ext = event === EVENT.software ? 0 : 1;
  const error = (vector * 8) | 2 | ext;
  const offset = vector * size;
  if (offset + size - 1 > r.u32[STATE.idtr / 4 + 2]!) cpu.gp(error);
  const at = BigInt.asUintN(size === 16 ? 64 : 32, r.u64[STATE.idtr / 8]! + BigInt(offset));
  const gate = new Descriptor(at, cpu.load32(at, false), cpu.load32(at + 4n, false));
  const type = gate.systemType;
  const legacy =
    type === SYSTEM_TYPE.taskGate || type === SYSTEM_TYPE.interruptGate16 || type === SYSTEM_TYPE.trapGate16;
  if (type !== SYSTEM_TYPE.interruptGate32 && type !== SYSTEM_TYPE.trapGate32 && (size === 16 || !legacy))
    cpu.gp(error);
  if (event === EVENT.software && gate.dpl < cpu.cpl) cpu.gp(error);
  if (!gate.present) cpu.raise(VECTOR.np, error);
  return gate;
}

/** The handler's code segment: present, code, and not less privileged than what it interrupts. */
function readHandlerCode(cpu: Cpu, selector: number, ext: number): Descriptor {
  if (isNull(selector)) cpu.gp(ext);
  const code = readDescriptor(cpu, selector, VECTOR.gp, ext);
  const error = (selector & 0xfffc) | ext;
  if (!code.isCode || code.dpl > cpu.cpl) cpu.gp(error);
  if (!code.present) cpu.raise(VECTOR.np, error);
  return code;
}

/** Protected mode (SDM vol. 3 §6.12), virtual-8086 mode included (§20.3.1). */
function enterProtected(cpu: Cpu, vector: number, event: Event, error: number): void {
  const { r } = cpu;
  const ext = event === EVENT.software ? 0 : 1;
  const gate = readGate(cpu, vector, event, 8);
  const type = gate.systemType;
  const selector = gate.gateSelector;
  const hasError = event === EVENT.exception && pushesErrorCode(vector);
  if (type === SYSTEM_TYPE.taskGate) {
    switchTask(cpu, selector, TASK_SWITCH.interrupt, returnAddress(cpu, event), ext, VECTOR.gp, hasError ? error : -1);
    return;
  }
  const code = readHandlerCode(cpu, selector, ext);
  const big = (type & 8) !== 0;
  const bits = big ? 32 : 16;
  const offset = big ? gate.gateOffset : gate.gateOffset & 0xffff;
  const { v86 } = cpu;
  const inner = !code.isConforming && code.dpl < cpu.cpl;
  if (v86 && (!inner || code.dpl !== 0)) cpu.gp((selector & 0xfffc) | ext);
  const flags = BigInt(pushedFlags(cpu, vector, event));
  const back = returnAddress(cpu, event);

  if (!inner) {
    if (offset > code.limit) cpu.gp(ext);
    const stack = Stack.current(cpu, ext);
    stack.push(bits, flags);
    stack.push(bits, BigInt(r.selector(SEGREG.cs)));
    stack.push(bits, back);
    if (hasError) stack.push(bits, BigInt(error));
    markAccessed(cpu, code);
    stack.commit();
    setCode(cpu, selector, code, cpu.cpl);
  } else {
    const cpl = code.dpl;
    const { selector: ss, pointer } = tssStack(cpu, cpl, ext);
    const data = readStackDescriptor(cpu, ss, cpl, VECTOR.ts, ext);
    if (offset > code.limit) cpu.gp(ext);
    const stack = Stack.of(cpu, data, BigInt(pointer), cpl, (ss & 0xfffc) | ext);
    if (v86) for (const n of [SEGREG.gs, SEGREG.fs, SEGREG.ds, SEGREG.es]) stack.push(bits, BigInt(r.selector(n)));
    stack.push(bits, BigInt(r.selector(SEGREG.ss)));
    stack.push(bits, r.gpr(GPR.rsp, 32));
    stack.push(bits, flags);
    stack.push(bits, BigInt(r.selector(SEGREG.cs)));
    stack.push(bits, back);
    if (hasError) stack.push(bits, BigInt(error));
    markAccessed(cpu, data);
    markAccessed(cpu, code);
    if (v86) for (const n of [SEGREG.gs, SEGREG.fs, SEGREG.ds, SEGREG.es]) setNull(cpu, n, 0);
    setFromDescriptor(cpu, SEGREG.ss, ss, data);
    r.setGpr32(GPR.rsp, pointer);
    stack.commit();
    setCode(cpu, selector, code, cpl);
  }
  clearFlags(cpu, FLAG.tf | FLAG.nt | FLAG.rf | FLAG.vm | (type & 1 ? 0 : FLAG.if));
  r.rip = BigInt(offset);
}

/** IA-32e mode (SDM vol. 3 §6.14): 16-byte gates, 64-bit handlers, aligned stacks, the interrupt stack table. */
function enterLong(cpu: Cpu, vector: number, event: Event, error: number): void {
  const { r } = cpu;
  const ext = event === EVENT.software ? 0 : 1;
  const gate = readGate(cpu, vector, event, 16);
  const upper = cpu.load32(gate.at + 8n, false);
  const rip = (BigInt(upper) << 32n) | BigInt(gate.gateOffset);
  const selector = gate.gateSelector;
  const code = readHandlerCode(cpu, selector, ext);
  if (!code.isLong || code.isBig) cpu.gp((selector & 0xfffc) | ext);
  const cpl = code.isConforming ? cpu.cpl : code.dpl;
  const inner = cpl < cpu.cpl;
  const ist = gate.high & 7;
  const top = ist || inner ? longTssStack(cpu, cpl, ist, ext) : r.rsp;
  if (!isCanonical(top)) cpu.raise(VECTOR.ss, ext);
  if (!isCanonical(rip)) cpu.gp(ext);
  const stack = Stack.long(cpu, top & ~15n, cpl, ext);
  stack.push(64, BigInt(r.selector(SEGREG.ss)));
  stack.push(64, cpu.bits64 ? r.rsp : r.gpr(GPR.rsp, 32));
  stack.push(64, BigInt(pushedFlags(cpu, vector, event)));
  stack.push(64, BigInt(r.selector(SEGREG.cs)));
  stack.push(64, returnAddress(cpu, event));
  if (event === EVENT.exception && pushesErrorCode(vector)) stack.push(64, BigInt(error));
  markAccessed(cpu, code);
  if (inner) setNull(cpu, SEGREG.ss, cpl, cpl);
  setCode(cpu, selector, code, cpl);
  r.rsp = stack.pointer;
  clearFlags(cpu, FLAG.tf | FLAG.nt | FLAG.rf | FLAG.vm | (gate.high & 0x100 ? 0 : FLAG.if));
  r.rip = rip;
}

/** INT n in virtual-8086 mode needs IOPL 3 (SDM vol. 3 §20.3); INT3 and INTO do not. */
export function checkSoftwareInterrupt(cpu: Cpu): void {
  if (cpu.protectedMode && cpu.v86 && cpu.r.iopl < 3) cpu.gp();
}
