import { performance } from 'node:perf_hooks'; // the global one is a getter, which RDTSC would notice
import type { Host } from '@mainboard/core';

const MS = 1_000_000;
/** Node's timers take 31 bits of milliseconds. */
const LONGEST = 2 ** 31 - 1;

/**
 * Time and event loop of Node.
 *
 * What it schedules keeps the process alive: a machine that runs, and also one that halts until a timer or a byte
 * comes, is work in progress. A machine that is paused or disposed has nothing scheduled.
 */
export class NodeHost implements Host {
  /** In nanoseconds since the process started; microseconds count, and no BigInt is made on the way. */
  now(): number {
    return Math.round(performance.now() * MS);
  }

  wallClock(): number {
    return Date.now();
  }

  /** After the I/O of this turn: a callback that schedules the next one starves nobody. */
  soon(f: () => void): void {
    setImmediate(f);
  }

  /**
   * Never early: Node counts from the start of the event loop's turn and in milliseconds, so a timer that comes too
   * soon is set again. Late by a millisecond as a rule; waiting the rest in turns of the event loop would be exact and
   * cost an idle guest the processor.
   */
  after(nanoseconds: number, f: () => void): () => void {
    const due = this.now() + nanoseconds;
    let timer: NodeJS.Timeout;
    const wait = (left: number): void => {
      timer = setTimeout(arrived, Math.min(LONGEST, Math.ceil(left / MS)));
    };
    const arrived = (): void => {
      const left = due - this.now();
      if (left > 0) wait(left);
      else f();
    };
    wait(nanoseconds);
    return () => clearTimeout(timer);
  }
}
