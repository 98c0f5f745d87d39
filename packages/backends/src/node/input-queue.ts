import type { ChardevSink } from '@mainboard/core';

/** A break among the bytes: the line held low. */
const BREAK = Symbol('break');

/** Bytes from the host that wait until the device has room. */
export class InputQueue {
  readonly #chunks: (Uint8Array | typeof BREAK)[] = [];
  /** Place in the first chunk. */
  #at = 0;
  #delivering = false;
  sink: ChardevSink | undefined;

  get empty(): boolean {
    return this.#chunks.length === 0;
  }

  /** Bytes, breaks counted as one. */
  get size(): number {
    return this.#chunks.reduce((sum, chunk) => sum + (chunk === BREAK ? 1 : chunk.length), 0) - this.#at;
  }

  /** @param bytes become the queue's own. */
  push(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#chunks.push(bytes);
    this.deliver();
  }

  pushBreak(): void {
    this.#chunks.push(BREAK);
    this.deliver();
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#at = 0;
  }

  /** Hands over as much as the device takes. */
  deliver(): void {
    const { sink } = this;
    if (sink === undefined || this.#delivering) return; // a device that takes a byte may ask for more from within
    this.#delivering = true;
    while (this.#chunks.length > 0 && sink.room() > 0) this.#deliverOne(sink);
    this.#delivering = false;
  }

  #deliverOne(sink: ChardevSink): void {
    const chunk = this.#chunks[0]!;
    if (chunk === BREAK) {
      this.#chunks.shift();
      sink.fault?.('break', 0);
      return;
    }
    const byte = chunk[this.#at++]!;
    if (this.#at === chunk.length) {
      this.#chunks.shift();
      this.#at = 0;
    }
    sink.receive(byte);
  }
}
