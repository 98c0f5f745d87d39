import type { Description, Descriptions } from './description.ts';
import type { Ops } from './ops.ts';
import { iota, isMmx, lanes16, lanes32, zeroVector } from './vector.ts';

/**
 * Rearrangements. Where an immediate says how, it is turned into a vector of byte numbers for a swizzle: multiplying
 * lane n by the right power of 2 moves the n-th field of the immediate to the same place in every lane.
 */

/** Byte numbers from four fields of two bits, each the number of a 32-bit lane. */
function dwordNumbers<V>(o: Ops<V>, control: V): V {
  const fields = o.vector('i32x4.mul', o.vector('i32x4.splat', control), lanes32(o, 64, 16, 4, 1));
  const numbers = o.vector('v128.and', o.vector('i32x4.shr_u', fields, o.constant(32, 6)), lanes32(o, 3));
  return o.vector('i32x4.add', o.vector('i32x4.mul', numbers, lanes32(o, 0x04040404)), lanes32(o, 0x03020100));
}

const pshufd: Description = {
  hot: true,
  run: o => o.writeVector(0, o.vector('i8x16.swizzle', o.readVector(1), dwordNumbers(o, o.read(2)))),
};

/** Four 16-bit lanes of one half; the other half stays. */
const shuffleWords = (half: 'low' | 'high'): Description => ({
  run(o) {
    const here = (low: number[], high: number[]): number[] => (half === 'low' ? [...low, ...high] : [...high, ...low]);
    const base = half === 'low' ? 0x0100 : 0x0908;
    const [a, b, c, d] = half === 'low' ? [0x0908, 0x0b0a, 0x0d0c, 0x0f0e] : [0x0100, 0x0302, 0x0504, 0x0706];
    const fields = o.vector('i16x8.mul', o.vector('i16x8.splat', o.read(2)), lanes16(o, 64, 16, 4, 1));
    const numbers = o.vector(
      'v128.and',
      o.vector('i16x8.shr_u', fields, o.constant(32, 6)),
      lanes16(o, ...here([3, 3, 3, 3], [0, 0, 0, 0])),
    );
    const bytes = o.vector(
      'i16x8.add',
      o.vector('i16x8.mul', numbers, lanes16(o, 0x0202)),
      lanes16(o, ...here([base, base, base, base], [a!, b!, c!, d!])),
    );
    o.writeVector(0, o.vector('i8x16.swizzle', o.readVector(1), bytes));
  },
});

/** The low half of the result from operand 0, the high half from operand 1. */
const HALVES = [0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31];
const shuffleTwo = (numbers: <V>(o: Ops<V>, control: V) => V): Description => ({
  hot: true,
  run(o) {
    const bytes = numbers(o, o.read(2));
    const b = o.vector('i8x16.swizzle', o.readVector(1), bytes);
    o.writeVector(0, o.shuffle(o.vector('i8x16.swizzle', o.readVector(0), bytes), b, HALVES));
  },
});

const shufpd = shuffleTwo((o, control) => {
  const fields = o.vector('i32x4.mul', o.vector('i32x4.splat', control), lanes32(o, 2, 2, 1, 1));
  const numbers = o.vector('v128.and', o.vector('i32x4.shr_u', fields, o.constant(32, 1)), lanes32(o, 1));
  return o.vector(
    'i32x4.add',
    o.vector('i32x4.mul', numbers, lanes32(o, 0x08080808)),
    lanes32(o, 0x03020100, 0x07060504),
  );
});

/** PSHUFB: a byte with bit 7 set gives 0, else its low bits are a number. */
const pshufb: Description = {
  run(o, f) {
    const mask = lanes16(o, isMmx(f) ? 0x8787 : 0x8f8f);
    o.writeVector(0, o.vector('i8x16.swizzle', o.readVector(0), o.vector('v128.and', o.readVector(1), mask)));
  },
};

/** Interleaves lanes of `bytes` from the low or high halves of both operands. */
const unpack = (bytes: 1 | 2 | 4 | 8, half: 'low' | 'high'): Description => ({
  hot: true,
  run(o, f) {
    const start = half === 'low' ? 0 : isMmx(f) ? 4 : 8;
    const lanes = Array.from({ length: 16 }, (_, i) => {
      const lane = Math.floor(i / (2 * bytes));
      const second = Math.floor(i / bytes) & 1;
      return (16 * second + start + lane * bytes + (i % bytes)) & 31;
    });
    const b = o.readVector(1);
    o.writeVector(0, o.shuffle(o.readVector(0), b, lanes));
  },
});

