import { OPERAND_KIND } from '../decode/decoded.ts';
import type { Form } from './form.ts';
import type { Ops } from './ops.ts';

/** Shapes of a vector of integers, by the names of WebAssembly. */
export type IntegerShape = 'i8x16' | 'i16x8' | 'i32x4' | 'i64x2';
/** Shapes of a vector of floating-point numbers. */
export type FloatShape = 'f32x4' | 'f64x2';

/** The destination is an MMX register: half as wide as an XMM register. */
export const isMmx = (f: Form): boolean => f.operands[0]!.kind === OPERAND_KIND.mm;

export const isMemory = (f: Form, operand: number): boolean => f.operands[operand]!.kind === OPERAND_KIND.mem;

/** A vector constant from 32-bit lanes; fewer than four are repeated. */
export function lanes32<V>(o: Ops<V>, ...lanes: number[]): V {
  return o.vectorConstant(
    Array.from({ length: 16 }, (_, i) => (lanes[(i >> 2) % lanes.length]! >>> (8 * (i & 3))) & 0xff),
  );
}

/** A vector constant from 16-bit lanes; fewer than eight are repeated. */
export function lanes16<V>(o: Ops<V>, ...lanes: number[]): V {
  return o.vectorConstant(
    Array.from({ length: 16 }, (_, i) => (lanes[(i >> 1) % lanes.length]! >>> (8 * (i & 1))) & 0xff),
  );
}

/** A vector constant of two equal 64-bit lanes, from their high halves; the low halves are 0. */
export const lanes64 = <V>(o: Ops<V>, high: number): V => lanes32(o, 0, high);

export const zeroVector = <V>(o: Ops<V>): V => o.vectorConstant(new Array<number>(16).fill(0));
/** Byte n holds n: the swizzle that changes nothing. */
export const iota = <V>(o: Ops<V>): V => o.vectorConstant(Array.from({ length: 16 }, (_, i) => i));
export const lowHalf = <V>(o: Ops<V>): V => lanes32(o, -1, -1, 0, 0);
/** An 8-bit immediate operand, of which `mask` counts. */
export const immediate = <V>(o: Ops<V>, operand: number, mask = 0xff): V =>
  mask === 0xff ? o.read(operand) : o.binary('and', 32, o.read(operand), o.constant(32, mask));
