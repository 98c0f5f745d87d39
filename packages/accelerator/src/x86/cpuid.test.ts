import { describe, expect, test } from '@jest/globals';
import { CPU_MODELS, cpuModel } from './cpu-models.ts';
import { Cpuid, type CpuidResult } from './cpuid.ts';
import { CPUID_BITS, type CpuFeature } from './cpuid-bits.ts';
import { DECODE, Decoded } from './decode/decoded.ts';
import { Decoder } from './decode/decoder.ts';
import { sampleEncoding } from './decode/sample.ts';
import { ESCAPES } from './escapes/index.ts';
import { ROWS } from './isa/rows.ts';
import { CR4 } from './registers.ts';
import { descriptionOf } from './semantics/index.ts';

const text = (...words: number[]): string =>
  String.fromCharCode(...words.flatMap(w => [w, w >> 8, w >> 16, w >> 24].map(b => b & 0xff)));
const FEATURES = Object.keys(CPUID_BITS) as CpuFeature[];
/** Leaves that may not be all zeros. */
const LEAVES = [0, 1, 2, 7, 0xd, 0x4000_0000, 0x4000_0001, ...Array.from({ length: 9 }, (_, n) => 0x8000_0000 + n)];
const EMPTY: CpuidResult = [0, 0, 0, 0];

describe.each(CPU_MODELS.map(({ name }) => name))('%s', name => {
  const model = cpuModel(name);
  const cpuid = new Cpuid(model);
  const has = (feature: CpuFeature): boolean => {
    const [leaf, register, bit] = CPUID_BITS[feature];
    return ((cpuid.read(leaf, leaf === 0xd ? 1 : 0, 0)[register]! >>> bit) & 1) === 1;
  };
  const decoder = new Decoder(feature => model.features.has(feature));

  test('a bit is set where the model has the feature, and nowhere else', () => {
    expect(FEATURES.filter(has)).toEqual(FEATURES.filter(feature => model.features.has(feature)));
  });

  test('no bits that no feature explains: a local APIC, MTRRs, machine checks…', () => {
    const explained = new Map<string, number>([
      ['1 2', 1 << 31], // a hypervisor
      ...(model.vendor === 'AuthenticAMD' ? [['2147483649 3', 0x0183_f3ff] as const] : []),
    ]);
    for (const feature of model.features) {
      const [leaf, register, bit] = CPUID_BITS[feature];
      const key = `${leaf} ${register}`;
      explained.set(key, explained.get(key)! | (1 << bit));
    }
    for (const [leaf, register] of [
      [1, 2],
      [1, 3],
      [7, 1],
      [7, 2],
      [7, 3],
      [0x8000_0001, 2],
      [0x8000_0001, 3],
    ] as const)
      expect([leaf, register, cpuid.read(leaf, 0, 0)[register] & ~(explained.get(`${leaf} ${register}`) ?? 0)]).toEqual(
        [leaf, register, 0],
      );
  });

  test('what AMD repeats in leaf 8000_0001 is what leaf 1 says', () => {
    const repeated = cpuid.read(0x8000_0001, 0, 0)[3] & 0x0183_f3ff;
    expect(repeated).toBe(model.vendor === 'AuthenticAMD' ? cpuid.read(1, 0, 0)[3] & 0x0183_f3ff : 0);
  });

  test('vendor, hypervisor, and the last leaf', () => {
    const [max, ebx, ecx, edx] = cpuid.read(0, 0, 0);
    expect(text(ebx, edx, ecx)).toBe(model.vendor);
    expect(text(...cpuid.read(0x4000_0000, 0, 0).slice(1))).toBe('KVMKVMKVM\0\0\0');
    expect(cpuid.read(max, 1, 0)).not.toBe(undefined);
    for (const leaf of [max + 1, 0x4000_0002, 0x8000_0009, 0xffff_ffff]) expect(cpuid.read(leaf, 0, 0)).toEqual(EMPTY);
  });

  test('subleaves that do not exist are zero', () => {
    for (const leaf of [7, 0xd]) expect(cpuid.read(leaf, 2, 0)).toEqual(EMPTY);
    expect(cpuid.read(7, 1, 0)).toEqual(EMPTY);
  });

  test('every instruction of its features has a description or an escape', () => {
    const claimed = ROWS.filter(({ cpuid: feature }) => feature === undefined || model.features.has(feature));
    const missing = claimed
      .map(({ mnemonic }) => mnemonic)
      .filter(mnemonic => !descriptionOf(mnemonic) && !Object.hasOwn(ESCAPES, mnemonic));
    expect([...new Set(missing)]).toEqual([]);
  });

  test('no instruction of another feature decodes', () => {
    const out = new Decoded(ROWS[0]!);
    let seed = 1;
    const random = (n: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return (seed >>> 8) % n;
    };
    const found = new Set<string>();
    for (const row of ROWS.filter(({ cpuid: feature }) => feature !== undefined && !model.features.has(feature)))
      for (const bits of [16, 32, 64] as const)
        for (let n = 0; n < 16; n++) {
          if (bits === 64 ? row.i64 : row.o64) continue;
          const bytes = Uint8Array.from(sampleEncoding(row, bits, random));
          if (decoder.decode(bytes, 0, bytes.length, bits, out) !== DECODE.ok) continue;
          if (out.row.cpuid && !model.features.has(out.row.cpuid)) found.add(out.row.mnemonic);
        }
    expect([...found]).toEqual([]);
  });
});

