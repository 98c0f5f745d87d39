import { describe, expect, test } from '@jest/globals';
import { add, subtract } from './add.ts';
import { Context } from './context.ts';
import { fromF32, fromF64, toF32, toF64 } from './convert.ts';
import { divide } from './divide.ts';
import { Float80 } from './float80.ts';
import { multiply } from './multiply.ts';
import { remainder } from './remainder.ts';
import { extract, scale } from './scale.ts';
import { squareRoot } from './square-root.ts';
import { FSW, RC } from './status.ts';

type Words = readonly [se: number, hi: number, lo: number];
const f = ([se, hi, lo]: Words): Float80 => {
  const v = new Float80();
  v.set(se, hi | 0, lo | 0);
  return v;
};
const words = (v: Float80): Words => [v.se, v.hi >>> 0, v.lo >>> 0];

const ZERO: Words = [0, 0, 0];
const ONE: Words = [0x3fff, 0x80000000, 0];
const INFINITY: Words = [0x7fff, 0x80000000, 0];
const INDEFINITE: Words = [0xffff, 0xc0000000, 0];
const LARGEST: Words = [0x7ffe, 0xffffffff, 0xffffffff];
const SMALLEST_NORMAL: Words = [1, 0x80000000, 0];
const DENORMAL: Words = [0, 0, 1];
const QNAN: Words = [0x7fff, 0xc0000000, 5];
const SNAN: Words = [0x7fff, 0x80000000, 9];
const UNNORMAL: Words = [0x4000, 0x40000000, 0];

type Binary = typeof add;
function run(operation: Binary, a: Words, b: Words, settings: Partial<Context> = {}): { result: Words; flags: number } {
  const c = Object.assign(new Context(), settings);
  const out = new Float80();
  operation(c, f(a), f(b), out);
  return { result: words(out), flags: c.flags };
}

const bits = new DataView(new ArrayBuffer(8));
function double(value: number): Float80 {
  bits.setFloat64(0, value);
  const out = new Float80();
  fromF64(bits.getInt32(0), bits.getInt32(4), out);
  return out;
}
function toDouble(c: Context, v: Float80): number {
  toF64(c, v);
  bits.setInt32(0, c.hi);
  bits.setInt32(4, c.lo);
  return bits.getFloat64(0);
}
/** Pseudo-random doubles of moderate exponents, so that no result leaves the format. */
function* doubles(count: number): Generator<number> {
  let x = 0x12345678;
  for (let n = 0; n < count; n++) {
    x = (Math.imul(x, 1664525) + 1013904223) | 0;
    const y = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
    bits.setInt32(0, (x & -0x80000000) | ((0x3ff - 40 + (y >>> 26)) << 20) | (y & 0xfffff));
    bits.setInt32(4, n % 3 === 0 ? 0 : Math.imul(x, y));
    yield bits.getFloat64(0);
  }
}

describe('§8.1.5.2 precision control: 53 bits give the results of double arithmetic', () => {
  const operations: [string, Binary, (a: number, b: number) => number][] = [
    ['add', add, (a, b) => a + b],
    ['subtract', subtract, (a, b) => a - b],
    ['multiply', multiply, (a, b) => a * b],
    ['divide', divide, (a, b) => a / b],
    ['square root', (c, a, _b, out) => squareRoot(c, a, out), a => Math.sqrt(a)],
  ];
  test.each(operations)('%s', (_name, operation, expected) => {
    const c = new Context();
    c.precision = 53;
    const out = new Float80();
    let previous = 1;
    for (const value of doubles(3000)) {
      const a = operation.length === 4 && expected.length === 1 ? Math.abs(value) : value;
      operation(c, double(a), double(previous), out);
      const wanted = expected(a, previous);
      if (!Object.is(toDouble(c, out), wanted)) expect([a, previous, toDouble(c, out)]).toEqual([a, previous, wanted]);
      previous = value;
    }
    expect(c.flags & ~(FSW.PE | FSW.C1)).toBe(0);
  });

  test('remainder: FPREM is exact', () => {
    const c = new Context();
    const out = new Float80();
    let previous = 1;
    for (const value of doubles(3000)) {
      c.flags = 0;
      remainder(c, double(value), double(previous), false, out);
      if ((c.flags & FSW.C2) === 0) expect(toDouble(c, out)).toBe(value % previous);
      previous = value;
    }
  });
});

