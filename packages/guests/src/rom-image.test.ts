import { expect, test } from '@jest/globals';
import { romImage } from './rom-image.ts';

test('the smallest power of two that holds program and reset vector', () => {
  for (const [bytes, size] of [
    [1, 0x1000],
    [0xff0, 0x1000],
    [0xff1, 0x2000],
    [0x2001, 0x4000],
    [0x4001, 0x8000],
    [0xfff0, 0x10000],
  ] as const)
    expect(romImage(a => a.fill(bytes, 0x90)).length).toBe(size);
});

test('Intel SDM vol. 3 §10.1.4: F000:FFF0 jumps to the first byte of the program', () => {
  const image = romImage(a => a.hlt());
  expect([...image.slice(0, 2)]).toEqual([0xf4, 0xff]);
  expect([...image.slice(-16, -11)]).toEqual([0xea, 0x00, 0xf0, 0x00, 0xf0]);
});

test('labels are offsets in segment F000', () => {
  const image = romImage(a => {
    a.label('x');
    a.dw('x');
  });
  expect([...image.slice(0, 2)]).toEqual([0x00, 0xf0]);
});

test('more than 64 KiB is an error', () =>
  expect(() => romImage(a => a.fill(0xfff1))).toThrow(/needs 65537 bytes; a ROM has 64 KiB at most/));
