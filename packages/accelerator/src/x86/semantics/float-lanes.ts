import { FLOAT_STATE } from '../mxcsr.ts';
import type { Description, Descriptions } from './description.ts';
import type { Ops } from './ops.ts';
import { type FloatShape, lanes32, lanes64, zeroVector } from './vector.ts';

/** What descriptions of floating-point instructions share: types, classes of numbers, when the host may compute. */

export interface FloatType {
  readonly shape: FloatShape;
  /** WebAssembly type of an element. */
  readonly element: 'f32' | 'f64';
  /** The same bits as an integer. */
  readonly bits: 'i32' | 'i64';
  readonly scalar: boolean;
}
export const FLOAT_TYPES = {
  ps: { shape: 'f32x4', element: 'f32', bits: 'i32', scalar: false },
  pd: { shape: 'f64x2', element: 'f64', bits: 'i64', scalar: false },
  ss: { shape: 'f32x4', element: 'f32', bits: 'i32', scalar: true },
  sd: { shape: 'f64x2', element: 'f64', bits: 'i64', scalar: true },
} as const satisfies Record<string, FloatType>;

/** When the host may compute an instruction. Conditions are asked for where they are needed. */
export interface HostConditions<V> {
  /** The result is not rounded. Asked for as long as MXCSR.PE is clear; not given: the instruction never rounds. */
  readonly exact?: () => V;
  /** No denormal and no underflow. Asked for unless MXCSR has noted all that there is to note. Not given: it cannot be. */
  readonly ordinary?: () => V;
  /** Implies `ordinary`, for less: asked for first, and enough once MXCSR.PE is set. */
  readonly quick?: () => V;
}

/**
 * Runs `quickly` where the host's arithmetic is the guest's and leaves no flag to set beyond those that `fast` looks
 * for; `fast` where that took a longer look. All else is an escape.
 */
export function onHost<V>(
  o: Ops<V>,
  fast: () => void,
  { exact, ordinary, quick }: HostConditions<V>,
  quickly = fast,
): void {
  const state = o.floatState();
  const is = (n: number): V => o.compare('eq', 32, state, o.constant(32, n));
  const slowly = (): void => {
    const usable = o.cell(32, o.binary('xor', 32, is(FLOAT_STATE.unlike), o.constant(32, 1)));
    if (ordinary)
      o.if(
        o.denormalsNoted(),
        () => {},
        () => usable.set(o.binary('and', 32, usable.get(), ordinary())),
      );
    if (exact) o.if(is(FLOAT_STATE.precise), () => usable.set(o.binary('and', 32, usable.get(), exact())));
    o.if(usable.get(), fast, () => o.escape());
  };
  if (!quick && ordinary) slowly();
  else {
    const like = exact ? is(FLOAT_STATE.usual) : o.binary('xor', 32, is(FLOAT_STATE.unlike), o.constant(32, 1));
    o.if(quick ? o.binary('and', 32, like, quick()) : like, quickly, quick || exact ? slowly : () => o.escape());
  }
}

/** Integer lanes of the size of a shape's. */
export const integers = (shape: FloatShape): 'i32x4' | 'i64x2' => (shape === 'f32x4' ? 'i32x4' : 'i64x2');
export const infinity = <V>(o: Ops<V>, shape: FloatShape): V =>
  shape === 'f32x4' ? lanes32(o, 0x7f80_0000) : lanes64(o, 0x7ff0_0000);
export const quietBit = <V>(o: Ops<V>, shape: FloatShape): V =>
  shape === 'f32x4' ? lanes32(o, 0x0040_0000) : lanes64(o, 0x0008_0000);
/** Lanes that are NaN. */
export const isNan = <V>(o: Ops<V>, shape: FloatShape, a: V): V => o.vector(`${shape}.ne`, a, a);
export const isFiniteLane = <V>(o: Ops<V>, shape: FloatShape, a: V): V =>
  o.vector(`${shape}.lt`, o.vector(`${shape}.abs`, a), infinity(o, shape));
