import { describe, expect, test } from '@jest/globals';
import { isBzImage, parseBzImage, planBzImage } from './bzimage.ts';
import { LAYOUT } from './layout.ts';
import { e820 } from './memory-map.ts';
import { type SyntheticBzImage, syntheticBzImage } from './synthetic-images.ts';

const MIB = 2 ** 20;
const memory = (size: number) =>
  e820([
    { base: 0, size: 0xa_0000, kind: 'ram' },
    { base: 0xf_0000, size: 0x1_0000, kind: 'rom' },
    { base: MIB, size: size - MIB, kind: 'ram' },
    { base: 0xffff_0000, size: 0x1_0000, kind: 'rom' },
  ]);
const plan = (
  image: SyntheticBzImage = {},
  options: { mib?: number; append?: string; initrd?: Uint8Array; entry?: 'auto' | '32' | '64' } = {},
) =>
  planBzImage(
    parseBzImage(syntheticBzImage(image)),
    memory((options.mib ?? 64) * MIB),
    options.append ?? '',
    options.initrd,
    options.entry ?? 'auto',
  );
const reason = (f: () => unknown): unknown => {
  try {
    f();
  } catch (error) {
    const { code, message, data } = error as { code: string; message: string; data: { reason: string } };
    return { code, reason: data.reason, message };
  }
  return 'accepted';
};
const bootParams = (segments: ReturnType<typeof plan>['segments']) => {
  const { bytes } = segments.find(s => s.address === LAYOUT.bootParams)!;
  return new DataView(bytes.buffer, bytes.byteOffset);
};

describe('boot.rst "Details of header fields"', () => {
  test('boot_flag and header tell a bzImage', () => {
    const file = syntheticBzImage();
    expect(isBzImage(file)).toBe(true);
    expect(isBzImage(file.subarray(0, 0x200))).toBe(false);
    file[0x1fe] = 0;
    expect(isBzImage(file)).toBe(false);
  });

  test('setup_sects says where the protected-mode part begins; 0 means 4', () => {
    const kernel = Uint8Array.of(0xaa, 0xbb);
    for (const setupSects of [0, 1, 40])
      expect([...parseBzImage(syntheticBzImage({ setupSects, kernel })).kernel.subarray(0, 2)]).toEqual([0xaa, 0xbb]);
  });

  test('what follows the protected-mode part (a signature) is left out of the count', () => {
    const file = new Uint8Array([...syntheticBzImage(), 1, 2, 3]);
    expect(reason(() => parseBzImage(file))).toBe('accepted');
  });

  test('version: older than 2.10 is refused', () => {
    expect(reason(() => plan({ version: 0x0209 }))).toEqual({
      code: 'bad-image',
      reason: 'kernel-too-old',
      message: 'This kernel speaks boot protocol 2.09; version 2.10 (Linux 2.6.31) or newer is needed.',
    });
  });

  test('xloadflags count from 2.12 on', () => {
    expect(parseBzImage(syntheticBzImage({ version: 0x020b })).has64BitEntry).toBe(false);
    expect(parseBzImage(syntheticBzImage({ version: 0x020c })).has64BitEntry).toBe(true);
  });

  test('loadflags without LOADED_HIGH: a zImage is refused', () => {
    expect(reason(() => plan({ loadflags: 0 }))).toMatchObject({ reason: 'not-a-kernel' });
  });

  test('syssize: a file that ends before it is refused', () => {
    const file = syntheticBzImage();
    for (const length of [file.length - 1, 1024, 0x240, 0x208])
      expect(reason(() => parseBzImage(file.subarray(0, length)))).toMatchObject({ reason: 'kernel-truncated' });
  });

  test('cmdline_size: a longer command line is refused', () => {
    expect(reason(() => plan({ cmdlineSize: 10 }, { append: 'x'.repeat(10) }))).toBe('accepted');
    expect(reason(() => plan({ cmdlineSize: 10 }, { append: 'x'.repeat(11) }))).toEqual({
      code: 'bad-image',
      reason: 'command-line-too-long',
      message: 'The kernel command line has 11 characters and this kernel takes at most 10; shorten it.',
    });
  });

  test('pref_address and init_size: RAM that ends before is refused', () => {
    expect(reason(() => plan({}, { mib: 17 }))).toBe('accepted');
    expect(reason(() => plan({}, { mib: 16 }))).toEqual({
      code: 'bad-image',
      reason: 'memory-too-small',
      message: 'This kernel needs RAM from 0x1000000 to 0x1100000; give the machine 17 MiB of memory or more.',
    });
  });

  test('initrd_addr_max: the initrd ends at or below it, and at the end of RAM', () => {
    const initrd = new Uint8Array(5000);
    const at = (limit: number, mib: number) => {
      const view = bootParams(plan({ initrdAddrMax: limit }, { initrd, mib }).segments);
      return [view.getUint32(0x218, true), view.getUint32(0x21c, true)];
    };
    expect(at(0x7fff_ffff, 64)).toEqual([64 * MIB - 8192, 5000]);
    expect(at(0x1ff_ffff, 64)).toEqual([32 * MIB - 8192, 5000]);
  });

  test('an initrd that does not fit above the kernel is refused', () => {
    expect(reason(() => plan({}, { mib: 20, initrd: new Uint8Array(4 * MIB) }))).toMatchObject({
      code: 'bad-image',
      reason: 'initrd-does-not-fit',
    });
  });
});