/** Narrows the lanes of both operands with saturation; two MMX registers are first made one vector. */
const pack = (op: string): Description => ({
  run(o, f) {
    const a = o.readVector(0);
    const b = o.readVector(1);
    if (!isMmx(f)) return o.writeVector(0, o.vector(op, a, b));
    const both = o.shuffle(a, b, [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);
    o.writeVector(0, o.vector(op, both, both));
  },
});

/** PSLLDQ and PSRLDQ: by bytes; 16 and more leave nothing. Byte numbers beyond 15 swizzle to 0. */
const shiftBytes = (left: boolean): Description => ({
  run(o) {
    const n = o.read(1);
    const count = o.select(o.compare('gtU', 32, n, o.constant(32, 16)), 32, o.constant(32, 16), n);
    const numbers = o.vector(left ? 'i8x16.sub' : 'i8x16.add', iota(o), o.vector('i8x16.splat', count));
    o.writeVector(0, o.vector('i8x16.swizzle', o.readVector(0), numbers));
  },
});

/** PALIGNR: operand 0 above operand 1, shifted right by bytes. */
const palignr: Description = {
  run(o, f) {
    const numbers = o.vector('i8x16.add_sat_u', iota(o), o.vector('i8x16.splat', o.read(2)));
    const width = isMmx(f) ? 0x0808 : 0x1010;
    const low = o.vector('i8x16.swizzle', o.readVector(1), numbers);
    const high = o.vector('i8x16.swizzle', o.readVector(0), o.vector('i8x16.sub', numbers, lanes16(o, width)));
    o.writeVector(0, o.vector('v128.or', low, high));
  },
};

/** Lanes of operand 1 where a bit of the immediate is set. */
const blend = (shape: 'i16x8' | 'i32x4' | 'i64x2', bits: readonly number[]): Description => ({
  run(o) {
    const b = o.readVector(1);
    const control = o.read(2);
    const integers = shape === 'i16x8' ? 'i16x8' : 'i32x4';
    const constant = integers === 'i16x8' ? lanes16(o, ...bits) : lanes32(o, ...bits);
    const set = o.vector('v128.and', o.vector(`${integers}.splat`, control), constant);
    const mask = o.vector(`${integers}.eq`, set, constant);
    o.writeVector(0, o.vector('v128.bitselect', b, o.readVector(0), mask));
  },
});

/** Lanes of operand 1 where XMM0's are negative. */
const blendByMask = (shape: 'i8x16' | 'i32x4' | 'i64x2'): Description => ({
  run(o) {
    const b = o.readVector(1);
    const mask = o.vector(`${shape}.lt_s`, o.xmm(0), zeroVector(o));
    o.writeVector(0, o.vector('v128.bitselect', b, o.readVector(0), mask));
  },
});

export const vectorShuffle = {
  pshufd,
  pshuflw: shuffleWords('low'),
  pshufhw: shuffleWords('high'),
  pshufw: shuffleWords('low'),
  shufps: shuffleTwo(dwordNumbers),
  shufpd,
  pshufb,
  punpcklbw: unpack(1, 'low'),
  punpcklwd: unpack(2, 'low'),
  punpckldq: unpack(4, 'low'),
  punpcklqdq: unpack(8, 'low'),
  punpckhbw: unpack(1, 'high'),
  punpckhwd: unpack(2, 'high'),
  punpckhdq: unpack(4, 'high'),
  punpckhqdq: unpack(8, 'high'),
  unpcklps: unpack(4, 'low'),
  unpcklpd: unpack(8, 'low'),
  unpckhps: unpack(4, 'high'),
  unpckhpd: unpack(8, 'high'),
  packsswb: pack('i8x16.narrow_i16x8_s'),
  packuswb: pack('i8x16.narrow_i16x8_u'),
  packssdw: pack('i16x8.narrow_i32x4_s'),
  packusdw: pack('i16x8.narrow_i32x4_u'),
  pslldq: shiftBytes(true),
  psrldq: shiftBytes(false),
  palignr,
  pblendw: blend('i16x8', [1, 2, 4, 8, 16, 32, 64, 128]),
  blendps: blend('i32x4', [1, 2, 4, 8]),
  blendpd: blend('i64x2', [1, 1, 2, 2]),
  pblendvb: blendByMask('i8x16'),
  blendvps: blendByMask('i32x4'),
  blendvpd: blendByMask('i64x2'),
} satisfies Descriptions;
