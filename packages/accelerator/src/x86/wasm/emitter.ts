import type { Locals } from './locals.ts';
import { type BranchHint, pushUnsigned } from './module.ts';
import type { Value } from './value.ts';

export type Statement = (code: Emitter) => void;

/** What is nested in a structure. */
export interface Statements {
  readonly list: readonly Statement[];
  /** It is a branch that hardly ever runs. */
  readonly rare: boolean;
}

/** Turns values and statements into the code of one function. */
export class Emitter {
  readonly out: number[] = [];
  readonly hints: BranchHint[] = [];
  readonly #locals: Locals;
  /** The last value that was kept in a local, and where in the code: until that goes on, it may as well stay on the stack. */
  #kept: Value | undefined;
  #at = 0;
  #end = 0;

  constructor(locals: Locals) {
    this.#locals = locals;
  }

  /** Pushes a value on the stack: from its local, or by computing it. */
  push(value: Value): void {
    if (value.local < 0) {
      this.compute(value);
      return;
    }
    const { out } = this;
    this.#locals.used(value);
    if (this.#kept === value && this.#end === out.length) {
      if (value.left === 0) out.length = this.#at;
      else out[this.#at] = 0x22;
      this.#kept = undefined;
      return;
    }
    out.push(0x20);
    pushUnsigned(out, value.local);
  }

  compute(value: Value): void {
    for (const arg of value.args) this.push(arg);
    value.push(this.out, this);
  }

  /** Keeps what is on the stack in a local. */
  keep(value: Value): void {
    this.#at = this.out.length;
    this.out.push(0x21);
    pushUnsigned(this.out, this.#locals.keep(value));
    this.#kept = value;
    this.#end = this.out.length;
  }

  #branch({ list }: Statements, value: Value | undefined): void {
    for (const statement of list) statement(this);
    if (value) this.push(value);
  }

  /** An `if` on what is on the stack. @param type of its block @param a @param b what the branches leave on the stack */
  if(type: number, yes: Statements, no?: Statements, a?: Value, b?: Value): void {
    const { out } = this;
    const noRare = no?.rare ?? false;
    if (yes.rare !== noRare) this.hints.push({ at: out.length, taken: noRare });
    out.push(0x04, type);
    this.#branch(yes, a);
    if (no && (b || no.list.length > 0)) {
      out.push(0x05);
      this.#branch(no, b);
    }
    out.push(0x0b);
  }
}
