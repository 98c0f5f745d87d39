import { type Board, file, MainboardError, text, type ValuesOf } from '@mainboard/core';
import { firmwareImage } from './firmware-image.ts';
import { bootRom } from './linux/boot-rom.ts';
import { linuxBoot, memoryRanges } from './linux-boot.ts';

const ONE_MIB = 2 ** 20;
const FOUR_GIB = 2 ** 32;
/** A PC shows so much of its ROM below 1 MiB. */
const SHADOW = 2 ** 17;

/** Options of a machine that {@link bootFirmware} gives something to boot. */
export const bootOptions = {
  kernel: file().about('a Linux kernel: a bzImage, or an ELF file with a PVH entry'),
  initrd: file().about('an initial RAM disk for the kernel'),
  append: text('console=ttyS0').about('the kernel command line'),
  firmware: file().about('a ROM image, in place of a kernel; its last 16 bytes are the reset vector'),
} as const;

/**
 * Puts what the options name at the reset vector: the ROM ends at 4 GiB, its last 128 KiB appear below 1 MiB too. A
 * kernel brings a boot ROM of ours and the device `boot`. Call it when RAM is mapped, since the kernel is told of it.
 * @throws MainboardError `bad-property` unless there is either a kernel or a firmware, `bad-image`
 */
export function bootFirmware(board: Board<ValuesOf<typeof bootOptions>>): void {
  const { kernel, initrd, append, firmware } = board.options;
  if ((kernel === undefined) === (firmware === undefined)) {
    const what = kernel === undefined ? 'nothing to boot' : 'both a kernel and a firmware image';
    throw new MainboardError('bad-property', `The machine has ${what}; give it a kernel or a firmware image.`);
  }
  if (kernel === undefined && initrd !== undefined) {
    throw new MainboardError('bad-property', 'An initrd needs a kernel; give the machine a kernel too.');
  }
  const rom = board.rom('firmware', firmware === undefined ? bootRom() : firmwareImage(firmware.bytes));
  const shadow = rom.slice(Math.max(0, rom.size - SHADOW), rom.size);
  board.memory.map({ [ONE_MIB - shadow.size]: shadow, [FOUR_GIB - rom.size]: rom });
  if (kernel !== undefined) {
    board.add('boot', linuxBoot, { kernel, initrd, append, memory: memoryRanges(board.memory) });
  }
}
