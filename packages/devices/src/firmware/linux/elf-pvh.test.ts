import { describe, expect, test } from '@jest/globals';
import { isElf, parsePvhKernel, planPvhKernel } from './elf-pvh.ts';
import { LAYOUT } from './layout.ts';
import { e820 } from './memory-map.ts';
import { syntheticBzImage, syntheticElf } from './synthetic-images.ts';

const MIB = 2 ** 20;
const MEMORY = e820([
  { base: 0, size: 0xa_0000, kind: 'ram' },
  { base: MIB, size: 31 * MIB, kind: 'ram' },
]);
const reason = (f: () => unknown): unknown => {
  try {
    f();
  } catch (error) {
    return (error as { data: { reason: string } }).data.reason;
  }
  return 'accepted';
};
const plan = (initrd?: Uint8Array, elf = syntheticElf()) => planPvhKernel(parsePvhKernel(elf), MEMORY, 'quiet', initrd);
const startInfo = (initrd?: Uint8Array) => {
  const { bytes } = plan(initrd).segments.find(s => s.address === LAYOUT.startInfo)!;
  return new DataView(bytes.buffer);
};

describe('System V ABI, chapters 4 and 5', () => {
  test('the magic number tells an ELF file', () => {
    expect([isElf(syntheticElf()), isElf(syntheticBzImage()), isElf(new Uint8Array(3))]).toEqual([true, false, false]);
  });

  test.each([32, 64] as const)(
    'ELFCLASS%i: segments at their physical addresses, with what the file leaves out',
    bits => {
      const segments = [
        { address: 0x120_0000, bytes: Uint8Array.of(9), size: 4096 },
        { address: 0x100_0000, bytes: Uint8Array.of(7, 8), size: 2 },
      ];
      const parsed = parsePvhKernel(syntheticElf({ bits, segments }));
      expect(parsed.segments.map(s => [s.address, [...s.bytes], s.size])).toEqual([
        [0x100_0000, [7, 8], 2],
        [0x120_0000, [9], 4096],
      ]);
    },
  );

  test('another processor is refused', () => {
    expect(reason(() => parsePvhKernel(syntheticElf({ machine: 183 })))).toBe('not-a-kernel');
  });

  test('a file that ends early is refused, wherever it ends', () => {
    const file = syntheticElf();
    for (let length = 4; length < file.length; length++)
      expect(reason(() => parsePvhKernel(file.subarray(0, length)))).toMatch(/kernel-truncated|not-a-kernel/);
    expect(reason(() => parsePvhKernel(file))).toBe('accepted');
  });

  test('nothing to load is refused', () => {
    expect(reason(() => parsePvhKernel(syntheticElf({ segments: [] })))).toBe('not-a-kernel');
  });
});

describe('pvh.pandoc', () => {
  test.each([4, 8] as const)('XEN_ELFNOTE_PHYS32_ENTRY of %i bytes gives the entry', valueSize => {
    expect(parsePvhKernel(syntheticElf({ valueSize, entry: 0x123_4560 })).entry).toBe(0x123_4560);
  });

  test('without the note the file is refused', () => {
    const file = syntheticElf();
    const note = file.findIndex((_, i) => String.fromCharCode(...file.subarray(i, i + 3)) === 'Xen');
    file[note] = 0;
    expect(reason(() => parsePvhKernel(file))).toBe('no-pvh-entry');
  });

  test('hvm_start_info: magic, version, command line, memory map', () => {
    const view = startInfo();
    expect([view.getUint32(0, true), view.getUint32(4, true)]).toEqual([0x336e_c578, 1]);
    expect([view.getUint32(12, true), view.getUint32(16, true)]).toEqual([0, 0]);
    expect(view.getUint32(24, true)).toBe(LAYOUT.commandLine);
    expect([view.getUint32(40, true), view.getUint32(48, true)]).toEqual([LAYOUT.startInfo + 88, 2]);
    expect([view.getUint32(88 + 24, true), view.getUint32(88 + 32, true), view.getUint32(88 + 40, true)]).toEqual([
      MIB,
      31 * MIB,
      1,
    ]);
  });

  test('the initrd is the first module, at the end of RAM', () => {
    const view = startInfo(new Uint8Array(100));
    expect([view.getUint32(12, true), view.getUint32(16, true)]).toEqual([1, LAYOUT.startInfo + 56]);
    expect([view.getUint32(56, true), view.getUint32(64, true)]).toEqual([32 * MIB - 4096, 100]);
  });

  test('segments outside RAM, or where the loader keeps its data, are refused', () => {
    const at = (address: number) =>
      reason(() => plan(undefined, syntheticElf({ segments: [{ address, bytes: Uint8Array.of(1), size: 1 }] })));
    expect([at(0x200_0000), at(0x1000), at(0x1f0_0000)]).toEqual(['memory-too-small', 'not-a-kernel', 'accepted']);
  });

  test('a board without RAM at 0 is refused', () => {
    const map = e820([{ base: MIB, size: 31 * MIB, kind: 'ram' }]);
    expect(reason(() => planPvhKernel(parsePvhKernel(syntheticElf()), map, '', undefined))).toBe('memory-too-small');
  });
});
