import type { FunctionWriter, Value } from '../wasm/function.ts';
import { RC } from '../x87/status.ts';
import {
  BIAS,
  deliver,
  EXPONENT,
  type Extended,
  isNormal,
  isZero,
  readExtended,
  roundingControl,
  SIGN,
  setStatus,
  TOP_BIT,
  writeExtended,
} from './x87-round.ts';

const LOW = 0xffff_ffffn;

/**
 * (register of the result, of a, of b) → a condition: the result was delivered. It is not, and nothing has changed,
 * where an operand is neither normal nor 0, a divisor is 0, or the result is not in the range of normal numbers.
 */
export function writeArithmetic(f: FunctionWriter, operation: 'add' | 'sub' | 'mul' | 'div'): void {
  const to = f.param(0);
  const a = readExtended(f, f.param(1));
  const second = readExtended(f, f.param(2));
  const flip = f.op('i32.xor', second.signExponent, f.i32(operation === 'sub' ? SIGN : 0));
  const b = { significand: second.significand, signExponent: flip };
  const result = {
    sign: f.variable('i32'),
    exponent: f.variable('i32'),
    significand: f.variable('i64'),
    rest: f.variable('i64'),
  };
  const zero = (sign: Value): void => {
    writeExtended(f, to, f.i64(0), sign);
    setStatus(f, f.i32(0));
    f.return(f.i32(1));
  };
  f.block(end => {
    const finish: Finish = (sign, exponent, significand, rest) => {
      f.set(result.sign, sign);
      f.set(result.exponent, exponent);
      f.set(result.significand, significand);
      f.set(result.rest, rest);
      f.branch(end);
    };
    const normal = f.op('i32.and', isNormal(f, a), isNormal(f, b));
    f.if(f.op('i32.eqz', normal), () => writeZeros(f, operation, a, b, finish, zero));
    if (operation === 'mul') writeMultiply(f, a, b, finish);
    else if (operation === 'div') writeDivide(f, a, b, finish);
    else writeAdd(f, a, b, finish, zero);
  });
  deliver(f, to, result);
}

type Finish = (sign: Value, exponent: Value, significand: Value, rest: Value) => void;

const exponentOf = (f: FunctionWriter, { signExponent }: Extended): Value =>
  f.op('i32.and', signExponent, f.i32(EXPONENT));
const signOf = (f: FunctionWriter, { signExponent }: Extended): Value => f.op('i32.and', signExponent, f.i32(SIGN));

/** Where not both are normal: what has to do with zeros, and nothing else. */
function writeZeros(
  f: FunctionWriter,
  operation: 'add' | 'sub' | 'mul' | 'div',
  a: Extended,
  b: Extended,
  finish: Finish,
  zero: (sign: Value) => void,
): void {
  const [zeroA, zeroB] = [isZero(f, a), isZero(f, b)];
  const [usualA, usualB] = [f.op('i32.or', zeroA, isNormal(f, a)), f.op('i32.or', zeroB, isNormal(f, b))];
  const usual = operation === 'div' ? f.op('i32.and', zeroA, isNormal(f, b)) : f.op('i32.and', usualA, usualB);
  f.if(f.op('i32.eqz', usual), () => f.return(f.i32(0)));
  const [signA, signB] = [signOf(f, a), signOf(f, b)];
  if (operation === 'mul' || operation === 'div') {
    zero(f.op('i32.xor', signA, signB));
    return;
  }
  // x + 0 is x, rounded.
  f.if(f.op('i32.eqz', zeroA), () => finish(signA, exponentOf(f, a), a.significand, f.i64(0)));
  f.if(f.op('i32.eqz', zeroB), () => finish(signB, exponentOf(f, b), b.significand, f.i64(0)));
  f.if(f.op('i32.eq', signA, signB), () => zero(signA));
  zero(zeroOfDifference(f));
}

/** Sign of the exact difference of equal numbers (SDM vol. 1 §4.8.3.1). */
const zeroOfDifference = (f: FunctionWriter): Value =>
  f.select(f.op('i32.eq', roundingControl(f), f.i32(RC.down)), f.i32(SIGN), f.i32(0));

