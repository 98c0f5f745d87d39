import type { Description, Descriptions } from './description.ts';
import {
  allFinite,
  allOf,
  areNormal,
  each,
  FLOAT_TYPES,
  type FloatType,
  finite,
  type HostConditions,
  infinity,
  isFiniteLane,
  isNan,
  isNormal,
  isOrdinary,
  isSignaling,
  noneVanishes,
  onHost,
  quietBit,
} from './float-lanes.ts';
import type { Ops } from './ops.ts';
import { type FloatShape, lanes32 } from './vector.ts';

/**
 * Floating-point arithmetic of SSE, SSE2 and SSE3 (SDM vol. 1 §11.5). While MXCSR asks for no more than rounding to
 * nearest, WebAssembly's operators give the right numbers; which NaN results, and whether a flag of MXCSR is to be set,
 * is for us to say. Flags stay set until the program clears them: a result that was rounded matters only until PE is
 * set. Everything else, and every result that means another flag, is an escape (`escapes/sse.ts`), which is exact.
 */

// ---------------------------------------------------------------- arithmetic

/**
 * Some result is NaN or infinite. If operands account for it, the results stand, with the first NaN operand of a lane
 * quieted (SDM vol. 1 table 4-7). If not, or if a NaN is signaling, an exception is to be noted.
 * @param infiniteSecond whether an infinite second operand can make an infinite result
 */
function special<V>(
  o: Ops<V>,
  shape: FloatShape,
  infiniteSecond: boolean,
  a: V,
  b: V,
  r: V,
  write: (r: V) => void,
): void {
  const or = (x: V, y: V): V => o.vector('v128.or', x, y);
  const isInfinite = (v: V): V => o.vector(`${shape}.eq`, o.vector(`${shape}.abs`, v), infinity(o, shape));
  const nanA = isNan(o, shape, a);
  const nanB = isNan(o, shape, b);
  const infinite = infiniteSecond ? or(isInfinite(a), isInfinite(b)) : isInfinite(a);
  const fromInfinite = o.vector('v128.andnot', infinite, isNan(o, shape, r));
  const explained = or(or(isFiniteLane(o, shape, r), fromInfinite), or(nanA, nanB));
  const signaling = or(isSignaling(o, shape, a), isSignaling(o, shape, b));
  const bad = or(o.vector('v128.not', explained), signaling);
  o.if(
    o.vector('v128.any_true', bad),
    () => o.escape(),
    () => {
      const quiet = quietBit(o, shape);
      const second = o.vector('v128.bitselect', or(b, quiet), r, nanB);
      write(o.vector('v128.bitselect', or(a, quiet), second, nanA));
    },
  );
}

/** Writes the results `r` of a lane-by-lane operation on `a` and `b`. */
function writeResults<V>(o: Ops<V>, shape: FloatShape, infiniteSecond: boolean, a: V, b: V, r: V): void {
  const write = (value: V): void => o.writeVector(0, value);
  o.if(
    allFinite(o, shape, r),
    () => write(r),
    () => special(o, shape, infiniteSecond, a, b, r, write),
  );
}

/** When the host may compute sums, lane by lane; `b` as it is added. */
const sums = <V>(o: Ops<V>, shape: FloatShape, a: V, b: V, r: V): HostConditions<V> => ({
  exact: () => o.exact(shape === 'f32x4' ? 'sum32' : 'sum64', a, b, r),
  ordinary: () => allOf(o, ...[a, b, r].map(v => isOrdinary(o, shape, v))),
});

const arithmetic = (op: 'add' | 'sub' | 'mul' | 'div', t: FloatType): Description => ({
  hot: t.scalar,
  run(o) {
    const { shape, element, scalar } = t;
    const infiniteSecond = op !== 'div';
    const conditions = (a: Value, b: Value, r: Value): HostConditions<Value> => {
      if (op === 'add') return sums(o, shape, a, b, r);
      if (op === 'sub') return sums(o, shape, a, o.vector(`${shape}.neg`, b), r);
      const product = shape === 'f32x4' ? 'product32' : 'product64';
      return {
        // A quotient is exact if it gives the dividend back.
        exact: () => (op === 'mul' ? o.exact(product, a, b, r) : o.exact(product, r, b, a)),
        ordinary: () => allOf(o, ...[a, b, r].map(v => isOrdinary(o, shape, v)), noneVanishes(o, op, shape, a, b, r)),
      };
    };
    type Value = ReturnType<typeof o.read>;
    if (!scalar) {
      const a = o.readVector(0);
      const b = o.readVector(1);
      const r = o.vector(`${shape}.${op}`, a, b);
      const quick = (): Value => allOf(o, ...[a, b, r].map(v => isNormal(o, shape, v)));
      const fast = (): void => writeResults(o, shape, infiniteSecond, a, b, r);
      onHost(o, fast, { ...conditions(a, b, r), quick }, () => o.writeVector(0, r));
      return;
    }
    const a = o.readLane(0, element);
    const b = o.readLane(1, element);
    const r = o.vector(`${element}.${op}`, a, b);
    const [as, bs, rs] = [a, b, r].map(x => o.vector(`${shape}.splat`, x)) as [Value, Value, Value];
    const write = (value: Value): void => o.writeLane(0, element, value);
    const fast = (): void =>
      o.if(
        finite(o, element, r),
        () => write(r),
        () => special(o, shape, infiniteSecond, as, bs, rs, v => write(o.lane(`${shape}.extract_lane`, 0, v))),
      );
    const quick = (): Value => areNormal(o, element, [a, b], r);
    onHost(o, fast, { ...conditions(as, bs, rs), quick }, () => write(r));
  },
});

