import { describe, expect, test } from '@jest/globals';
import { cyclesAt, timeOfCycle } from './cycles.ts';

const HZ = 1_193_182;
const exactly = (ns: number) => Number((BigInt(ns) * BigInt(HZ)) / 1_000_000_000n);

describe('cycles of an oscillator', () => {
  test('the count is exact, up to the last nanosecond that a number can hold', () => {
    for (const ns of [0, 838, 839, 1e9 - 1, 1e9, 86_400e9 + 12_345, 2 ** 53 - 1])
      expect(cyclesAt(ns, HZ)).toBe(exactly(ns));
  });

  test('a cycle begins at the first nanosecond that counts it', () => {
    for (const cycle of [0, 1, 2, 17, HZ - 1, HZ, HZ + 1, 123_456_789_012, 10_000_000_000_000]) {
      const ns = timeOfCycle(cycle, HZ);
      expect(cyclesAt(ns, HZ)).toBe(cycle);
      expect(cyclesAt(ns - 1, HZ)).toBe(cycle - 1);
    }
  });

  test('a million steps of one cycle end where one step of a million does', () => {
    let cycle = 0;
    for (let i = 0; i < 1_000_000; i++) cycle = cyclesAt(timeOfCycle(cycle + 1, HZ), HZ);
    expect(cycle).toBe(1_000_000);
  });

  test('times before 0 count backwards, for oscillators that started before the machine', () => {
    expect(cyclesAt(-1, 65_536)).toBe(-1);
    expect(cyclesAt(-1e9, 65_536)).toBe(-65_536);
    expect(timeOfCycle(-65_536, 65_536)).toBe(-1e9);
  });
});
