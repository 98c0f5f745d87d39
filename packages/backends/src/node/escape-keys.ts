/** What a person at the terminal asks of the host, not of the guest. */
export type EscapeCommand = 'quit' | 'help' | 'break';

/** Ctrl-A */
const ESCAPE = 0x01;
const COMMANDS: Readonly<Record<string, EscapeCommand>> = { x: 'quit', h: 'help', '?': 'help', b: 'break' };

/**
 * Finds commands among typed bytes: Ctrl-A and a letter. Ctrl-A twice is one Ctrl-A for the guest; Ctrl-A and any other
 * key are swallowed.
 */
export class EscapeKeys {
  #escaped = false;

  /** @returns in order, what is for the guest and what is for the host. */
  split(typed: Uint8Array): (Uint8Array | EscapeCommand)[] {
    const parts: (Uint8Array | EscapeCommand)[] = [];
    let plain: number[] = [];
    for (const byte of typed) {
      if (!this.#escaped && byte === ESCAPE) this.#escaped = true;
      else if (!this.#escaped) plain.push(byte);
      else {
        this.#escaped = false;
        const command = COMMANDS[String.fromCharCode(byte).toLowerCase()];
        if (byte === ESCAPE) plain.push(ESCAPE);
        else if (command !== undefined) {
          if (plain.length > 0) parts.push(Uint8Array.from(plain));
          plain = [];
          parts.push(command);
        }
      }
    }
    if (plain.length > 0) parts.push(Uint8Array.from(plain));
    return parts;
  }
}
