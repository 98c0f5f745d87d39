import { expect, test } from '@jest/globals';
import { e820, placeInitrd } from './memory-map.ts';

test('ACPI 6.5 §15: RAM is type 1, ROM type 2, windows are left out, neighbours are joined', () => {
  expect(
    e820([
      { base: 0x20_0000, size: 0x10_0000, kind: 'ram' },
      { base: 0xb_8000, size: 0x8000, kind: 'window' },
      { base: 0x10_0000, size: 0x10_0000, kind: 'ram' },
      { base: 0xf_0000, size: 0x1_0000, kind: 'rom' },
    ]),
  ).toEqual([
    { base: 0xf_0000, size: 0x1_0000, type: 2 },
    { base: 0x10_0000, size: 0x20_0000, type: 1 },
  ]);
});

test('an initrd goes to the highest RAM that will do', () => {
  const map = e820([
    { base: 0, size: 0xa_0000, kind: 'ram' },
    { base: 0x10_0000, size: 0x100_0000, kind: 'ram' },
    { base: 0x200_0000, size: 0x1000, kind: 'ram' },
    { base: 2 ** 32, size: 0x1000_0000, kind: 'ram' },
  ]);
  expect(placeInitrd(map, 0x800, 0x10_0000, 0xffff_ffff)).toBe(0x200_0000);
  expect(placeInitrd(map, 0x2000, 0x10_0000, 0xffff_ffff)).toBe(0x10f_e000);
  expect(() => placeInitrd(map, 0x2000, 0x10f_f000, 0xffff_ffff)).toThrow(/does not fit in RAM/);
});
