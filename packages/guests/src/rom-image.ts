import { type Assembler, AssemblerError, assembler, far } from './assembler/index.ts';

/** One past the last byte of a ROM image below 1 MiB; the same bytes also end at 4 GiB. */
const TOP = 0x10_0000;
/** The segment in which a guest's 16-bit code runs after its first jump. */
export const ROM_SEGMENT = 0xf000;
export const ROM_BASE = ROM_SEGMENT * 16;

/** Bytes at the end that belong to the reset vector. */
const RESET_VECTOR = 16;
const ROM_BYTES = TOP - ROM_BASE;

/** Sizes that a ROM may have, in bytes. */
const SIZES = [0x1000, 0x2000, 0x4000, 0x8000, ROM_BYTES];

/**
 * Assembles a firmware ROM: a power of two from 4 to 64 KiB that ends at 1 MiB (and, as an alias, at 4 GiB), with the
 * reset vector in its last 16 bytes (Intel SDM vol. 3 §10.1.4: the processor starts at F000:FFF0). `program` begins
 * in 16-bit code at its first byte, with CS = F000h, and is linked at its address below 1 MiB. It is called twice: to
 * be measured, and to be placed.
 */
export function romImage(program: (a: Assembler) => void): Uint8Array {
  const trial = assembler({ bits: 16, origin: ROM_BASE });
  trial.bits(16, ROM_BASE);
  trial.label('rom');
  program(trial);
  const needed = trial.assemble().length + RESET_VECTOR;
  const size = SIZES.find(bytes => bytes >= needed);
  if (size === undefined)
    throw new AssemblerError('image-too-big', `The program needs ${needed} bytes; a ROM has 64 KiB at most.`);
  if (size === ROM_BYTES) return finish(trial);
  const a = assembler({ bits: 16, origin: TOP - size });
  a.bits(16, ROM_BASE);
  a.label('rom');
  program(a);
  return finish(a);
}

function finish(a: Assembler): Uint8Array {
  a.org(TOP - RESET_VECTOR, 0xff);
  a.bits(16, ROM_BASE);
  // CS still has base FFFF0000h here; the jump loads F0000h, the alias.
  a.jmp(far(ROM_SEGMENT, 'rom'));
  a.org(TOP, 0xff);
  return a.assemble();
}
