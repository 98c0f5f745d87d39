import { describe, expect, test } from '@jest/globals';
import { deviceContract, testbench } from '@mainboard/testing';
import { LAYOUT } from './linux/layout.ts';
import { syntheticBzImage, syntheticElf } from './linux/synthetic-images.ts';
import { linuxBoot } from './linux-boot.ts';

const MEMORY = 32 * 2 ** 20;
const file = (bytes: Uint8Array) => ({ name: 'vmlinuz', bytes });
const options = (kernel = syntheticBzImage(), more: { initrd?: Uint8Array; append?: string } = {}) => ({
  memory: MEMORY,
  properties: {
    kernel: file(kernel),
    ...(more.initrd && { initrd: file(more.initrd) }),
    append: more.append ?? '',
    memory: [{ base: 0, size: MEMORY, kind: 'ram' }] as const,
  },
});

test.each(deviceContract(linuxBoot, { '': { options: () => options() } }))('contract: $name', ({ run }) => run());

describe('reset', () => {
  test('puts kernel, parameters and initrd in RAM', () => {
    const { ram } = testbench(linuxBoot, options(syntheticBzImage(), { initrd: Uint8Array.of(7, 8, 9) }));
    expect([...ram.subarray(0x100_0000, 0x100_0004)]).toEqual([1, 2, 3, 4]);
    expect(String.fromCharCode(...ram.subarray(LAYOUT.bootParams + 0x202, LAYOUT.bootParams + 0x206))).toBe('HdrS');
    expect([...ram.subarray(MEMORY - 4096, MEMORY - 4093)]).toEqual([7, 8, 9]);
  });

  test('does so again, and clears what an ELF kernel expects to be zero', () => {
    const { device, ram } = testbench(linuxBoot, options(syntheticElf()));
    ram.fill(0xcc, 0x100_0000, 0x100_0020);
    device.reset();
    expect([...ram.subarray(0x100_0000, 0x100_0012)]).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0xcc, 0xcc,
    ]);
  });

  test('a restore leaves RAM alone', () => {
    const { device, ram } = testbench(linuxBoot, options());
    const saved = device.save();
    ram.fill(0xcc, 0x100_0000, 0x100_0004);
    device.restore(saved);
    expect(ram[0x100_0000]).toBe(0xcc);
  });
});

test('without a kernel, and with a file that is none, the board is refused', () => {
  expect(() => testbench(linuxBoot)).toThrow(/has no kernel; give it one/);
  expect(() => testbench(linuxBoot, options(Uint8Array.of(1, 2, 3)))).toThrow(/neither a bzImage nor an ELF file/);
});
