import { type Token, token } from './token.ts';

/** A device's way to end its machine; for reset and power-off there are the board's pins. */
export interface PowerControl {
  /** Ends the machine at the next instruction boundary. @param status exit status for the host, 0–255. */
  exit(status: number): void;
}
/** Put it among a device's `backends`; every machine supplies its own. */
export const PowerControl: Token<PowerControl> = token('PowerControl');
