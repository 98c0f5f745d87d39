/** Handlers that belong to no instruction, by index in the table. */
export const SPECIAL = {
  /** Carries the instruction out in TypeScript. */
  escape: 0,
  /** The block was dropped (its code was written to): looks the instruction up again. */
  stale: 1,
  /** Goes on with the block after this one. */
  through: 2,
  /** The instruction lies on two pages: makes sure that both are still mapped where they were. */
  straddle: 3,
  /** The first of the address records; see {@link addressHandler}. */
  address: 4,
} as const;

/** How an address record forms its address: width, and what the segment adds. */
export const ADDRESS_WIDTHS = [16, 32, 64] as const;
export const ADDRESS_KINDS = ['flat', 'based', 'checked'] as const;

/** The handler of an address record. `checked` cannot be 64 bits wide. */
export function addressHandler(width: 16 | 32 | 64, kind: (typeof ADDRESS_KINDS)[number]): number {
  return SPECIAL.address + ADDRESS_WIDTHS.indexOf(width) * 3 + ADDRESS_KINDS.indexOf(kind);
}
