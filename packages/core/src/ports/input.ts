import { type Token, token } from '../token.ts';

/** A key by its place on the keyboard: the `code` values of the W3C's UI Events, such as `KeyA`, `Enter`, `ShiftLeft`. */
export type KeyCode = string;

/** The device's side of a keyboard. */
export interface KeyboardSink {
  /** A key went down or up. No repeats: the device makes its own. Keys that it does not have are ignored. */
  key(code: KeyCode, down: boolean): void;
}

/** A keyboard of the host's: a window, a remote console, a test. */
export interface KeyboardInput {
  /** Connects the one device that takes the keys. */
  attach(sink: KeyboardSink): void;
}
export const KeyboardInput: Token<KeyboardInput> = token('KeyboardInput');
