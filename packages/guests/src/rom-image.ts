import { type Assembler, AssemblerError, assembler, far } from './assembler/index.ts';

/** One past the last byte of a ROM image below 1 MiB; the same bytes also end at 4 GiB. */
const TOP = 0x10_0000;
/** The segment in which a guest's 16-bit code runs after its first jump. */
export const ROM_SEGMENT = 0xf000;
export const ROM_BASE = ROM_SEGMENT * 16;

/** Sizes that a ROM may have, in bytes. */
const SIZES = [0x1000, 0x2000, 0x4000, 0x8000, 0x10000];

/**
 * Assembles a firmware ROM: a power of two from 4 to 64 KiB that ends at 1 MiB (and, as an alias, at 4 GiB), with the
 * reset vector in its last 16 bytes (Intel SDM vol. 3 §10.1.4: the processor starts at F000:FFF0). `program` begins
 * in 16-bit code at its first byte, with CS = F000h, and is linked at its address below 1 MiB.
 */
export function romImage(program: (a: Assembler) => void): Uint8Array {
  for (const size of SIZES) {
    const image = tryAssemble(size, program);
    if (image) return image;
  }
  throw new AssemblerError('image-too-big', 'The program does not fit into 64 KiB; move data out of it.');
}

function tryAssemble(size: number, program: (a: Assembler) => void): Uint8Array | undefined {
  const a = assembler({ bits: 16, origin: TOP - size });
  a.bits(16, ROM_BASE);
  a.label('rom');
  program(a);
  a.label('rom end');
  try {
    a.org(TOP - 16, 0xff);
    a.bits(16, ROM_BASE);
    // CS still has base FFFF0000h here; the jump loads F0000h, the alias.
    a.jmp(far(ROM_SEGMENT, 'rom'));
    a.org(TOP, 0xff);
    return a.assemble();
  } catch (error) {
    if (error instanceof AssemblerError && error.code === 'org-backwards') return undefined;
    throw error;
  }
}
