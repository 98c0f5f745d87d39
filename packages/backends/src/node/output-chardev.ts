import type { Chardev, ChardevSink } from '@mainboard/core';
import type { OutputQueue } from './output-queue.ts';

/** A channel that only takes: what devices print. Its queue may serve other channels too. */
export class OutputChardev implements Chardev {
  readonly #output: OutputQueue;

  constructor(output: OutputQueue) {
    this.#output = output;
  }

  attach(sink: ChardevSink): void {
    this.#output.onDrained(() => sink.drained());
  }

  write(byte: number): boolean {
    return this.#output.write(byte);
  }

  resume(): void {}

  /** Resolves when everything is written. */
  close(): Promise<void> {
    return this.#output.emptied();
  }
}
