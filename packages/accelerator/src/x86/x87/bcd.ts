import type { Context } from './context.ts';
import { type Float80, KIND, kind, SIGN } from './float80.ts';
import { roundMagnitude, setMagnitude } from './integer.ts';
import { FSW } from './status.ts';

const TWO32 = 0x100000000;
/** 10^18 − 1, the largest packed decimal, as two words. */
const LARGEST_HIGH = 0x0de0b6b3;
const LARGEST_LOW = 0xa763ffff;

/** Reads the ten bytes of an 18-digit packed decimal (SDM vol. 1 §4.7; FBLD). Digits above 9 count as they stand. */
export function fromBcd(bytes: DataView, out: Float80): void {
  let high = 0;
  let low = 0;
  for (let i = 8; i >= 0; i--) {
    const byte = bytes.getUint8(i);
    low = low * 100 + (byte >>> 4) * 10 + (byte & 15);
    high = high * 100 + Math.floor(low / TWO32);
    low %= TWO32;
  }
  setMagnitude((bytes.getUint8(9) & 0x80) << 8, high | 0, low | 0, out);
}

/**
 * Writes `a`, rounded to an integer, as ten bytes of packed decimal (FBSTP). Numbers of more than 18 digits, NaNs and
 * infinities are an invalid operation; the bytes are then the packed BCD indefinite.
 */
export function toBcd(c: Context, a: Float80, bytes: DataView): void {
  if (kind(a) > KIND.denormal || !roundMagnitude(c, a, c.rounding) || tooLarge(c.hi >>> 0, c.lo >>> 0)) {
    c.flags = (c.flags & ~(FSW.PE | FSW.C1)) | FSW.IE;
    writeBcdIndefinite(bytes);
    return;
  }
  let high = c.hi >>> 0;
  let low = c.lo >>> 0;
  for (let i = 0; i < 9; i++) {
    const dividend = (high % 100) * TWO32 + low;
    high = Math.floor(high / 100);
    low = Math.floor(dividend / 100);
    const digits = dividend % 100;
    bytes.setUint8(i, (Math.floor(digits / 10) << 4) | (digits % 10));
  }
  bytes.setUint8(9, (a.se & SIGN) !== 0 ? 0x80 : 0);
}

export function writeBcdIndefinite(bytes: DataView): void {
  bytes.setUint32(0, 0, true);
  bytes.setUint32(4, 0xc0000000, true);
  bytes.setUint16(8, 0xffff, true);
}

const tooLarge = (high: number, low: number): boolean =>
  high > LARGEST_HIGH || (high === LARGEST_HIGH && low > LARGEST_LOW);
