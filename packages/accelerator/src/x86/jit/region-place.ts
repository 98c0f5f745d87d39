import type { RegionRecords } from './region-records.ts';

/** What the compiler needs of the place it compiles for. */
export interface RegionPlace {
  readonly bits: 16 | 32 | 64;
  readonly stack: 16 | 32 | 64;
  /** DS, ES and SS are flat. */
  readonly flat: boolean;
  /** The code segment has no limit to mind: links within a page may be kept. */
  readonly wholeCode: boolean;
  /** Offset in the memory of the n-th page from the entry's, where the region has code there. */
  page(n: number): number;
  /** At CPL 3. */
  readonly user: boolean;
  readonly records: RegionRecords;
}
