import { hex } from '@mainboard/core';
import { commandLine } from './command-line.ts';
import { bootError } from './errors.ts';
import { type BootPlan, FOUR_GIB, HIGH_MEMORY, type Segment, segment } from './layout.ts';
import { checkLowMemory, type E820Entry, isRam, mebibytes, placeInitrd } from './memory-map.ts';
import { startInfo } from './start-info.ts';

/** What we read of an uncompressed kernel: an ELF file with a PVH entry note. */
export interface PvhKernel {
  /** Physical address of the 32-bit entry (XEN_ELFNOTE_PHYS32_ENTRY). */
  readonly entry: number;
  /** PT_LOAD segments at their physical addresses, ascending. */
  readonly segments: readonly Segment[];
  /** Highest address for the last byte of an initrd. */
  readonly initrdAddrMax: number;
}

const ELF_MAGIC = 0x464c_457f; // 7f 'E' 'L' 'F', little-endian
const ELFCLASS32 = 1;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const EM_386 = 3;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const PT_NOTE = 4;
const XEN_ELFNOTE_PHYS32_ENTRY = 18;
const XEN_NAME = 0x006e_6558; // "Xen\0"

/** Linux's own bounds, as its setup header would give them (arch/x86/boot/header.S): PVH has no field for it. */
const INITRD_ADDR_MAX = { 32: 0x37ff_ffff, 64: 0x7fff_ffff } as const;
/** COMMAND_LINE_SIZE of Linux on x86, less the NUL. */
const CMDLINE_SIZE = 2047;

interface ProgramHeader {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly align: number;
}

export const isElf = (file: Uint8Array): boolean => file.length >= 4 && viewOf(file).getUint32(0, true) === ELF_MAGIC;

/** Reads an ELF kernel (System V ABI, chapters 4 and 5). Call it with a file that {@link isElf} says is one. */
export function parsePvhKernel(file: Uint8Array): PvhKernel {
  const headers = programHeaders(file);
  for (const h of headers) {
    if (h.offset + h.fileSize > file.length) {
      throw bootError(
        'kernel-truncated',
        `The kernel file is truncated: its ELF headers speak of ${h.offset + h.fileSize} bytes and the file has ${file.length}; copy or build it again.`,
      );
    }
  }
  const segments = headers
    .filter(h => h.type === PT_LOAD && h.memorySize > 0)
    .map(h => segment(h.address, file.subarray(h.offset, h.offset + Math.min(h.fileSize, h.memorySize)), h.memorySize))
    .sort((a, b) => a.address - b.address);
  if (segments.length === 0)
    throw bootError('not-a-kernel', 'The ELF file has nothing to load; boot an uncompressed kernel (vmlinux).');
  const entry = phys32Entry(file, headers);
  if (entry === undefined) {
    throw bootError(
      'no-pvh-entry',
      'The ELF file has no PVH entry (XEN_ELFNOTE_PHYS32_ENTRY); build the kernel with CONFIG_PVH=y, or boot its bzImage.',
    );
  }
  return { entry, segments, initrdAddrMax: INITRD_ADDR_MAX[file[4] === ELFCLASS64 ? 64 : 32] };
}

/** Lays an ELF kernel out in the board's RAM by the PVH boot protocol (Xen docs/misc/pvh.pandoc). */
export function planPvhKernel(
  kernel: PvhKernel,
  map: readonly E820Entry[],
  append: string,
  initrd: Uint8Array | undefined,
): BootPlan {
  checkLowMemory(map);
  const segments: Segment[] = [];
  let end = HIGH_MEMORY;
  for (const s of kernel.segments) {
    if (s.address < HIGH_MEMORY) {
      throw bootError(
        'not-a-kernel',
        `The ELF file wants to be loaded at ${hex(s.address)}, below 1 MiB, where the loader keeps its own data; link it at 1 MiB or higher.`,
      );
    }
    end = Math.max(end, s.address + s.size);
    if (!isRam(map, s.address, s.size) || end > FOUR_GIB) {
      throw bootError(
        'memory-too-small',
        `This kernel needs RAM from ${hex(s.address)} to ${hex(s.address + s.size)}; give the machine ${mebibytes(s.address + s.size)} of memory or more.`,
      );
    }
    segments.push(s);
  }
  const line = commandLine(append, CMDLINE_SIZE);
  segments.push(line);
  if (initrd) {
    const address = placeInitrd(map, initrd.length, end, kernel.initrdAddrMax);
    segments.push(segment(address, initrd), startInfo(line.address, map, { address, size: initrd.length }));
  } else {
    segments.push(startInfo(line.address, map));
  }
  return { protocol: 'pvh', entry: kernel.entry, segments };
}

function programHeaders(file: Uint8Array): ProgramHeader[] {
  const view = viewOf(file);
  const long = file[4] === ELFCLASS64;
  if ((!long && file[4] !== ELFCLASS32) || file[5] !== ELFDATA2LSB || file.length < (long ? 64 : 52)) {
    throw bootError(
      'not-a-kernel',
      'The ELF file is damaged or big-endian; boot an uncompressed x86 kernel (vmlinux).',
    );
  }
  const machine = view.getUint16(18, true);
  if (machine !== EM_X86_64 && machine !== EM_386) {
    throw bootError(
      'not-a-kernel',
      `The ELF file is for another processor (e_machine ${machine}); boot an x86 kernel.`,
    );
  }
  const at = long ? uint64(view, 32) : view.getUint32(28, true);
  const size = view.getUint16(long ? 54 : 42, true);
  const count = view.getUint16(long ? 56 : 44, true);
  if (size < (long ? 56 : 32) || at + size * count > file.length) {
    throw bootError('kernel-truncated', 'The kernel file is truncated within its ELF headers; copy or build it again.');
  }
  return Array.from({ length: count }, (_, i): ProgramHeader => {
    const p = at + i * size;
    const word = (o: number) => view.getUint32(p + o, true);
    const quad = (o: number) => uint64(view, p + o);
    return long
      ? { type: word(0), offset: quad(8), address: quad(24), fileSize: quad(32), memorySize: quad(40), align: quad(48) }
      : {
          type: word(0),
          offset: word(4),
          address: word(12),
          fileSize: word(16),
          memorySize: word(20),
          align: word(28),
        };
  });
}

/** The PVH entry, from the first note that gives one. The note's value is 4 bytes, or 8 of which the low 4 count. */
function phys32Entry(file: Uint8Array, headers: readonly ProgramHeader[]): number | undefined {
  const view = viewOf(file);
  for (const h of headers) {
    if (h.type !== PT_NOTE) continue;
    const align = h.align === 8 ? 8 : 4;
    const up = (n: number) => Math.ceil(n / align) * align;
    const end = h.offset + h.fileSize;
    for (let p = h.offset; p + 12 <= end; ) {
      const nameSize = view.getUint32(p, true);
      const valueSize = view.getUint32(p + 4, true);
      const name = p + 12;
      const value = h.offset + up(name + nameSize - h.offset);
      const next = h.offset + up(value + valueSize - h.offset);
      if (value + valueSize > end) break;
      if (
        view.getUint32(p + 8, true) === XEN_ELFNOTE_PHYS32_ENTRY &&
        nameSize === 4 &&
        view.getUint32(name, true) === XEN_NAME &&
        valueSize >= 4
      ) {
        return view.getUint32(value, true);
      }
      p = next;
    }
  }
  return undefined;
}

const uint64 = (view: DataView, at: number): number =>
  view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
