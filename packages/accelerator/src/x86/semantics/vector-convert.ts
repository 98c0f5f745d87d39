import { OPERAND_KIND } from '../decode/decoded.ts';
import { MXCSR } from '../mxcsr.ts';
import type { Description, Descriptions } from './description.ts';
import { allFinite, allOf, areNormal, finite, isOrdinary, onHost } from './float-lanes.ts';
import type { Width } from './form.ts';
import type { Ops } from './ops.ts';
import { isMmx, lanes32, lanes64, lowHalf, zeroVector } from './vector.ts';

/**
 * Conversions (SDM vol. 1 §11.4.1.6). To integers: what does not fit gives the integer indefinite, the least number, and
 * sets IE. Between the floating-point formats: a result that is not finite is an escape's business.
 */

/** CVTSS2SI and the like: `round` is `nearest` or `trunc`. */
const toInteger = (element: 'f32' | 'f64', round: 'nearest' | 'trunc'): Description => ({
  hot: true,
  run(o, f) {
    const x = o.readLane(1, element);
    const whole = o.vector(`${element}.${round}`, x);
    const fast = (): void => {
      const w = f.operands[0]!.size as 32 | 64;
      const number = (bits32: number, bits64: bigint): ReturnType<typeof o.read> =>
        element === 'f32'
          ? o.vector('f32.reinterpret_i32', o.constant(32, bits32))
          : o.vector('f64.reinterpret_i64', o.constant(64, bits64));
      // ±2^31 or ±2^63.
      const limit = w === 32 ? number(0x4f00_0000, 0x41e0n << 48n) : number(0x5f00_0000, 0x43e0n << 48n);
      const least = w === 32 ? number(0xcf00_0000, 0xc1e0n << 48n) : number(0xdf00_0000, 0xc3e0n << 48n);
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
    // Denormals set no flag here, whatever DAZ says.
    onHost(o, fast, { exact: () => o.vector(`${element}.eq`, whole, x) });
  },
});

const SHAPE = { f32: 'f32x4', f64: 'f64x2' } as const;
/** A condition: no result of a conversion is 0 that was something else. */
function noneVanishesFrom<V>(o: Ops<V>, x: V, r: V): V {
  const zero = zeroVector(o);
  const vanished = o.vector('v128.andnot', o.vector('f64x2.eq', r, zero), o.vector('f64x2.eq', x, zero));
  return o.binary('xor', 32, o.vector('v128.any_true', vanished), o.constant(32, 1));
}

/** CVTSI2SS and CVTSI2SD. */
const fromInteger = (element: 'f32' | 'f64'): Description => ({
  hot: true,
  run(o, f) {
    const w = f.operands[1]!.size as Width;
    const source = o.read(1);
    const convert = (): void => o.writeLane(0, element, o.vector(`${element}.convert_i${w}_s`, source));
    if (element === 'f64' && w === 32) return convert();
    // What fits the significand is; of larger numbers some are.
    const limit = element === 'f64' ? 1n << 53n : 1n << 24n;
    const fits = (): typeof source =>
      o.compare('leU', w, o.binary('add', w, source, o.constant(w, limit)), o.constant(w, 2n * limit));
    onHost(o, convert, { exact: fits });
  },
});

const scalarToScalar = (from: 'f32' | 'f64', to: 'f32' | 'f64', op: string): Description => ({
  hot: true,
  run(o) {
    const x = o.readLane(1, from);
    const r = o.vector(op, x);
    const fast = (): void => {
      o.if(
        finite(o, to, r),
        () => o.writeLane(0, to, r),
        () => o.escape(),
      );
    };
    const lanes = (element: 'f32' | 'f64', v: typeof x): typeof x =>
      isOrdinary(o, SHAPE[element], o.vector(`${SHAPE[element]}.splat`, v));
    const ordinary = (): typeof x =>
      to === 'f64'
        ? lanes(from, x)
        : allOf(
            o,
            lanes(from, x),
            lanes(to, r),
            noneVanishesFrom(o, o.vector('f64x2.splat', x), o.vector('f64x2.splat', o.vector('f64.promote_f32', r))),
          );
    onHost(
      o,
      fast,
      to === 'f64'
        ? { ordinary, quick: () => areNormal(o, from, [x]) }
        : {
            exact: () => o.vector('f64.eq', o.vector('f64.promote_f32', r), x),
            ordinary,
            quick: () => areNormal(o, to, [], r),
          },
    );
  },
});

/** A denormal single makes no denormal double: that one is looked for among the operands. */
const packedToPacked = (from: 'ps' | 'pd', to: 'f32x4' | 'f64x2', op: string): Description => ({
  run(o) {
    const source = o.readVector(1);
    const x = from === 'ps' ? o.vector('v128.and', source, lowHalf(o)) : source;
    const r = o.vector(op, x);
    const fast = (): void =>
      o.if(
        allFinite(o, to, r),
        () => o.writeVector(0, r),
        () => o.escape(),
      );
    const wide = (): typeof x => o.vector('f64x2.promote_low_f32x4', r);
    onHost(
      o,
      fast,
      from === 'ps'
        ? { ordinary: () => isOrdinary(o, 'f32x4', x) }
        : {
            exact: () => o.vector('i64x2.all_true', o.vector('f64x2.eq', wide(), x)),
            ordinary: () => allOf(o, isOrdinary(o, 'f64x2', x), isOrdinary(o, to, r), noneVanishesFrom(o, x, wide())),
          },
    );
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
    const source = o.readVector(1);
    // What an MMX register has no room for must not raise anything either.
    const mine = isMmx(f) ? o.vector('v128.and', source, lowHalf(o)) : source;
    const whole = o.vector(`f32x4.${round}`, mine);
    const fast = (): void => {
      const fits = o.vector(
        'v128.and',
        o.vector('f32x4.lt', whole, lanes32(o, 0x4f00_0000)),
        o.vector('f32x4.ge', whole, lanes32(o, 0xcf00_0000)),
      );
      packedResult(o, o.vector('i32x4.trunc_sat_f32x4_s', whole), fits);
    };
    onHost(o, fast, { exact: () => o.vector('i32x4.all_true', o.vector('f32x4.eq', whole, mine)) });
  },
});

/** CVTPD2DQ, CVTTPD2DQ, CVTPD2PI, CVTTPD2PI: two results, zeros above. */
const doublesToIntegers = (round: 'nearest' | 'trunc'): Description => ({
  run(o) {
    const source = o.readVector(1);
    const whole = o.vector(`f64x2.${round}`, source);
    const fast = (): void => {
      const fits = o.vector(
        'v128.and',
        o.vector('f64x2.lt', whole, lanes64(o, 0x41e0_0000)),
        o.vector('f64x2.ge', whole, lanes64(o, 0xc1e0_0000)),
      );
      // One lane in two, then lanes that always fit.
      const all = o.shuffle(fits, lanes32(o, -1), [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23]);
      packedResult(o, o.vector('i32x4.trunc_sat_f64x2_s_zero', whole), all);
    };
    onHost(o, fast, { exact: () => o.vector('i64x2.all_true', o.vector('f64x2.eq', whole, source)) });
  },
});

const integersToDoubles: Description = {
  run: o => o.writeVector(0, o.vector('f64x2.convert_low_i32x4_s', o.readVector(1))),
};
const integersToSingles: Description = {
  run(o, f) {
    const two = f.operands[1]!.kind === OPERAND_KIND.mm || f.operands[1]!.size === 64;
    const source = o.readVector(1);
    const r = o.vector('f32x4.convert_i32x4_s', source);
    const fast = (): void => {
      if (two) o.writeLane(0, 'i64', o.lane('i64x2.extract_lane', 0, r));
      else o.writeVector(0, r);
    };
    // Back to integers; 2^31, which does not fit, comes of rounding up.
    const back = (): typeof source =>
      o.vector(
        'v128.and',
        o.vector('i32x4.eq', o.vector('i32x4.trunc_sat_f32x4_s', r), source),
        o.vector('f32x4.lt', r, lanes32(o, 0x4f00_0000)),
      );
    const same = (): typeof source => (two ? o.vector('v128.or', back(), o.vector('v128.not', lowHalf(o))) : back());
    onHost(o, fast, { exact: () => o.vector('i32x4.all_true', same()) });
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