describe('models', () => {
  const signatureOf = (name: 'pentium3' | 'max'): number[] => {
    const [signature] = new Cpuid(cpuModel(name)).read(1, 0, 0);
    const family = (signature >> 8) & 15;
    const model = (signature >> 4) & 15;
    return family === 15
      ? [15 + ((signature >> 20) & 0xff), model | ((signature >> 12) & 0xf0), signature & 15]
      : [family, model, signature & 15];
  };

  test('family, model, stepping', () => {
    expect(signatureOf('pentium3')).toEqual([6, 8, 3]);
    expect(signatureOf('max')).toEqual([15, 107, 1]);
  });

  test('a Pentium III has 32 bits, no NX, and no extended leaves', () => {
    const cpuid = new Cpuid(cpuModel('pentium3'));
    for (const leaf of LEAVES.filter(n => n >= 0x8000_0000)) expect(cpuid.read(leaf, 0, 0)).toEqual(EMPTY);
    expect(cpuid.read(0, 0, 0)[0]).toBe(2);
  });

  test('each has what the one before it has', () => {
    for (const [n, { features }] of CPU_MODELS.entries())
      for (const feature of CPU_MODELS[n - 1]?.features ?? []) expect(features.has(feature)).toBe(true);
  });

  test('x86-64 psABI table 3.1: x86-64-v2 is whole', () => {
    const { features } = cpuModel('x86-64-v2');
    for (const feature of ['cx16', 'lahf64', 'popcnt', 'sse3', 'sse4.1', 'sse4.2', 'ssse3'] as const)
      expect(features.has(feature)).toBe(true);
  });

  test('the brand', () => {
    const cpuid = new Cpuid(cpuModel('max'));
    const brand = [2, 3, 4].map(n => text(...cpuid.read(0x8000_0000 + n, 0, 0))).join('');
    expect(brand.replace(/\0+$/, '')).toBe('Mainboard software CPU');
  });

  test('leaf 1 mirrors CR4.OSXSAVE', () => {
    const cpuid = new Cpuid(cpuModel('max'));
    expect((cpuid.read(1, 0, CR4.osxsave)[2] >>> 27) & 1).toBe(1);
    expect((cpuid.read(1, 0, 0)[2] >>> 27) & 1).toBe(0);
  });
});
