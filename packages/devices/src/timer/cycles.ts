const SECOND = 1e9;

/**
 * Whole cycles of an oscillator since virtual time 0. Exact, so that a count never drifts: seconds and the rest are
 * scaled apart, and each product stays below 2^53.
 * @param ns virtual nanoseconds, a whole number; may be negative.
 * @param hz at most 9,000,000.
 */
export function cyclesAt(ns: number, hz: number): number {
  const seconds = Math.floor(ns / SECOND);
  return seconds * hz + Math.floor(((ns - seconds * SECOND) * hz) / SECOND);
}

/** The inverse: the first nanosecond at which {@link cyclesAt} has reached `cycle`. */
export function timeOfCycle(cycle: number, hz: number): number {
  const seconds = Math.floor(cycle / hz);
  return seconds * SECOND + Math.ceil(((cycle - seconds * hz) * SECOND) / hz);
}
