/** Value types of WebAssembly, by their names in the text format. */
export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

/** Binary encoding of a value type (WebAssembly core specification §5.3.1). */
export const VALUE_TYPE: Record<ValueType, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** An instruction without immediates: its bytes and its result. */
export interface Operator {
  readonly bytes: readonly number[];
  readonly result: ValueType;
}

/** A load or store: its bytes and the natural alignment exponent. */
export interface MemoryOperator {
  readonly bytes: readonly number[];
  readonly align: number;
  readonly type: ValueType;
}

const uleb = (n: number): number[] => (n < 0x80 ? [n] : [(n & 0x7f) | 0x80, ...uleb(n >>> 7)]);

const operators = new Map<string, Operator>();
const run = (result: ValueType | 'same', prefix: string, first: number, names: string, simd = false): void => {
  let opcode = first;
  for (const name of names.split(' ')) {
    if (name !== '-')
      operators.set(`${prefix}.${name}`, {
        bytes: simd ? [0xfd, ...uleb(opcode)] : [opcode],
        result: result === 'same' ? (prefix as ValueType) : result,
      });
    opcode++;
  }
};

// Numeric instructions, WebAssembly core specification §5.4.6, in the order of their opcodes.
run('i32', 'i32', 0x45, 'eqz eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u');
run('i32', 'i64', 0x50, 'eqz eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u');
run('i32', 'f32', 0x5b, 'eq ne lt gt le ge');
run('i32', 'f64', 0x61, 'eq ne lt gt le ge');
run('same', 'i32', 0x67, 'clz ctz popcnt add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr');
run('same', 'i64', 0x79, 'clz ctz popcnt add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr');
run('same', 'f32', 0x8b, 'abs neg ceil floor trunc nearest sqrt add sub mul div min max copysign');
run('same', 'f64', 0x99, 'abs neg ceil floor trunc nearest sqrt add sub mul div min max copysign');
run('i32', 'i32', 0xa7, 'wrap_i64 - - - -');
run('i64', 'i64', 0xac, 'extend_i32_s extend_i32_u');
run('f32', 'f32', 0xb2, 'convert_i32_s convert_i32_u convert_i64_s convert_i64_u demote_f64');
run('f64', 'f64', 0xb7, 'convert_i32_s convert_i32_u convert_i64_s convert_i64_u promote_f32');
run('i32', 'i32', 0xbc, 'reinterpret_f32');
run('i64', 'i64', 0xbd, 'reinterpret_f64');
run('f32', 'f32', 0xbe, 'reinterpret_i32');
run('f64', 'f64', 0xbf, 'reinterpret_i64');
run('same', 'i32', 0xc0, 'extend8_s extend16_s');
run('same', 'i64', 0xc2, 'extend8_s extend16_s extend32_s');
for (const [
  i,
  name,
] of 'i32.trunc_sat_f32_s i32.trunc_sat_f32_u i32.trunc_sat_f64_s i32.trunc_sat_f64_u i64.trunc_sat_f32_s i64.trunc_sat_f32_u i64.trunc_sat_f64_s i64.trunc_sat_f64_u'
  .split(' ')
  .entries())
  operators.set(name, { bytes: [0xfc, i], result: name.slice(0, 3) as ValueType });

