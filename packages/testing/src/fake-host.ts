import type { Host } from '@mainboard/core';

interface Waiting {
  readonly at: number;
  readonly f: () => void;
}

/** A host whose time and event loop stand still until a test moves them. */
export class FakeHost implements Host {
  time = 0;
  /** Milliseconds since 1970-01-01 UTC at time 0: 2000-01-01, a Saturday. */
  epoch = 946_684_800_000;
  #soon: (() => void)[] = [];
  readonly #later = new Set<Waiting>();

  now(): number {
    return this.time;
  }

  wallClock(): number {
    return this.epoch + Math.floor(this.time / 1e6);
  }

  soon(f: () => void): void {
    this.#soon.push(f);
  }

  after(nanoseconds: number, f: () => void): () => void {
    const waiting = { at: this.time + nanoseconds, f };
    this.#later.add(waiting);
    return () => {
      this.#later.delete(waiting);
    };
  }

  /** Whether anything waits for a turn of the event loop. */
  get busy(): boolean {
    return this.#soon.length > 0;
  }

  /** When the next `after` is due; Infinity when none is. */
  get nextWake(): number {
    return Math.min(...[...this.#later].map(({ at }) => at), Number.POSITIVE_INFINITY);
  }

  /** One turn of the event loop, without any time going by. @returns how many callbacks ran. */
  turn(): number {
    const due = [...this.#later].filter(({ at }) => at <= this.time).sort((a, b) => a.at - b.at);
    const soon = this.#soon;
    this.#soon = [];
    for (const waiting of due) this.#later.delete(waiting);
    for (const f of [...due.map(waiting => waiting.f), ...soon]) f();
    return due.length + soon.length;
  }

  /** Lets time go by, from wake-up to wake-up, and the event loop turn in between. */
  advance(nanoseconds: number): void {
    const end = this.time + nanoseconds;
    while (this.nextWake <= end) {
      this.time = Math.max(this.time, this.nextWake);
      this.turn();
    }
    this.time = Math.max(this.time, end);
    this.turn();
  }
}
