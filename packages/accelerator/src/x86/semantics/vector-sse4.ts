import { MXCSR } from '../mxcsr.ts';
import type { Description, Descriptions } from './description.ts';
import {
  allFinite,
  allOf,
  integers,
  isNan,
  isOrdinary,
  isSignaling,
  noneVanishes,
  onHost,
  quietBit,
} from './float-lanes.ts';
import type { Width } from './form.ts';
import type { Ops } from './ops.ts';
import { type FloatShape, iota, lanes16, lanes32, zeroVector } from './vector.ts';

/** What of SSE4.1 and SSE4.2 fits nowhere else (SDM vol. 1 §12.8–12.12). */

/**
 * ROUND: the immediate's low bits are a rounding mode, bit 2 asks for MXCSR's, which is to nearest here; bit 3 says
 * that PE does not count.
 */
const round = (shape: FloatShape, scalar: boolean): Description => ({
  run(o) {
    const element = shape === 'f32x4' ? 'f32' : 'f64';
    const a = scalar ? o.vector(`${shape}.splat`, o.readLane(1, element)) : o.readVector(1);
    const control = o.read(2);
    const bit = (n: number): typeof a => o.binary('and', 32, control, o.constant(32, n));
    const to = (op: string): typeof a => o.vector(`${shape}.${op}`, a);
    const odd = o.selectVector(bit(2), to('trunc'), to('floor'));
    const even = o.selectVector(bit(2), to('ceil'), to('nearest'));
    const whole = o.selectVector(bit(4), to('nearest'), o.selectVector(bit(1), odd, even));
    const same = (): typeof a => o.vector('v128.or', o.vector(`${shape}.eq`, whole, a), isNan(o, shape, a));
    const fast = (): void => {
      o.if(o.vector('v128.any_true', isSignaling(o, shape, a)), () => o.setFloatFlags(MXCSR.IE));
      const quieted = o.vector('v128.or', a, quietBit(o, shape));
      const result = o.vector('v128.bitselect', quieted, whole, isNan(o, shape, a));
      if (scalar) o.writeLane(0, element, o.lane(`${shape}.extract_lane`, 0, result));
      else o.writeVector(0, result);
    };
    onHost(o, fast, {
      exact: () => o.binary('or', 32, o.vector(`${integers(shape)}.all_true`, same()), bit(8)),
      ordinary: () => isOrdinary(o, shape, a), // only for DAZ
    });
  },
});

/** Lanes where a bit of the immediate, from bit `first` on, is set. */
function maskOf<V>(o: Ops<V>, shape: FloatShape, control: V, first: number): V {
  const bits = (shape === 'f32x4' ? [1, 2, 4, 8] : [1, 1, 2, 2]).map(bit => bit << first);
  const constant = lanes32(o, ...bits);
  return o.vector('i32x4.eq', o.vector('v128.and', o.vector('i32x4.splat', control), constant), constant);
}

/** DPPS and DPPD: some products, summed in pairs, to some lanes. */
const dotProduct = (shape: FloatShape): Description => ({
  run(o) {
    const a = o.readVector(0);
    const b = o.readVector(1);
    const control = o.read(2);
    const selected = maskOf(o, shape, control, 4);
    const products = o.vector(`${shape}.mul`, a, b);
    const add = (v: typeof b, lanes: readonly number[]): typeof b =>
      o.vector(`${shape}.add`, v, o.shuffle(v, v, lanes));
    const chosen = o.vector('v128.and', products, selected);
    const pairs = shape === 'f32x4' ? add(chosen, [4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11]) : chosen;
    const sum = add(pairs, [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]);
    const fast = (): void =>
      o.if(
        allFinite(o, shape, sum),
        () => o.writeVector(0, o.vector('v128.and', sum, maskOf(o, shape, control, 0))),
        () => o.escape(),
      );
    onHost(o, fast, {
      exact: () => o.constant(32, 0), // three stages: not worth a look
      ordinary: () =>
        allOf(
          o,
          ...[a, b, products, pairs, sum].map(v => isOrdinary(o, shape, v)),
          noneVanishes(o, 'mul', shape, a, b, products),
        ),
    });
  },
});

