import { bootError } from './errors.ts';
import { LAYOUT, PAGE, type Segment, segment } from './layout.ts';
import { type E820Entry, setUint64, writeEntry } from './memory-map.ts';

const MAGIC = 0x336e_c578;
const VERSION = 1;
const MODULE_LIST = 56;
const MEMORY_MAP = MODULE_LIST + 32;
const MEMORY_MAP_ENTRY = 24;
const MEMORY_MAP_MAX = Math.floor((PAGE - MEMORY_MAP) / MEMORY_MAP_ENTRY);

/** struct hvm_start_info, version 1, with its module list and memory map (Xen public/arch-x86/hvm/start_info.h). */
export function startInfo(
  commandLine: number,
  map: readonly E820Entry[],
  initrd?: { readonly address: number; readonly size: number },
): Segment {
  if (map.length > MEMORY_MAP_MAX) {
    throw bootError(
      'memory-map-too-long',
      `The board's memory has ${map.length} separate parts and the loader has room for ${MEMORY_MAP_MAX}; join some of them.`,
    );
  }
  const bytes = new Uint8Array(MEMORY_MAP + map.length * MEMORY_MAP_ENTRY);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, VERSION, true);
  view.setUint32(12, initrd ? 1 : 0, true); // nr_modules
  setUint64(view, 16, initrd ? LAYOUT.startInfo + MODULE_LIST : 0); // modlist_paddr
  setUint64(view, 24, commandLine); // cmdline_paddr
  setUint64(view, 40, LAYOUT.startInfo + MEMORY_MAP); // memmap_paddr
  view.setUint32(48, map.length, true); // memmap_entries
  if (initrd) {
    setUint64(view, MODULE_LIST, initrd.address);
    setUint64(view, MODULE_LIST + 8, initrd.size);
  }
  map.forEach((entry, i) => {
    writeEntry(view, MEMORY_MAP + i * MEMORY_MAP_ENTRY, entry);
  });
  return segment(LAYOUT.startInfo, bytes);
}
