import { type Token, token } from '../token.ts';

/** The host's time and event loop. The only source of either for a machine; tests inject a fake one. */
export interface Host {
  /** Monotonic nanoseconds since some start; a whole number below 2^53. */
  now(): number;
  /** Wall-clock time, for the initial value of a real-time clock: milliseconds since 1970-01-01 UTC. */
  wallClock(): number;
  /** Calls `f` after the event loop has had a turn. */
  soon(f: () => void): void;
  /** Calls `f` in `nanoseconds` or a little later. @returns a function that cancels. */
  after(nanoseconds: number, f: () => void): () => void;
}
export const Host: Token<Host> = token('Host');
