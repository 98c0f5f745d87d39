/** Bits of the x87 status word (Intel SDM vol. 1 §8.1.3). */
export const FSW = {
  IE: 0x0001,
  DE: 0x0002,
  ZE: 0x0004,
  OE: 0x0008,
  UE: 0x0010,
  PE: 0x0020,
  SF: 0x0040,
  ES: 0x0080,
  C0: 0x0100,
  C1: 0x0200,
  C2: 0x0400,
  TOP: 0x3800,
  C3: 0x4000,
  B: 0x8000,
} as const;

/** The six exception flags, which sit where the control word has their masks. */
export const EXCEPTIONS = 0x3f;
/** Exceptions found before anything is computed; unmasked, they suppress the instruction (§8.4, §8.5). */
export const PRE_COMPUTATION = FSW.IE | FSW.DE | FSW.ZE;
export const CONDITION_CODES = FSW.C0 | FSW.C1 | FSW.C2 | FSW.C3;

/** The rounding-control field of the control word (§4.8.4). */
export const RC = { nearest: 0, down: 1, up: 2, chop: 3 } as const;
