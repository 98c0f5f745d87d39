import type { Chardev, ChardevSink } from '@mainboard/core';

/** A character channel in a test's hands: it says what comes in, sees what goes out, and can be slow. */
export class FakeChardev implements Chardev {
  /** All that the device has sent. */
  readonly sent: number[] = [];
  /** How many bytes the channel takes before it refuses; unlimited unless told. */
  capacity = Number.POSITIVE_INFINITY;
  readonly #waiting: number[] = [];
  #sink: ChardevSink | undefined;
  #refused = false;

  attach(sink: ChardevSink): void {
    this.#sink = sink;
  }

  write(byte: number): boolean {
    if (this.capacity <= 0) {
      this.#refused = true;
      return false;
    }
    this.capacity--;
    this.sent.push(byte);
    return true;
  }

  resume(): void {
    const sink = this.#sink;
    while (sink !== undefined && this.#waiting.length > 0 && sink.room() > 0) sink.receive(this.#waiting.shift()!);
  }

  /** What was sent, as Latin-1 text. */
  get text(): string {
    return String.fromCharCode(...this.sent);
  }

  /** Bytes that the device has had no room for yet. */
  get pending(): number {
    return this.#waiting.length;
  }

  /** Sends to the device, as far as it has room; the rest waits for `resume`. */
  send(data: string | Iterable<number>): void {
    this.#waiting.push(
      ...(typeof data === 'string' ? [...data].map(character => character.charCodeAt(0) & 0xff) : data),
    );
    this.resume();
  }

  /** Takes `count` more bytes, and says so to a device that was refused. */
  accept(count = Number.POSITIVE_INFINITY): void {
    this.capacity += count;
    if (!this.#refused || this.capacity <= 0) return;
    this.#refused = false;
    this.#sink?.drained();
  }
}
