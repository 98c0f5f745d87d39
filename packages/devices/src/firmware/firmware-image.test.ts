import { expect, test } from '@jest/globals';
import { firmwareImage } from './firmware-image.ts';

test('a whole number of 64 KiB segments is taken as it is', () => {
  const image = new Uint8Array(0x2_0000);
  expect(firmwareImage(image)).toBe(image);
});

test('anything else is filled up at its front: the reset vector stays at the end', () => {
  const rom = firmwareImage(Uint8Array.from({ length: 20 }, (_, i) => i));
  expect([rom.length, rom[0], rom[0xffff], rom[0x1_0000 - 20]]).toEqual([0x1_0000, 0xff, 19, 0]);
});

test('too small and too large images are refused', () => {
  for (const size of [0, 15, 2 ** 24 + 1])
    expect(() => firmwareImage(new Uint8Array(size))).toThrow(/The firmware image has/);
});