describe('boot.rst "The kernel command line"', () => {
  test('it ends in a NUL, and cmd_line_ptr points to it', () => {
    const { segments } = plan({}, { append: 'console=ttyS0' });
    const line = segments.find(s => s.address === LAYOUT.commandLine)!;
    expect(String.fromCharCode(...line.bytes)).toBe('console=ttyS0\0');
    expect(bootParams(segments).getUint32(0x228, true)).toBe(LAYOUT.commandLine);
  });

  test('characters that are not printable ASCII are refused', () => {
    for (const append of ['é', 'a\nb'])
      expect(reason(() => plan({}, { append }))).toMatchObject({ reason: 'command-line-not-ascii' });
  });
});

describe('boot.rst "64-bit Boot Protocol"', () => {
  test('a kernel with XLF_KERNEL_64 is entered 200h after its start, with page tables', () => {
    const { protocol, entry, segments } = plan();
    expect([protocol, entry]).toEqual(['linux64', 0x100_0200]);
    expect(segments.find(s => s.address === LAYOUT.pageTables)?.size).toBe(6 * 4096);
    expect([...segments.find(s => s.address === 0x100_0000)!.bytes.subarray(0, 3)]).toEqual([1, 2, 3]);
  });

  test('entry 32 takes its 32-bit entry all the same', () => {
    expect(plan({}, { entry: '32' })).toMatchObject({ protocol: 'linux32', entry: 0x100_0000 });
  });
});

describe('boot.rst "32-bit Boot Protocol"', () => {
  test('a kernel without XLF_KERNEL_64 is entered at its start, without page tables', () => {
    const { protocol, entry, segments } = plan({ xloadflags: 0 });
    expect([protocol, entry]).toEqual(['linux32', 0x100_0000]);
    expect(segments.some(s => s.address === LAYOUT.pageTables)).toBe(false);
  });

  test('entry 64 is refused for it', () => {
    expect(reason(() => plan({ xloadflags: 0 }, { entry: '64' }))).toMatchObject({ reason: 'no-64-bit-entry' });
  });
});

describe('zero-page.rst', () => {
  test("the kernel's header from 1F1h on, with the loader's fields filled in", () => {
    const view = bootParams(plan().segments);
    expect(view.getUint32(0x202, true)).toBe(0x5372_6448);
    expect(view.getUint16(0x1fa, true)).toBe(0xffff); // vid_mode: normal
    expect([view.getUint8(0x210), view.getUint8(0x227)]).toEqual([0xff, 0x00]); // type_of_loader, ext_loader_type
    expect(view.getUint32(0x214, true)).toBe(0x100_0000); // code32_start
    expect([view.getUint32(0x218, true), view.getUint32(0x21c, true)]).toEqual([0, 0]); // no initrd
    expect(view.getUint8(0x1ef)).toBe(0); // sentinel
  });

  test('e820: RAM and ROM of the board, ascending', () => {
    const view = bootParams(plan().segments);
    const entries = Array.from({ length: view.getUint8(0x1e8) }, (_, i) => {
      const at = 0x2d0 + 20 * i;
      return [view.getUint32(at, true), view.getUint32(at + 8, true), view.getUint32(at + 16, true)];
    });
    expect(entries).toEqual([
      [0, 0xa_0000, 1],
      [0xf_0000, 0x1_0000, 2],
      [MIB, 63 * MIB, 1],
      [0xffff_0000, 0x1_0000, 2],
    ]);
  });

  test('more than 128 parts of memory are refused', () => {
    const many = Array.from({ length: 130 }, (_, i) => ({
      base: 64 * MIB + i * MIB,
      size: 4096,
      kind: 'ram' as const,
    }));
    const map = e820([{ base: 0, size: 32 * MIB, kind: 'ram' }, ...many]);
    const image = parseBzImage(syntheticBzImage());
    expect(reason(() => planBzImage(image, map, '', undefined, 'auto'))).toMatchObject({
      reason: 'memory-map-too-long',
    });
  });
});
