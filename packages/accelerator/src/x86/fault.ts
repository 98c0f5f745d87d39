import { STATE } from './state.ts';

/** Exception vectors (SDM vol. 3 table 6-1). */
export const VECTOR = {
  de: 0,
  db: 1,
  nmi: 2,
  bp: 3,
  of: 4,
  br: 5,
  ud: 6,
  nm: 7,
  df: 8,
  ts: 10,
  np: 11,
  ss: 12,
  gp: 13,
  pf: 14,
  mf: 16,
  ac: 17,
  mc: 18,
  xm: 19,
} as const;

/**
 * What TypeScript code throws to undo the instruction it carries out, and where the interpreter leaves what it raised.
 * One object, reused: a fault costs no allocation.
 */
export class Fault {
  readonly #state: Int32Array;

  /** @param state of the CPU, whose words `faultVector` and `faultError` this is. */
  constructor(state: Int32Array) {
    this.#state = state;
  }

  get vector(): number {
    return this.#state[STATE.faultVector / 4]!;
  }
  set vector(value: number) {
    this.#state[STATE.faultVector / 4] = value;
  }
  /** Error code; ignored for vectors that push none. */
  get error(): number {
    return this.#state[STATE.faultError / 4]!;
  }
  set error(value: number) {
    this.#state[STATE.faultError / 4] = value;
  }
}

/** Vectors that push an error code (SDM vol. 3 table 6-1): 8, 10–14, 17. */
export const pushesErrorCode = (vector: number): boolean => vector < 32 && ((0x0002_7d00 >>> vector) & 1) === 1;
