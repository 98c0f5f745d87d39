import { hex } from '@mainboard/core';
import { bootError } from './errors.ts';
import { FOUR_GIB, HIGH_MEMORY, LAYOUT, PAGE } from './layout.ts';

/** A stretch of the machine's physical memory; core's `MemoryRegion` is one. */
export interface MemoryRange {
  readonly base: number;
  readonly size: number;
  readonly kind: 'ram' | 'rom' | 'window';
}

/** An entry of the map that the kernel gets. Type 1 is RAM, type 2 reserved, as in ACPI 6.5 §15. */
export interface E820Entry {
  readonly base: number;
  readonly size: number;
  readonly type: 1 | 2;
}

/** The kernel's view of the board's memory: RAM and ROM in ascending order, neighbours of one kind joined. */
export function e820(ranges: readonly MemoryRange[]): E820Entry[] {
  const entries: E820Entry[] = [];
  for (const { base, size, kind } of [...ranges].sort((a, b) => a.base - b.base)) {
    if (kind === 'window') continue;
    const type = kind === 'ram' ? 1 : 2;
    const last = entries.at(-1);
    if (last && last.type === type && last.base + last.size === base) {
      entries[entries.length - 1] = { base: last.base, size: last.size + size, type };
    } else {
      entries.push({ base, size, type });
    }
  }
  return entries;
}

/** Writes an entry as both protocols have it: base and size as quadwords, then the type. */
export function writeEntry(view: DataView, at: number, { base, size, type }: E820Entry): void {
  setUint64(view, at, base);
  setUint64(view, at + 8, size);
  view.setUint32(at + 16, type, true);
}

/** Writes a whole number below 2^53 as a little-endian quadword. */
export function setUint64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

/** Whether one RAM entry holds [base, base + size). */
export const isRam = (map: readonly E820Entry[], base: number, size: number): boolean =>
  map.some(e => e.type === 1 && e.base <= base && base + size <= e.base + e.size);

/** Refuses boards on which the loader's own structures have no place. */
export function checkLowMemory(map: readonly E820Entry[]): void {
  if (!isRam(map, 0, LAYOUT.end)) {
    throw bootError(
      'memory-too-small',
      `Booting a kernel needs RAM at addresses 0 to ${LAYOUT.end >> 10} KiB; map RAM there on the board, or give the machine more memory.`,
    );
  }
}

/**
 * The highest page-aligned place for an initrd: in RAM above the kernel, its last byte not above `limit`.
 * @param above first address that the kernel does not need
 * @param limit highest address that the kernel reads an initrd from
 */
export function placeInitrd(map: readonly E820Entry[], size: number, above: number, limit: number): number {
  const top = Math.min(limit + 1, FOUR_GIB);
  for (const e of [...map].reverse()) {
    if (e.type !== 1) continue;
    const base = Math.floor((Math.min(e.base + e.size, top) - size) / PAGE) * PAGE;
    if (base >= Math.max(e.base, above, HIGH_MEMORY)) return base;
  }
  throw bootError(
    'initrd-does-not-fit',
    `The initrd (${mebibytes(size)}) does not fit in RAM between the kernel's end at ${hex(above)} and ${hex(top)}; give the machine more memory, or make the initrd smaller.`,
  );
}

/** A size for people: whole MiB, rounded up. */
export const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
