import type { Decoded } from '../decode/decoded.ts';
import { LINK, RECORD } from '../interpreter/record.ts';
import { SPECIAL } from '../interpreter/special.ts';
import type { Predecoder } from '../predecoder.ts';
import type { Registers } from '../registers.ts';
import { SEGMENT, STATE } from '../state.ts';
import { MAX_INSTRUCTIONS } from './region.ts';

/** Records that a region needs at most: five an instruction (two accesses, an escape, exits), and a table. */
export const MAX_REGION_RECORDS: number = 6 * MAX_INSTRUCTIONS;

/** A block's first record that leads into a region. */
interface Entry {
  readonly record: number;
  /** The handler that the interpreter has for it. */
  readonly interpreted: number;
}

/**
 * What a compiled region keeps among the records: stand-ins for instructions that somebody may have to look up, exits,
 * whose links are filled in like any block's, and a word that tells whether it is still what its pages hold.
 */
export class RegionRecords {
  readonly #r: Registers;
  readonly #predecoder: Predecoder;
  /** Place of its entry in the guest memory. */
  readonly place: number;
  /** It has code in it that other regions have too. */
  readonly wide: boolean;
  /** Index of the region in the interpreter's table. */
  readonly handler: number;
  /** Offset of the word that is 1 as long as the region is good. */
  readonly alive: number;
  /** Offset behind the last record. */
  end: number;
  readonly #sites = new Map<number, number>();
  readonly #exits = new Map<number, number>();
  readonly #entries: Entry[] = [];

  /** @param free offset where records may be put */
  constructor(r: Registers, predecoder: Predecoder, place: number, handler: number, free: number, wide: boolean) {
    this.#r = r;
    this.#predecoder = predecoder;
    this.place = place;
    this.wide = wide;
    this.handler = handler;
    this.alive = free;
    this.end = free + RECORD.size;
    r.u32[free >> 2] = 1;
  }

  #add(place: number, count: number): number {
    const { i32, u16, u32 } = this.#r;
    const at = this.end;
    this.end += RECORD.size;
    u32.fill(0, at >> 2, this.end >> 2);
    u32[(at + RECORD.handler) >> 2] = SPECIAL.through;
    i32[(at + RECORD.disp) >> 2] = place;
    u16[(at + RECORD.count) >> 1] = count;
    return at;
  }

  /**
   * The record that stands for an instruction, or for one of its accesses.
   * @param count instructions of its block before it
   * @param info of the access: its `ACCESS` and size
   * @param stop why the region is left there
   */
  site(place: number, insn: Decoded, count: number, info: number, stop: number): number {
    const key = (place * 0x1000 + info) * 8 + stop;
    let at = this.#sites.get(key);
    if (at === undefined) {
      at = this.#add(place, count);
      const { u8, u16 } = this.#r;
      u8[at + RECORD.length] = insn.length;
      u16[(at + RECORD.a) >> 1] = info;
      u16[(at + RECORD.b) >> 1] = stop;
      if (insn.seg >= 0) u16[(at + RECORD.segment) >> 1] = STATE.segments + SEGMENT.size * insn.seg;
      this.#sites.set(key, at);
    }
    return at;
  }

  /** The record by which an instruction is carried out in TypeScript. */
  escape(place: number, insn: Decoded, count: number): number {
    const at = this.site(place, insn, count, 0, 0);
    const { u32 } = this.#r;
    u32[(at + RECORD.handler) >> 2] = SPECIAL.escape;
    u32[(at + RECORD.imm) >> 2] ||= this.#predecoder.keep(insn);
    return at;
  }

  /** The record whose link leads to a place. @param count instructions of a block before it */
  exit(target: number, count: number): number {
    const key = target * 0x1000 + count;
    let at = this.#exits.get(key);
    if (at === undefined) {
      at = this.#add(target, count);
      this.#r.u32[(at + RECORD.taken) >> 2] = LINK.unknown;
      this.#exits.set(key, at);
    }
    return at;
  }

  /** A table of the entries' places, i32 each. */
  table(places: readonly number[]): number {
    const at = this.end;
    for (let i = 0; i < places.length * 4; i += RECORD.size) this.#add(0, 0);
    this.#r.i32.set(places, at >> 2);
    return at;
  }

  /** Makes a block's first record enter the region. @param interpreted the handler that the interpreter has for it */
  enter(record: number, number: number, interpreted: number): void {
    const { u16, u32 } = this.#r;
    this.#entries.push({ record, interpreted });
    u32[(record + RECORD.handler) >> 2] = this.handler;
    u16[(record + RECORD.entry) >> 1] = number;
  }

  /** The interpreter's handler for a record that enters the region. */
  interpreted(record: number): number {
    return this.#entries.find(entry => entry.record === record)!.interpreted;
  }

  /** Leaves the code to the interpreter again. */
  remove(): void {
    const { u16, u32 } = this.#r;
    u32[this.alive >> 2] = 0;
    for (const { record, interpreted } of this.#entries) {
      const at = (record + RECORD.handler) >> 2;
      if (u32[at] === this.handler) {
        u32[at] = interpreted;
        u16[(record + RECORD.entry) >> 1] = 0;
      } else if (u32[at] === SPECIAL.stale) u16[(record + RECORD.entry) >> 1] = 0;
    }
  }
}
