import { HEADER } from './setup-header.ts';

// Kernels for tests: the headers of real ones around a few bytes.

export interface SyntheticBzImage {
  readonly version?: number;
  readonly setupSects?: number;
  /** The protected-mode part. */
  readonly kernel?: Uint8Array;
  readonly loadflags?: number;
  readonly xloadflags?: number;
  readonly prefAddress?: number;
  readonly initSize?: number;
  readonly initrdAddrMax?: number;
  readonly cmdlineSize?: number;
}

/** A bzImage of protocol 2.15 with a 64-bit entry, which runs at 16 MiB and needs 1 MiB, unless told otherwise. */
export function syntheticBzImage({
  version = 0x020f,
  setupSects = 1,
  kernel = Uint8Array.from({ length: 64 }, (_, i) => i + 1),
  loadflags = 1,
  xloadflags = 1,
  prefAddress = 0x100_0000,
  initSize = 0x10_0000,
  initrdAddrMax = 0x7fff_ffff,
  cmdlineSize = 2047,
}: SyntheticBzImage = {}): Uint8Array {
  const start = ((setupSects || 4) + 1) * 512;
  const file = new Uint8Array(start + Math.ceil(kernel.length / 16) * 16);
  const view = new DataView(file.buffer);
  file[HEADER.setup_sects] = setupSects;
  view.setUint32(HEADER.syssize, Math.ceil(kernel.length / 16), true);
  view.setUint16(HEADER.boot_flag, 0xaa55, true);
  file[HEADER.jump_distance] = 0x6a; // the header ends at 26Ch, as in protocol 2.15
  view.setUint32(HEADER.header, 0x5372_6448, true);
  view.setUint16(HEADER.version, version, true);
  file[HEADER.loadflags] = loadflags;
  view.setUint32(HEADER.initrd_addr_max, initrdAddrMax, true);
  view.setUint32(HEADER.kernel_alignment, 0x20_0000, true);
  file[HEADER.relocatable_kernel] = 1;
  view.setUint16(HEADER.xloadflags, xloadflags, true);
  view.setUint32(HEADER.cmdline_size, cmdlineSize, true);
  view.setUint32(HEADER.pref_address, prefAddress, true);
  view.setUint32(HEADER.init_size, initSize, true);
  file.set(kernel, start);
  return file;
}

export interface SyntheticElf {
  readonly bits?: 32 | 64;
  readonly machine?: number;
  /** Physical address of the PVH entry, or none. */
  readonly entry?: number | undefined;
  /** Bytes of the entry's value in its note. */
  readonly valueSize?: 4 | 8;
  readonly segments?: readonly { readonly address: number; readonly bytes: Uint8Array; readonly size: number }[];
}

/** An ELF kernel with one segment at 16 MiB, which is 8 bytes in the file and 16 in memory, unless told otherwise. */
export function syntheticElf({
  bits = 64,
  machine = bits === 64 ? 62 : 3,
  entry = 0x100_0100,
  valueSize = bits === 64 ? 8 : 4,
  segments = [{ address: 0x100_0000, bytes: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), size: 16 }],
}: SyntheticElf = {}): Uint8Array {
  const long = bits === 64;
  const headerSize = long ? 64 : 52;
  const rowSize = long ? 56 : 32;
  const rows = segments.length + 1;
  const note = entry === undefined ? otherNote() : [...otherNote(), ...pvhNote(entry, valueSize)];
  const notesAt = headerSize + rows * rowSize;
  const bodies = segments.flatMap(s => [...s.bytes]);
  const file = new Uint8Array(notesAt + note.length + bodies.length);
  const view = new DataView(file.buffer);
  view.setUint32(0, 0x464c_457f, true);
  file.set([long ? 2 : 1, 1, 1], 4);
  view.setUint16(16, 2, true);
  view.setUint16(18, machine, true);
  view.setUint32(long ? 32 : 28, headerSize, true); // e_phoff
  view.setUint16(long ? 54 : 42, rowSize, true);
  view.setUint16(long ? 56 : 44, rows, true);
  const row = (index: number, type: number, offset: number, address: number, fileSize: number, size: number) => {
    const at = headerSize + index * rowSize;
    view.setUint32(at, type, true);
    const [o, p, f, m, a] = long ? [8, 24, 32, 40, 48] : [4, 12, 16, 20, 28];
    view.setUint32(at + o!, offset, true);
    view.setUint32(at + p!, address, true);
    view.setUint32(at + f!, fileSize, true);
    view.setUint32(at + m!, size, true);
    view.setUint32(at + a!, 4, true);
  };
  row(0, 4, notesAt, 0, note.length, note.length);
  file.set(note, notesAt);
  let at = notesAt + note.length;
  segments.forEach(({ address, bytes, size }, i) => {
    row(i + 1, 1, at, address, bytes.length, size);
    file.set(bytes, at);
    at += bytes.length;
  });
  return file;
}

const dword = (n: number): number[] => [n & 0xff, (n >>> 8) & 0xff, (n >>> 16) & 0xff, n >>> 24];

/** A note of another owner with an odd size, to be stepped over. */
const otherNote = (): number[] => [...dword(4), ...dword(5), ...dword(3), 0x47, 0x4e, 0x55, 0, 1, 2, 3, 4, 5, 0, 0, 0];

const pvhNote = (entry: number, valueSize: 4 | 8): number[] => [
  ...dword(4),
  ...dword(valueSize),
  ...dword(18),
  ...[0x58, 0x65, 0x6e, 0],
  ...dword(entry),
  ...(valueSize === 8 ? dword(0) : []),
];
