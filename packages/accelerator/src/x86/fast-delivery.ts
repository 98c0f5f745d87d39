import { isCanonicalHigh } from './canonical.ts';
import type { Cpu } from './cpu.ts';
import {
  dplOf,
  enterFlatCode,
  fillSegment,
  hasFlatStack,
  isCode32,
  isCode64,
  isFlat,
  isFlatStack,
  knownDescriptor,
  knownTss,
} from './flat-segments.ts';
import { knownEntry, knownMemory } from './known-memory.ts';
import { SEGREG } from './registers.ts';
import { setNull } from './segmentation.ts';
import { FLAG, GPR, SEGMENT, STATE } from './state.ts';

/** High word of a gate: present, and of type 14 or 15; the DPL apart. In IA-32e mode with an IST of 0. */
const GATE = { mask: 0x9e00, maskLong: 0x9e07, gate: 0x8e00, trap: 0x100 } as const;
const RSP = STATE.gpr / 4 + 2 * GPR.rsp;

/**
 * Enters a handler of IA-32e mode as `enterHandler` does, if nothing about it is unusual: an interrupt or trap gate
 * without an interrupt stack, 64-bit code of level 0 that was used before, a stack within a page, all of it known to
 * the TLB. Nothing here faults, and nothing has changed when it gives up.
 * @param flags RFLAGS to push
 * @param after RIP to push is that of the next instruction
 * @param software the gate's DPL counts
 * @param error to push; −1 for none
 * @returns whether the handler was entered; the caller ends as after any other delivery
 */
export function enterLongFast(
  cpu: Cpu,
  vector: number,
  flags: number,
  after: boolean,
  software: boolean,
  error: number,
): boolean {
  const { r } = cpu;
  const { u32, i32 } = r;
  const gate = knownEntry(cpu, STATE.idtr, vector * 16, 16) >>> 2;
  if (gate === 0) return false;
  const gateLow = u32[gate]!;
  const gateHigh = i32[gate + 1]!;
  if ((gateHigh & GATE.maskLong) !== GATE.gate || (software && dplOf(gateHigh) < cpu.cpl)) return false;
  const ripHigh = i32[gate + 2]!;
  const selector = gateLow >>> 16;
  const code = knownDescriptor(cpu, selector) >>> 2;
  const codeLow = i32[code]!;
  const codeHigh = i32[code + 1]!;
  if (code === 0 || !isCode64(codeHigh) || dplOf(codeHigh) !== 0 || !isCanonicalHigh(ripHigh)) return false;

  const inner = cpu.cpl > 0;
  let top = RSP;
  if (inner) {
    top = knownTss(cpu, 4, 8) >>> 2;
    if (top === 0) return false;
  }
  const topHigh = i32[top + 1]!;
  const bytes = error < 0 ? 40 : 48;
  const low = (u32[top]! & ~15) >>> 0;
  if (low < bytes || !isCanonicalHigh(topHigh)) return false;
  const stack = knownMemory(cpu, (low - bytes) | 0, topHigh, bytes, true, false) >>> 2;
  if (stack === 0) return false;

  const frame = error < 0 ? stack : stack + 2;
  if (error >= 0) {
    i32[stack] = error;
    i32[stack + 1] = 0;
  }
  const from = (after ? STATE.nextRip : STATE.rip) / 4;
  i32[frame] = i32[from]!;
  i32[frame + 1] = i32[from + 1]!;
  i32[frame + 2] = r.selector(SEGREG.cs);
  i32[frame + 3] = 0;
  i32[frame + 4] = flags;
  i32[frame + 5] = 0;
  i32[frame + 6] = i32[RSP]!;
  i32[frame + 7] = cpu.bits64 ? i32[RSP + 1]! : 0;
  i32[frame + 8] = r.selector(SEGREG.ss);
  i32[frame + 9] = 0;

  if (inner) setNull(cpu, SEGREG.ss, 0, 0);
  enterFlatCode(cpu, selector, codeLow, codeHigh, 0);
  u32[RSP] = low - bytes;
  i32[RSP + 1] = topHigh;
  arrive(i32, gateLow, gateHigh, ripHigh);
  return true;
}

