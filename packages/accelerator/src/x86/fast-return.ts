import { isCanonicalHigh } from './canonical.ts';
import type { Cpu } from './cpu.ts';
import {
  baseOf,
  dplOf,
  enterFlatCode,
  fillSegment,
  hasFlatStack,
  isCode32,
  isCode64,
  isFlat,
  isWritable,
  knownDescriptor,
} from './flat-segments.ts';
import { knownMemory } from './known-memory.ts';
import { SEGREG } from './registers.ts';
import { dropInnerSegments, setNull } from './segmentation.ts';
import { FLAG, GPR, STATE } from './state.ts';

const RSP = STATE.gpr / 4 + 2 * GPR.rsp;

/** Where the stack segment's descriptor lies if a return to level `cpl` may load it and it was used before; else 0. */
function knownStack(cpu: Cpu, ss: number, cpl: number): number {
  const data = knownDescriptor(cpu, ss) >>> 2;
  const high = cpu.r.i32[data + 1]!;
  return data !== 0 && (ss & 3) === cpl && isWritable(high) && dplOf(high) === cpl ? data : 0;
}

/**
 * IRETQ from level 0 of 64-bit mode to 64-bit code of level 0 or 3, as the escape does it, if nothing about it is
 * unusual: segments of the GDT that were used before, a frame within a page, all of it known to the TLB. Nothing here
 * faults, and nothing has changed when it gives up. NT is clear.
 * @param load replaces RFLAGS, at the level that is left
 * @returns whether it was done; the caller ends as after any other return
 */
export function returnLongFast(cpu: Cpu, load: (cpu: Cpu, flags: number) => void): boolean {
  const { r } = cpu;
  const { i32 } = r;
  if (cpu.cpl !== 0) return false;
  const frame = knownMemory(cpu, i32[RSP]!, i32[RSP + 1]!, 40, false, false) >>> 2;
  if (frame === 0 || !isCanonicalHigh(i32[frame + 1]!)) return false;
  const cs = i32[frame + 2]! & 0xffff;
  const cpl = cs & 3;
  const code = knownDescriptor(cpu, cs) >>> 2;
  if (code === 0 || !isCode64(i32[code + 1]!) || dplOf(i32[code + 1]!) !== cpl) return false;
  const ss = i32[frame + 8]! & 0xffff;
  const data = knownStack(cpu, ss, cpl);
  if (data === 0 && (cpl !== 0 || ss !== 0)) return false;

  load(cpu, i32[frame + 4]! >>> 0);
  enterFlatCode(cpu, cs, i32[code]!, i32[code + 1]!, cpl);
  if (data === 0) setNull(cpu, SEGREG.ss, ss, 0);
  else fillSegment(cpu, SEGREG.ss, ss, i32[data]!, i32[data + 1]!, baseOf(i32[data]!, i32[data + 1]!));
  i32[RSP] = i32[frame + 6]!;
  i32[RSP + 1] = i32[frame + 7]!;
  if (cpl !== 0) dropInnerSegments(cpu);
  i32[STATE.rip / 4] = i32[frame]!;
  i32[STATE.rip / 4 + 1] = i32[frame + 1]!;
  cpu.updateMode();
  return true;
}

/** The same for IRETD in protected mode: from a flat stack of level 0 to flat 32-bit code. VM is not to be set. */
export function returnProtectedFast(cpu: Cpu, load: (cpu: Cpu, flags: number) => void): boolean {
  const { r } = cpu;
  const { i32 } = r;
  if (cpu.cpl !== 0 || !hasFlatStack(cpu)) return false;
  const pointer = r.u32[RSP]!;
  let frame = knownMemory(cpu, pointer | 0, 0, 12, false, false) >>> 2;
  if (frame === 0 || i32[frame + 2]! & FLAG.vm) return false;
  const cs = i32[frame + 1]! & 0xffff;
  const cpl = cs & 3;
  const code = knownDescriptor(cpu, cs) >>> 2;
  if (code === 0 || !isFlat(i32[code]!, i32[code + 1]!)) return false;
  if (!isCode32(i32[code + 1]!) || dplOf(i32[code + 1]!) !== cpl) return false;
  let ss = 0;
  let data = 0;
  if (cpl !== 0) {
    frame = knownMemory(cpu, pointer | 0, 0, 20, false, false) >>> 2;
    if (frame === 0) return false;
    ss = i32[frame + 4]! & 0xffff;
    data = knownStack(cpu, ss, cpl);
    if (data === 0 || (i32[data + 1]! & BIG) === 0) return false;
  }

  load(cpu, i32[frame + 2]! >>> 0);
  enterFlatCode(cpu, cs, i32[code]!, i32[code + 1]!, cpl);
  if (data === 0) r.setGpr32(GPR.rsp, pointer + 12);
  else {
    fillSegment(cpu, SEGREG.ss, ss, i32[data]!, i32[data + 1]!, baseOf(i32[data]!, i32[data + 1]!));
    r.setGpr32(GPR.rsp, i32[frame + 3]!);
    dropInnerSegments(cpu);
  }
  i32[STATE.rip / 4] = i32[frame]!;
  i32[STATE.rip / 4 + 1] = 0;
  cpu.updateMode();
  return true;
}

/** D/B in the high word of a descriptor. */
const BIG = 0x0040_0000;