/** The least of eight numbers, and its place: both as one number, so that the first of equals is the least. */
const phminposuw: Description = {
  run(o) {
    const a = o.readVector(1);
    const keys = (half: 'low' | 'high', first: number): typeof a =>
      o.vector(
        'v128.or',
        o.vector('i32x4.shl', o.vector(`i32x4.extend_${half}_i16x8_u`, a), o.constant(32, 16)),
        lanes32(o, first, first + 1, first + 2, first + 3),
      );
    const four = o.vector('i32x4.min_u', keys('low', 0), keys('high', 4));
    const least = (v: typeof a, lanes: readonly number[]): typeof a =>
      o.vector('i32x4.min_u', v, o.shuffle(v, v, lanes));
    const two = least(four, [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]);
    const one = least(two, [4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11]);
    const key = o.binary('rotl', 32, o.lane('i32x4.extract_lane', 0, one), o.constant(32, 16));
    o.writeVector(0, o.lane('i32x4.replace_lane', 0, zeroVector(o), key));
  },
};

/** Eight sums of absolute differences: four bytes of the source against each run of four in the destination. */
const mpsadbw: Description = {
  run(o) {
    const source = o.readVector(1);
    const control = o.read(2);
    const start = o.binary('and', 32, control, o.constant(32, 4));
    const bytes = o.vector('i8x16.add', o.vector('i8x16.splat', start), iota(o));
    const runs = o.vector('i8x16.swizzle', o.readVector(0), bytes);
    const block = o.binary('shl', 32, o.binary('and', 32, control, o.constant(32, 3)), o.constant(32, 2));
    let sum = zeroVector(o);
    for (let k = 0; k < 4; k++) {
      const here = o.shuffle(
        runs,
        runs,
        Array.from({ length: 16 }, (_, i) => (i + k) & 15),
      );
      const number = o.vector('i8x16.splat', o.binary('add', 32, block, o.constant(32, k)));
      const byte = o.vector('v128.and', o.vector('i8x16.swizzle', source, number), lanes16(o, 0xff));
      const difference = o.vector('i16x8.sub', o.vector('i16x8.extend_low_i8x16_u', here), byte);
      sum = o.vector('i16x8.add', sum, o.vector('i16x8.abs', difference));
    }
    o.writeVector(0, sum);
  },
};

/** CRC-32C of a number of 8 to 64 bits, bit by bit: the polynomial 11EDC6F41h, reflected. */
const crc32: Description = {
  run(o, f) {
    const source = f.operands[1]!.size as Width;
    const wide = o.zeroExtend(source, 64, o.read(1));
    const [to] = f.operands;
    const before =
      to!.size === 64 ? o.binary('and', 64, o.read(0), o.constant(64, 0xffff_ffffn)) : o.zeroExtend(32, 64, o.read(0));
    const value = o.cell(64, o.binary('xor', 64, before, wide));
    const left = o.cell(32, o.constant(32, source / 8));
    o.repeat(stop => {
      let v = value.get();
      for (let bit = 0; bit < 8; bit++) {
        const taps = o.unary('neg', 64, o.binary('and', 64, v, o.constant(64, 1)));
        const shifted = o.binary('shr', 64, v, o.constant(64, 1));
        v = o.binary('xor', 64, shifted, o.binary('and', 64, taps, o.constant(64, 0x82f6_3b78n)));
      }
      value.set(v);
      const rest = o.binary('sub', 32, left.get(), o.constant(32, 1));
      left.set(rest);
      o.if(o.compare('eq', 32, rest, o.constant(32, 0)), stop);
    });
    const crc = value.get();
    o.write(0, to!.size === 64 ? crc : o.truncate(64, 32, crc));
  },
};

export const vectorSse4 = {
  roundps: round('f32x4', false),
  roundpd: round('f64x2', false),
  roundss: round('f32x4', true),
  roundsd: round('f64x2', true),
  dpps: dotProduct('f32x4'),
  dppd: dotProduct('f64x2'),
  phminposuw,
  mpsadbw,
  crc32,
} satisfies Descriptions;
