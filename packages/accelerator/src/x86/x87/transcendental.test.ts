import { describe, expect, test } from '@jest/globals';
import { Context } from './context.ts';
import { fromF64, toF64 } from './convert.ts';
import { Float80 } from './float80.ts';
import { FSW } from './status.ts';
import { f2xm1, fcos, fpatan, fptan, fsin, fsincos, fyl2x, fyl2xp1 } from './transcendental.ts';

const bits = new DataView(new ArrayBuffer(8));
function double(value: number): Float80 {
  bits.setFloat64(0, value);
  const out = new Float80();
  fromF64(bits.getInt32(0), bits.getInt32(4), out);
  return out;
}
function toDouble(v: Float80): number {
  const c = new Context();
  toF64(c, v);
  bits.setInt32(0, c.hi);
  bits.setInt32(4, c.lo);
  return bits.getFloat64(0);
}
const words = (v: Float80) => [v.se, v.hi >>> 0, v.lo >>> 0];
type Unary = typeof fsin;
type Binary = typeof fyl2x;
function one(operation: Unary, a: Float80): { c: Context; out: Float80 } {
  const c = new Context();
  const out = new Float80();
  operation(c, a, out);
  return { c, out };
}
function two(operation: Binary, st0: number, st1: number): { c: Context; out: Float80 } {
  const c = new Context();
  const out = new Float80();
  operation(c, double(st0), double(st1), out);
  return { c, out };
}

describe('§8.3.6–8.3.9: the functions, against those of double precision', () => {
  const close = (value: number, wanted: number): void =>
    expect(Math.abs(value - wanted)).toBeLessThanOrEqual(Math.abs(wanted) * 2 ** -51);
  const samples = [1e-30, 0.001, 0.1, 0.25, 0.5, 0.7, 0.785, 0.99, 1, 1.5, 2, 3, 3.14, 10, 100.5, 12345.678];

  test.each(samples)('at %p', x => {
    for (const s of [x, -x]) {
      close(toDouble(one(fsin, double(s)).out), Math.sin(s));
      close(toDouble(one(fcos, double(s)).out), Math.cos(s));
      const c = new Context();
      fptan(c, double(s));
      close(toDouble(c.result), Math.tan(s));
      expect(toDouble(c.pushed)).toBe(1);
      fsincos(c, double(s));
      close(toDouble(c.result), Math.sin(s));
      close(toDouble(c.pushed), Math.cos(s));
      for (const y of samples) close(toDouble(two(fpatan, s, y).out), Math.atan2(y, s));
      if (x <= 1) close(toDouble(one(f2xm1, double(s)).out), Math.expm1(s * Math.LN2));
      if (s > -0.3) close(toDouble(two(fyl2xp1, s, Math.LN2).out), Math.log1p(s));
    }
    close(toDouble(two(fyl2x, x, Math.LN2).out), Math.log(x));
  });
});

describe('results known to 64 bits', () => {
  test('atan 1 = π/4', () => {
    expect(words(two(fpatan, 1, 1).out)).toEqual([0x3ffe, 0xc90fdaa2, 0x2168c235]);
  });
  test('log₂ 10', () => {
    expect(words(two(fyl2x, 10, 1).out)).toEqual([0x4000, 0xd49a784b, 0xcd1b8afe]);
  });
  test('2^½ − 1', () => {
    expect(words(one(f2xm1, double(0.5)).out)).toEqual([0x3ffd, 0xd413cccf, 0xe7799211]);
  });
  test('§8.3.8: sin π is −2⁻⁶⁴, since the π inside has 66 bits', () => {
    const pi = new Float80();
    pi.set(0x4000, 0xc90fdaa2 | 0, 0x2168c235);
    expect(words(one(fsin, pi).out)).toEqual([0xbfff - 64, 0x80000000, 0]);
  });
});

describe('special operands (SDM vol. 2)', () => {
  const ulps2to63 = double(-(2 ** 63));
  test.each([
    ['FSIN', fsin],
    ['FCOS', fcos],
  ] as [string, Unary][])('%s: from ±2⁶³ on C2 is set and the operand stays', (_name, operation) => {
    const { c, out } = one(operation, ulps2to63);
    expect([c.flags, words(out)]).toEqual([FSW.C2, words(ulps2to63)]);
  });
  test('FSIN, FCOS of ∞ are invalid; sin −0 = −0, cos 0 = 1, exactly', () => {
    expect(one(fsin, double(Number.POSITIVE_INFINITY)).c.flags).toBe(FSW.IE);
    const { c, out } = one(fsin, double(-0));
    expect([c.flags, words(out)]).toEqual([0, [0x8000, 0, 0]]);
    expect(one(fcos, double(-0)).c.flags).toBe(0);
  });
  test('F2XM1: ±0 and −1 have exact results', () => {
    expect(words(one(f2xm1, double(-0)).out)).toEqual([0x8000, 0, 0]);
    expect(toDouble(one(f2xm1, double(-1)).out)).toBe(-0.5);
    expect(toDouble(one(f2xm1, double(1)).out)).toBe(1);
  });
  const INF = Number.POSITIVE_INFINITY;
  test.each([
    [0, 1, -INF, FSW.ZE],
    [0, -1, INF, FSW.ZE],
    [0, INF, -INF, 0],
    [0, 0, Number.NaN, FSW.IE],
    [-1, 1, Number.NaN, FSW.IE],
    [1, INF, Number.NaN, FSW.IE],
    [1, -5, -0, 0],
    [0.5, INF, -INF, 0],
    [INF, 0, Number.NaN, FSW.IE],
    [INF, -2, -INF, 0],
  ])('FYL2X table 3-49: x = %p, y = %p', (x, y, wanted, flags) => {
    const { c, out } = two(fyl2x, x, y);
    expect([toDouble(out), c.flags]).toEqual([wanted, flags]);
  });
  test.each([
    [INF, INF, Math.PI / 4],
    [-INF, -INF, (-3 * Math.PI) / 4],
    [-1, 0, Math.PI],
    [1, -0, -0],
    [-0, 0, Math.PI],
    [0, -3, -Math.PI / 2],
    [INF, 2, 0],
    [2, -INF, -Math.PI / 2],
  ])('FPATAN table 3-38: x = %p, y = %p', (x, y, wanted) => {
    expect(toDouble(two(fpatan, x, y).out)).toBe(wanted);
  });
});
