import { isCanonical } from '../canonical.ts';
import type { Cpu } from '../cpu.ts';
import type { Decoded } from '../decode/decoded.ts';
import { returnLongFast, returnProtectedFast } from '../fast-return.ts';
import { VECTOR } from '../fault.ts';
import { SEGREG } from '../registers.ts';
import {
  type Descriptor,
  dropInnerSegments,
  isNull,
  markAccessed,
  readDescriptor,
  readStackDescriptor,
  setCode,
  setFromDescriptor,
  setNull,
  setReal,
  setV86,
} from '../segmentation.ts';
import { Stack } from '../stack.ts';
import { FLAG, STATE } from '../state.ts';
import { switchTask, TASK_SWITCH } from '../tasks.ts';
import { hasVirtualIf, loadVirtualFlags } from '../virtual-interrupts.ts';
import type { Escape } from './escape.ts';

/** Flags that IRET and POPF load at any level. */
const PLAIN = 0x4dd5; // CF PF AF ZF SF TF DF OF NT
/** And those that come with a 32- or 64-bit operand; RF with IRET alone. */
const WIDE = FLAG.ac | FLAG.id;

/** Replaces RFLAGS as far as this level may (SDM vol. 2 IRET, POPF). @param extra flags of the instruction's own */
export function loadFlags(cpu: Cpu, bits: number, value: number, extra = 0): void {
  const { r } = cpu;
  let mask = PLAIN | extra | (bits === 16 ? 0 : WIDE);
  if (cpu.cpl === 0) mask |= FLAG.iopl;
  if (cpu.cpl <= r.iopl || !cpu.protectedMode) mask |= FLAG.if;
  r.flags = (r.flags & ~(mask | FLAG.rf)) | (value & mask);
}

/** The code segment that a far return goes to (SDM vol. 2 RET, IRET): not an inner level, code, present. */
function readReturnCode(cpu: Cpu, selector: number, rip: bigint): Descriptor {
  if (isNull(selector)) cpu.gp();
  const error = selector & 0xfffc;
  const rpl = selector & 3;
  const code = readDescriptor(cpu, selector);
  if (!code.isCode || rpl < cpu.cpl || (code.isConforming ? code.dpl > rpl : code.dpl !== rpl)) cpu.gp(error);
  if (cpu.longMode && code.isLong && code.isBig) cpu.gp(error);
  if (!code.present) cpu.raise(VECTOR.np, error);
  if (cpu.longMode && code.isLong ? !isCanonical(rip) : rip > BigInt(code.limit)) cpu.gp();
  return code;
}

/**
 * Goes back to an outer level, or to the same one with a stack of its own (IRET in 64-bit mode). `change` replaces
 * RFLAGS at the level that is left.
 */
function returnOutward(
  cpu: Cpu,
  selector: number,
  code: Descriptor,
  rip: bigint,
  ss: number,
  rsp: bigint,
  release: number,
  change?: () => void,
): void {
  const { r } = cpu;
  const cpl = selector & 3;
  const toLong = cpu.longMode && code.isLong;
  const outward = cpl > cpu.cpl;
  let data: Descriptor | undefined;
  if (isNull(ss)) {
    if (!toLong || cpl === 3 || (ss & 3) !== cpl) cpu.gp();
  } else {
    data = readStackDescriptor(cpu, ss, cpl, VECTOR.gp);
    markAccessed(cpu, data);
  }
  markAccessed(cpu, code);
  change?.();
  setCode(cpu, selector, code, cpl);
  if (data) setFromDescriptor(cpu, SEGREG.ss, ss, data);
  else setNull(cpu, SEGREG.ss, ss, cpl);
  const bits = toLong ? 64 : !data || data.isBig ? 32 : 16;
  r.setGpr(4, bits, BigInt.asUintN(bits, rsp + BigInt(release)));
  if (outward) dropInnerSegments(cpu);
  r.rip = rip;
  cpu.updateMode();
}

/** RET far, with the bytes of parameters to release. */
const retFar: Escape = (cpu, i) => {
  const release = i.count === 1 ? i.immLo & 0xffff : 0;
  const bits = i.opsize;
  const stack = Stack.current(cpu);
  const rip = stack.pop(bits);
  const selector = Number(stack.pop(bits) & 0xffffn);
  if (!cpu.protectedMode || cpu.v86) {
    if (rip > BigInt(cpu.r.limit(SEGREG.cs))) cpu.gp();
    stack.skip(release);
    stack.commit();
    if (cpu.v86) setV86(cpu, SEGREG.cs, selector);
    else setReal(cpu, SEGREG.cs, selector);
    cpu.updateMode();
    return cpu.jump(rip);
  }
  const code = readReturnCode(cpu, selector, rip);
  stack.skip(release);
  if ((selector & 3) === cpu.cpl) {
    markAccessed(cpu, code);
    stack.commit();
    setCode(cpu, selector, code, cpu.cpl);
    cpu.updateMode();
  } else {
    const rsp = stack.pop(bits);
    const ss = Number(stack.pop(bits) & 0xffffn);
    returnOutward(cpu, selector, code, rip, ss, rsp, release);
  }
  return cpu.jump(rip);
};

