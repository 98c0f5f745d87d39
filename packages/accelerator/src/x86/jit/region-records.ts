import type { Decoded } from '../decode/decoded.ts';
import { LINK, RECORD } from '../interpreter/record.ts';
import { SPECIAL } from '../interpreter/special.ts';
import type { Registers } from '../registers.ts';
import { SEGMENT, STATE } from '../state.ts';

/**
 * What a compiled region keeps among the records: stand-ins for instructions that somebody may have to look up, and
 * exits, whose links are filled in like any block's.
 */
export class RegionRecords {
  readonly #r: Registers;
  /** Offset of the record at the region's entry; its handler is the region. */
  readonly entry: number;
  /** The handler that it had before. */
  readonly interpreted: number;
  /** Index of the region in the interpreter's table. */
  readonly handler: number;
  /** Offset behind the last record. */
  end: number;
  readonly #sites = new Map<number, number>();
  readonly #exits = new Map<number, number>();

  /** @param free offset where records may be put */
  constructor(r: Registers, entry: number, handler: number, free: number) {
    this.#r = r;
    this.entry = entry;
    this.interpreted = r.u32[(entry + RECORD.handler) >> 2]!;
    this.handler = handler;
    this.end = free;
  }

  #add(start: number): number {
    const { u16, u32 } = this.#r;
    const at = this.end;
    this.end += RECORD.size;
    u32.fill(0, at >> 2, this.end >> 2);
    u32[(at + RECORD.handler) >> 2] = SPECIAL.through;
    u16[(at + RECORD.start) >> 1] = start;
    return at;
  }

  /** The record that stands for the instruction at an offset in the page. */
  site(offset: number, { length, seg }: Decoded): number {
    let at = this.#sites.get(offset);
    if (at === undefined) {
      at = this.#add(offset);
      this.#r.u8[at + RECORD.length] = length;
      if (seg >= 0) this.#r.u16[(at + RECORD.segment) >> 1] = STATE.segments + SEGMENT.size * seg;
      this.#sites.set(offset, at);
    }
    return at;
  }

  /** The record whose link leads to an offset in the page, or near it. @param keeps a link into the page may be kept */
  exit(target: number, keeps: boolean): number {
    let at = this.#exits.get(target);
    if (at === undefined) {
      at = this.#add(0);
      this.#r.u32[(at + RECORD.taken) >> 2] = keeps && target >= 0 && target < 4096 ? LINK.unknown : LINK.dynamic;
      this.#exits.set(target, at);
    }
    return at;
  }

  /** Makes the entry's record enter the region. */
  install(): void {
    this.#r.u32[(this.entry + RECORD.handler) >> 2] = this.handler;
  }

  /** Leaves the code to the interpreter again. */
  remove(): void {
    const at = (this.entry + RECORD.handler) >> 2;
    if (this.#r.u32[at] === this.handler) this.#r.u32[at] = this.interpreted;
  }
}