/** HADD and HSUB: neighbours, first those of operand 0. */
const horizontal = (op: 'add' | 'sub', { shape }: FloatType): Description => ({
  run(o) {
    const bytes = shape === 'f32x4' ? 4 : 8;
    const pick = (odd: 0 | 1): number[] =>
      Array.from({ length: 16 }, (_, i) => 2 * (i - (i % bytes)) + odd * bytes + (i % bytes));
    const [x, y] = [o.readVector(0), o.readVector(1)];
    const [a, b] = [o.shuffle(x, y, pick(0)), o.shuffle(x, y, pick(1))];
    const r = o.vector(`${shape}.${op}`, a, b);
    const added = op === 'add' ? b : o.vector(`${shape}.neg`, b);
    onHost(o, () => writeResults(o, shape, true, a, b, r), sums(o, shape, a, added, r));
  },
});

/** ADDSUB: differences in the even lanes, sums in the odd ones. */
const addSub = ({ shape }: FloatType): Description => ({
  run(o) {
    const [a, b] = [o.readVector(0), o.readVector(1)];
    const odd = shape === 'f32x4' ? lanes32(o, 0, -1) : lanes32(o, 0, 0, -1, -1);
    const pick = (x: typeof a, y: typeof a): typeof a => o.vector('v128.bitselect', x, y, odd);
    const r = pick(o.vector(`${shape}.add`, a, b), o.vector(`${shape}.sub`, a, b));
    const added = pick(b, o.vector(`${shape}.neg`, b));
    onHost(o, () => writeResults(o, shape, true, a, b, r), sums(o, shape, a, added, r));
  },
});

const squareRoot = (t: FloatType): Description => ({
  hot: t.scalar,
  run(o) {
    const { element, shape, scalar } = t;
    const x = scalar ? o.readLane(1, element) : o.readVector(1);
    const root = o.vector(`${scalar ? element : shape}.sqrt`, x);
    const [a, r] = scalar ? [o.vector(`${shape}.splat`, x), o.vector(`${shape}.splat`, root)] : [x, root];
    const write = (value: typeof x): void => (scalar ? o.writeLane(0, element, value) : o.writeVector(0, value));
    // Only a NaN wants care: that of the operand, quieted, unless it is signaling or another number below 0.
    const fast = (): void => {
      const quiet = o.vector('v128.andnot', isNan(o, shape, a), isSignaling(o, shape, a));
      const bad = o.vector('v128.andnot', isNan(o, shape, r), quiet);
      o.if(
        o.vector('v128.any_true', bad),
        () => o.escape(),
        () => {
          const result = o.vector('v128.bitselect', o.vector('v128.or', a, quietBit(o, shape)), r, quiet);
          write(scalar ? o.lane(`${shape}.extract_lane`, 0, result) : result);
        },
      );
    };
    onHost(
      o,
      fast,
      {
        exact: () => o.exact(shape === 'f32x4' ? 'product32' : 'product64', r, r, a),
        ordinary: () => isOrdinary(o, shape, a),
        // The root of a normal number is normal; that of a negative one is not.
        quick: () =>
          scalar ? areNormal(o, element, [x], root) : allOf(o, isNormal(o, shape, a), isNormal(o, shape, r)),
      },
      () => write(root),
    );
  },
});

// ---------------------------------------------------------------- approximations

/**
 * RCP and RSQRT. DEVIATION §10.4.3: processors give 12 bits or so, each its own; we give the correctly rounded quotient,
 * which is within the bounds that the manual sets. Denormal operands are zeros, denormal results become zero; no flags.
 */
const approximate = (root: boolean, t: FloatType): Description => ({
  run(o) {
    const { shape } = t;
    const a = t.scalar ? o.vector('f32x4.splat', o.readLane(1, 'f32')) : o.readVector(1);
    const least = lanes32(o, 0x0080_0000);
    const sign = lanes32(o, 0x8000_0000);
    const flush = (v: typeof a): typeof a => {
      const tiny = o.vector('f32x4.lt', o.vector('f32x4.abs', v), least);
      return o.vector('v128.bitselect', o.vector('v128.and', v, sign), v, tiny);
    };
    const flushed = flush(a);
    const one = lanes32(o, 0x3f80_0000);
    const divisor = root ? o.vector('f32x4.sqrt', flushed) : flushed;
    const quotient = flush(o.vector('f32x4.div', one, divisor));
    // A NaN: the operand's, quieted, or the default one.
    const nan = isNan(o, shape, a);
    const own = o.vector('v128.bitselect', o.vector('v128.or', a, quietBit(o, shape)), lanes32(o, 0xffc0_0000), nan);
    const result = o.vector('v128.bitselect', own, quotient, isNan(o, shape, quotient));
    if (t.scalar) o.writeLane(0, 'f32', o.lane('f32x4.extract_lane', 0, result));
    else o.writeVector(0, result);
  },
});

export const vectorFloat: Descriptions = {
  ...each('add', t => arithmetic('add', t)),
  ...each('sub', t => arithmetic('sub', t)),
  ...each('mul', t => arithmetic('mul', t)),
  ...each('div', t => arithmetic('div', t)),
  ...each('sqrt', squareRoot),
  haddps: horizontal('add', FLOAT_TYPES.ps),
  haddpd: horizontal('add', FLOAT_TYPES.pd),
  hsubps: horizontal('sub', FLOAT_TYPES.ps),
  hsubpd: horizontal('sub', FLOAT_TYPES.pd),
  addsubps: addSub(FLOAT_TYPES.ps),
  addsubpd: addSub(FLOAT_TYPES.pd),
  rcpps: approximate(false, FLOAT_TYPES.ps),
  rcpss: approximate(false, FLOAT_TYPES.ss),
  rsqrtps: approximate(true, FLOAT_TYPES.ps),
  rsqrtss: approximate(true, FLOAT_TYPES.ss),
};