function writeAdd(f: FunctionWriter, a: Extended, b: Extended, finish: Finish, zero: (sign: Value) => void): void {
  // The larger magnitude first.
  const [ea, eb] = [exponentOf(f, a), exponentOf(f, b)];
  const below = f.op('i64.lt_u', a.significand, b.significand);
  const swap = f.select(f.op('i32.eq', ea, eb), below, f.op('i32.lt_u', ea, eb));
  const pick = (x: Value, y: Value): [Value, Value] => [f.select(swap, y, x), f.select(swap, x, y)];
  const [large, small] = pick(a.significand, b.significand);
  const [exponent, lesser] = pick(ea, eb);
  const [sign, otherSign] = pick(signOf(f, a), signOf(f, b));

  // The smaller one moves down by the difference of the exponents.
  const shifted = f.variable('i64', small);
  const rest = f.variable('i64', f.i64(0));
  const distance = f.op('i32.sub', exponent, lesser);
  f.if(distance, () => {
    const n = f.op('i64.extend_i32_u', distance);
    const up = f.op('i64.sub', f.i64(0), n); // shift counts are modulo 64
    f.if(
      f.op('i32.lt_u', distance, f.i32(64)),
      () => {
        f.set(rest, f.op('i64.shl', small, up));
        f.set(shifted, f.op('i64.shr_u', small, n));
      },
      () => {
        f.set(shifted, f.i64(0));
        f.if(
          f.op('i32.lt_u', distance, f.i32(128)),
          () => {
            // 64 itself: nothing falls out, and `up` would not shift.
            const lost = f.op('i64.ne', f.op('i64.shl', small, up), f.i64(0));
            const sticky = f.op('i32.and', lost, f.op('i32.ne', distance, f.i32(64)));
            f.set(rest, f.op('i64.or', f.op('i64.shr_u', small, n), f.op('i64.extend_i32_u', sticky)));
          },
          () => f.set(rest, f.i64(1)),
        );
      },
    );
  });
  const fraction = f.get(rest);

  f.if(f.op('i32.eq', sign, otherSign), () => {
    const sum = f.op('i64.add', large, f.get(shifted));
    f.if(f.op('i64.lt_u', sum, large), () => {
      const dropped = f.op('i64.or', f.op('i64.shr_u', fraction, f.i64(1)), f.op('i64.and', fraction, f.i64(1)));
      finish(
        sign,
        f.op('i32.add', exponent, f.i32(1)),
        f.op('i64.or', f.op('i64.shr_u', sum, f.i64(1)), f.i64(TOP_BIT)),
        f.op('i64.or', dropped, f.op('i64.shl', sum, f.i64(63))),
      );
    });
    finish(sign, exponent, sum, fraction);
  });

  const borrow = f.op('i64.extend_i32_u', f.op('i64.ne', fraction, f.i64(0)));
  const high = f.variable('i64', f.op('i64.sub', f.op('i64.sub', large, f.get(shifted)), borrow));
  const low = f.variable('i64', f.op('i64.sub', f.i64(0), fraction));
  const scale = f.variable('i32', exponent);
  f.if(f.op('i64.eqz', f.get(high)), () => {
    f.if(f.op('i64.eqz', f.get(low)), () => zero(zeroOfDifference(f)));
    f.set(high, f.get(low));
    f.set(low, f.i64(0));
    f.set(scale, f.op('i32.sub', f.get(scale), f.i32(64)));
  });
  const leading = f.op('i64.clz', f.get(high));
  f.if(f.op('i64.ne', leading, f.i64(0)), () => {
    const carried = f.op('i64.shr_u', f.get(low), f.op('i64.sub', f.i64(0), leading));
    f.set(high, f.op('i64.or', f.op('i64.shl', f.get(high), leading), carried));
    f.set(low, f.op('i64.shl', f.get(low), leading));
    f.set(scale, f.op('i32.sub', f.get(scale), f.op('i32.wrap_i64', leading)));
  });
  finish(sign, f.get(scale), f.get(high), f.get(low));
}

const lowHalf = (f: FunctionWriter, v: Value): Value => f.op('i64.and', v, f.i64(LOW));
const highHalf = (f: FunctionWriter, v: Value): Value => f.op('i64.shr_u', v, f.i64(32));

