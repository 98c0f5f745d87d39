import type { Width } from '../semantics/form.ts';
import type { BinaryOperator, Comparison, UnaryOperator } from '../semantics/ops.ts';
import type { FunctionWriter, Value } from '../wasm/function.ts';

const BINARY: Record<BinaryOperator, string> = {
  add: 'add',
  sub: 'sub',
  mul: 'mul',
  and: 'and',
  or: 'or',
  xor: 'xor',
  shl: 'shl',
  shr: 'shr_u',
  sar: 'shr_s',
  rotl: 'rotl',
  rotr: 'rotr',
  divU: 'div_u',
  divS: 'div_s',
  remU: 'rem_u',
  remS: 'rem_s',
};
const COMPARE: Record<Comparison, string> = {
  eq: 'eq',
  ne: 'ne',
  ltU: 'lt_u',
  ltS: 'lt_s',
  gtU: 'gt_u',
  geU: 'ge_u',
  geS: 'ge_s',
  leU: 'le_u',
};

/** Integer arithmetic of descriptions as WebAssembly. */
export class WasmIntegers {
  protected readonly f: FunctionWriter;
  protected readonly zero: Value;

  constructor(f: FunctionWriter) {
    this.f = f;
    this.zero = f.i32(0);
  }

  constant(w: Width, n: number | bigint): Value {
    if (w === 64) return this.f.i64(n);
    return this.f.i32(w === 32 ? Number(BigInt.asIntN(32, BigInt(n))) : Number(BigInt.asUintN(w, BigInt(n))));
  }

  protected typeOf(w: Width): 'i32' | 'i64' {
    return w === 64 ? 'i64' : 'i32';
  }

  #mask(w: Width, value: Value): Value {
    return w < 32 ? this.f.op('i32.and', value, this.f.i32(w === 8 ? 0xff : 0xffff)) : value;
  }

  binary(op: BinaryOperator, w: Width, a: Value, b: Value): Value {
    const result = this.f.op(`${this.typeOf(w)}.${BINARY[op]}`, a, b);
    // Operators that cannot carry out of a zero-extended value need no mask.
    return op === 'and' || op === 'or' || op === 'xor' || op === 'shr' || op === 'divU' || op === 'remU'
      ? result
      : this.#mask(w, result);
  }

  unary(op: UnaryOperator, w: Width, a: Value): Value {
    const f = this.f;
    if (op === 'not') return this.#mask(w, w === 64 ? f.op('i64.xor', a, f.i64(-1)) : f.op('i32.xor', a, f.i32(-1)));
    if (op === 'neg') return this.binary('sub', w, this.constant(w, 0), a);
    return f.op(`${this.typeOf(w)}.${op}`, a);
  }

  compare(op: Comparison, w: Width, a: Value, b: Value): Value {
    const f = this.f;
    if (op === 'eq' && (b.constant === 0 || b.constant === 0n)) return f.op(`${this.typeOf(w)}.eqz`, a);
    const signed = op === 'ltS' || op === 'geS';
    const wide = (v: Value): Value => (signed && w < 32 ? this.signExtend(w, 32, v) : v);
    return f.op(`${this.typeOf(w)}.${COMPARE[op]}`, wide(a), wide(b));
  }

  select(condition: Value, _w: Width, yes: Value, no: Value): Value {
    return this.f.select(condition, yes, no);
  }

  zeroExtend(_from: Width, to: Width, a: Value): Value {
    return to === 64 && a.type === 'i32' ? this.f.op('i64.extend_i32_u', a) : a;
  }

  signExtend(from: Width, to: Width, a: Value): Value {
    const f = this.f;
    const wide = from === 8 ? f.op('i32.extend8_s', a) : from === 16 ? f.op('i32.extend16_s', a) : a;
    if (to === 64) return a.type === 'i64' ? a : f.op('i64.extend_i32_s', wide);
    return this.#mask(to, wide);
  }

  truncate(from: Width, to: Width, a: Value): Value {
    return this.#mask(to, from === 64 && to !== 64 ? this.f.op('i32.wrap_i64', a) : a);
  }
}