/** RIP and flags of a handler, by the words of its gate. */
function arrive(i32: Int32Array, gateLow: number, gateHigh: number, ripHigh: number): void {
  const cleared = FLAG.tf | FLAG.nt | FLAG.rf | FLAG.vm | (gateHigh & GATE.trap ? 0 : FLAG.if);
  i32[STATE.flagsSystem / 4] = i32[STATE.flagsSystem / 4]! & ~cleared;
  i32[STATE.rip / 4] = (gateLow & 0xffff) | (gateHigh & 0xffff_0000);
  i32[STATE.rip / 4 + 1] = ripHigh;
}

/**
 * The same for protected mode, virtual-8086 mode excepted: a 32-bit gate, flat 32-bit code and stack of level 0.
 * Parameters as of {@link enterLongFast}.
 */
export function enterProtectedFast(
  cpu: Cpu,
  vector: number,
  flags: number,
  after: boolean,
  software: boolean,
  error: number,
): boolean {
  const { r } = cpu;
  const { u32, i32 } = r;
  if (flags & FLAG.vm) return false;
  const gate = knownEntry(cpu, STATE.idtr, vector * 8, 8) >>> 2;
  if (gate === 0) return false;
  const gateLow = u32[gate]!;
  const gateHigh = i32[gate + 1]!;
  if ((gateHigh & GATE.mask) !== GATE.gate || (software && dplOf(gateHigh) < cpu.cpl)) return false;
  const selector = gateLow >>> 16;
  const code = knownDescriptor(cpu, selector) >>> 2;
  const codeLow = i32[code]!;
  const codeHigh = i32[code + 1]!;
  if (code === 0 || !isFlat(codeLow, codeHigh) || !isCode32(codeHigh) || dplOf(codeHigh) !== 0) return false;

  const inner = cpu.cpl > 0;
  let top = RSP;
  let ss = 0;
  let dataLow = 0;
  let dataHigh = 0;
  if (inner) {
    if ((u32[TR_RIGHTS]! & TSS32) === 0) return false;
    top = knownTss(cpu, 4, 8) >>> 2;
    if (top === 0) return false;
    ss = u32[top + 1]! & 0xffff;
    const data = knownDescriptor(cpu, ss) >>> 2;
    dataLow = i32[data]!;
    dataHigh = i32[data + 1]!;
    if (data === 0 || ss & 3 || !isFlatStack(dataLow, dataHigh) || dplOf(dataHigh) !== 0) return false;
  } else if (!hasFlatStack(cpu)) return false;
  const pointer = u32[top]!;
  const bytes = (inner ? 20 : 12) + (error < 0 ? 0 : 4);
  if (pointer < bytes) return false;
  const stack = knownMemory(cpu, (pointer - bytes) | 0, 0, bytes, true, false) >>> 2;
  if (stack === 0) return false;

  const frame = error < 0 ? stack : stack + 1;
  if (error >= 0) i32[stack] = error;
  i32[frame] = i32[(after ? STATE.nextRip : STATE.rip) / 4]!;
  i32[frame + 1] = r.selector(SEGREG.cs);
  i32[frame + 2] = flags;
  if (inner) {
    i32[frame + 3] = i32[RSP]!;
    i32[frame + 4] = r.selector(SEGREG.ss);
    fillSegment(cpu, SEGREG.ss, ss, dataLow, dataHigh, 0);
  }
  enterFlatCode(cpu, selector, codeLow, codeHigh, 0);
  r.setGpr32(GPR.rsp, pointer - bytes);
  arrive(i32, gateLow, gateHigh, 0);
  return true;
}

const TR_RIGHTS = (STATE.segments + SEGREG.tr * SEGMENT.size + SEGMENT.rights) / 4;
/** In the rights of TR: a TSS of 32 bits. */
const TSS32 = 8;
