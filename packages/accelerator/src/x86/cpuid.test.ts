import { describe, expect, test } from '@jest/globals';
import { cpuid, hasFeature } from './cpuid.ts';
import type { Feature } from './isa/row.ts';

const text = (...words: number[]): string =>
  String.fromCharCode(...words.flatMap(w => [w, w >> 8, w >> 16, w >> 24].map(b => b & 0xff)));
const has = (leaf: number, register: 2 | 3, bit: number): boolean => ((cpuid(leaf)[register] >>> bit) & 1) === 1;

describe('CPUID', () => {
  test('vendor, brand, hypervisor', () => {
    const [max, ebx, ecx, edx] = cpuid(0);
    expect([max, text(ebx, edx, ecx)]).toEqual([7, 'AuthenticAMD']);
    const name = [2, 3, 4].map(n => text(...cpuid(0x8000_0000 + n))).join('');
    expect(name.replace(/\0+$/, '')).toBe('Mainboard software CPU');
    expect(text(...cpuid(0x4000_0000).slice(1))).toBe('KVMKVMKVM\0\0\0');
    expect(has(1, 2, 31)).toBe(true);
  });

  test('family 15, model 107, stepping 1', () => {
    const [signature] = cpuid(1);
    const family = ((signature >> 8) & 15) + ((signature >> 20) & 0xff);
    const model = ((signature >> 4) & 15) | ((signature >> 12) & 0xf0);
    expect([family, model, signature & 15]).toEqual([15, 107, 1]);
  });

  test.each([
    ['fpu', 1, 3, 0],
    ['tsc', 1, 3, 4],
    ['msr', 1, 3, 5],
    ['cx8', 1, 3, 8],
    ['sep', 1, 3, 11],
    ['cmov', 1, 3, 15],
    ['clfsh', 1, 3, 19],
    ['mmx', 1, 3, 23],
    ['fxsr', 1, 3, 24],
    ['sse', 1, 3, 25],
    ['sse2', 1, 3, 26],
    ['sse3', 1, 2, 0],
    ['ssse3', 1, 2, 9],
    ['cx16', 1, 2, 13],
    ['sse4.1', 1, 2, 19],
    ['sse4.2', 1, 2, 20],
    ['movbe', 1, 2, 22],
    ['popcnt', 1, 2, 23],
    ['aes', 1, 2, 25],
    ['xsave', 1, 2, 26],
    ['monitor', 1, 2, 3],
    ['lahf64', 0x8000_0001, 2, 0],
    ['lzcnt', 0x8000_0001, 2, 5],
    ['3dnowprefetch', 0x8000_0001, 2, 8],
    ['syscall', 0x8000_0001, 3, 11],
    ['rdtscp', 0x8000_0001, 3, 27],
    ['lm', 0x8000_0001, 3, 29],
  ] as const)('%s: the leaf and the decoder agree', (feature, leaf, register, bit) => {
    expect(has(leaf, register, bit)).toBe(hasFeature(feature as Feature));
  });

  test('no local APIC, no MTRRs, no machine check', () => {
    for (const bit of [1, 7, 9, 12, 14]) expect(has(1, 3, bit)).toBe(false);
  });

  test('leaf 7: TSC_ADJUST, in the first subleaf', () => {
    expect(cpuid(7)).toEqual([0, 2, 0, 0]);
    expect(cpuid(7, 1)).toEqual([0, 0, 0, 0]);
  });

  test('leaves that do not exist are zero', () => {
    for (const leaf of [5, 0xd, 0x4000_0002, 0x8000_0009, 0xffff_ffff]) expect(cpuid(leaf)).toEqual([0, 0, 0, 0]);
  });
});
