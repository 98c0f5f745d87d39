import { FPU_SIZE } from './case.ts';
import type { Random } from './random.ts';

/** Offsets in an FXSAVE image (SDM vol. 1 table 10-2). */
export const FXSAVE = { control: 0, status: 2, tags: 4, mxcsr: 24, st: 32, xmm: 160 } as const;

/** Zeros, ones, limits of the integers, infinities, NaNs of both sorts, denormals, least and greatest numbers. */
const SINGLES = [
  0, 0x8000_0000, 0x3f80_0000, 0xbf80_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0xffc1_2345, 0x7f80_0001,
  0xffa0_0000, 1, 0x807f_ffff, 0x0080_0000, 0x7f7f_ffff, 0x4f00_0000, 0xcf00_0000, 0x4eff_ffff, 0x3f00_0000,
  0x3fc0_0000, 0x4b00_0001,
];
/** Upper halves of doubles of the same sorts. */
const DOUBLES = [
  0, 0x8000_0000, 0x3ff0_0000, 0xbff0_0000, 0x7ff0_0000, 0xfff0_0000, 0x7ff8_0000, 0xfff8_1234, 0x7ff0_0001,
  0xfff7_0000, 1, 0x800f_ffff, 0x0010_0000, 0x7fef_ffff, 0x41e0_0000, 0xc1e0_0000, 0x41df_ffff, 0x43e0_0000,
  0x3fe0_0000, 0x3ff8_0000, 0x3810_0000, 0x47ef_ffff, 0x36a0_0000, 0x380f_ffff,
];
/** Exponents of extended numbers at which something changes: none, one, those of single and double, the greatest. */
const EXPONENTS = [0, 1, 0x3fff, 0x3fff + 63, 0x3fff - 127, 0x3fff + 127, 0x3fff - 1023, 0x3fff + 1023, 0x7ffe, 0x7fff];

/** Makes floating-point registers and operands. */
export class FloatingStart {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Sixteen bytes: any, few different, small integers, singles or doubles, special or near each other. */
  vector(view: DataView, at: number): void {
    const random = this.#random;
    const how = random.below(9);
    for (let i = 0; i < 16; i += 4) view.setUint32(at + i, random.word(), true);
    if (how === 0) for (let i = 0; i < 16; i++) view.setUint8(at + i, random.pick([0, 1, 0x7f, 0x80, 0xff, 2]));
    else if (how === 1) for (let i = 0; i < 16; i += 8) view.setBigUint64(at + i, BigInt(random.below(70)), true);
    else if (how < 5) for (let i = 0; i < 16; i += 4) view.setUint32(at + i, this.#single(), true);
    else if (how < 8) for (let i = 0; i < 16; i += 8) this.#double(view, at + i);
  }

  #single(): number {
    const random = this.#random;
    const near = (0x3f00_0000 + (random.below(0x100) << 20)) & 0x7fff_ffff;
    const fraction = random.oneIn(2) ? random.word() & 0x807f_ffff : random.below(16) << 19;
    return random.oneIn(3) ? random.pick(SINGLES) : near ^ fraction;
  }

