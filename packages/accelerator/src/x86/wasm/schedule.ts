import type { Variable } from './value.ts';

/** The first of ascending numbers that is greater than `from` is `to` or comes after it. */
function noneBetween(numbers: readonly number[], from: number, to: number): boolean {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle]! > from) high = middle;
    else low = middle + 1;
  }
  return low === numbers.length || numbers[low]! >= to;
}

/**
 * When things happen in a function under construction: steps count its statements in program order. Tells whether what
 * was read at one step is still so at a later one, so that it need not be kept in a local of its own.
 */
export class Schedule {
  /** The last step. */
  now = 0;
  /** Steps that may change memory. */
  readonly #writes: number[] = [];
  /** Steps that set a variable, by its local. */
  readonly #sets: number[][] = [];
  /** First and last steps. */
  readonly #loops: { readonly start: number; end: number }[] = [];

  step(): number {
    return ++this.now;
  }

  /** Memory may change at this step. */
  write(): void {
    this.#writes.push(this.now);
  }

  /** The variable changes at a step that is not after this one. */
  set({ local }: Variable, step: number = this.now): void {
    this.#sets[local] ??= [];
    const sets = this.#sets[local];
    const before = sets.findLastIndex(other => other <= step);
    sets.splice(before + 1, 0, step);
  }

  /** What the body does is in a loop. */
  loop(body: () => void): void {
    const loop = { start: this.step(), end: 0 };
    this.#loops.push(loop);
    body();
    loop.end = this.step();
  }

  /** What is used at step `to` is used until then, or, in a loop that begins after `from`, in every round. */
  #until(from: number, to: number): number {
    for (const { start, end } of this.#loops) if (start > from && start <= to && end >= to) return end;
    return to;
  }

  keepsMemory(from: number, to: number): boolean {
    return noneBetween(this.#writes, from, this.#until(from, to));
  }

  keeps({ local }: Variable, from: number, to: number): boolean {
    return noneBetween(this.#sets[local] ?? [], from, this.#until(from, to));
  }
}
