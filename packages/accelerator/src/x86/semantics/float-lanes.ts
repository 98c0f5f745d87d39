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

/**
 * Runs `fast` while the host's arithmetic is the guest's. With DAZ or FTZ it is so, too, for operands and results that
 * are zero or well above the denormals: `ordinary` is the condition that they are.
 */
export function onHost<V>(o: Ops<V>, fast: () => void, ordinary?: () => V): void {
  const usable = o.cell(32, o.hostRounding());
  if (ordinary)
    o.if(
      usable.get(),
      () => {},
      () => o.if(o.flushesDenormals(), () => usable.set(ordinary())),
    );
  o.if(usable.get(), fast, () => o.escape());
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
 * A condition: all lanes are zero or above the least normal number, which may be a denormal rounded up.
 */
export function isOrdinary<V>(o: Ops<V>, shape: FloatShape, a: V): V {
  const least = shape === 'f32x4' ? lanes32(o, 0x0080_0000) : lanes64(o, 0x0010_0000);
  const above = o.vector(`${shape}.gt`, o.vector(`${shape}.abs`, a), least);
  const zero = o.vector(`${shape}.eq`, a, zeroVector(o));
  return o.vector(`${integers(shape)}.all_true`, o.vector('v128.or', above, zero));
}
/** A condition: so are the operands of an instruction, scalar or packed. */
export function areOrdinary<V>(o: Ops<V>, { shape, element, scalar }: FloatType, ...operands: number[]): V {
  const read = (n: number): V => (scalar ? o.vector(`${shape}.splat`, o.readLane(n, element)) : o.readVector(n));
  return operands.map(n => isOrdinary(o, shape, read(n))).reduce((a, b) => o.binary('and', 32, a, b));
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
