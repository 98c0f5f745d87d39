import type { X87Function } from '../semantics/ops.ts';
import type { FunctionWriter } from '../wasm/function.ts';
import type { Signature } from '../wasm/module.ts';
import { writeArithmetic } from './x87-arithmetic.ts';
import { writeCompare, writeFromFloat, writeFromInteger, writeToFloat, writeToInteger } from './x87-conversions.ts';

const i32 = 'i32';
const signature = (...params: ('i32' | 'i64')[]): Signature => ({ params, results: [i32] });

/** The functions behind `Ops.x87`, by index in a module. */
export type X87Runtime = Readonly<Record<X87Function, number>>;

const SIGNATURES: Readonly<Record<X87Function, Signature>> = {
  add: signature(i32, i32, i32),
  sub: signature(i32, i32, i32),
  mul: signature(i32, i32, i32),
  div: signature(i32, i32, i32),
  fromF32: signature(i32, i32),
  fromF64: signature(i32, 'i64'),
  fromInteger: signature(i32, 'i64'),
  toF32: signature(i32, i32),
  toF64: signature(i32, i32),
  toInteger: signature(i32, i32, i32),
  compare: signature(i32, i32),
};
export const X87_FUNCTIONS = Object.keys(SIGNATURES) as readonly X87Function[];

/** Declares the functions, or imports them. */
export const x87Signature = (name: X87Function): Signature => SIGNATURES[name];

export const x87Runtime = (index: (name: X87Function, signature: Signature) => number): X87Runtime =>
  Object.fromEntries(X87_FUNCTIONS.map(name => [name, index(name, SIGNATURES[name])])) as Record<X87Function, number>;

/** Writes the functions. */
export function writeX87(
  runtime: X87Runtime,
  define: (index: number, signature: Signature, write: (f: FunctionWriter) => void) => void,
): void {
  const writers: Record<X87Function, (f: FunctionWriter) => void> = {
    add: f => writeArithmetic(f, 'add'),
    sub: f => writeArithmetic(f, 'sub'),
    mul: f => writeArithmetic(f, 'mul'),
    div: f => writeArithmetic(f, 'div'),
    fromF32: f => writeFromFloat(f, 32),
    fromF64: f => writeFromFloat(f, 64),
    fromInteger: writeFromInteger,
    toF32: f => writeToFloat(f, 32),
    toF64: f => writeToFloat(f, 64),
    toInteger: writeToInteger,
    compare: writeCompare,
  };
  for (const name of X87_FUNCTIONS) define(runtime[name], SIGNATURES[name], writers[name]);
}