describe('§4.8.4 rounding', () => {
  const THIRD_DOWN: Words = [0x3ffd, 0xaaaaaaaa, 0xaaaaaaaa];
  const THIRD_UP: Words = [0x3ffd, 0xaaaaaaaa, 0xaaaaaaab];
  const THREE: Words = [0x4000, 0xc0000000, 0];
  test.each([
    ['nearest', RC.nearest, THIRD_UP, FSW.PE | FSW.C1],
    ['down', RC.down, THIRD_DOWN, FSW.PE],
    ['up', RC.up, THIRD_UP, FSW.PE | FSW.C1],
    ['chop', RC.chop, THIRD_DOWN, FSW.PE],
  ] as const)('1 ÷ 3 %s; C1 says whether it was rounded up', (_name, rounding, result, flags) => {
    expect(run(divide, ONE, THREE, { rounding })).toEqual({ result, flags });
  });
  test('a tie goes to the even neighbour', () => {
    const half: Words = [0x3fff - 64, 0x80000000, 0];
    expect(run(add, ONE, half)).toEqual({ result: ONE, flags: FSW.PE });
    expect(run(add, [0x3fff, 0x80000000, 1], half).result).toEqual([0x3fff, 0x80000000, 2]);
  });
  test('24 bits', () => {
    expect(run(add, ONE, [0x3fff - 24, 0x80000000, 1], { precision: 24 }).result).toEqual([0x3fff, 0x80000100, 0]);
  });
  test('x − x is +0, and −0 when rounding down', () => {
    expect(run(subtract, ONE, ONE).result).toEqual(ZERO);
    expect(run(subtract, ONE, ONE, { rounding: RC.down }).result).toEqual([0x8000, 0, 0]);
  });
});

describe('§8.5.1.2 invalid operations give the indefinite', () => {
  test.each([
    ['∞ − ∞', subtract, INFINITY, INFINITY],
    ['0 × ∞', multiply, ZERO, INFINITY],
    ['0 ÷ 0', divide, ZERO, ZERO],
    ['∞ ÷ ∞', divide, INFINITY, INFINITY],
    ['∞ rem 1', (c, a, b, out) => remainder(c, a, b, false, out), INFINITY, ONE],
    ['0 scaled by ∞', scale, ZERO, INFINITY],
    ['an unnormal', add, UNNORMAL, QNAN],
  ] as [string, Binary, Words, Words][])('%s', (_name, operation, a, b) => {
    expect(run(operation, a, b)).toEqual({ result: INDEFINITE, flags: FSW.IE });
  });
  test('√−1', () => {
    const c = new Context();
    const out = new Float80();
    squareRoot(c, f([0xbfff, 0x80000000, 0]), out);
    expect([words(out), c.flags]).toEqual([INDEFINITE, FSW.IE]);
  });
});

describe('§4.8.3.5 table 4-7: which NaN comes out', () => {
  test('a QNaN before an SNaN, which is still an invalid operation', () => {
    expect(run(add, SNAN, QNAN)).toEqual({ result: QNAN, flags: FSW.IE });
  });
  test('the larger significand of two, quieted', () => {
    expect(run(add, SNAN, [0xffff, 0x80000000, 10])).toEqual({ result: [0xffff, 0xc0000000, 10], flags: FSW.IE });
    expect(run(multiply, QNAN, [0xffff, 0xc0000000, 4])).toEqual({ result: QNAN, flags: 0 });
  });
  test('the positive one of two that are equal but for the sign', () => {
    expect(run(add, [0xffff, 0xc0000000, 5], QNAN).result).toEqual(QNAN);
  });
  test('§8.6: a NaN keeps a denormal operand from being reported', () => {
    expect(run(add, QNAN, DENORMAL)).toEqual({ result: QNAN, flags: 0 });
  });
});

