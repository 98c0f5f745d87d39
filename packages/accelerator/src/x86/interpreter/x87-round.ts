import { STATE } from '../state.ts';
import type { FunctionWriter, Value, Variable } from '../wasm/function.ts';
import { X87_LAYOUT } from '../x87/state.ts';
import { FSW, RC } from '../x87/status.ts';

/** Bit 63: the integer bit of a significand. */
export const TOP_BIT = -0x8000_0000_0000_0000n;
export const SIGN = 0x8000;
export const EXPONENT = 0x7fff;
export const BIAS = 0x3fff;

/** A number in a register: significand, and sign with exponent. */
export interface Extended {
  readonly significand: Value;
  readonly signExponent: Value;
}

const place = (f: FunctionWriter, register: Value): Value => f.op('i32.shl', register, f.i32(4));

/** Reads a physical register. */
export function readExtended(f: FunctionWriter, register: Value): Extended {
  const at = place(f, register);
  return {
    significand: f.load('i64.load', at, STATE.x87),
    signExponent: f.load('i32.load16_u', at, STATE.x87 + 8),
  };
}

/** Writes a physical register. */
export function writeExtended(f: FunctionWriter, register: Value, significand: Value, signExponent: Value): void {
  const at = place(f, register);
  f.store('i64.store', at, STATE.x87, significand);
  f.store('i32.store16', at, STATE.x87 + 8, signExponent);
}

/** A condition: the number is normal. */
export function isNormal(f: FunctionWriter, { significand, signExponent }: Extended): Value {
  const exponent = f.op('i32.and', signExponent, f.i32(EXPONENT));
  return f.op(
    'i32.and',
    f.op('i64.lt_s', significand, f.i64(0)),
    f.op('i32.lt_u', f.op('i32.sub', exponent, f.i32(1)), f.i32(EXPONENT - 1)),
  );
}

/** A condition: the number is +0 or −0. */
export function isZero(f: FunctionWriter, { significand, signExponent }: Extended): Value {
  const exponent = f.op('i32.and', signExponent, f.i32(EXPONENT));
  return f.op('i64.eqz', f.op('i64.or', significand, f.op('i64.extend_i32_u', exponent)));
}

/** The rounding control field of the control word. */
export function roundingControl(f: FunctionWriter): Value {
  const control = f.load('i32.load16_u', f.i32(0), STATE.x87 + X87_LAYOUT.control);
  return f.op('i32.and', f.op('i32.shr_u', control, f.i32(10)), f.i32(3));
}

/** A number on its way to less precision: what is kept, and a fraction of its lowest place with the lowest bit sticky. */
export interface Rounding {
  readonly significand: Variable;
  readonly exponent: Variable;
  readonly rest: Variable;
  /** The lowest place that is kept. */
  readonly step: Value;
  readonly negative: Value;
  readonly control: Value;
}

/**
 * Rounds (SDM vol. 1 §4.8.4). What goes beyond the top becomes a power of two.
 * @returns the status flags PE, and C1 where the magnitude became larger.
 */
export function roundOff(
  f: FunctionWriter,
  { significand, exponent, rest, step, negative, control }: Rounding,
): Variable {
  const flags = f.variable('i32', f.i32(0));
  const fraction = f.get(rest);
  f.if(f.op('i64.ne', fraction, f.i64(0)), () => {
    const odd = f.op('i64.ne', f.op('i64.and', f.get(significand), step), f.i64(0));
    const above = f.op('i32.or', odd, f.op('i64.ne', fraction, f.i64(TOP_BIT)));
    const nearest = f.op('i32.and', f.op('i64.lt_s', fraction, f.i64(0)), above);
    const away = f.op('i32.eq', control, f.select(negative, f.i32(RC.down), f.i32(RC.up)));
    const up = f.select(f.op('i32.eqz', control), nearest, away);
    f.set(flags, f.i32(FSW.PE));
    f.if(up, () => {
      f.set(flags, f.i32(FSW.PE | FSW.C1));
      const sum = f.op('i64.add', f.get(significand), step);
      f.set(significand, sum);
      f.if(f.op('i64.eqz', sum), () => {
        f.set(significand, f.i64(TOP_BIT));
        f.set(exponent, f.op('i32.add', f.get(exponent), f.i32(1)));
      });
    });
  });
  return flags;
}

/** C1 and exception flags after an operation. */
export function setStatus(f: FunctionWriter, flags: Value): void {
  const at = STATE.x87 + X87_LAYOUT.status;
  const rest = f.op('i32.and', f.load('i32.load16_u', f.i32(0), at), f.i32(~FSW.C1));
  f.store('i32.store16', f.i32(0), at, f.op('i32.or', rest, flags));
}

/** A result that is still to be rounded: its sign (0 or 8000h), exponent, significand and a fraction below that. */
export interface Result {
  readonly sign: Variable;
  readonly exponent: Variable;
  readonly significand: Variable;
  readonly rest: Variable;
}

/** Ends the function with a result: rounds as the control word says, unless that leaves the range of normal numbers. */
export function deliver(f: FunctionWriter, to: Value, { exponent, significand, rest, ...result }: Result): void {
  const sign = f.get(result.sign);
  f.if(f.op('i32.le_s', f.get(exponent), f.i32(0)), () => f.return(f.i32(0)));
  const step = f.variable('i64', f.i64(1));
  const control = f.load('i32.load16_u', f.i32(0), STATE.x87 + X87_LAYOUT.control);
  const precision = (bits: 24 | 53): void => {
    const whole = f.get(significand);
    const below = f.op('i64.extend_i32_u', f.op('i64.ne', f.get(rest), f.i64(0)));
    f.set(rest, f.op('i64.or', f.op('i64.shl', whole, f.i64(bits)), below));
    f.set(step, f.i64(1n << BigInt(64 - bits)));
    f.set(significand, f.op('i64.and', whole, f.i64(-1n << BigInt(64 - bits))));
  };
  // Precision control (SDM vol. 1 §8.1.5.2): 0 is single, 2 is double, 3 and the reserved 1 are extended.
  f.if(f.op('i32.eqz', f.op('i32.and', control, f.i32(0x100))), () =>
    f.if(
      f.op('i32.and', control, f.i32(0x200)),
      () => precision(53),
      () => precision(24),
    ),
  );
  const flags = roundOff(f, {
    ...{ significand, exponent, rest, step: f.get(step), negative: sign },
    control: f.op('i32.and', f.op('i32.shr_u', control, f.i32(10)), f.i32(3)),
  });
  f.if(f.op('i32.ge_u', f.get(exponent), f.i32(EXPONENT)), () => f.return(f.i32(0)));
  writeExtended(f, to, f.get(significand), f.op('i32.or', sign, f.get(exponent)));
  setStatus(f, f.get(flags));
  f.return(f.i32(1));
}