// Vector instructions, §5.4.8. Opcodes that take no lane immediate only.
run('v128', 'i8x16', 14, 'swizzle splat', true);
run('v128', 'i16x8', 16, 'splat', true);
run('v128', 'i32x4', 17, 'splat', true);
run('v128', 'i64x2', 18, 'splat', true);
run('v128', 'f32x4', 19, 'splat', true);
run('v128', 'f64x2', 20, 'splat', true);
run('v128', 'i8x16', 35, 'eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u', true);
run('v128', 'i16x8', 45, 'eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u', true);
run('v128', 'i32x4', 55, 'eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u', true);
run('v128', 'f32x4', 65, 'eq ne lt gt le ge', true);
run('v128', 'f64x2', 71, 'eq ne lt gt le ge', true);
run('v128', 'v128', 77, 'not and andnot or xor bitselect', true);
run('i32', 'v128', 83, 'any_true', true);
run('v128', 'f32x4', 94, 'demote_f64x2_zero', true);
run('v128', 'f64x2', 95, 'promote_low_f32x4', true);
run('v128', 'i8x16', 96, 'abs neg popcnt', true);
run('i32', 'i8x16', 99, 'all_true bitmask', true);
run('v128', 'i8x16', 101, 'narrow_i16x8_s narrow_i16x8_u', true);
run('v128', 'i8x16', 107, 'shl shr_s shr_u add add_sat_s add_sat_u sub sub_sat_s sub_sat_u', true);
run('v128', 'i8x16', 118, 'min_s min_u max_s max_u - avgr_u', true);
run('v128', 'i16x8', 124, 'extadd_pairwise_i8x16_s extadd_pairwise_i8x16_u', true);
run('v128', 'i32x4', 126, 'extadd_pairwise_i16x8_s extadd_pairwise_i16x8_u', true);
run('v128', 'i16x8', 128, 'abs neg q15mulr_sat_s', true);
run('i32', 'i16x8', 131, 'all_true bitmask', true);
run(
  'v128',
  'i16x8',
  133,
  'narrow_i32x4_s narrow_i32x4_u extend_low_i8x16_s extend_high_i8x16_s extend_low_i8x16_u extend_high_i8x16_u shl shr_s shr_u add add_sat_s add_sat_u sub sub_sat_s sub_sat_u - mul min_s min_u max_s max_u - avgr_u extmul_low_i8x16_s extmul_high_i8x16_s extmul_low_i8x16_u extmul_high_i8x16_u',
  true,
);
run('v128', 'i32x4', 160, 'abs neg', true);
run('i32', 'i32x4', 163, 'all_true bitmask', true);
run(
  'v128',
  'i32x4',
  167,
  'extend_low_i16x8_s extend_high_i16x8_s extend_low_i16x8_u extend_high_i16x8_u shl shr_s shr_u add - - sub - - - mul min_s min_u max_s max_u dot_i16x8_s - extmul_low_i16x8_s extmul_high_i16x8_s extmul_low_i16x8_u extmul_high_i16x8_u',
  true,
);
run('v128', 'i64x2', 192, 'abs neg', true);
run('i32', 'i64x2', 195, 'all_true bitmask', true);
run(
  'v128',
  'i64x2',
  199,
  'extend_low_i32x4_s extend_high_i32x4_s extend_low_i32x4_u extend_high_i32x4_u shl shr_s shr_u add - - sub - - - mul eq ne lt_s gt_s le_s ge_s extmul_low_i32x4_s extmul_high_i32x4_s extmul_low_i32x4_u extmul_high_i32x4_u',
  true,
);
run('v128', 'f32x4', 103, 'ceil floor trunc nearest', true);
run('v128', 'f64x2', 116, 'ceil floor', true);
run('v128', 'f64x2', 122, 'trunc', true);
run('v128', 'f64x2', 148, 'nearest', true);
run('v128', 'f32x4', 224, 'abs neg - sqrt add sub mul div min max pmin pmax', true);
run('v128', 'f64x2', 236, 'abs neg - sqrt add sub mul div min max pmin pmax', true);
run('v128', 'i32x4', 248, 'trunc_sat_f32x4_s trunc_sat_f32x4_u', true);
run('v128', 'f32x4', 250, 'convert_i32x4_s convert_i32x4_u', true);
run('v128', 'i32x4', 252, 'trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero', true);
run('v128', 'f64x2', 254, 'convert_low_i32x4_s convert_low_i32x4_u', true);

// Lane access, §5.4.8: one lane byte follows.
const lane = (prefix: string, name: string, opcode: number, result: ValueType): void => {
  operators.set(`${prefix}.${name}`, { bytes: [0xfd, ...uleb(opcode)], result });
};
lane('i8x16', 'extract_lane_s', 21, 'i32');
lane('i8x16', 'extract_lane_u', 22, 'i32');
lane('i8x16', 'replace_lane', 23, 'v128');
lane('i16x8', 'extract_lane_s', 24, 'i32');
lane('i16x8', 'extract_lane_u', 25, 'i32');
lane('i16x8', 'replace_lane', 26, 'v128');
lane('i32x4', 'extract_lane', 27, 'i32');
lane('i32x4', 'replace_lane', 28, 'v128');
lane('i64x2', 'extract_lane', 29, 'i64');
lane('i64x2', 'replace_lane', 30, 'v128');
lane('f32x4', 'extract_lane', 31, 'f32');
lane('f32x4', 'replace_lane', 32, 'v128');
lane('f64x2', 'extract_lane', 33, 'f64');
lane('f64x2', 'replace_lane', 34, 'v128');

const memory = new Map<string, MemoryOperator>();
const access = (name: string, opcode: number, align: number, simd = false): void => {
  memory.set(name, { bytes: simd ? [0xfd, opcode] : [opcode], align, type: name.split('.')[0] as ValueType });
};
for (const [i, [name, align]] of (
  [
    ['i32.load', 2],
    ['i64.load', 3],
    ['f32.load', 2],
    ['f64.load', 3],
    ['i32.load8_s', 0],
    ['i32.load8_u', 0],
    ['i32.load16_s', 1],
    ['i32.load16_u', 1],
    ['i64.load8_s', 0],
    ['i64.load8_u', 0],
    ['i64.load16_s', 1],
    ['i64.load16_u', 1],
    ['i64.load32_s', 2],
    ['i64.load32_u', 2],
    ['i32.store', 2],
    ['i64.store', 3],
    ['f32.store', 2],
    ['f64.store', 3],
    ['i32.store8', 0],
    ['i32.store16', 1],
    ['i64.store8', 0],
    ['i64.store16', 1],
    ['i64.store32', 2],
  ] as const
).entries())
  access(name, 0x28 + i, align);
access('v128.load', 0, 4, true);
access('v128.store', 11, 4, true);
access('v128.load32_zero', 92, 2, true);
access('v128.load64_zero', 93, 3, true);

/** Looks an operator up by its name in the text format. */
export function operator(name: string): Operator {
  const found = operators.get(name);
  if (!found) throw new Error(`no WebAssembly operator '${name}'`);
  return found;
}

/** Looks a load or store up by its name in the text format. */
export function memoryOperator(name: string): MemoryOperator {
  const found = memory.get(name);
  if (!found) throw new Error(`no WebAssembly memory access '${name}'`);
  return found;
}