/** Lanes that are signaling NaNs. */
export const isSignaling = <V>(o: Ops<V>, shape: FloatShape, a: V): V => {
  const bits = integers(shape);
  const quiet = o.vector('v128.and', a, quietBit(o, shape));
  return o.vector('v128.and', isNan(o, shape, a), o.vector(`${bits}.eq`, quiet, o.vector('v128.xor', a, a)));
};

/**
 * A condition: all lanes are zero or above the least normal number, which may be a denormal rounded up; or NaN or
 * infinite.
 */
export function isOrdinary<V>(o: Ops<V>, shape: FloatShape, a: V): V {
  const least = shape === 'f32x4' ? lanes32(o, 0x0080_0000) : lanes64(o, 0x0010_0000);
  const small = o.vector(`${shape}.le`, o.vector(`${shape}.abs`, a), least);
  const zero = o.vector(`${shape}.eq`, a, zeroVector(o));
  return o.binary('xor', 32, o.vector('v128.any_true', o.vector('v128.andnot', small, zero)), o.constant(32, 1));
}
/** A condition: all lanes are normal numbers and above the least of them. */
export function isNormal<V>(o: Ops<V>, shape: FloatShape, a: V): V {
  const least = shape === 'f32x4' ? lanes32(o, 0x0080_0000) : lanes64(o, 0x0010_0000);
  const magnitude = o.vector(`${shape}.abs`, a);
  const inside = o.vector(
    'v128.and',
    o.vector(`${shape}.gt`, magnitude, least),
    o.vector(`${shape}.lt`, magnitude, infinity(o, shape)),
  );
  return o.vector(`${integers(shape)}.all_true`, inside);
}
/** A condition: the results are as the operands make them, not 0 because they are too small. */
export function noneVanishes<V>(o: Ops<V>, op: 'mul' | 'div', shape: FloatShape, a: V, b: V, r: V): V {
  const zero = zeroVector(o);
  const nonzero = o.vector(`${shape}.ne`, a, zero);
  const other = op === 'mul' ? o.vector(`${shape}.ne`, b, zero) : isFiniteLane(o, shape, b);
  const vanished = o.vector('v128.and', o.vector(`${shape}.eq`, r, zero), o.vector('v128.and', nonzero, other));
  return o.binary('xor', 32, o.vector('v128.any_true', vanished), o.constant(32, 1));
}

/** All of some conditions. */
export const allOf = <V>(o: Ops<V>, ...conditions: V[]): V => conditions.reduce((a, b) => o.binary('and', 32, a, b));

/** The bits of a number that have its sign and exponent. */
const upperBits = <V>(o: Ops<V>, element: 'f32' | 'f64', x: V): V =>
  element === 'f32'
    ? o.vector('i32.reinterpret_f32', x)
    : o.truncate(64, 32, o.binary('shr', 64, o.vector('i64.reinterpret_f64', x), o.constant(64, 32)));
/**
 * A condition: the scalar operands are normal, infinite or NaN, and the result, if there is one, is normal and well
 * above the least normal number. The exponents are looked at all at once: a field of zeros, less one, is negative.
 */
export function areNormal<V>(o: Ops<V>, element: 'f32' | 'f64', operands: readonly V[], result?: V): V {
  const [field, one, high] =
    element === 'f32' ? [0x7f80_0000, 0x0080_0000, 0x7e00_0000] : [0x7ff0_0000, 0x0010_0000, 0x7fc0_0000];
  const and = (x: V, mask: number): V => o.binary('and', 32, x, o.constant(32, mask));
  const fields = operands.map(x => and(upperBits(o, element, x), field));
  // With 1 added, exponents 0, 1 and 2 and that of infinity have no bit above the lowest two.
  if (result !== undefined)
    fields.push(and(o.binary('add', 32, upperBits(o, element, result), o.constant(32, one)), high));
  const signs = fields.map(x => o.binary('sub', 32, x, o.constant(32, 1))).reduce((a, b) => o.binary('or', 32, a, b));
  return o.compare('geS', 32, signs, o.constant(32, 0));
}

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

/** One description for each suffix. */
export const each = <const N extends string>(name: N, make: (t: FloatType) => Description): Descriptions =>
  Object.fromEntries(Object.entries(FLOAT_TYPES).map(([suffix, t]) => [`${name}${suffix}`, make(t)]));
