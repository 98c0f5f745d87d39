import type { Description, Descriptions } from './description.ts';
import type { Ops } from './ops.ts';
import { lanes16, lanes32, zeroVector } from './vector.ts';

/** AES-NI and PCLMULQDQ (SDM vol. 1 §12.13; FIPS 197). Byte r + 4c of a vector is row r, column c of AES's state. */

/** Multiplication in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
function times(a: number, b: number): number {
  let product = 0;
  for (let bit = 0, x = a; bit < 8; bit++, x = ((x << 1) ^ (x & 0x80 ? 0x11b : 0)) & 0xff)
    if ((b >> bit) & 1) product ^= x;
  return product;
}

/** FIPS 197 §5.1.1: the inverse, then an affine map. */
function substitute(a: number): number {
  let inverse = 1;
  for (let n = 0; n < 254; n++) inverse = times(inverse, a);
  const rotated = [0, 1, 2, 3, 4].map(n => (inverse << n) | (inverse >> (8 - n)));
  return (rotated.reduce((x, y) => x ^ y) ^ 0x63) & 0xff;
}
const S_BOX: readonly number[] = Array.from({ length: 256 }, (_, n) => substitute(n));
const INVERSE_S_BOX: readonly number[] = S_BOX.map((_, n) => S_BOX.indexOf(n));

const bytesOf = (byte: (row: number, column: number) => number): number[] =>
  Array.from({ length: 16 }, (_, n) => byte(n & 3, n >> 2));
const SHIFT_ROWS = bytesOf((r, c) => r + 4 * ((c + r) & 3));
const INVERSE_SHIFT_ROWS = bytesOf((r, c) => r + 4 * ((c - r) & 3));
const rows = (by: number): number[] => bytesOf((r, c) => ((r + by) & 3) + 4 * c);

/** Looks every byte up in sixteen tables of sixteen: a number beyond a table gives 0. */
function lookUp<V>(o: Ops<V>, table: readonly number[], a: V): V {
  let result = zeroVector(o);
  for (let n = 0; n < 256; n += 16) {
    const index = n === 0 ? a : o.vector('i8x16.sub', a, o.vectorConstant(new Array<number>(16).fill(n)));
    const found = o.vector('i8x16.swizzle', o.vectorConstant(table.slice(n, n + 16)), index);
    result = o.vector('v128.or', result, found);
  }
  return result;
}

const xor = <V>(o: Ops<V>, a: V, b: V): V => o.vector('v128.xor', a, b);
const turn = <V>(o: Ops<V>, a: V, by: number): V => o.shuffle(a, a, rows(by));

/** Every byte times x. */
function doubled<V>(o: Ops<V>, a: V): V {
  const carry = o.vector('v128.and', o.vector('i8x16.shr_s', a, o.constant(32, 7)), lanes16(o, 0x1b1b));
  return xor(o, o.vector('i8x16.shl', a, o.constant(32, 1)), carry);
}

function mixColumns<V>(o: Ops<V>, a: V): V {
  const next = turn(o, a, 1);
  return xor(o, doubled(o, xor(o, a, next)), xor(o, next, xor(o, turn(o, a, 2), turn(o, a, 3))));
}

/** The inverse matrix is {@link mixColumns}'s times one that adds 4 (a + the byte two rows on) to each byte a. */
function inverseMixColumns<V>(o: Ops<V>, a: V): V {
  const four = doubled(o, doubled(o, xor(o, a, turn(o, a, 2))));
  return mixColumns(o, xor(o, a, four));
}

const encrypt = (last: boolean): Description => ({
  run(o) {
    const key = o.readVector(1);
    const state = o.readVector(0);
    const bytes = lookUp(o, S_BOX, o.shuffle(state, state, SHIFT_ROWS));
    o.writeVector(0, xor(o, last ? bytes : mixColumns(o, bytes), key));
  },
});

const decrypt = (last: boolean): Description => ({
  run(o) {
    const key = o.readVector(1);
    const state = o.readVector(0);
    const bytes = lookUp(o, INVERSE_S_BOX, o.shuffle(state, state, INVERSE_SHIFT_ROWS));
    o.writeVector(0, xor(o, last ? bytes : inverseMixColumns(o, bytes), key));
  },
});

const aeskeygenassist: Description = {
  run(o) {
    const words = lookUp(o, S_BOX, o.readVector(1));
    const constant = o.vector('v128.and', o.vector('i32x4.splat', o.read(2)), lanes32(o, 0, -1, 0, -1));
    const arranged = o.shuffle(words, words, [4, 5, 6, 7, 5, 6, 7, 4, 12, 13, 14, 15, 13, 14, 15, 12]);
    o.writeVector(0, xor(o, arranged, constant));
  },
};

/** The product of two polynomials of 64 bits over GF(2), bit by bit. */
const pclmulqdq: Description = {
  run(o) {
    const source = o.readVector(1);
    const control = o.read(2);
    const half = (v: typeof source, bit: number): typeof source =>
      o.select(
        o.binary('and', 32, control, o.constant(32, bit)),
        64,
        o.lane('i64x2.extract_lane', 1, v),
        o.lane('i64x2.extract_lane', 0, v),
      );
    const a = half(o.readVector(0), 1);
    const b = half(source, 16);
    const one = o.constant(64, 1);
    const low = o.cell(64, o.constant(64, 0));
    const high = o.cell(64, o.constant(64, 0));
    const place = o.cell(64, o.constant(64, 0));
    o.repeat(stop => {
      const n = place.get();
      o.if(o.compare('eq', 64, n, o.constant(64, 64)), stop);
      const taken = o.unary('neg', 64, o.binary('and', 64, o.binary('shr', 64, b, n), one));
      const term = o.binary('and', 64, a, taken);
      const above = o.binary('shr', 64, o.binary('shr', 64, term, one), o.binary('sub', 64, o.constant(64, 63), n));
      low.set(o.binary('xor', 64, low.get(), o.binary('shl', 64, term, n)));
      high.set(o.binary('xor', 64, high.get(), above));
      place.set(o.binary('add', 64, n, one));
    });
    const bottom = o.lane('i64x2.replace_lane', 0, zeroVector(o), low.get());
    o.writeVector(0, o.lane('i64x2.replace_lane', 1, bottom, high.get()));
  },
};

export const vectorCrypto = {
  aesenc: encrypt(false),
  aesenclast: encrypt(true),
  aesdec: decrypt(false),
  aesdeclast: decrypt(true),
  aesimc: { run: o => o.writeVector(0, inverseMixColumns(o, o.readVector(1))) },
  aeskeygenassist,
  pclmulqdq,
} satisfies Descriptions;
