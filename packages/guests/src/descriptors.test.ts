import { expect, test } from '@jest/globals';
import { FLAT, gate, SEG, SYSTEM, segment } from './descriptors.ts';

test('Intel SDM vol. 3 §3.4.5: flat code and data', () => {
  expect(FLAT.code32).toBe(0x00cf9b000000ffffn);
  expect(FLAT.data).toBe(0x00cf93000000ffffn);
  expect(FLAT.code64).toBe(0x00af9b000000ffffn);
  expect(FLAT.userCode64).toBe(0x00affb000000ffffn);
});

test('§3.4.5: base and limit lie in pieces', () =>
  expect(segment(0x12345678, 0xabcde, SEG.data | SEG.present)).toBe(0x120a90345678bcden));

test('§6.11: gates', () => {
  expect(gate(0x08, 0x12345678, SYSTEM.interruptGate | SEG.present)).toBe(0x12348e0000085678n);
  expect(gate(0x08, 0, SYSTEM.callGate | SEG.present | SEG.dpl3 | 2)).toBe(0x0000ec0200080000n);
});