describe('§8.5.2–8.5.5 exceptions with numbers', () => {
  test('§8.5.2 a denormal operand takes part with its value', () => {
    expect(run(add, DENORMAL, DENORMAL)).toEqual({ result: [0, 0, 2], flags: FSW.DE });
  });
  test('§8.2.2 a pseudo-denormal has the value of the normal number', () => {
    expect(run(multiply, [0, 0x80000000, 0], ONE)).toEqual({ result: SMALLEST_NORMAL, flags: FSW.DE });
  });
  test('§8.5.3 division by zero', () => {
    expect(run(divide, [0xbfff, 0x80000000, 0], ZERO)).toEqual({ result: [0xffff, 0x80000000, 0], flags: FSW.ZE });
  });
  test('§8.5.4 overflow, masked: infinity or the largest number, by rounding', () => {
    expect(run(add, LARGEST, LARGEST)).toEqual({ result: INFINITY, flags: FSW.OE | FSW.PE | FSW.C1 });
    expect(run(add, LARGEST, LARGEST, { rounding: RC.chop })).toEqual({ result: LARGEST, flags: FSW.OE | FSW.PE });
  });
  test('§8.5.4 overflow, unmasked: the exponent less 24576', () => {
    expect(run(add, LARGEST, LARGEST, { masks: 0x3f & ~FSW.OE })).toEqual({
      result: [0x7fff - 24576, 0xffffffff, 0xffffffff],
      flags: FSW.OE,
    });
  });
  test('§8.5.5 underflow, masked: a flag only when the denormal is inexact', () => {
    const half: Words = [0x3ffe, 0x80000000, 0];
    expect(run(multiply, SMALLEST_NORMAL, half)).toEqual({ result: [0, 0x40000000, 0], flags: 0 });
    expect(run(multiply, [1, 0x80000000, 1], half).flags).toBe(FSW.UE | FSW.PE);
  });
  test('§8.5.5 underflow, unmasked: the exponent plus 24576, exact or not', () => {
    const half: Words = [0x3ffe, 0x80000000, 0];
    expect(run(multiply, SMALLEST_NORMAL, half, { masks: 0x3f & ~FSW.UE })).toEqual({
      result: [24576, 0x80000000, 0],
      flags: FSW.UE,
    });
  });
});

describe('FPREM, FPREM1, FSCALE, FXTRACT', () => {
  const fprem: Binary = (c, a, b, out) => remainder(c, a, b, false, out);
  const fprem1: Binary = (c, a, b, out) => remainder(c, a, b, true, out);
  const number = (n: number): Words => words(double(n));
  test('the quotient’s low bits go to C0, C3 and C1', () => {
    expect(run(fprem, number(17), number(3))).toEqual({ result: number(2), flags: FSW.C0 | FSW.C1 }); // 5
    expect(run(fprem1, number(17), number(3))).toEqual({ result: number(-1), flags: FSW.C0 | FSW.C3 }); // 6
    expect(run(fprem1, number(3), number(4))).toEqual({ result: number(-1), flags: FSW.C1 });
    expect(run(fprem1, number(2), number(4))).toEqual({ result: number(2), flags: 0 });
  });
  test('exponents that differ by 64 or more: C2, and an intermediate remainder', () => {
    const { flags, result } = run(fprem, number(2 ** 70), number(3));
    expect(flags).toBe(FSW.C2);
    expect(result[0]).toBeLessThan(0x3fff + 70);
  });
  test('FSCALE truncates the scale', () => {
    expect(run(scale, number(3), number(-1.9)).result).toEqual(number(1.5));
  });
  test('FXTRACT of zero divides by zero; a denormal has its true exponent', () => {
    const c = new Context();
    const exponent = new Float80();
    const significand = new Float80();
    extract(c, f(ZERO), exponent, significand);
    expect([words(exponent), words(significand), c.flags]).toEqual([[0xffff, 0x80000000, 0], ZERO, FSW.ZE]);
    extract(c, f(DENORMAL), exponent, significand);
    expect([words(exponent), words(significand)]).toEqual([number(-16445), ONE]);
  });
});

describe('§4.9.1, §8.5: conversions', () => {
  test('every kind of single goes to 80 bits and back', () => {
    const c = new Context();
    const out = new Float80();
    for (const single of [0, 1, 0x7fffff, 0x800000, 0x3f800000, 0x7f7fffff, 0x7f800000, 0x7fc00001, -0x80000000, -1]) {
      fromF32(single, out);
      expect(toF32(c, out)).toBe(single | 0);
    }
    expect(c.flags).toBe(0);
  });
  test('the smallest double and the largest go to 80 bits and back', () => {
    const c = new Context();
    for (const value of [5e-324, -2.2250738585072009e-308, 2.2250738585072014e-308, Number.MAX_VALUE, -0]) {
      expect(Object.is(toDouble(c, double(value)), value)).toBe(true);
    }
    expect(c.flags).toBe(0);
  });
  test('narrowing rounds once, also to a denormal', () => {
    const c = new Context();
    for (const value of doubles(2000)) {
      for (const scaled of [value, value * 2 ** -140, value * 2 ** 130]) {
        bits.setFloat32(0, scaled);
        const wanted = bits.getInt32(0);
        expect(toF32(c, double(scaled))).toBe(wanted);
      }
    }
  });
});
