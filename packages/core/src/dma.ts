import type { MachineBus } from './bus.ts';

/**
 * Guest-physical memory for a device that masters the bus, or for a debugger. Accesses reach RAM, ROM and windows as
 * the processor's do; holes read as ones and swallow writes, and are counted. Nothing throws for an address.
 */
export interface DmaPort {
  /** @param size 1, 2 or 4 bytes. @returns an unsigned number. */
  read(address: number, size: number): number;
  write(address: number, size: number, value: number): void;
  /** Fills `into` from `address` on. */
  readBytes(address: number, into: Uint8Array): void;
  writeBytes(address: number, from: Uint8Array): void;
  /** The guest's own bytes, without a copy and for reading only; undefined unless all of them are RAM in one piece. */
  view(address: number, size: number): Uint8Array | undefined;
}

/** The port over a machine's bus, which exists once the board is frozen. */
export class BusDma implements DmaPort {
  readonly #bus: () => MachineBus;

  constructor(bus: () => MachineBus) {
    this.#bus = bus;
  }

  read(address: number, size: number): number {
    return this.#bus().memoryRead(address, size);
  }

  write(address: number, size: number, value: number): void {
    this.#bus().memoryWrite(address, size, value);
  }

  readBytes(address: number, into: Uint8Array): void {
    const bus = this.#bus();
    for (let done = 0; done < into.length; ) {
      const at = address + done;
      const piece = bus.find(at);
      if (piece === undefined || piece.what.kind === 'window') {
        into[done++] = bus.memoryRead(at, 1);
        continue;
      }
      const count = Math.min(into.length - done, piece.end - at);
      const start = piece.what.offset + piece.offset + at - piece.base;
      into.set(bus.guest.bytes.subarray(start, start + count), done);
      done += count;
    }
  }

  writeBytes(address: number, from: Uint8Array): void {
    const bus = this.#bus();
    for (let done = 0; done < from.length; ) {
      const at = address + done;
      const piece = bus.find(at);
      if (piece === undefined || piece.what.kind !== 'ram') {
        bus.memoryWrite(at, 1, from[done++]!);
        continue;
      }
      const count = Math.min(from.length - done, piece.end - at);
      const start = piece.what.offset + piece.offset + at - piece.base;
      bus.announceWrite(start, count);
      bus.guest.bytes.set(from.subarray(done, done + count), start);
      done += count;
    }
  }

  view(address: number, size: number): Uint8Array | undefined {
    const bus = this.#bus();
    const piece = bus.find(address);
    if (piece === undefined || piece.what.kind !== 'ram' || address + size > piece.end) return undefined;
    const start = piece.what.offset + piece.offset + address - piece.base;
    return bus.guest.bytes.subarray(start, start + size);
  }
}
