import { describe, expect, test } from '@jest/globals';
import { MXCSR } from '../mxcsr.ts';
import {
  add,
  compare,
  convert,
  DOUBLE,
  divide,
  type FloatContext,
  type Format,
  fromInteger,
  minimum,
  multiply,
  type Operation,
  SINGLE,
  squareRoot,
  subtract,
  toInteger,
} from './soft-float.ts';

const context = (over: Partial<FloatContext> = {}): FloatContext => ({
  rounding: 0,
  denormalsAreZeros: false,
  flushToZero: false,
  overflowMasked: true,
  underflowMasked: true,
  flags: 0,
  ...over,
});
const scratch = new DataView(new ArrayBuffer(8));
const toBits = (f: Format, x: number): bigint => {
  if (f === DOUBLE) scratch.setFloat64(0, x);
  else scratch.setFloat32(0, x);
  return f === DOUBLE ? scratch.getBigUint64(0) : BigInt(scratch.getUint32(0));
};
const fromBits = (f: Format, a: bigint): number => {
  if (f === DOUBLE) scratch.setBigUint64(0, a);
  else scratch.setUint32(0, Number(a));
  return f === DOUBLE ? scratch.getFloat64(0) : scratch.getFloat32(0);
};

/** Every pair of these: denormals, limits, ones and neighbours, thirds, integers. */
const DOUBLES = [
  0,
  -0,
  1,
  -1,
  1 + 2 ** -52,
  3,
  1 / 3,
  -1e-310,
  5e-324,
  2.2250738585072014e-308,
  1.7976931348623157e308,
  1e200,
  -1e-200,
  2 ** 53,
  123456789.123,
  Infinity,
  -Infinity,
];
const SINGLES = [
  0,
  -0,
  1,
  -1,
  1 + 2 ** -23,
  3,
  1 / 3,
  -1e-40,
  2 ** -149,
  2 ** -126,
  3.4028234663852886e38,
  1e30,
  -1e-30,
  2 ** 24,
  1234.56,
].map(Math.fround);

describe('the host’s own arithmetic as the oracle: to nearest', () => {
  const cases: [string, Operation, (a: number, b: number) => number][] = [
    ['add', add, (a, b) => a + b],
    ['subtract', subtract, (a, b) => a - b],
    ['multiply', multiply, (a, b) => a * b],
    ['divide', divide, (a, b) => a / b],
  ];
  // A double holds sum, product and quotient of singles well enough for a second rounding to do no harm.
  test.each(cases)('%s', (_name, operation, host) => {
    for (const [f, numbers, round] of [
      [DOUBLE, DOUBLES, (x: number) => x],
      [SINGLE, SINGLES, Math.fround],
    ] as const)
      for (const a of numbers)
        for (const b of numbers) {
          const got = fromBits(f, operation(context(), f, toBits(f, a), toBits(f, b)));
          expect([a, b, got]).toEqual([a, b, round(host(a, b))]);
        }
  });

  test('square root', () => {
    for (const a of DOUBLES.filter(x => !(x < 0)))
      expect(fromBits(DOUBLE, squareRoot(context(), DOUBLE, toBits(DOUBLE, a)))).toBe(Math.sqrt(a));
  });

  test('double to single', () => {
    for (const a of DOUBLES)
      expect(fromBits(SINGLE, convert(context(), DOUBLE, SINGLE, toBits(DOUBLE, a)))).toBe(Math.fround(a));
  });
});

describe('§4.8.4 rounding', () => {
  const third = (rounding: number, sign: number): bigint =>
    divide(context({ rounding }), SINGLE, toBits(SINGLE, sign), toBits(SINGLE, 3));
  test.each([
    [0, 0x3eaaaaabn, 0xbeaaaaabn],
    [1, 0x3eaaaaaan, 0xbeaaaaabn],
    [2, 0x3eaaaaabn, 0xbeaaaaaan],
    [3, 0x3eaaaaaan, 0xbeaaaaaan],
  ])('RC %i: ±1/3', (rounding, positive, negative) => {
    expect(third(rounding, 1)).toBe(positive);
    expect(third(rounding, -1)).toBe(negative);
  });

  test('an exact zero is negative when rounding down', () => {
    const one = toBits(DOUBLE, 1);
    expect(subtract(context({ rounding: 1 }), DOUBLE, one, one)).toBe(1n << 63n);
    expect(subtract(context(), DOUBLE, one, one)).toBe(0n);
  });
});

describe('§11.5.2 exceptions', () => {
  const flagsOf = (run: (c: FloatContext) => unknown, over: Partial<FloatContext> = {}): number => {
    const c = context(over);
    run(c);
    return c.flags;
  };
  const b = (x: number): bigint => toBits(DOUBLE, x);
  const least = b(2 ** -1022);
  test.each<[string, number, (c: FloatContext) => bigint | undefined | number]>([
    ['∞ − ∞ is invalid', MXCSR.IE, c => subtract(c, DOUBLE, b(Infinity), b(Infinity))],
    ['the root of −1 is invalid', MXCSR.IE, c => squareRoot(c, DOUBLE, b(-1))],
    ['a quiet NaN is not', 0, c => add(c, DOUBLE, 0x7ff8n << 48n, b(1))],
    ['a signaling NaN is', MXCSR.IE, c => add(c, DOUBLE, (0x7ff0n << 48n) | 1n, b(1))],
    ['1/0 divides by zero', MXCSR.ZE, c => divide(c, DOUBLE, b(1), b(0))],
    ['a denormal operand', MXCSR.DE, c => add(c, DOUBLE, b(5e-324), b(5e-324))],
    ['overflow', MXCSR.OE | MXCSR.PE, c => multiply(c, DOUBLE, b(1e200), b(1e200))],
    ['a tiny inexact result', MXCSR.UE | MXCSR.PE, c => multiply(c, DOUBLE, least, b(1 / 3))],
    ['a tiny exact result', 0, c => multiply(c, DOUBLE, least, b(0.5))],
    ['an inexact result', MXCSR.PE, c => divide(c, DOUBLE, b(1), b(3))],
    ['MIN minds quiet NaNs', MXCSR.IE, c => minimum(c, DOUBLE, 0x7ff8n << 48n, b(1))],
    ['UCOMIS does not', 0, c => compare(c, DOUBLE, 0x7ff8n << 48n, b(1), true)],
    ['2^31 does not fit', MXCSR.IE, c => toInteger(c, DOUBLE, b(2 ** 31), 32, true)],
    ['an integer of 54 bits', MXCSR.PE, c => fromInteger(c, DOUBLE, (1n << 53n) + 1n)],
  ])('%s', (_name, flags, run) => expect(flagsOf(run)).toBe(flags));

  test('a tiny exact result underflows when that is unmasked', () => {
    expect(flagsOf(c => multiply(c, DOUBLE, least, b(0.5)), { underflowMasked: false })).toBe(MXCSR.UE);
  });
});

test('§10.2.3.3 flush to zero keeps the sign and notes underflow', () => {
  const c = context({ flushToZero: true });
  expect(multiply(c, DOUBLE, toBits(DOUBLE, -(2 ** -1022)), toBits(DOUBLE, 0.5))).toBe(1n << 63n);
  expect(c.flags).toBe(MXCSR.UE | MXCSR.PE);
});

test('§10.2.3.4 denormals are zeros, and not noted', () => {
  const c = context({ denormalsAreZeros: true });
  expect(divide(c, DOUBLE, toBits(DOUBLE, 1), toBits(DOUBLE, -5e-324))).toBe(toBits(DOUBLE, -Infinity));
  expect(c.flags).toBe(MXCSR.ZE);
});
