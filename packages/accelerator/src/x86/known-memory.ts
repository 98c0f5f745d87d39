import type { Cpu } from './cpu.ts';
import { PRIVILEGE, tlbOf } from './privilege.ts';
import { STATE, TLB } from './state.ts';

/**
 * Where the bytes at a linear address lie in the memory, if the TLB knows, they lie in one page, and begin at a
 * multiple of four, so that a view of words serves. What it knows is RAM that may be read (written with `write`) without a look at page tables, and without a fault: who asks for all the
 * memory of an event beforehand can carry it out as a whole, or leave it to the code that walks.
 * @param user as a user access; else as an implicit one of the processor's own
 * @returns 0 when the TLB does not know
 */
export function knownMemory(
  { r: { i32 } }: Cpu,
  low: number,
  high: number,
  bytes: number,
  write: boolean,
  user: boolean,
): number {
  const tlb = user ? tlbOf(PRIVILEGE.user) : i32[STATE.guardedTlb / 4]!;
  const entry = (tlb + ((low >>> 12) & (TLB.entries - 1)) * TLB.entrySize) >> 2;
  const tag = write ? entry + TLB.write / 4 : entry + TLB.read / 4;
  if (low & 3 || i32[tag] !== (low & ~0xfff) || i32[tag + 1] !== high || (low & 0xfff) + bytes > 4096) return 0;
  return (low + i32[entry + TLB.addend / 4]!) >>> 0;
}

/** Where an entry of the table with this register (GDTR, IDTR) lies; 0 beyond its limit or where the TLB does not know. */
export function knownEntry(cpu: Cpu, table: number, offset: number, bytes: number): number {
  const { u32 } = cpu.r;
  if (offset + bytes - 1 > u32[table / 4 + 2]!) return 0;
  const low = u32[table / 4]! + offset;
  // A table that wraps is not for fast paths.
  return low > 0xffff_ffff ? 0 : knownMemory(cpu, low | 0, u32[table / 4 + 1]! | 0, bytes, false, false);
}
