import { OPERAND_KIND } from '../decode/decoded.ts';
import { MXCSR } from '../mxcsr.ts';
import type { Description, Descriptions } from './description.ts';
import { allFinite, areOrdinary, FLOAT_TYPES, finite, isOrdinary, onHost } from './float-lanes.ts';
import type { Width } from './form.ts';
import type { Ops } from './ops.ts';
import { isMmx, lanes32, lanes64, lowHalf } from './vector.ts';

/**
 * Conversions (SDM vol. 1 §11.4.1.6). To integers: what does not fit gives the integer indefinite, the least number, and
 * sets IE. Between the floating-point formats: a result that is not finite is an escape's business.
 */

/** CVTSS2SI and the like: `round` is `nearest` or `trunc`. */
const toInteger = (element: 'f32' | 'f64', round: 'nearest' | 'trunc'): Description => ({
  hot: true,
  run(o, f) {
    const fast = (): void => {
      const w = f.operands[0]!.size as 32 | 64;
      const number = (bits32: number, bits64: bigint): ReturnType<typeof o.read> =>
        element === 'f32'
          ? o.vector('f32.reinterpret_i32', o.constant(32, bits32))
          : o.vector('f64.reinterpret_i64', o.constant(64, bits64));
      // ±2^31 or ±2^63.
      const limit = w === 32 ? number(0x4f00_0000, 0x41e0n << 48n) : number(0x5f00_0000, 0x43e0n << 48n);
      const least = w === 32 ? number(0xcf00_0000, 0xc1e0n << 48n) : number(0xdf00_0000, 0xc3e0n << 48n);
      const whole = o.vector(`${element}.${round}`, o.readLane(1, element));
      const fits = o.binary(
        'and',
        32,
        o.vector(`${element}.lt`, whole, limit),
        o.vector(`${element}.ge`, whole, least),
      );
      o.if(
        fits,
        () => o.write(0, o.vector(`i${w}.trunc_sat_${element}_s`, whole)),
        () => {
          o.setFloatFlags(MXCSR.IE);
          o.write(0, o.constant(w, -(1n << BigInt(w - 1))));
        },
      );
    };
    onHost(o, fast, () => areOrdinary(o, FLOAT_TYPES[element === 'f32' ? 'ss' : 'sd'], 1));
  },
});

/** CVTSI2SS and CVTSI2SD. */
const fromInteger = (element: 'f32' | 'f64'): Description => ({
  hot: true,
  run(o, f) {
    const w = f.operands[1]!.size as Width;
    const convert = (): void => o.writeLane(0, element, o.vector(`${element}.convert_i${w}_s`, o.read(1)));
    if (element === 'f64' && w === 32) convert();
    else onHost(o, convert, () => o.constant(32, 1));
  },
});

const scalarToScalar = (from: 'f32' | 'f64', to: 'f32' | 'f64', op: string): Description => ({
  hot: true,
  run(o) {
    const fast = (): void => {
      const r = o.vector(op, o.readLane(1, from));
      o.if(
        finite(o, to, r),
        () => o.writeLane(0, to, r),
        () => o.escape(),
      );
    };
    const shape = to === 'f32' ? 'f32x4' : 'f64x2';
    onHost(o, fast, () => {
      const result = o.vector(`${shape}.splat`, o.vector(op, o.readLane(1, from)));
      return o.binary(
        'and',
        32,
        areOrdinary(o, FLOAT_TYPES[from === 'f32' ? 'ss' : 'sd'], 1),
        isOrdinary(o, shape, result),
      );
    });
  },
});

/** A denormal single makes no denormal double: that one is looked for among the operands. */
const packedToPacked = (from: 'ps' | 'pd', to: 'f32x4' | 'f64x2', op: string): Description => ({
  run(o) {
    const fast = (): void => {
      const r = o.vector(op, o.readVector(1));
      o.if(
        allFinite(o, to, r),
        () => o.writeVector(0, r),
        () => o.escape(),
      );
    };
    onHost(o, fast, () => {
      const result = isOrdinary(o, to, o.vector(op, o.readVector(1)));
      return o.binary('and', 32, areOrdinary(o, FLOAT_TYPES[from], 1), result);
    });
  },
});

