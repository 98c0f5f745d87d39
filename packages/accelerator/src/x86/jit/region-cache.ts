/** What the compiled code of one processor may come to. */
export interface RegionLimits {
  readonly regions: number;
  /** Bytes of the host's memory, by {@link costOf}. */
  readonly bytes: number;
}

const LIMITS: RegionLimits = { regions: 2048, bytes: 96 * 2 ** 20 };

/**
 * Bytes of the host's memory that a module of so many bytes takes: machine code, jump tables, instance, the bytes
 * themselves. Measured with V8 11.3 on x86-64, for modules of 1 to 33 KB.
 */
export const costOf = (wasm: number): number => 20 * 1024 + 2.75 * wasm;

interface Kept<R> {
  readonly region: R;
  readonly cost: number;
}

/** Compiled regions by their handlers, the one longest not seen running first. */
export class RegionCache<R extends { readonly handler: number }> {
  readonly #limits: RegionLimits;
  readonly #kept = new Map<number, Kept<R>>();
  #bytes = 0;

  constructor(limits: RegionLimits = LIMITS) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#kept.size;
  }
  /** What all cost the host, by {@link costOf}. */
  get bytes(): number {
    return this.#bytes;
  }
  get all(): R[] {
    return [...this.#kept.values()].map(({ region }) => region);
  }

  get(handler: number): R | undefined {
    return this.#kept.get(handler)?.region;
  }

  /** The processor was found in a region, if the handler is one's: it is the last to go. */
  seen(handler: number): void {
    const kept = this.#kept.get(handler);
    if (!kept) return;
    this.#kept.delete(handler);
    this.#kept.set(handler, kept);
  }

  /** What is to go before a module of so many bytes is added. */
  excess(wasm: number): R[] {
    const excess: R[] = [];
    let { size } = this.#kept;
    let bytes = this.#bytes + costOf(wasm);
    for (const { region, cost } of this.#kept.values()) {
      if (size < this.#limits.regions && bytes <= this.#limits.bytes) break;
      excess.push(region);
      size--;
      bytes -= cost;
    }
    return excess;
  }

  /** @param wasm size of its module */
  add(region: R, wasm: number): void {
    const cost = costOf(wasm);
    this.#kept.set(region.handler, { region, cost });
    this.#bytes += cost;
  }

  /** @returns whether it was there. */
  delete(region: R): boolean {
    const kept = this.#kept.get(region.handler);
    if (kept?.region !== region) return false; // its handler may be another's by now
    this.#kept.delete(region.handler);
    this.#bytes -= kept.cost;
    return true;
  }
}
