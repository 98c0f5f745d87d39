import { describe, expect, test } from '@jest/globals';
import { fillMemorySize } from './cmos-memory.ts';

const MIB = 2 ** 20;
const filled = (below4G: number, above4G = 0) => {
  const cmos = new Uint8Array(128);
  fillMemorySize(cmos, below4G, above4G);
  const word = (at: number) => cmos[at]! | (cmos[at + 1]! << 8);
  return {
    base: word(0x15),
    extended: [word(0x17), word(0x30)],
    above16M: word(0x34),
    above4G: word(0x5b) | (cmos[0x5d]! << 16),
  };
};

describe('memory size in CMOS', () => {
  test('15h: base memory in KiB, 640 at most', () => {
    expect(filled(256 * 1024).base).toBe(256);
    expect(filled(8 * MIB).base).toBe(640);
  });

  test('17h and 30h: KiB above 1 MiB, as far as a word goes', () => {
    expect(filled(512 * 1024).extended).toEqual([0, 0]);
    expect(filled(16 * MIB).extended).toEqual([15 * 1024, 15 * 1024]);
    expect(filled(256 * MIB).extended).toEqual([0xffff, 0xffff]);
  });

  test('34h: units of 64 KiB above 16 MiB', () => {
    expect(filled(16 * MIB).above16M).toBe(0);
    expect(filled(256 * MIB).above16M).toBe(240 * 16);
  });

  test('5Bh: units of 64 KiB above 4 GiB, three bytes', () => {
    expect(filled(3072 * MIB, 5 * 1024 * MIB).above4G).toBe(5 * 16_384);
    expect(filled(3072 * MIB).above4G).toBe(0);
  });
});
