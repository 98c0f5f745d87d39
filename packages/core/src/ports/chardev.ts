import { type Token, token } from '../token.ts';

/** The device's side of a character channel. */
export interface ChardevSink {
  /** How many bytes the device can take now. The channel delivers no more than that. */
  room(): number;
  /** One byte for the device. Called only when {@link room} is not 0. */
  receive(byte: number): void;
  /**
   * A character that arrived damaged, or a break: the line held low (GUEST: Linux's SysRq on a serial console). Takes
   * the room of one byte. Devices that cannot tell have no such method.
   */
  fault?(kind: 'break' | 'parity' | 'framing', byte: number): void;
  /** The channel can take more after a `write` that returned false. */
  drained(): void;
}

/**
 * A byte channel to the host: a terminal, a file, a socket, a test. Bytes are never lost in either direction: who
 * has no room says so, and the other side waits.
 */
export interface Chardev {
  /** Connects the one device that uses the channel. */
  attach(sink: ChardevSink): void;
  /** Sends one byte. @returns false when the byte was not taken; `drained` follows when there is room again. */
  write(byte: number): boolean;
  /** The device has room again: deliver what waited. */
  resume(): void;
}
export const Chardev: Token<Chardev> = token('Chardev');
