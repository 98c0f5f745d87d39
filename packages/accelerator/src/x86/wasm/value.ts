import type { Emitter } from './emitter.ts';
import { pushSigned, pushSigned64 } from './module.ts';
import type { ValueType } from './opcodes.ts';

/**
 * A value in a function under construction. Pure values form trees; one that is used more than once, or that would be
 * another if it was computed where it is used (a load before a store, a call), is computed where it was made and kept
 * in a local.
 */
export class Value {
  readonly type: ValueType;
  /** Emits the instructions that push the value. */
  readonly push: (out: number[], code: Emitter) => void;
  readonly args: readonly Value[];
  /** Set when the value is a constant. */
  readonly constant: number | bigint | undefined;
  uses = 0;
  /** Name of the operator that it is computed by. */
  operator: string | undefined;
  /** Steps of the function's schedule at which it was made and at which it is used for the last time. */
  made = 0;
  last = 0;
  /** What it is read from, if it may be another at a later step. */
  reads: Variable | 'memory' | undefined;
  /** Computed where it is used. */
  inline = false;
  local = -1;
  /** Computed even when nobody uses it. */
  kept = false;
  /** While code is emitted: uses of {@link local} that are still to come, and the loop it belongs to. */
  left = 0;
  loop = 0;

  constructor(
    type: ValueType,
    args: readonly Value[],
    push: (out: number[], code: Emitter) => void,
    constant?: number | bigint,
  ) {
    this.type = type;
    this.args = args;
    this.push = push;
    this.constant = constant;
    for (const arg of args) arg.uses++;
  }

  /** It is used at a step. */
  usedAt(step: number): void {
    if (step > this.last) this.last = step;
  }
}

/** A mutable local. */
export interface Variable {
  readonly type: ValueType;
  readonly local: number;
}

/** An i32 constant from the low 32 bits of a number. */
export function constant32(n: number): Value {
  const push = (out: number[]): void => {
    out.push(0x41);
    pushSigned(out, n);
  };
  return new Value('i32', [], push, n | 0);
}

/** An i64 constant from the low 64 bits of an integer. */
export function constant64(n: bigint | number): Value {
  const value = BigInt.asIntN(64, BigInt(n));
  const push = (out: number[]): void => {
    out.push(0x42);
    pushSigned64(out, value);
  };
  return new Value('i64', [], push, value);
}
