import type { EventEmitter } from 'eventemitter3';
import type { Clock } from './clock.ts';
import { MainboardError } from './errors.ts';
import type { MachineEvents } from './machine-events.ts';

interface Waiter {
  /** What it waits for is a condition, not an event. */
  readonly watching: boolean;
  /** @returns whether what it waits for has come. */
  check(): boolean;
  fail(error: unknown): void;
}

/** Those who wait for something of a machine; see `Machine.until`. */
export class Waiters {
  readonly #events: EventEmitter<MachineEvents>;
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiter>();

  constructor(events: EventEmitter<MachineEvents>, clock: Clock) {
    this.#events = events;
    this.#clock = clock;
  }

  /**
   * @param timeout virtual nanoseconds.
   * @param over why it cannot come any more, when it cannot.
   */
  wait(
    what: (() => boolean) | keyof MachineEvents,
    timeout: number,
    over: MainboardError | undefined,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const event = typeof what === 'string' ? what : undefined;
      const timer = this.#clock.timer(() => waiter.fail(timedOut(event, timeout)), 'until');
      const settled = (): void => {
        timer.cancel();
        this.#waiting.delete(waiter);
        if (event !== undefined) this.#events.off(event, heard);
      };
      const heard = (...values: readonly unknown[]): void => {
        settled();
        resolve(values[0]);
      };
      const waiter: Waiter = {
        watching: event === undefined,
        check() {
          if (typeof what === 'string') return false;
          try {
            if (!what()) return false;
            heard();
          } catch (error) {
            this.fail(error); // a condition that throws is its author's to hear of, not a failure of the machine
          }
          return true;
        },
        fail(error) {
          settled();
          reject(error);
        },
      };
      if (waiter.check()) return;
      if (over !== undefined) {
        reject(over);
        return;
      }
      this.#waiting.add(waiter);
      if (event !== undefined) this.#events.on(event, heard);
      if (timeout < Number.POSITIVE_INFINITY) timer.arm(this.#clock.now() + timeout);
    });
  }

  /** Whether somebody waits for a condition. */
  get watching(): boolean {
    for (const waiter of this.#waiting) if (waiter.watching) return true;
    return false;
  }

  /** At an instruction boundary: whose condition holds is done. */
  check(): void {
    if (this.#waiting.size > 0) for (const waiter of [...this.#waiting]) waiter.check();
  }

  /** The machine has ended. */
  fail(error: MainboardError): void {
    for (const waiter of [...this.#waiting]) if (!waiter.check()) waiter.fail(error);
  }
}

function timedOut(event: string | undefined, timeout: number): MainboardError {
  const what = event === undefined ? 'The condition did not hold' : `"${event}" did not come`;
  return new MainboardError('timeout', `${what} within ${timeout / 1e9} s of machine time.`, { event, timeout });
}
