/**
 * Bits of the mode that code is decoded for: code size 0–2 (16, 32, 64), stack size, flat data segments, unlimited CS,
 * user (CPL 3), protected mode without VM (what real and virtual-8086 mode lack, VEX has: SDM vol. 2 §2.3).
 */
export const MODE = { code: 3, stack32: 4, flat: 8, wholeCode: 16, user: 32, vex: 64, count: 128 } as const;

/** Modes of 64-bit code, and of 32-bit code with flat segments in protected mode, below level 3. */
export const LONG_MODE: number = 2 | MODE.flat | MODE.wholeCode | MODE.vex;
export const FLAT_MODE: number = 1 | MODE.stack32 | MODE.flat | MODE.wholeCode | MODE.vex;
