import { type AddressSpace, defineDevice, file, MainboardError, oneOf, type Property, text } from '@mainboard/core';
import { planKernel } from './linux/kernel.ts';
import type { Segment } from './linux/layout.ts';
import type { MemoryRange } from './linux/memory-map.ts';

/** The board's memory as a kernel is to see it. Take it when RAM and ROM are mapped. */
export const memoryRanges = (memory: AddressSpace): readonly MemoryRange[] =>
  memory.pieces().map(({ base, size, what }) => ({ base, size, kind: what.kind }));

const memoryMap: Property<readonly MemoryRange[]> = {
  type: 'memory map',
  default: [],
  description: 'what the kernel is told of the board, by memoryRanges()',
  check: value => (Array.isArray(value) ? undefined : 'must be a list of memory ranges'),
  parse: () => undefined,
  about: description => ({ ...memoryMap, description }),
};

/** Zeros for the parts of a kernel that its file does not hold, a piece at a time. */
const ZEROS = new Uint8Array(65_536);

/**
 * Boots a Linux kernel without firmware: at every reset it puts the kernel, its parameters and its initrd in RAM, and
 * the boot ROM ({@link bootRom}), which the board maps at the reset vector, brings the processor to the kernel's entry.
 *
 * Takes a bzImage by the 32- or the 64-bit boot protocol and an uncompressed ELF kernel by PVH. A kernel, initrd or
 * board that will not do is refused when the board is built: MainboardError `bad-image`.
 *
 * NOT IMPLEMENTED: bzImages older than protocol 2.10, setup_data, kernels and initrds above 4 GiB, ELF kernels without
 * a PVH entry.
 */
export const linuxBoot = defineDevice(
  'linux-boot',
  {
    spec: 'Linux Documentation/arch/x86/boot.rst, protocol 2.15; Xen docs/misc/pvh.pandoc',
    description: 'puts a Linux kernel in RAM at every reset',
    properties: {
      kernel: file().about('a bzImage, or an ELF kernel with a PVH entry'),
      initrd: file().about('an initial RAM disk'),
      append: text().about('the kernel command line'),
      entry: oneOf('auto', '32', '64').about("which of a bzImage's entries to use; auto takes the 64-bit one if any"),
      memory: memoryMap,
    },
    dma: true,
  },
  ({ name, props: { kernel, initrd, append, entry, memory: ranges }, memory }) => {
    if (kernel === undefined) {
      throw new MainboardError('bad-property', `linux-boot ${name} has no kernel; give it one.`, {
        property: 'kernel',
      });
    }
    const plan = planKernel({ kernel: kernel.bytes, initrd: initrd?.bytes, append, entry }, ranges);

    function place({ address, bytes, size }: Segment) {
      memory.writeBytes(address, bytes);
      for (let done = bytes.length; done < size; done += ZEROS.length) {
        memory.writeBytes(address + done, ZEROS.subarray(0, Math.min(ZEROS.length, size - done)));
      }
    }
    return {
      reset() {
        for (const segment of plan.segments) place(segment);
      },
    };
  },
);
