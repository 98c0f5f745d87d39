import type { ExactFunction } from '../semantics/ops.ts';
import type { FunctionWriter, Value } from '../wasm/function.ts';
import type { Signature } from '../wasm/module.ts';

/** The functions behind `Ops.exact`, by index in a module. */
export type ExactRuntime = Readonly<Record<ExactFunction, number>>;

export const EXACT_FUNCTIONS: readonly ExactFunction[] = ['sum32', 'sum64', 'product32', 'product64'];
/** (x, y, result) → a condition. */
export const EXACT: Signature = { params: ['v128', 'v128', 'v128'], results: ['i32'] };

/** Bytes of a vector of singles or doubles that are all the same power of two. */
const power = (shape: 'f32x4' | 'f64x2', exponent: number): number[] => {
  const bytes = new DataView(new ArrayBuffer(16));
  for (let at = 0; at < 16; at += 8)
    if (shape === 'f64x2') bytes.setFloat64(at, 2 ** exponent, true);
    else for (const half of [0, 4]) bytes.setFloat32(at + half, 2 ** exponent, true);
  return [...new Uint8Array(bytes.buffer)];
};

/** Error-free transformations (Knuth, TAOCP vol. 2 §4.2.2; Dekker 1971) tell what rounding took away. */
export function writeExact(f: FunctionWriter, what: ExactFunction): void {
  const shape = what.endsWith('32') ? 'f32x4' : 'f64x2';
  const op = (name: string, ...args: Value[]): Value => f.op(`${shape}.${name}`, ...args);
  const [x, y, r] = [f.param(0), f.param(1), f.param(2)];
  const zero = f.v128(new Array<number>(16).fill(0));
  const all = (lanes: Value): void => f.return(f.op(shape === 'f32x4' ? 'i32x4.all_true' : 'i64x2.all_true', lanes));
  if (what === 'sum32' || what === 'sum64') {
    const second = op('sub', r, x);
    const lost = op('add', op('sub', x, op('sub', r, second)), op('sub', y, second));
    all(op('eq', lost, zero));
    return;
  }
  /** A factor as two of half as many bits. */
  const split = (v: Value): [Value, Value] => {
    const scaled = op('mul', v, op('add', f.v128(power(shape, shape === 'f32x4' ? 12 : 27)), f.v128(power(shape, 0))));
    const high = op('sub', scaled, op('sub', scaled, v));
    return [high, op('sub', v, high)];
  };
  const [xHigh, xLow] = split(x);
  const [yHigh, yLow] = split(y);
  const highs = op('sub', op('mul', xHigh, yHigh), r);
  const lost = op(
    'add',
    op('add', op('add', highs, op('mul', xHigh, yLow)), op('mul', xLow, yHigh)),
    op('mul', xLow, yLow),
  );
  const exact = f.op('v128.and', op('eq', lost, zero), op('eq', op('mul', x, y), r));
  // Of small products the low halves may have vanished.
  const large = op('gt', op('abs', r), f.v128(power(shape, shape === 'f32x4' ? -100 : -960)));
  const nothing = f.op('v128.or', op('eq', x, zero), op('eq', y, zero));
  all(f.op('v128.and', exact, f.op('v128.or', large, nothing)));
}
