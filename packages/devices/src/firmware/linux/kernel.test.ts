import { expect, test } from '@jest/globals';
import { MainboardError } from '@mainboard/core';
import { Random } from '@mainboard/testing';
import { planKernel } from './kernel.ts';
import { syntheticBzImage, syntheticElf } from './synthetic-images.ts';

const MEMORY = [{ base: 0, size: 64 * 2 ** 20, kind: 'ram' }] as const;
const plan = (kernel: Uint8Array, initrd?: Uint8Array) =>
  planKernel({ kernel, initrd, append: 'quiet', entry: 'auto' }, MEMORY);

test('the file decides the protocol', () => {
  expect([plan(syntheticBzImage()).protocol, plan(syntheticElf()).protocol]).toEqual(['linux64', 'pvh']);
});

test('no two segments of a plan overlap', () => {
  for (const kernel of [syntheticBzImage(), syntheticElf()]) {
    const sorted = [...plan(kernel, new Uint8Array(10_000)).segments].sort((a, b) => a.address - b.address);
    for (const [i, { address, size }] of sorted.slice(0, -1).entries())
      expect(address + size).toBeLessThanOrEqual(sorted[i + 1]!.address);
  }
});

test('an empty initrd is none', () => {
  expect(plan(syntheticBzImage(), new Uint8Array(0)).segments).toHaveLength(plan(syntheticBzImage()).segments.length);
});

test.each([
  ['text', [0x68, 0x65, 0x6c, 0x6c, 0x6f], /neither a bzImage nor an ELF file/],
  ['nothing', [], /neither a bzImage nor an ELF file/],
  ['gzip', [0x1f, 0x8b, 8, 0], /is a gzip file; unpack it/],
  ['a Debian package', [...'!<arch>\n'].map(c => c.charCodeAt(0)), /is a Debian package; unpack it/],
])('%s is refused', (_name, bytes, message) => {
  expect(() => plan(Uint8Array.from(bytes))).toThrow(message);
  expect(() => plan(Uint8Array.from(bytes))).toThrow(MainboardError);
});

test('damaged headers are refused or give a plan that lies in RAM; nothing else is thrown', () => {
  const random = new Random(1);
  const seen = { planned: 0, refused: 0 };
  for (let i = 0; i < 4000; i++) {
    const file = random.pick([syntheticBzImage(), syntheticElf(), syntheticElf({ bits: 32 })]);
    for (let n = random.below(6); n >= 0; n--) file[random.below(Math.min(file.length, 0x280))] = random.u32() & 0xff;
    try {
      const end = Math.max(...plan(file, new Uint8Array(100)).segments.map(s => s.address + s.size));
      expect(end).toBeLessThanOrEqual(64 * 2 ** 20);
      seen.planned++;
    } catch (error) {
      expect(error).toBeInstanceOf(MainboardError);
      seen.refused++;
    }
  }
  expect(seen.planned).toBeGreaterThan(100);
  expect(seen.refused).toBeGreaterThan(100);
});
