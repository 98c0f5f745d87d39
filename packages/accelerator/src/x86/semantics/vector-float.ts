import type { Description, Descriptions } from './description.ts';
import {
  allFinite,
  areOrdinary,
  each,
  FLOAT_TYPES,
  type FloatType,
  finite,
  infinity,
  isFiniteLane,
  isNan,
  isOrdinary,
  isSignaling,
  onHost,
  quietBit,
} from './float-lanes.ts';
import type { Ops } from './ops.ts';
import { type FloatShape, lanes32 } from './vector.ts';

/**
 * Floating-point arithmetic of SSE, SSE2 and SSE3 (SDM vol. 1 §11.5). While MXCSR asks for no more than rounding to
 * nearest, WebAssembly's operators give the right numbers; which NaN results is for us to say. Everything else, and
 * every exception that a fresh NaN or infinity may mean, is an escape (`escapes/sse.ts`), which is exact.
 *
 * DEVIATION §11.5.2: on this fast path MXCSR.PE, UE and DE do not become set (IE, ZE and OE do): to notice them would
 * cost more than the arithmetic. They do as soon as MXCSR unmasks any exception or rounds otherwise.
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

const arithmetic = (op: 'add' | 'sub' | 'mul' | 'div', t: FloatType): Description => ({
  hot: t.scalar,
  run(o) {
    const { shape, element, scalar } = t;
    const fast = (): void => {
      const infiniteSecond = op !== 'div';
      if (!scalar) {
        const a = o.readVector(0);
        const b = o.readVector(1);
        writeResults(o, shape, infiniteSecond, a, b, o.vector(`${shape}.${op}`, a, b));
        return;
      }
      const a = o.readLane(0, element);
      const b = o.readLane(1, element);
      const r = o.vector(`${element}.${op}`, a, b);
      const splat = (x: typeof a): typeof a => o.vector(`${shape}.splat`, x);
      o.if(
        finite(o, element, r),
        () => o.writeLane(0, element, r),
        () =>
          special(o, shape, infiniteSecond, splat(a), splat(b), splat(r), v =>
            o.writeLane(0, element, o.lane(`${shape}.extract_lane`, 0, v)),
          ),
      );
    };
    onHost(o, fast, () => {
      const read = (n: number): ReturnType<typeof o.read> =>
        scalar ? o.vector(`${shape}.splat`, o.readLane(n, element)) : o.readVector(n);
      const r = o.vector(`${shape}.${op}`, read(0), read(1));
      return o.binary('and', 32, areOrdinary(o, t, 0, 1), isOrdinary(o, shape, r));
    });
  },
});

/** HADD and HSUB: neighbours, first those of operand 0. */
const horizontal = (op: 'add' | 'sub', { shape }: FloatType): Description => ({
  run: o =>
    onHost(o, () => {
      const bytes = shape === 'f32x4' ? 4 : 8;
      const pick = (odd: 0 | 1): number[] =>
        Array.from({ length: 16 }, (_, i) => 2 * (i - (i % bytes)) + odd * bytes + (i % bytes));
      const [x, y] = [o.readVector(0), o.readVector(1)];
      const [a, b] = [o.shuffle(x, y, pick(0)), o.shuffle(x, y, pick(1))];
      writeResults(o, shape, true, a, b, o.vector(`${shape}.${op}`, a, b));
    }),
});

/** ADDSUB: differences in the even lanes, sums in the odd ones. */
const addSub = ({ shape }: FloatType): Description => ({
  run: o =>
    onHost(o, () => {
      const [a, b] = [o.readVector(0), o.readVector(1)];
      const odd = shape === 'f32x4' ? lanes32(o, 0, -1) : lanes32(o, 0, 0, -1, -1);
      const [sum, difference] = [o.vector(`${shape}.add`, a, b), o.vector(`${shape}.sub`, a, b)];
      writeResults(o, shape, true, a, b, o.vector('v128.bitselect', sum, difference, odd));
    }),
});

const squareRoot = (t: FloatType): Description => ({
  hot: t.scalar,
  run(o) {
    const { element, shape } = t;
    const fast = (): void => {
      // Only a NaN wants care: that of the operand, quieted, unless it is signaling or another number below 0.
      const nan = <W>(ops: Ops<W>, a: W, write: (r: W) => void): void => {
        const quiet = ops.vector('v128.andnot', isNan(ops, shape, a), isSignaling(ops, shape, a));
        const root = ops.vector(`${shape}.sqrt`, a);
        const bad = ops.vector('v128.andnot', isNan(ops, shape, root), quiet);
        ops.if(
          ops.vector('v128.any_true', bad),
          () => ops.escape(),
          () => write(ops.vector('v128.bitselect', ops.vector('v128.or', a, quietBit(ops, shape)), root, quiet)),
        );
      };
      if (t.scalar) {
        const a = o.readLane(1, element);
        const r = o.vector(`${element}.sqrt`, a);
        o.if(
          o.vector(`${element}.eq`, r, r),
          () => o.writeLane(0, element, r),
          () =>
            nan(o, o.vector(`${shape}.splat`, a), v => o.writeLane(0, element, o.lane(`${shape}.extract_lane`, 0, v))),
        );
        return;
      }
      const a = o.readVector(1);
      const r = o.vector(`${shape}.sqrt`, a);
      o.if(
        o.vector('v128.any_true', isNan(o, shape, r)),
        () => nan(o, a, v => o.writeVector(0, v)),
        () => o.writeVector(0, r),
      );
    };
    onHost(o, fast, () => areOrdinary(o, t, 1));
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
