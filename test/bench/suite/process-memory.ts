/** Memory of another process, as Linux' /proc tells it. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

const PAGE = 4096;
const MIB = 2 ** 20;
/** Bit 63 of an entry of /proc/PID/pagemap, in its last byte: the page is present. */
const PRESENT = 0x80;

interface Mapping {
  readonly start: number;
  readonly end: number;
  readonly access: string;
}

const mappings = (pid: number): Mapping[] =>
  readFileSync(`/proc/${pid}/maps`, 'latin1')
    .split('\n')
    .flatMap(line => {
      const found = /^([\da-f]+)-([\da-f]+) (\S+)/.exec(line);
      return found
        ? [{ start: Number.parseInt(found[1]!, 16), end: Number.parseInt(found[2]!, 16), access: found[3]! }]
        : [];
    });

/** Proportional set size, MiB: shared pages counted by their share. */
export function totalMemory(pid: number): number {
  const [, kib] = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))!;
  return Number(kib) / 1024;
}

/**
 * Resident part of a block of memory that lies at the end of one mapping, MiB.
 * @param before MiB in the mapping before the block.
 * @param size of the block, MiB.
 * @returns undefined where no mapping is of that size.
 */
export function residentMemory(pid: number, before: number, size: number): number | undefined {
  const least = (before + size) * MIB;
  // What else is of that size is a reservation that cannot be touched. ROMs may follow the RAM.
  const mapping = mappings(pid).find(
    ({ start, end, access }) => access.startsWith('rw') && end - start >= least && end - start < least + 16 * MIB,
  );
  if (!mapping) return undefined;
  const entries = Buffer.alloc(((size * MIB) / PAGE) * 8);
  const file = openSync(`/proc/${pid}/pagemap`, 'r');
  try {
    const read = readSync(file, entries, 0, entries.length, ((mapping.start + before * MIB) / PAGE) * 8);
    if (read < entries.length) return undefined;
  } finally {
    closeSync(file);
  }
  let present = 0;
  for (let at = 7; at < entries.length; at += 8) if (entries[at]! & PRESENT) present++;
  return (present * PAGE) / MIB;
}
