import { hex } from '@mainboard/core';
import { type BootParams, bootParams } from './boot-params.ts';
import { commandLine } from './command-line.ts';
import { bootError } from './errors.ts';
import { type BootPlan, FOUR_GIB, HIGH_MEMORY, LAYOUT, type Segment, segment } from './layout.ts';
import { checkLowMemory, type E820Entry, isRam, mebibytes, placeInitrd } from './memory-map.ts';
import { identityPageTables } from './page-tables.ts';
import { HEADER } from './setup-header.ts';

/** What we read of a bzImage's setup header (Linux Documentation/arch/x86/boot.rst, "Details of header fields"). */
export interface BzImage {
  /** Protocol version: major in the high byte, minor in the low. */
  readonly version: number;
  /** From 0x1f1 to the header's end: the kernel's part of struct boot_params. */
  readonly header: Uint8Array;
  /** The protected-mode kernel. */
  readonly kernel: Uint8Array;
  /** Has a 64-bit entry 0x200 bytes after its start. */
  readonly has64BitEntry: boolean;
  /** Where it runs unless it is moved. */
  readonly prefAddress: number;
  /** Bytes it needs from its start while it unpacks itself. */
  readonly initSize: number;
  /** Highest address for the last byte of an initrd. */
  readonly initrdAddrMax: number;
  /** Longest command line, without the NUL. */
  readonly cmdlineSize: number;
}

const BOOT_FLAG = 0xaa55;
const HDRS = 0x5372_6448; // "HdrS"
const LOADED_HIGH = 1;
const XLF_KERNEL_64 = 1;
/** Version 2.10 (Linux 2.6.31) tells where the kernel runs and how much memory it needs; we rely on both. */
const OLDEST = 0x020a;
const SECTOR = 512;
/** What follows the header in struct boot_params is the loader's. */
const HEADER_LIMIT = 0x290;
/** Bytes from the kernel's start to its 64-bit entry (boot.rst, "64-bit Boot Protocol"). */
const ENTRY_64 = 0x200;

export const isBzImage = (file: Uint8Array): boolean => {
  if (file.length < HEADER.version + 2) return false;
  const view = viewOf(file);
  return view.getUint16(HEADER.boot_flag, true) === BOOT_FLAG && view.getUint32(HEADER.header, true) === HDRS;
};

/** Reads the setup header and checks it against the file. Call it with a file that {@link isBzImage} says is one. */
export function parseBzImage(file: Uint8Array): BzImage {
  const view = viewOf(file);
  const version = view.getUint16(HEADER.version, true);
  if (version < OLDEST) {
    throw bootError(
      'kernel-too-old',
      `This kernel speaks boot protocol ${version >> 8}.${(version & 0xff).toString().padStart(2, '0')}; version 2.10 (Linux 2.6.31) or newer is needed.`,
    );
  }
  const start = ((file[HEADER.setup_sects] || 4) + 1) * SECTOR;
  const headerEnd = Math.min(HEADER.header + file[HEADER.jump_distance]!, HEADER_LIMIT);
  if (file.length < Math.max(start, headerEnd, HEADER.init_size + 4)) throw truncated(start, file.length);
  const end = start + view.getUint32(HEADER.syssize, true) * 16;
  if (file.length < end) throw truncated(end, file.length);
  if (!(file[HEADER.loadflags]! & LOADED_HIGH)) {
    throw bootError(
      'not-a-kernel',
      'This kernel is a zImage, which loads below 1 MiB; build a bzImage (make bzImage) and boot that.',
    );
  }
  return {
    version,
    header: file.subarray(HEADER.setup_sects, headerEnd),
    kernel: file.subarray(start),
    has64BitEntry: version >= 0x020c && (view.getUint16(HEADER.xloadflags, true) & XLF_KERNEL_64) !== 0,
    prefAddress: view.getUint32(HEADER.pref_address, true) + view.getUint32(HEADER.pref_address + 4, true) * 2 ** 32,
    initSize: view.getUint32(HEADER.init_size, true),
    initrdAddrMax: view.getUint32(HEADER.initrd_addr_max, true),
    cmdlineSize: view.getUint32(HEADER.cmdline_size, true),
  };
}

/** Which of its entries a kernel is started at; `auto` takes the 64-bit one where there is one. */
export type Entry = 'auto' | '32' | '64';

/** Lays a bzImage out in the board's RAM, by the 32- or the 64-bit boot protocol. */
export function planBzImage(
  image: BzImage,
  map: readonly E820Entry[],
  append: string,
  initrd: Uint8Array | undefined,
  entry: Entry,
): BootPlan {
  checkLowMemory(map);
  if (entry === '64' && !image.has64BitEntry) {
    throw bootError(
      'no-64-bit-entry',
      'This kernel has no 64-bit entry; use its 32-bit entry, or boot a 64-bit kernel.',
    );
  }
  const long = entry === '64' || (entry === 'auto' && image.has64BitEntry);
  // A relocatable kernel that is loaded lower still unpacks itself to prefAddress, so no lower place needs less RAM.
  const load = image.prefAddress;
  const room = Math.max(image.initSize, image.kernel.length);
  if (load < HIGH_MEMORY || load + room > FOUR_GIB) {
    throw bootError(
      'not-a-kernel',
      `This kernel wants to be loaded at ${hex(load)}, outside of 1 MiB to 4 GiB; its header is damaged, copy or download it again.`,
    );
  }
  if (!isRam(map, load, room)) {
    throw bootError(
      'memory-too-small',
      `This kernel needs RAM from ${hex(load)} to ${hex(load + room)}; give the machine ${mebibytes(load + room)} of memory or more.`,
    );
  }
  const line = commandLine(append, image.cmdlineSize);
  const segments: Segment[] = [line, segment(load, image.kernel)];
  const params: BootParams = { header: image.header, load, commandLine: line.address, map };
  if (initrd) {
    const address = placeInitrd(map, initrd.length, load + room, image.initrdAddrMax);
    segments.push(segment(address, initrd));
    segments.push(bootParams({ ...params, initrd: { address, size: initrd.length } }));
  } else {
    segments.push(bootParams(params));
  }
  if (long) segments.push(segment(LAYOUT.pageTables, identityPageTables(LAYOUT.pageTables)));
  return { protocol: long ? 'linux64' : 'linux32', entry: long ? load + ENTRY_64 : load, segments };
}

const truncated = (wanted: number, got: number) =>
  bootError(
    'kernel-truncated',
    `The kernel file is truncated: its header speaks of ${wanted} bytes and the file has ${got}; copy or download it again.`,
  );

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