/** IRET, IRETD, IRETQ in every mode. Whatever the mode, it lets NMIs in again. */
const iret: Escape = (cpu, i) => {
  if (!cpu.protectedMode || cpu.v86) realReturn(cpu, i);
  else if (cpu.r.systemFlag(FLAG.nt)) {
    if (cpu.longMode) cpu.gp();
    const link = cpu.load16(cpu.r.base(SEGREG.tr), false);
    switchTask(cpu, link, TASK_SWITCH.return, cpu.nextRip, 0, VECTOR.ts);
  } else if (!returnFast(cpu, i)) protectedReturn(cpu, i);
  cpu.nmiMasked = false;
  return cpu.jumped();
};

function realReturn(cpu: Cpu, i: Decoded): void {
  const { r } = cpu;
  const { v86 } = cpu;
  const bits = i.opsize;
  const virtual = v86 && r.iopl < 3;
  if (virtual && (bits !== 16 || !hasVirtualIf(cpu))) cpu.gp();
  const stack = Stack.current(cpu);
  const rip = stack.pop(bits);
  const selector = Number(stack.pop(bits) & 0xffffn);
  const flags = Number(stack.pop(bits) & 0xffff_ffffn);
  if (rip > BigInt(r.limit(SEGREG.cs))) cpu.gp();
  if (virtual) loadVirtualFlags(cpu, flags);
  else loadFlags(cpu, bits, flags, bits === 16 ? 0 : FLAG.rf);
  stack.commit();
  if (v86) setV86(cpu, SEGREG.cs, selector);
  else setReal(cpu, SEGREG.cs, selector);
  r.rip = rip;
  cpu.updateMode();
}

const EXTRA = FLAG.vif | FLAG.vip | FLAG.rf;
const loadFlags64 = (cpu: Cpu, flags: number): void => loadFlags(cpu, 64, flags, EXTRA);
const loadFlags32 = (cpu: Cpu, flags: number): void => loadFlags(cpu, 32, flags, EXTRA);

function returnFast(cpu: Cpu, { opsize }: Decoded): boolean {
  if (cpu.bits64) return opsize === 64 && returnLongFast(cpu, loadFlags64);
  return opsize === 32 && !cpu.longMode && returnProtectedFast(cpu, loadFlags32);
}

function protectedReturn(cpu: Cpu, i: Decoded): void {
  const { r } = cpu;
  const bits = i.opsize;
  const stack = Stack.current(cpu);
  const rip = stack.pop(bits);
  const selector = Number(stack.pop(bits) & 0xffffn);
  const flags = Number(stack.pop(bits) & 0xffff_ffffn);
  if (flags & FLAG.vm && bits === 32 && cpu.cpl === 0 && !cpu.longMode) {
    returnToV86(cpu, stack, rip, selector, flags);
    return;
  }
  const code = readReturnCode(cpu, selector, rip);
  const outward = (selector & 3) !== cpu.cpl;
  const extra = bits === 16 ? 0 : cpu.cpl === 0 ? EXTRA : FLAG.rf;
  const change = (): void => loadFlags(cpu, bits, flags, extra);
  if (outward || cpu.bits64) {
    const rsp = stack.pop(bits);
    const ss = Number(stack.pop(bits) & 0xffffn);
    returnOutward(cpu, selector, code, rip, ss, rsp, 0, change);
    return;
  }
  markAccessed(cpu, code);
  change();
  stack.commit();
  setCode(cpu, selector, code, cpu.cpl);
  r.rip = rip;
  cpu.updateMode();
}

/** To virtual-8086 mode (SDM vol. 3 §20.2.5): all segments come from the stack. */
function returnToV86(cpu: Cpu, stack: Stack, rip: bigint, cs: number, flags: number): void {
  const { r } = cpu;
  const rsp = stack.pop(32);
  const selector = (): number => Number(stack.pop(32) & 0xffffn);
  const [ss, es, ds, fs, gs] = [selector(), selector(), selector(), selector(), selector()];
  if (rip > 0xffffn) cpu.gp();
  r.flags = flags;
  cpu.cpl = 3;
  setV86(cpu, SEGREG.cs, cs);
  setV86(cpu, SEGREG.ss, ss);
  setV86(cpu, SEGREG.es, es);
  setV86(cpu, SEGREG.ds, ds);
  setV86(cpu, SEGREG.fs, fs);
  setV86(cpu, SEGREG.gs, gs);
  r.u64[STATE.gpr / 8 + 4] = rsp;
  r.rip = rip;
  cpu.updateMode();
}

export const farReturn = { 'ret far': retFar, iret };
