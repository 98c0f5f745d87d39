import type { ValueType } from './opcodes.ts';
import type { Value } from './value.ts';

/**
 * The locals of one function. Those that no value needs any more are used again, since the host's compilers take time
 * for each; but what comes from outside a loop is needed in its next round too.
 */
export class Locals {
  /** Types of the locals after the parameters. */
  readonly types: ValueType[] = [];
  readonly #params: number;
  /** Locals that no value needs any more, by type. */
  readonly #free = new Map<ValueType, number[]>();
  /** Number of the loop whose code is being emitted, 0 outside of all; what becomes free in it at its end. */
  #loop = 0;
  #loops = 0;
  #freeAfterLoop: Value[] = [];

  /** @param params how many locals are parameters */
  constructor(params: number) {
    this.#params = params;
  }

  /** A local that nobody else gets. */
  add(type: ValueType): number {
    return this.#params + this.types.push(type) - 1;
  }

  /** Finds a local for a value that its code has just computed. */
  keep(value: Value): number {
    const local = this.#free.get(value.type)?.pop() ?? this.add(value.type);
    value.local = local;
    value.left = value.uses;
    value.loop = this.#loop;
    if (value.left === 0) this.#release(value); // a call for its effect
    return local;
  }

  /** One use of the value's local is done. */
  used(value: Value): void {
    if (--value.left === 0) this.#release(value);
  }

  #release(value: Value): void {
    if (value.loop !== this.#loop) {
      this.#freeAfterLoop.push(value);
      return;
    }
    const free = this.#free.get(value.type);
    if (free) free.push(value.local);
    else this.#free.set(value.type, [value.local]);
  }

  /** Emits the body of a loop. */
  inLoop(emit: () => void): void {
    const outer = this.#loop;
    const outerFree = this.#freeAfterLoop;
    this.#loop = ++this.#loops;
    this.#freeAfterLoop = [];
    emit();
    const free = this.#freeAfterLoop;
    this.#loop = outer;
    this.#freeAfterLoop = outerFree;
    for (const value of free) this.#release(value);
  }
}
