/** Bits of MXCSR (SDM vol. 1 §10.2.3). */
export const MXCSR = {
  IE: 0x01,
  DE: 0x02,
  ZE: 0x04,
  OE: 0x08,
  UE: 0x10,
  PE: 0x20,
  DAZ: 0x40,
  /** The masks lie so far above the flags. */
  maskShift: 7,
  /** Rounding control: nearest, down, up, toward zero. */
  RC: 0x6000,
  rcShift: 13,
  FTZ: 0x8000,
} as const;
