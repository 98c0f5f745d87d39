import { bootError } from './errors.ts';
import { LAYOUT, type Segment, segment } from './layout.ts';
import { type E820Entry, writeEntry } from './memory-map.ts';
import { HEADER } from './setup-header.ts';

/** What goes in the zero page besides the kernel's own header. */
export interface BootParams {
  /** The kernel's setup header, from 0x1f1 on. */
  readonly header: Uint8Array;
  readonly load: number;
  readonly commandLine: number;
  readonly map: readonly E820Entry[];
  readonly initrd?: { readonly address: number; readonly size: number };
}

// Linux Documentation/arch/x86/zero-page.rst
const E820_ENTRIES = 0x1e8;
const E820_TABLE = 0x2d0;
const E820_ENTRY_SIZE = 20;
const E820_MAX = 128;
const SIZE = 4096;

const VIDEO_NORMAL = 0xffff;
/** A loader without a number of its own. */
const LOADER_UNDEFINED = 0xff;

/** struct boot_params, the "zero page" (Linux Documentation/arch/x86/zero-page.rst). */
export function bootParams({ header, load, commandLine, map, initrd }: BootParams): Segment {
  if (map.length > E820_MAX) {
    throw bootError(
      'memory-map-too-long',
      `The board's memory has ${map.length} separate parts and Linux takes at most ${E820_MAX}; join some of them.`,
    );
  }
  const page = new Uint8Array(SIZE);
  const view = new DataView(page.buffer);
  page.set(header, HEADER.setup_sects);
  view.setUint16(HEADER.vid_mode, VIDEO_NORMAL, true);
  page[HEADER.type_of_loader] = LOADER_UNDEFINED;
  page[HEADER.ext_loader_type] = 0;
  view.setUint32(HEADER.code32_start, load, true);
  view.setUint32(HEADER.cmd_line_ptr, commandLine, true);
  view.setUint32(HEADER.ramdisk_image, initrd?.address ?? 0, true);
  view.setUint32(HEADER.ramdisk_size, initrd?.size ?? 0, true);
  page[E820_ENTRIES] = map.length;
  map.forEach((entry, i) => {
    writeEntry(view, E820_TABLE + i * E820_ENTRY_SIZE, entry);
  });
  return segment(LAYOUT.bootParams, page);
}
