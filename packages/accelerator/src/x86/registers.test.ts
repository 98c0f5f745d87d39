import { beforeEach, describe, expect, test } from '@jest/globals';
import { GuestMemory } from '@mainboard/core';
import { Registers, SEGREG } from './registers.ts';
import { FLAG, SEGMENT, STATE, STATUS_FLAGS } from './state.ts';

let r: Registers;
beforeEach(() => {
  r = new Registers(new GuestMemory(0));
});

describe('flags', () => {
  test('every combination of the status flags survives being kept lazily', () => {
    const bits = [FLAG.cf, FLAG.pf, FLAG.af, FLAG.zf, FLAG.sf, FLAG.of];
    for (let n = 0; n < 64; n++) {
      const flags = bits.reduce((sum, bit, i) => sum | (n & (1 << i) ? bit : 0), 2);
      r.flags = flags;
      expect(r.flags).toBe(flags);
    }
  });

  test('vol. 1 §3.4.3: bit 1 is set, bits 3, 5, 15 and those above ID are clear', () => {
    r.flags = 0xffff_ffff;
    expect(r.flags).toBe(0x3f_7fd7);
    r.flags = 0;
    expect(r.flags).toBe(2);
  });

  test('status flags come from the last result, whatever its width', () => {
    r.flags = FLAG.if;
    r.i32[STATE.flagResult / 4] = 0x8000_0000 | 3;
    r.i32[STATE.flagResult / 4 + 1] = -1;
    r.i32[STATE.flagAux / 4] = 8;
    r.i32[STATE.flagAux / 4 + 1] = 0x4000_0000;
    expect(r.flags & STATUS_FLAGS).toBe(FLAG.sf | FLAG.pf | FLAG.af | FLAG.of);
    expect(r.systemFlag(FLAG.if)).toBe(true);
  });
});

describe('general registers (vol. 1 §3.4.1.1)', () => {
  test('a 32-bit write clears the upper half; 16 and 8 bits leave the rest', () => {
    r.setGpr64(3, 0x1122_3344_5566_7788n);
    r.setGpr16(3, 0xaaaa);
    r.setGpr8(3, 0xbb, true);
    r.setGpr8(3, 0xcc);
    expect(r.gpr64(3)).toBe(0x1122_3344_5566_bbccn);
    expect([r.gpr8(3, true), r.gpr8(3), r.gpr16(3), r.gpr32(3)]).toEqual([0xbb, 0xcc, 0xbbcc, 0x5566_bbcc]);
    r.setGpr(3, 32, 0x1_0000_0001n);
    expect(r.gpr64(3)).toBe(1n);
  });
});

describe('bounds of segments (vol. 3 §5.3)', () => {
  const bounds = (limit: number, rights: number): number[] => {
    r.setSegment(SEGREG.ds, 0x10, 0x1000n, limit, rights);
    const at = STATE.segments + SEGREG.ds * SEGMENT.size;
    return [SEGMENT.low, SEGMENT.high, SEGMENT.access].map(field => r.u32[(at + field) / 4]!);
  };

  test.each([
    ['data, writable', 0xfff, 0x93, [0, 0xfff, 3]],
    ['data, read-only', 0xfff, 0x91, [0, 0xfff, 1]],
    ['code, readable', 0xfff, 0x9b, [0, 0xfff, 1]],
    ['code, execute-only', 0xfff, 0x99, [0, 0xfff, 0]],
    ['expand-down, 16 bits', 0xfff, 0x97, [0x1000, 0xffff, 3]],
    ['expand-down, 32 bits', 0xfff, 0x4097, [0x1000, 0xffff_ffff, 3]],
    ['expand-down over everything: none', 0xffff_ffff, 0xc097, [1, 0, 3]],
    ['expand-down over 64 KiB: none', 0xffff, 0x97, [1, 0, 3]],
    ['not present', 0xfff, 0x13, [1, 0, 0]],
    ['unusable', 0xfff, 0x1_0093, [1, 0, 0]],
  ])('%s', (_name, limit, rights, expected) => {
    expect(bounds(limit, rights)).toEqual(expected);
  });
});
