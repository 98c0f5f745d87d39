import type { Cpu } from './cpu.ts';
import { knownEntry, knownMemory } from './known-memory.ts';
import { MODE } from './mode.ts';
import { type Registers, RIGHTS, SEGREG } from './registers.ts';
import { SEGMENT, STATE } from './state.ts';

/** High words of descriptors: type and S, P, L and D/B bits that fast paths ask for. All have been accessed before. */
const CODE = { mask: 0x0060_9d00, code64: 0x0020_9900, code32: 0x0040_9900 } as const;
const WRITABLE = { mask: 0x0000_9b00, data: 0x0000_9300 } as const;

/** Where the descriptor of a selector lies, in the GDT; 0 for a null selector, the LDT, or what is not known. */
export function knownDescriptor(cpu: Cpu, selector: number): number {
  return (selector & 0xfffc) === 0 || selector & 4 ? 0 : knownEntry(cpu, STATE.gdtr, selector & 0xfff8, 8);
}

/** By the high word of its descriptor: a present, not conforming code segment of 64 bits that was used before. */
export const isCode64 = (high: number): boolean => (high & CODE.mask) === CODE.code64;
/** The same of 32 bits. */
export const isCode32 = (high: number): boolean => (high & CODE.mask) === CODE.code32;
/** By the high word of its descriptor: a present, writable data segment that was used before. */
export const isWritable = (high: number): boolean => (high & WRITABLE.mask) === WRITABLE.data;
export const dplOf = (high: number): number => (high >>> 13) & 3;

export const baseOf = (low: number, high: number): number =>
  ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff00_0000)) >>> 0;
export function limitOf(low: number, high: number): number {
  const limit = (low & 0xffff) | (high & 0xf_0000);
  return high & 0x80_0000 ? ((limit << 12) | 0xfff) >>> 0 : limit;
}
/** Base 0, limit 4 GiB − 1. */
export const isFlat = (low: number, high: number): boolean =>
  low >>> 0 === 0xffff && (high & 0xff8f_00ff) >>> 0 === 0x008f_0000;

/** A stack segment of all 4 GiB and 32 bits, used before; by the words of its descriptor. */
export const isFlatStack = (low: number, high: number): boolean =>
  isFlat(low, high) && (high & 0x0040_9f00) === 0x0040_9300;

/** SS is as {@link isFlatStack} wants it. */
export function hasFlatStack({ mode, r: { u32 } }: Cpu): boolean {
  const at = (STATE.segments + SEGREG.ss * SEGMENT.size) >> 2;
  return (
    (mode & (MODE.code | MODE.stack32)) === (1 | MODE.stack32) &&
    (u32[at + SEGMENT.base / 4]! | u32[at + SEGMENT.base / 4 + 1]! | u32[at + SEGMENT.low / 4]!) === 0 &&
    u32[at + SEGMENT.high / 4] === 0xffff_ffff &&
    u32[at + SEGMENT.access / 4] === 3
  );
}

/** A usable, writable data segment of all 4 GiB. */
export function isFlatData({ u32 }: Registers, n: number): boolean {
  const at = (STATE.segments + n * SEGMENT.size) >> 2;
  return (
    (u32[at + SEGMENT.base / 4]! | u32[at + SEGMENT.base / 4 + 1]!) === 0 &&
    u32[at + SEGMENT.limit / 4] === 0xffff_ffff &&
    (u32[at + SEGMENT.rights / 4]! & (RIGHTS.unusable | 0x9e)) === 0x92
  );
}

/** `Registers.setSegment` for a segment that is not null, skipped when the register holds it already. */
export function fillSegment(cpu: Cpu, n: number, selector: number, low: number, high: number, base: number): void {
  const { r } = cpu;
  const at = (STATE.segments + n * SEGMENT.size) >> 2;
  const rights = ((high >>> 8) & 0xf0ff) | 1;
  const limit = limitOf(low, high);
  if (
    r.u16[2 * at + SEGMENT.selector / 2] === selector &&
    r.u32[at + SEGMENT.rights / 4] === rights &&
    r.u32[at + SEGMENT.limit / 4] === limit &&
    r.u32[at + SEGMENT.base / 4] === base &&
    r.u32[at + SEGMENT.base / 4 + 1] === 0
  )
    return;
  r.setSegment(n, selector, 0n, limit, rights);
  r.u32[at + SEGMENT.base / 4] = base;
}

/** `setCode` of a flat segment: base 0. */
export function enterFlatCode(cpu: Cpu, selector: number, low: number, high: number, cpl: number): void {
  const { u32 } = cpu.r;
  const at = (STATE.segments + SEGREG.cs * SEGMENT.size) >> 2;
  if (
    (u32[at + SEGMENT.base / 4]! | u32[at + SEGMENT.base / 4 + 1]!) !== 0 ||
    u32[at + SEGMENT.limit / 4] !== limitOf(low, high)
  )
    cpu.forgetJumps(); // blocks know no limit
  fillSegment(cpu, SEGREG.cs, (selector & 0xfffc) | cpl, low, high, 0);
  cpu.cpl = cpl;
}

/** Where `bytes` of the current TSS from `offset` on lie; 0 when it ends before them or the TLB does not know. */
export function knownTss(cpu: Cpu, offset: number, bytes: number): number {
  const { u32 } = cpu.r;
  const at = (STATE.segments + SEGREG.tr * SEGMENT.size) >> 2;
  if (u32[at + SEGMENT.rights / 4]! & RIGHTS.unusable || offset + bytes - 1 > u32[at + SEGMENT.limit / 4]!) return 0;
  const low = u32[at + SEGMENT.base / 4]! + offset;
  if (low > 0xffff_ffff) return 0;
  return knownMemory(cpu, low | 0, u32[at + SEGMENT.base / 4 + 1]! | 0, bytes, false, false);
}
