import type { Readable } from 'node:stream';
import type { Chardev, ChardevSink } from '@mainboard/core';
import { type EscapeCommand, EscapeKeys } from './escape-keys.ts';
import { InputQueue } from './input-queue.ts';
import { OutputChardev } from './output-chardev.ts';
import type { OutputQueue } from './output-queue.ts';

/** Ctrl-D, which ends the input of whoever reads lines. */
const EOT = 0x04;
/** So much may be typed ahead. A terminal is read even while the guest is not listening, or Ctrl-A x would wait. */
const TYPE_AHEAD = 65_536;

/** `process.stdin`, or a stream like it. */
export type TerminalInput = Readable & {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
  unref?(): unknown;
};

export interface StdioOptions {
  readonly input: TerminalInput;
  readonly output: OutputQueue;
  /** Ctrl-A x and Ctrl-A h were typed. Only a terminal has escapes: bytes of files and pipes pass untouched. */
  readonly command?: (command: Exclude<EscapeCommand, 'break'>) => void;
}

/**
 * The process's own input and output as a serial line. A terminal is put into raw mode from `attach` to `close` (and
 * put back when the process exits by itself). At the end of the input the guest gets one Ctrl-D, and then nothing.
 */
export class StdioChardev implements Chardev {
  readonly #input: TerminalInput;
  readonly #output: OutputChardev;
  readonly #command: NonNullable<StdioOptions['command']>;
  readonly #queue = new InputQueue();
  readonly #escapes: EscapeKeys | undefined;
  #ended = false;
  #open = false;

  constructor({ input, output, command = () => {} }: StdioOptions) {
    this.#input = input;
    this.#output = new OutputChardev(output);
    this.#command = command;
    this.#escapes = input.isTTY === true ? new EscapeKeys() : undefined;
  }

  attach(sink: ChardevSink): void {
    this.#queue.sink = sink;
    this.#output.attach(sink);
    this.#open = true;
    this.#raw();
    process.on('exit', this.#cooked);
    process.on('SIGCONT', this.#raw); // the shell has its own idea of the terminal while we are stopped
    this.#input.on('data', this.#arrived).on('end', this.#end).on('error', this.#end);
    this.#input.resume();
  }

  write(byte: number): boolean {
    return this.#output.write(byte);
  }

  resume(): void {
    this.#queue.deliver();
    if (this.#open && !this.#ended && this.#input.isPaused() && this.#hasRoom()) this.#input.resume();
  }

  /** Puts the terminal back and stops reading. Resolves when all output is written. */
  async close(): Promise<void> {
    if (this.#open) {
      this.#open = false;
      this.#input.off('data', this.#arrived).off('end', this.#end).off('error', this.#end);
      this.#input.pause();
      this.#input.unref?.();
      process.off('exit', this.#cooked);
      process.off('SIGCONT', this.#raw);
      this.#queue.clear();
      this.#cooked();
    }
    await this.#output.close();
  }

  /** From a pipe or file the next piece is read when the guest has taken the last. */
  #hasRoom(): boolean {
    return this.#escapes === undefined ? this.#queue.empty : this.#queue.size < TYPE_AHEAD;
  }

  readonly #arrived = (bytes: Uint8Array): void => {
    if (this.#escapes === undefined) this.#queue.push(bytes);
    else for (const part of this.#escapes.split(bytes)) this.#typed(part);
    if (!this.#hasRoom()) this.#input.pause();
  };

  #typed(part: Uint8Array | EscapeCommand): void {
    if (part === 'break') this.#queue.pushBreak();
    else if (typeof part === 'string') this.#command(part);
    else this.#queue.push(part);
  }

  readonly #end = (): void => {
    if (this.#ended) return;
    this.#ended = true;
    this.#queue.push(Uint8Array.of(EOT));
  };

  readonly #raw = (): void => {
    this.#setRaw(true);
  };

  readonly #cooked = (): void => {
    this.#setRaw(false);
  };

  #setRaw(raw: boolean): void {
    if (this.#input.isTTY !== true) return;
    try {
      this.#input.setRawMode?.(raw);
    } catch {
      // The terminal is gone (its window was closed): there is nothing to put back.
    }
  }
}
