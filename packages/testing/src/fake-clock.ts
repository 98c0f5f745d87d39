import { type Clock, type Timer, TimerQueue } from '@mainboard/core';

/** More deadlines in one `advance` than any test means to have. */
const MANY = 5_000_000;

/** A clock that a test moves. Timers fire exactly when they are due, in order. */
export class FakeClock implements Clock {
  readonly queue = new TimerQueue();
  time = 0;

  now(): number {
    return this.time;
  }

  timer(fire: () => void, name?: string): Timer {
    return this.queue.timer(fire, name);
  }

  /** Lets `nanoseconds` go by. */
  advance(nanoseconds: number): void {
    const end = this.time + nanoseconds;
    let fired = 0;
    while (this.queue.next <= end) {
      if (++fired > MANY)
        throw new Error(`A timer is armed for ${this.queue.next} ns again and again; time cannot go on.`);
      this.time = Math.max(this.time, this.queue.next);
      this.queue.fireNext(this.time);
    }
    this.time = end;
  }

  /** Goes to the next deadline and fires it. @returns false when nothing is armed. */
  toNext(): boolean {
    const { next } = this.queue;
    if (next === Number.POSITIVE_INFINITY) return false;
    this.advance(Math.max(0, next - this.time));
    return true;
  }
}