  #double(view: DataView, at: number): void {
    const random = this.#random;
    const whole = random.oneIn(2);
    view.setUint32(at, whole ? 0 : random.word(), true);
    const near = 0x3f00_0000 + (random.below(0x40) << 19);
    const fraction = whole ? random.below(16) << 16 : random.word() & 0x800f_ffff;
    view.setUint32(at + 4, random.oneIn(3) ? random.pick(DOUBLES) : near ^ fraction, true);
  }

  /** Ten bytes of any encoding: near one exponent, near the limits, the special ones and the unsupported ones. */
  extended(view: DataView, at: number): void {
    const random = this.#random;
    let high = random.word() | 0x8000_0000;
    let low = random.word();
    switch (random.below(8)) {
      case 0:
        high = 0x8000_0000;
        low = 0;
        break;
      case 1:
        high &= -0x8000_0000 >> random.below(31);
        low = 0;
        break;
      case 2:
        low = (low & ~0x7ff) | (0x400 << random.below(2));
        break;
      case 3:
        high = -1;
        low = random.oneIn(2) ? -1 : -1 << random.below(14);
        break;
      case 4:
        high |= 0xff;
        low = -1 << random.below(31);
        break;
      default:
    }
    let exponent = 0x3fff - 40 + random.below(80);
    switch (random.below(16)) {
      case 0:
        high = 0;
        low = 0;
        exponent = 0;
        break;
      case 1:
        exponent = 0;
        high &= 0x7fff_ffff >> random.below(31);
        break;
      case 2:
        exponent = 0x7fff;
        high = random.pick([high, 0x8000_0000, 0xc000_0000, 0x8000_0001, 0xa000_0000]);
        if (random.oneIn(2)) low = 0;
        break;
      case 3:
        high &= 0x7fff_ffff; // unnormal
        break;
      case 4:
      case 5:
        exponent = Math.max(0, Math.min(0x7fff, random.pick(EXPONENTS) + random.below(131) - 65));
        break;
      case 6:
        exponent = random.below(0x8000);
        break;
      default:
    }
    view.setInt32(at, low, true);
    view.setInt32(at + 4, high, true);
    view.setUint16(at + 8, exponent | (random.below(2) << 15), true);
  }

  /** A memory operand that suits an x87 instruction, as random bytes seldom do. */
  x87Operand(view: DataView, at: number, bytes: number, bcd: boolean): void {
    const random = this.#random;
    if (bcd) for (let n = 0; n < 10; n++) view.setUint8(at + n, (random.below(10) << 4) | random.below(10));
    else if (bytes === 10) this.extended(view, at);
    else if (bytes === 2) view.setUint16(at, random.oneIn(2) ? 0x37f : random.word() & 0x1f7f, true);
    else if (bytes === 4) view.setUint32(at, random.oneIn(3) ? random.below(3) - 1 : this.#single(), true);
    else if (bytes === 8 && random.oneIn(4)) view.setBigInt64(at, BigInt(random.below(3) - 1), true);
    else if (bytes === 8) this.#double(view, at);
  }

  /** An MXCSR: the usual, then all roundings, DAZ, FTZ, some exceptions unmasked. */
  mxcsr(): number {
    const random = this.#random;
    const masks = random.oneIn(2) ? random.word() & 0x1f80 : 0x1f80;
    const value = random.oneIn(2) ? 0x1f80 : masks | (random.word() & 0xe040);
    const noted = random.oneIn(4) ? random.word() & 0x3f : random.below(2) * 0x20; // PE
    return value | noted;
  }

  /** x87, MMX and SSE registers as FXSAVE has them. */
  image(): Uint8Array {
    const random = this.#random;
    const bytes = new Uint8Array(FPU_SIZE);
    const view = new DataView(bytes.buffer);
    const masks = random.oneIn(3) ? random.below(64) : 0x3f;
    const control = random.oneIn(2) ? 0x37f : 0x40 | masks | (random.below(16) << 8);
    let status = random.word() & 0x7f00;
    // Flags of exceptions that are masked; now and then of one that is not, which waits for the next instruction.
    if (random.oneIn(3)) status |= random.below(0x80) & ((random.oneIn(4) ? 0x3f : control & 0x3f) | 0x40);
    if (status & ~control & 0x3f) status |= 0x8080;
    view.setUint16(FXSAVE.control, control, true);
    view.setUint16(FXSAVE.status, status, true);
    // Most registers in use, often none above the top so that a push finds room.
    let tags = random.pick([0xff, 0xff, 0, random.below(256)]);
    if (random.oneIn(2)) tags &= ~(1 << (((status >> 11) + 7) & 7));
    view.setUint8(FXSAVE.tags, tags);
    view.setUint32(FXSAVE.mxcsr, this.mxcsr(), true);
    const mmx = random.oneIn(2);
    for (let n = 0; n < 8; n++) {
      const at = FXSAVE.st + 16 * n;
      if (mmx) {
        this.vector(view, at);
        view.setUint16(at + 8, 0xffff, true);
        bytes.fill(0, at + 10, at + 16);
      } else this.extended(view, at);
    }
    for (let n = 0; n < 16; n++) this.vector(view, FXSAVE.xmm + 16 * n);
    return bytes;
  }
}
