const PAGE = 4096;
const ENTRIES = 512;
const PRESENT_WRITABLE = 0b11;
/** PS: a 2 MiB page (Intel SDM vol. 3 §4.5, table 4-18). */
const LARGE = 1 << 7;
const LARGE_SIZE = 2 ** 21;
const DIRECTORIES = 4;

/**
 * Four-level page tables that map the first 4 GiB onto themselves in 2 MiB pages: one PML4, one PDPT and four page
 * directories, six pages in all, to be placed at physical address `base`.
 */
export function identityPageTables(base: number): Uint8Array {
  const bytes = new Uint8Array((2 + DIRECTORIES) * PAGE);
  const view = new DataView(bytes.buffer);
  const pdpt = base + PAGE;
  view.setUint32(0, pdpt | PRESENT_WRITABLE, true);
  for (let d = 0; d < DIRECTORIES; d++) {
    const directory = (2 + d) * PAGE;
    view.setUint32(PAGE + d * 8, (base + directory) | PRESENT_WRITABLE, true);
    for (let e = 0; e < ENTRIES; e++) {
      const address = (d * ENTRIES + e) * LARGE_SIZE;
      view.setUint32(directory + e * 8, address + (LARGE | PRESENT_WRITABLE), true);
    }
  }
  return bytes;
}
