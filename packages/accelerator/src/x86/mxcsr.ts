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

/** Whether the host's arithmetic does what MXCSR asks for: `STATE.floatState`. */
export const FLOAT_STATE = {
  /** Rounding to nearest, all exceptions masked; PE is set already. */
  usual: 0,
  /** The same, and PE is still to be set by the first result that is rounded. */
  precise: 1,
  /** Another rounding, or an exception that is not masked. */
  unlike: 2,
} as const;

/** {@link FLOAT_STATE} of a value of MXCSR. */
export const floatState = (mxcsr: number): number =>
  (mxcsr & 0x7f80) !== 0x1f80 ? FLOAT_STATE.unlike : mxcsr & MXCSR.PE ? FLOAT_STATE.usual : FLOAT_STATE.precise;
