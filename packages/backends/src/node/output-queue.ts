import type { Writable } from 'node:stream';

/** Bytes that wait for the stream before the device has to. */
const CAPACITY = 65_536;

/**
 * Bytes on their way to a stream of Node's. They go there together, once in a turn of the event loop; while the stream
 * is slow they wait here, and when the room is used up `write` refuses. Several devices may write to one queue.
 *
 * A stream that fails (its reader has gone, the disk is full) is told to `failed` once; from then on output is dropped,
 * as on a line that nobody listens to.
 */
export class OutputQueue {
  readonly #bytes = new Uint8Array(CAPACITY);
  #length = 0;
  #stream: Writable | undefined;
  #failed = false;
  /** The stream has had enough and will say `drain`. */
  #full = false;
  #scheduled = false;
  #refused = false;
  readonly #whenDrained: (() => void)[] = [];
  readonly #whenEmpty: (() => void)[] = [];
  readonly #onFailure: (error: Error) => void;

  constructor(stream: Writable | undefined, failed: (error: Error) => void = () => {}) {
    this.#onFailure = failed;
    if (stream !== undefined) this.connect(stream);
  }

  /** Sends what waits, and what comes, to another stream. */
  connect(stream: Writable): void {
    this.disconnect();
    this.#stream = stream;
    stream.on('drain', this.#drained);
    stream.on('error', this.#broke);
    this.#flush();
    this.#makeRoom();
  }

  /** Bytes wait until there is a stream again. */
  disconnect(): void {
    this.#stream?.off('drain', this.#drained);
    this.#stream?.off('error', this.#broke);
    this.#stream = undefined;
    this.#full = false;
    this.#failed = false;
  }

  /** Drops what waits and what comes, until there is another stream. */
  discard(): void {
    this.disconnect();
    this.#drop();
  }

  /** Calls `drained` whenever there is room again after a refusal. */
  onDrained(drained: () => void): void {
    this.#whenDrained.push(drained);
  }

  /** @returns false when the byte was not taken. */
  write(byte: number): boolean {
    if (this.#failed) return true;
    if (this.#length === CAPACITY) this.#flush();
    if (this.#length === CAPACITY) {
      this.#refused = true;
      return false;
    }
    this.#bytes[this.#length++] = byte;
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#flush();
      });
    }
    return true;
  }

  /** Resolves when the stream has passed on everything, or has failed. Without a stream, at once. */
  async emptied(): Promise<void> {
    this.#flush();
    if (this.#length > 0 && this.#stream !== undefined && !this.#failed)
      await new Promise<void>(resolve => this.#whenEmpty.push(resolve));
    const stream = this.#stream;
    if (stream !== undefined && !this.#failed && stream.writableLength > 0) {
      await new Promise<void>(resolve => {
        stream.write(new Uint8Array(0), () => resolve());
        stream.once('close', () => resolve());
      });
    }
  }

  #flush(): void {
    if (this.#length === 0 || this.#full || this.#stream === undefined || this.#failed) return;
    const bytes = this.#bytes.slice(0, this.#length); // the stream keeps what it is given
    this.#length = 0;
    this.#full = !this.#stream.write(bytes);
    for (const done of this.#whenEmpty.splice(0)) done();
  }

  #drop(): void {
    this.#failed = true;
    this.#length = 0;
    for (const done of this.#whenEmpty.splice(0)) done();
    this.#makeRoom();
  }

  #makeRoom(): void {
    if (!this.#refused || this.#length === CAPACITY) return;
    this.#refused = false;
    for (const drained of this.#whenDrained) drained();
  }

  readonly #drained = (): void => {
    this.#full = false;
    this.#flush();
    this.#makeRoom();
  };

  readonly #broke = (error: Error): void => {
    if (this.#failed) return;
    this.#drop();
    this.#onFailure(error);
  };
}
