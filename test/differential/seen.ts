/** Bits, one for each hash. */
const BITS = 2 ** 26;

/**
 * Texts that have come up, in 8 MiB however many: of each only a bit remains, by its hash. Of half a million, a few
 * thousand are taken for others.
 */
export class Seen {
  readonly #bits = new Uint8Array(BITS / 8);
  /** Those that were told apart. */
  size = 0;

  /** @returns whether it is new. */
  add(text: string): boolean {
    const hash = hashOf(text) % BITS;
    const mask = 1 << (hash & 7);
    if (this.#bits[hash >>> 3]! & mask) return false;
    this.#bits[hash >>> 3]! |= mask;
    this.size++;
    return true;
  }
}

/** FNV-1a, 32 bits, mixed once more so that the low bits depend on all of the text. */
function hashOf(text: string): number {
  let hash = 0x811c_9dc5;
  for (let n = 0; n < text.length; n++) hash = Math.imul(hash ^ text.charCodeAt(n), 0x0100_0193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
