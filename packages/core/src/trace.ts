import { type Token, token } from './token.ts';

/** What can be traced, each a bit of {@link Trace.mask}. */
export const TRACE = {
  device: 1,
  register: 2,
  port: 4,
  memory: 8,
  pin: 16,
  irq: 32,
  exit: 64,
  unhandled: 128,
} as const;
export type TraceCategory = keyof typeof TRACE;

export interface TraceEvent {
  /** Virtual nanoseconds. */
  readonly at: number;
  readonly category: TraceCategory;
  /** Device, window, pin or address space. */
  readonly source: string;
  readonly text: string;
}
export type TraceSink = (event: TraceEvent) => void;
export const TraceSink: Token<TraceSink> = token('TraceSink');

/** Where a machine's parts say what they do. Ask for `mask` first: while nobody listens, that test is the whole cost. */
export class Trace {
  /** Bits of {@link TRACE}; 0 is off. */
  mask = 0;
  readonly #listeners = new Set<{ readonly sink: TraceSink; readonly wanted: number }>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Sends the categories to a sink. @returns a function that ends it. */
  listen(sink: TraceSink, categories: Iterable<TraceCategory> = Object.keys(TRACE) as TraceCategory[]): () => void {
    let wanted = 0;
    for (const category of categories) wanted |= TRACE[category];
    const listener = { sink, wanted };
    this.#listeners.add(listener);
    this.#gather();
    return () => {
      this.#listeners.delete(listener);
      this.#gather();
    };
  }

  wants(category: TraceCategory): boolean {
    return (this.mask & TRACE[category]) !== 0;
  }

  emit(category: TraceCategory, source: string, text: string): void {
    if (!this.wants(category)) return;
    const event: TraceEvent = { at: this.#now(), category, source, text };
    for (const { sink, wanted } of [...this.#listeners]) if ((wanted & TRACE[category]) !== 0) sink(event);
  }

  #gather(): void {
    this.mask = 0;
    for (const { wanted } of this.#listeners) this.mask |= wanted;
  }
}

/** A device's own line into the trace. Test `on` before making the text. */
export class DeviceTrace {
  readonly #trace: Trace;
  readonly #name: string;

  constructor(trace: Trace, name: string) {
    this.#trace = trace;
    this.#name = name;
  }

  get on(): boolean {
    return (this.#trace.mask & TRACE.device) !== 0;
  }

  log(text: string): void {
    this.#trace.emit('device', this.#name, text);
  }
}
