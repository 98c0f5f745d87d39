import type { Host } from './ports/host.ts';
import { type Token, token } from './token.ts';

/** One deadline of a device. */
export interface Timer {
  readonly armed: boolean;
  /** Fires once at `at` (virtual nanoseconds), or at the next chance when that has passed. Replaces an earlier time. */
  arm(at: number): void;
  cancel(): void;
}

/** Time as a machine has it: nanoseconds since its first reset, standing still while it is paused. */
export interface Clock {
  /** A whole number below 2^53. */
  now(): number;
  /** @param name shows up in traces. */
  timer(fire: () => void, name?: string): Timer;
}
export const Clock: Token<Clock> = token('Clock');

/** More overdue deadlines than a machine can have that was not asleep for minutes. */
const MANY = 100_000;

class HeapTimer implements Timer {
  readonly name: string;
  readonly fire: () => void;
  readonly #queue: TimerQueue;
  deadline = 0;
  /** Decides between equal deadlines: armed first, fired first. */
  order = 0;
  /** Place in the heap, -1 when not armed. */
  slot = -1;

  constructor(queue: TimerQueue, fire: () => void, name: string) {
    this.#queue = queue;
    this.fire = fire;
    this.name = name;
  }

  get armed(): boolean {
    return this.slot >= 0;
  }

  arm(at: number): void {
    this.#queue.arm(this, at);
  }

  cancel(): void {
    this.#queue.remove(this);
  }
}

const before = (a: HeapTimer, b: HeapTimer): boolean =>
  a.deadline < b.deadline || (a.deadline === b.deadline && a.order < b.order);

/** Armed timers in a binary heap: the next deadline is at hand, arming and cancelling cost a logarithm. */
export class TimerQueue {
  readonly #heap: HeapTimer[] = [];
  #orders = 0;
  /** Called when the next deadline has become an earlier one. */
  onEarlier: (() => void) | undefined;

  timer(fire: () => void, name = ''): Timer {
    return new HeapTimer(this, fire, name);
  }

  /** Virtual nanoseconds; Infinity when nothing is armed. */
  get next(): number {
    return this.#heap.length === 0 ? Number.POSITIVE_INFINITY : this.#heap[0]!.deadline;
  }

  /** Fires the timers of the earliest deadline, when it is due at `now`. @returns whether one fired. */
  fireNext(now: number): boolean {
    const due = this.next;
    if (due > now) return false;
    const last = this.#orders; // a timer that is armed again for the same time waits for the next call
    while (this.#heap.length > 0) {
      const timer = this.#heap[0]!;
      if (timer.deadline !== due || timer.order > last) break;
      this.remove(timer);
      timer.fire();
    }
    return true;
  }

  arm(timer: HeapTimer, at: number): void {
    const previous = this.next;
    this.remove(timer);
    timer.deadline = at;
    timer.order = ++this.#orders;
    timer.slot = this.#heap.length;
    this.#heap.push(timer);
    this.#up(timer.slot);
    if (at < previous && this.onEarlier !== undefined) this.onEarlier();
  }

  remove(timer: HeapTimer): void {
    const { slot } = timer;
    if (slot < 0) return;
    timer.slot = -1;
    const last = this.#heap.pop()!;
    if (last === timer) return;
    this.#place(last, slot);
    this.#up(slot);
    this.#down(last.slot);
  }

  #place(timer: HeapTimer, slot: number): void {
    this.#heap[slot] = timer;
    timer.slot = slot;
  }

  #up(from: number): void {
    let slot = from;
    const timer = this.#heap[slot]!;
    while (slot > 0) {
      const parent = (slot - 1) >> 1;
      if (!before(timer, this.#heap[parent]!)) break;
      this.#place(this.#heap[parent]!, slot);
      slot = parent;
    }
    this.#place(timer, slot);
  }

  #down(from: number): void {
    let slot = from;
    const timer = this.#heap[slot]!;
    for (;;) {
      let child = 2 * slot + 1;
      if (child >= this.#heap.length) break;
      if (child + 1 < this.#heap.length && before(this.#heap[child + 1]!, this.#heap[child]!)) child++;
      if (!before(this.#heap[child]!, timer)) break;
      this.#place(this.#heap[child]!, slot);
      slot = child;
    }
    this.#place(timer, slot);
  }
}

/** A machine's clock over the host's: real time that stands still while the machine is paused. */
export class VirtualClock implements Clock {
  readonly queue = new TimerQueue();
  readonly #host: Host;
  #base = 0;
  /** Host time at which the clock was started; undefined while it stands still. */
  #started: number | undefined;

  constructor(host: Host) {
    this.#host = host;
  }

  now(): number {
    return this.#started === undefined ? this.#base : this.#base + (this.#host.now() - this.#started);
  }

  timer(fire: () => void, name?: string): Timer {
    return this.queue.timer(fire, name);
  }

  start(): void {
    this.#started ??= this.#host.now();
  }

  stop(): void {
    this.#base = this.now();
    this.#started = undefined;
  }

  /** Fires all that is due, so that nothing is overdue. */
  catchUp(): void {
    const now = this.now();
    for (let fired = 0; fired < MANY && this.queue.fireNext(now); fired++);
  }

  /** Sets the time, when a snapshot is restored. */
  set(now: number): void {
    this.#base = now;
    if (this.#started !== undefined) this.#started = this.#host.now();
  }
}
