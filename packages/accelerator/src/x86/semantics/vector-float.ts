import { MXCSR } from '../mxcsr.ts';
import type { Description, Descriptions } from './description.ts';
import type { Ops } from './ops.ts';
import { type FloatShape, lanes32, lanes64 } from './vector.ts';

/**
 * Floating-point arithmetic of SSE, SSE2 and SSE3 (SDM vol. 1 §11.5). While MXCSR asks for no more than rounding to
 * nearest, WebAssembly's operators give the right numbers; which NaN results is for us to say. Everything else, and
 * every exception that a fresh NaN or infinity may mean, is an escape (`escapes/sse.ts`), which is exact.
 *
 * DEVIATION §11.5.2: on this fast path MXCSR.PE, UE and DE do not become set (IE, ZE and OE do): to notice them would
 * cost more than the arithmetic. They do as soon as MXCSR unmasks any exception or rounds otherwise.
 */
export interface FloatType {
  readonly shape: FloatShape;
  /** WebAssembly type of an element. */
  readonly element: 'f32' | 'f64';
  /** The same bits as an integer. */
  readonly bits: 'i32' | 'i64';
  readonly scalar: boolean;
}
const FLOAT_TYPES = {
  ps: { shape: 'f32x4', element: 'f32', bits: 'i32', scalar: false },
  pd: { shape: 'f64x2', element: 'f64', bits: 'i64', scalar: false },
  ss: { shape: 'f32x4', element: 'f32', bits: 'i32', scalar: true },
  sd: { shape: 'f64x2', element: 'f64', bits: 'i64', scalar: true },
} as const satisfies Record<string, FloatType>;

/** Runs `fast` while the host's arithmetic is the guest's. */
export const onHost = <V>(o: Ops<V>, fast: () => void): void => o.if(o.hostRounding(), fast, () => o.escape());

/** Integer lanes of the size of a shape's. */
const integers = (shape: FloatShape): 'i32x4' | 'i64x2' => (shape === 'f32x4' ? 'i32x4' : 'i64x2');
const infinity = <V>(o: Ops<V>, shape: FloatShape): V =>
  shape === 'f32x4' ? lanes32(o, 0x7f80_0000) : lanes64(o, 0x7ff0_0000);
export const quietBit = <V>(o: Ops<V>, shape: FloatShape): V =>
  shape === 'f32x4' ? lanes32(o, 0x0040_0000) : lanes64(o, 0x0008_0000);
/** Lanes that are NaN. */
export const isNan = <V>(o: Ops<V>, shape: FloatShape, a: V): V => o.vector(`${shape}.ne`, a, a);
const isFiniteLane = <V>(o: Ops<V>, shape: FloatShape, a: V): V =>
  o.vector(`${shape}.lt`, o.vector(`${shape}.abs`, a), infinity(o, shape));
/** Lanes that are signaling NaNs. */
export const isSignaling = <V>(o: Ops<V>, shape: FloatShape, a: V): V => {
  const bits = integers(shape);
  const quiet = o.vector('v128.and', a, quietBit(o, shape));
  return o.vector('v128.and', isNan(o, shape, a), o.vector(`${bits}.eq`, quiet, o.vector('v128.xor', a, a)));
};

/** A condition: the number is finite. */
export const finite = <V>(o: Ops<V>, element: 'f32' | 'f64', x: V): V => {
  const limit =
    element === 'f32'
      ? o.vector('f32.reinterpret_i32', o.constant(32, 0x7f80_0000))
      : o.vector('f64.reinterpret_i64', o.constant(64, 0x7ff0_0000_0000_0000n));
  return o.vector(`${element}.lt`, o.vector(`${element}.abs`, x), limit);
};
/** A condition: all lanes are finite. */
export const allFinite = <V>(o: Ops<V>, shape: FloatShape, a: V): V =>
  o.vector(`${integers(shape)}.all_true`, isFiniteLane(o, shape, a));

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

const arithmetic = (op: 'add' | 'sub' | 'mul' | 'div', { shape, element, scalar }: FloatType): Description => ({
  hot: scalar,
  run: o =>
    onHost(o, () => {
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
    }),
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
  run: o =>
    onHost(o, () => {
      const { element, shape } = t;
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
    }),
});

/** MIN and MAX: the second operand unless the first is less (greater): so too for NaNs and two zeros. */
const extreme = (op: 'min' | 'max', t: FloatType): Description => ({
  hot: t.scalar,
  run: o =>
    onHost(o, () => {
      const { element, shape } = t;
      const invalid = (condition: ReturnType<typeof o.hostRounding>): void =>
        o.if(condition, () => o.setFloatFlags(MXCSR.IE));
      if (t.scalar) {
        const a = o.readLane(0, element);
        const b = o.readLane(1, element);
        const first = o.vector(`${element}.${op === 'min' ? 'lt' : 'gt'}`, a, b);
        invalid(o.binary('or', 32, o.vector(`${element}.ne`, a, a), o.vector(`${element}.ne`, b, b)));
        o.writeLane(0, element, o.selectVector(first, a, b));
        return;
      }
      const a = o.readVector(0);
      const b = o.readVector(1);
      invalid(o.vector('v128.any_true', o.vector('v128.or', isNan(o, shape, a), isNan(o, shape, b))));
      o.writeVector(0, o.vector(`${shape}.p${op}`, b, a));
    }),
});

// ---------------------------------------------------------------- comparison

