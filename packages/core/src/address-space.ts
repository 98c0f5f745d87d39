import { hex, MainboardError } from './errors.ts';
import type { Ram, Rom } from './memory.ts';
import type { Window } from './window.ts';

/** What can lie at an address. */
export type Mappable = Window | Ram | Rom;

/** Something mapped. Moving or removing it takes effect with the next access. */
export interface Mapping<M extends Mappable = Mappable> {
  readonly base: number;
  readonly size: number;
  readonly what: M;
  /** The higher one is seen where two overlap; 0 unless told. */
  readonly priority: number;
  readonly mapped: boolean;
  /** Puts it to another address (a PCI BAR), also after {@link remove}. @throws MainboardError `overlap`, `bad-range` */
  move(base: number): void;
  remove(): void;
}

/** A stretch of the flattened map: overlays resolved, sorted, without overlaps. */
export interface Piece<M extends Mappable = Mappable> {
  readonly base: number;
  readonly size: number;
  /** One past its last address. */
  readonly end: number;
  readonly what: M;
  /** Offset in `what` of the first address. */
  readonly offset: number;
}

/** Guest accesses that nothing answered. */
export interface Unhandled {
  reads: number;
  writes: number;
}

/** Ports or guest-physical memory: which window, RAM or ROM answers an address. */
export class AddressSpace<M extends Mappable = Mappable> {
  readonly name: string;
  /** Addresses: 0 up to, not including, this. */
  readonly size: number;
  readonly unhandled: Unhandled = { reads: 0, writes: 0 };
  readonly #takes: readonly string[];
  readonly #mappings: Mapping<M>[] = [];
  readonly #listeners: (() => void)[] = [];
  #pieces: readonly Piece<M>[] | undefined;
  #batch = 0;
  #stale = false;

  /** @param takes the kinds that can be mapped; all unless told. */
  constructor(name: string, size: number, takes: readonly M['kind'][] = ['window', 'ram', 'rom']) {
    this.name = name;
    this.size = size;
    this.#takes = takes;
  }

  /** Maps each entry at its address. @throws MainboardError `overlap` naming both sides, `bad-range`, `bad-mapping` */
  map(table: Readonly<Record<number, M>>): void {
    this.batch(() => {
      for (const [base, what] of Object.entries(table)) this.place(Number(base), what);
    });
  }

  /**
   * Maps one thing. Where mappings of different priority overlap, the higher one is seen; equal ones may not.
   * @throws MainboardError `overlap`, `bad-range`, `bad-mapping`
   */
  place(base: number, what: M, priority = 0): Mapping<M> {
    this.#checkKind(base, what);
    const space = this;
    let at = base;
    let mapped = false;
    const mapping: Mapping<M> = {
      what,
      priority,
      size: what.size,
      get base() {
        return at;
      },
      get mapped() {
        return mapped;
      },
      move(to) {
        if (mapped && to === at) return;
        space.#check(to, what, priority, mapping);
        at = to;
        if (!mapped) space.#mappings.push(mapping);
        mapped = true;
        space.#changed();
      },
      remove() {
        if (!mapped) return;
        mapped = false;
        space.#mappings.splice(space.#mappings.indexOf(mapping), 1);
        space.#changed();
      },
    };
    mapping.move(base);
    return mapping;
  }

  /** Several changes, one notification. */
  batch(change: () => void): void {
    this.#batch++;
    try {
      change();
    } finally {
      this.#batch--;
      if (this.#batch === 0 && this.#stale) this.#changed();
    }
  }

  /** Calls `changed` after every change. */
  onChange(changed: () => void): void {
    this.#listeners.push(changed);
  }

  get mappings(): readonly Mapping<M>[] {
    return this.#mappings;
  }

  /** The flattened map; the same array until it changes. */
  pieces(): readonly Piece<M>[] {
    this.#pieces ??= flatten(this.#mappings);
    return this.#pieces;
  }

  /** What answers an address. */
  at(address: number): Piece<M> | undefined {
    const pieces = this.pieces();
    let low = 0;
    let high = pieces.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (pieces[middle]!.end <= address) low = middle + 1;
      else high = middle;
    }
    const piece = pieces[low];
    return piece !== undefined && piece.base <= address ? piece : undefined;
  }

  /** The compiler says the same, but a board file may come here unchecked. */
  #checkKind(base: number, what: M | undefined): void {
    if (what !== undefined && this.#takes.includes(what.kind)) return;
    throw new MainboardError(
      'bad-mapping',
      what === undefined
        ? `What is to be mapped at ${hex(base)} in ${this.name} does not exist; check the window's name.`
        : `${what.name} is a ${what.kind} and cannot be mapped at ${hex(base)} in ${this.name}, which takes a ${this.#takes.join(', ')}.`,
      { space: this.name, base },
    );
  }

  #check(base: number, what: M, priority: number, self: Mapping<M>): void {
    if (!Number.isInteger(base) || base < 0 || what.size <= 0 || base + what.size > this.size) {
      throw new MainboardError(
        'bad-range',
        `${what.name} (${hex(what.size)} bytes) does not fit at ${hex(base)} in ${this.name}, which ends at ${hex(this.size)}.`,
        { space: this.name, base, size: what.size },
      );
    }
    const other = this.#mappings.find(
      m => m !== self && m.priority === priority && base < m.base + m.size && m.base < base + what.size,
    );
    if (other !== undefined) {
      throw new MainboardError(
        'overlap',
        `${this.name}: ${what.name} at ${hex(base)}–${hex(base + what.size - 1)} overlaps ${other.what.name} at ${hex(other.base)}–${hex(other.base + other.size - 1)}; move one of them, or place one with a higher priority.`,
        { space: this.name, names: [what.name, other.what.name], base, otherBase: other.base },
      );
    }
  }

  #changed(): void {
    this.#pieces = undefined;
    this.#stale = this.#batch > 0;
    if (!this.#stale) for (const listener of this.#listeners) listener();
  }
}

/** Cuts the mappings at every border, keeps the highest in each interval and joins what belongs together. */
function flatten<M extends Mappable>(mappings: readonly Mapping<M>[]): Piece<M>[] {
  const borders = [...new Set(mappings.flatMap(m => [m.base, m.base + m.size]))].sort((a, b) => a - b);
  const pieces: Piece<M>[] = [];
  for (let i = 0; i + 1 < borders.length; i++) {
    const base = borders[i]!;
    const end = borders[i + 1]!;
    let top: Mapping<M> | undefined;
    for (const m of mappings)
      if (m.base <= base && m.base + m.size >= end && (top === undefined || m.priority > top.priority)) top = m;
    if (top === undefined) continue;
    const offset = base - top.base;
    const last = pieces.at(-1);
    if (last !== undefined && last.end === base && last.what === top.what && last.offset + last.size === offset) {
      pieces[pieces.length - 1] = { ...last, size: last.size + end - base, end };
    } else pieces.push({ base, size: end - base, end, what: top.what, offset });
  }
  return pieces;
}
