import { FakeHost } from '@mainboard/testing';

/**
 * A host whose time goes by as it is looked at: the same guest sees the same times in every run, and none runs for
 * ever. The software CPU looks about every hundred thousand instructions.
 */
export class SteppingHost extends FakeHost {
  readonly #step: number;

  /** @param step nanoseconds from one look to the next. */
  constructor(step: number) {
    super();
    this.#step = step;
  }

  override now(): number {
    this.time += this.#step;
    return this.time;
  }

  /** Turns the event loop until `done` or `end`; a sleep is over at once. */
  run(end: number, done: () => boolean): void {
    while (!done() && this.time < end) {
      if (this.turn() > 0) continue;
      if (this.nextWake > end) return;
      this.time = this.nextWake;
    }
  }
}