/** CMP: eq, lt, le, unord by two bits of the immediate, the opposite by the third; lt and le mind quiet NaNs too. */
const compare = (t: FloatType): Description => ({
  hot: t.scalar,
  run: o =>
    onHost(o, () => {
      const { element, shape } = t;
      const predicate = o.read(2);
      const bit = (n: number): typeof predicate => o.binary('and', 32, predicate, o.constant(32, n));
      const ordering = o.compare(
        'ne',
        32,
        o.binary('and', 32, o.binary('add', 32, predicate, o.constant(32, 1)), o.constant(32, 2)),
        o.constant(32, 0),
      );
      const a = t.scalar ? o.readLane(0, element) : o.readVector(0);
      const b = t.scalar ? o.readLane(1, element) : o.readVector(1);
      const vectors = (): [typeof a, typeof a] =>
        t.scalar ? [o.vector(`${shape}.splat`, a), o.vector(`${shape}.splat`, b)] : [a, b];
      const note = (unordered: typeof a): void =>
        o.if(unordered, () => {
          const [x, y] = vectors();
          const signaling = o.vector('v128.or', isSignaling(o, shape, x), isSignaling(o, shape, y));
          o.if(o.binary('or', 32, ordering, o.vector('v128.any_true', signaling)), () => o.setFloatFlags(MXCSR.IE));
        });
      if (t.scalar) {
        const unordered = o.binary('or', 32, o.vector(`${element}.ne`, a, a), o.vector(`${element}.ne`, b, b));
        note(unordered);
        const odd = o.select(bit(2), 32, unordered, o.vector(`${element}.lt`, a, b));
        const even = o.select(bit(2), 32, o.vector(`${element}.le`, a, b), o.vector(`${element}.eq`, a, b));
        const plain = o.select(bit(1), 32, odd, even);
        const result = o.binary('xor', 32, plain, o.binary('shr', 32, bit(4), o.constant(32, 2)));
        const mask = o.unary('neg', 32, result);
        o.writeLane(0, t.bits, t.bits === 'i64' ? o.signExtend(32, 64, mask) : mask);
        return;
      }
      const unordered = o.vector('v128.or', isNan(o, shape, a), isNan(o, shape, b));
      note(o.vector('v128.any_true', unordered));
      const odd = o.selectVector(bit(2), unordered, o.vector(`${shape}.lt`, a, b));
      const even = o.selectVector(bit(2), o.vector(`${shape}.le`, a, b), o.vector(`${shape}.eq`, a, b));
      const plain = o.selectVector(bit(1), odd, even);
      o.writeVector(0, o.selectVector(bit(4), o.vector('v128.not', plain), plain));
    }),
});

/** COMIS and UCOMIS: to ZF, PF and CF (SDM vol. 2 COMISD); the latter minds signaling NaNs only. */
const compareToFlags = (t: FloatType, quiet: boolean): Description => ({
  hot: true,
  run: o =>
    onHost(o, () => {
      const { element, shape } = t;
      const a = o.readLane(0, element);
      const b = o.readLane(1, element);
      const is = (op: string): typeof a => o.vector(`${element}.${op}`, a, b);
      const not = (c: typeof a): typeof a => o.binary('xor', 32, c, o.constant(32, 1));
      const unordered = o.binary('or', 32, o.vector(`${element}.ne`, a, a), o.vector(`${element}.ne`, b, b));
      o.if(unordered, () => {
        if (!quiet) return o.setFloatFlags(MXCSR.IE);
        const signaling = (x: typeof a): typeof a => isSignaling(o, shape, o.vector(`${shape}.splat`, x));
        o.if(o.vector('v128.any_true', o.vector('v128.or', signaling(a), signaling(b))), () =>
          o.setFloatFlags(MXCSR.IE),
        );
      });
      const no = o.constant(32, 0);
      o.setFlags({
        zf: o.binary('or', 32, unordered, is('eq')),
        pf: unordered,
        cf: not(is('ge')),
        of: no,
        sf: no,
        af: no,
      });
    }),
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

/** One description for each suffix. */
const each = <const N extends string>(name: N, make: (t: FloatType) => Description): Descriptions =>
  Object.fromEntries(Object.entries(FLOAT_TYPES).map(([suffix, t]) => [`${name}${suffix}`, make(t)]));

export const vectorFloat: Descriptions = {
  ...each('add', t => arithmetic('add', t)),
  ...each('sub', t => arithmetic('sub', t)),
  ...each('mul', t => arithmetic('mul', t)),
  ...each('div', t => arithmetic('div', t)),
  ...each('sqrt', squareRoot),
  ...each('min', t => extreme('min', t)),
  ...each('max', t => extreme('max', t)),
  ...each('cmp', compare),
  haddps: horizontal('add', FLOAT_TYPES.ps),
  haddpd: horizontal('add', FLOAT_TYPES.pd),
  hsubps: horizontal('sub', FLOAT_TYPES.ps),
  hsubpd: horizontal('sub', FLOAT_TYPES.pd),
  addsubps: addSub(FLOAT_TYPES.ps),
  addsubpd: addSub(FLOAT_TYPES.pd),
  comiss: compareToFlags(FLOAT_TYPES.ss, false),
  comisd: compareToFlags(FLOAT_TYPES.sd, false),
  ucomiss: compareToFlags(FLOAT_TYPES.ss, true),
  ucomisd: compareToFlags(FLOAT_TYPES.sd, true),
  rcpps: approximate(false, FLOAT_TYPES.ps),
  rcpss: approximate(false, FLOAT_TYPES.ss),
  rsqrtps: approximate(true, FLOAT_TYPES.ps),
  rsqrtss: approximate(true, FLOAT_TYPES.ss),
};
