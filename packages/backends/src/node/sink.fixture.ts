import type { ChardevSink } from '@mainboard/core';

/** A device with as much room as a test gives it. */
export class Sink implements ChardevSink {
  readonly received: number[] = [];
  /** Times that the channel said it had drained. */
  drains = 0;
  breaks = 0;
  space: number;

  constructor(space = Number.POSITIVE_INFINITY) {
    this.space = space;
  }

  get text(): string {
    return Buffer.from(this.received).toString('latin1');
  }

  room(): number {
    return this.space;
  }

  receive(byte: number): void {
    if (this.space <= 0) throw new Error('a byte came without room for it');
    this.space--;
    this.received.push(byte);
  }

  fault(kind: string): void {
    if (kind === 'break') this.breaks++;
  }

  drained(): void {
    this.drains++;
  }
}

/** Turns of the event loop until something holds. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setImmediate(resolve));
}

/** Sends a text as far as it is taken. @returns how many bytes were. */
export function send(chardev: { write(byte: number): boolean }, text: string): number {
  let sent = 0;
  for (const byte of Buffer.from(text, 'latin1')) {
    if (!chardev.write(byte)) return sent;
    sent++;
  }
  return sent;
}
