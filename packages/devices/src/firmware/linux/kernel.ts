import { handover } from './boot-rom.ts';
import { type Entry, isBzImage, parseBzImage, planBzImage } from './bzimage.ts';
import { isElf, parsePvhKernel, planPvhKernel } from './elf-pvh.ts';
import { bootError } from './errors.ts';
import type { BootPlan } from './layout.ts';
import { e820, type MemoryRange } from './memory-map.ts';

/** What to boot. */
export interface KernelImages {
  /** A bzImage, or an uncompressed ELF kernel with a PVH entry. */
  readonly kernel: Uint8Array;
  readonly initrd?: Uint8Array | undefined;
  /** The kernel command line, printable ASCII. */
  readonly append: string;
  readonly entry: Entry;
}

/**
 * Lays a kernel out in a board's memory.
 * @param memory the board's physical memory map
 * @throws MainboardError when the files or the memory will not do; the message says what to change.
 */
export function planKernel({ kernel, initrd, append, entry }: KernelImages, memory: readonly MemoryRange[]): BootPlan {
  const map = e820(memory);
  const files = initrd && initrd.length > 0 ? initrd : undefined;
  let plan: BootPlan;
  if (isBzImage(kernel)) plan = planBzImage(parseBzImage(kernel), map, append, files, entry);
  else if (isElf(kernel)) plan = planPvhKernel(parsePvhKernel(kernel), map, append, files);
  else throw notAKernel(kernel);
  return { ...plan, segments: [...plan.segments, ...handover(plan)] };
}

/** First bytes of the containers a kernel may come in. */
const CONTAINERS = [
  { name: 'a gzip file', magic: [0x1f, 0x8b] },
  { name: 'an xz file', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a] },
  { name: 'a zstd file', magic: [0x28, 0xb5, 0x2f, 0xfd] },
  { name: 'a Debian package', magic: [0x21, 0x3c, 0x61, 0x72, 0x63, 0x68, 0x3e] },
] as const;

function notAKernel(file: Uint8Array) {
  const container = CONTAINERS.find(({ magic }) => magic.every((byte, i) => file[i] === byte));
  if (container)
    return bootError(
      'not-a-kernel',
      `The kernel file is ${container.name}; unpack it and boot the bzImage or vmlinux inside.`,
    );
  return bootError(
    'not-a-kernel',
    'The kernel file is neither a bzImage nor an ELF file; boot a vmlinuz or vmlinux for x86.',
  );
}