/** Where lanes do not fit, the indefinite; then IE. */
function packedResult<V>(o: Ops<V>, result: V, fits: V): void {
  o.if(
    o.vector('i32x4.all_true', fits),
    () => {},
    () => o.setFloatFlags(MXCSR.IE),
  );
  o.writeVector(0, o.vector('v128.bitselect', result, lanes32(o, 0x8000_0000), fits));
}

/** CVTPS2DQ, CVTTPS2DQ and, of two lanes, CVTPS2PI, CVTTPS2PI. */
const singlesToIntegers = (round: 'nearest' | 'trunc'): Description => ({
  run(o, f) {
    const fast = (): void => {
      const source = o.readVector(1);
      // What an MMX register has no room for must not raise anything either.
      const mine = isMmx(f) ? o.vector('v128.and', source, lowHalf(o)) : source;
      const whole = o.vector(`f32x4.${round}`, mine);
      const fits = o.vector(
        'v128.and',
        o.vector('f32x4.lt', whole, lanes32(o, 0x4f00_0000)),
        o.vector('f32x4.ge', whole, lanes32(o, 0xcf00_0000)),
      );
      packedResult(o, o.vector('i32x4.trunc_sat_f32x4_s', whole), fits);
    };
    onHost(o, fast, () => areOrdinary(o, FLOAT_TYPES.ps, 1));
  },
});

/** CVTPD2DQ, CVTTPD2DQ, CVTPD2PI, CVTTPD2PI: two results, zeros above. */
const doublesToIntegers = (round: 'nearest' | 'trunc'): Description => ({
  run(o) {
    const fast = (): void => {
      const whole = o.vector(`f64x2.${round}`, o.readVector(1));
      const fits = o.vector(
        'v128.and',
        o.vector('f64x2.lt', whole, lanes64(o, 0x41e0_0000)),
        o.vector('f64x2.ge', whole, lanes64(o, 0xc1e0_0000)),
      );
      // One lane in two, then lanes that always fit.
      const all = o.shuffle(fits, lanes32(o, -1), [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23]);
      packedResult(o, o.vector('i32x4.trunc_sat_f64x2_s_zero', whole), all);
    };
    onHost(o, fast, () => areOrdinary(o, FLOAT_TYPES.pd, 1));
  },
});

const integersToDoubles: Description = {
  run: o => o.writeVector(0, o.vector('f64x2.convert_low_i32x4_s', o.readVector(1))),
};
const integersToSingles: Description = {
  run(o, f) {
    const fast = (): void => {
      const two = f.operands[1]!.kind === OPERAND_KIND.mm || f.operands[1]!.size === 64;
      const r = o.vector('f32x4.convert_i32x4_s', o.readVector(1));
      if (two) o.writeLane(0, 'i64', o.lane('i64x2.extract_lane', 0, r));
      else o.writeVector(0, r);
    };
    onHost(o, fast, () => o.constant(32, 1));
  },
};

export const vectorConvert = {
  cvtsi2ss: fromInteger('f32'),
  cvtsi2sd: fromInteger('f64'),
  cvtss2si: toInteger('f32', 'nearest'),
  cvtsd2si: toInteger('f64', 'nearest'),
  cvttss2si: toInteger('f32', 'trunc'),
  cvttsd2si: toInteger('f64', 'trunc'),
  cvtss2sd: scalarToScalar('f32', 'f64', 'f64.promote_f32'),
  cvtsd2ss: scalarToScalar('f64', 'f32', 'f32.demote_f64'),
  cvtps2pd: packedToPacked('ps', 'f64x2', 'f64x2.promote_low_f32x4'),
  cvtpd2ps: packedToPacked('pd', 'f32x4', 'f32x4.demote_f64x2_zero'),
  cvtps2dq: singlesToIntegers('nearest'),
  cvttps2dq: singlesToIntegers('trunc'),
  cvtps2pi: singlesToIntegers('nearest'),
  cvttps2pi: singlesToIntegers('trunc'),
  cvtpd2dq: doublesToIntegers('nearest'),
  cvttpd2dq: doublesToIntegers('trunc'),
  cvtpd2pi: doublesToIntegers('nearest'),
  cvttpd2pi: doublesToIntegers('trunc'),
  cvtdq2pd: integersToDoubles,
  cvtpi2pd: integersToDoubles,
  cvtdq2ps: integersToSingles,
  cvtpi2ps: integersToSingles,
} satisfies Descriptions;