function writeMultiply(f: FunctionWriter, a: Extended, b: Extended, finish: Finish): void {
  const add = (x: Value, y: Value): Value => f.op('i64.add', x, y);
  const times = (x: Value, y: Value): Value => f.op('i64.mul', x, y);
  const sign = f.op('i32.xor', signOf(f, a), signOf(f, b));
  const [al, ah] = [lowHalf(f, a.significand), highHalf(f, a.significand)];
  const [bl, bh] = [lowHalf(f, b.significand), highHalf(f, b.significand)];
  const [lh, hl] = [times(al, bh), times(ah, bl)];
  const middle = add(add(highHalf(f, times(al, bl)), lowHalf(f, lh)), lowHalf(f, hl));
  const high = add(add(times(ah, bh), highHalf(f, middle)), add(highHalf(f, lh), highHalf(f, hl)));
  const low = times(a.significand, b.significand);
  const exponent = f.op('i32.sub', f.op('i32.add', exponentOf(f, a), exponentOf(f, b)), f.i32(BIAS));
  f.if(f.op('i64.lt_s', high, f.i64(0)), () => finish(sign, f.op('i32.add', exponent, f.i32(1)), high, low));
  const carried = f.op('i64.shr_u', low, f.i64(63));
  finish(sign, exponent, f.op('i64.or', f.op('i64.shl', high, f.i64(1)), carried), f.op('i64.shl', low, f.i64(1)));
}

function writeDivide(f: FunctionWriter, a: Extended, b: Extended, finish: Finish): void {
  const sign = f.op('i32.xor', signOf(f, a), signOf(f, b));
  const divisor = b.significand;
  const whole = f.op('i64.ge_u', a.significand, divisor);
  const remainder = f.variable('i64', f.select(whole, f.op('i64.sub', a.significand, divisor), a.significand));
  const exponent = f.op('i32.add', f.op('i32.sub', exponentOf(f, a), exponentOf(f, b)), f.i32(BIAS));

  // Two digits of 32 bits (Knuth, TAOCP vol. 2 §4.3.1 D); the remainder stays below the divisor.
  const [divisorLow, divisorHigh] = [lowHalf(f, divisor), highHalf(f, divisor)];
  const digit = (): Value => {
    const partial = f.get(remainder);
    const q = f.variable('i64', f.op('i64.div_u', partial, divisorHigh));
    const left = f.variable('i64', f.op('i64.sub', partial, f.op('i64.mul', f.get(q), divisorHigh)));
    f.block(done =>
      f.loop(again => {
        const guess = f.get(q);
        const product = f.op('i64.mul', guess, divisorLow);
        const large = f.op('i64.gt_u', product, f.op('i64.shl', f.get(left), f.i64(32)));
        const tooLarge = f.op('i32.or', f.op('i64.gt_u', guess, f.i64(LOW)), large);
        f.branch(done, f.op('i32.eqz', tooLarge));
        f.set(q, f.op('i64.sub', guess, f.i64(1)));
        f.set(left, f.op('i64.add', f.get(left), divisorHigh));
        f.branch(again, f.op('i64.le_u', f.get(left), f.i64(LOW)));
      }),
    );
    const found = f.get(q);
    f.set(remainder, f.op('i64.sub', f.op('i64.shl', partial, f.i64(32)), f.op('i64.mul', found, divisor)));
    return found;
  };
  const upper = digit();
  const quotient = f.op('i64.or', f.op('i64.shl', upper, f.i64(32)), digit());
  const left = f.get(remainder);
  const inexact = f.op('i64.extend_i32_u', f.op('i64.ne', left, f.i64(0)));
  f.if(whole, () =>
    finish(
      sign,
      exponent,
      f.op('i64.or', f.op('i64.shr_u', quotient, f.i64(1)), f.i64(TOP_BIT)),
      f.op('i64.or', f.op('i64.shl', quotient, f.i64(63)), inexact),
    ),
  );
  // The remainder against half of the divisor, without going beyond 64 bits.
  const other = f.op('i64.sub', divisor, left);
  const half = f.select(f.op('i64.ge_u', left, other), f.i64(TOP_BIT), f.i64(0));
  const exact = f.op('i64.eq', left, other);
  const rest = f.op('i64.or', half, f.select(exact, f.i64(0), inexact));
  finish(sign, f.op('i32.sub', exponent, f.i32(1)), quotient, rest);
}
