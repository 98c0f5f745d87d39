import type { WasmMemory } from '@mainboard/core';
import type { CodePages } from './code-cache.ts';
import { PRIVILEGE, type Privilege } from './privilege.ts';
import { type ProcessContext, ProcessContexts } from './process-contexts.ts';
import { CR4, type Registers } from './registers.ts';
import { CONTEXTS, STATE, TLB } from './state.ts';
import { loadTlbMoves, type TlbMoves } from './tlb-moves.ts';

/** Words of an entry. */
const WORDS = TLB.entrySize / 4;
const FIRST = TLB.base / 4;
const END = FIRST + TLB.count * TLB.entries * WORDS;
const READ = TLB.read / 4;
const WRITE = TLB.write / 4;
const EXECUTE = TLB.execute / 4;
const ADDEND = TLB.addend / 4;
const PAGE = TLB.page / 4;
const { global: GLOBAL } = TLB;
const LIST = CONTEXTS.list / 4;

/** What an entry may say of its page. */
export const MAY = { read: 1, write: 2, execute: 4 } as const;

/**
 * The translation look-aside buffers, and what they forget when (SDM vol. 3 §4.10). They know pages of 4 KiB only, a
 * large one by its parts.
 *
 * Compiled code has the addresses of the buffers in it: a base that it had to read would cost a tenth of the time of
 * code that does nothing but access memory. So they hold the entries of the current process context and the global
 * ones; those of other contexts are put aside, and put back when CR3 is loaded with bit 63 set. What that costs hangs
 * on the number of entries in use, not on that of the buffers.
 */
export class Tlb {
  readonly contexts: ProcessContexts = new ProcessContexts();
  readonly #r: Registers;
  readonly #code: CodePages;
  readonly #moves: TlbMoves;
  /** Of `CONTEXTS.list`, in which every entry is that holds a page that is not global. */
  #listed = 0;
  /** Calls of {@link protect}. */
  #protections = 0;

  /**
   * By a hash of linear addresses' bits 47:21: a part of a page of 2 or 4 MiB may be in the TLB or the jump cache if it
   * says {@link #stamp}; likewise pages of 1 GiB.
   */
  readonly #large = new Uint32Array(2048);
  readonly #huge = new Uint32Array(256);
  #stamp = 1;

  constructor(registers: Registers, code: CodePages, memory: WasmMemory) {
    this.#r = registers;
    this.#code = code;
    this.#moves = loadTlbMoves(memory);
  }

  /** Place in `i32` of the entry that a linear address can have. */
  #place(low: number, privilege: Privilege): number {
    return (TLB.base + privilege * TLB.size + ((low >>> 12) & (TLB.entries - 1)) * TLB.entrySize) >> 2;
  }

  // ---------------------------------------------------------------- looking up and filling

  /** Where instructions of a page are fetched from, if an entry says so: offset of the page in the memory, else −1. */
  fetch(low: number, high: number, privilege: Privilege): number {
    const { i32 } = this.#r;
    const at = this.#place(low, privilege);
    const tag = low & ~0xfff;
    const hit = i32[at + EXECUTE] === tag && i32[at + EXECUTE + 1] === high;
    return hit ? (tag + i32[at + ADDEND]!) >>> 0 : -1;
  }

  /** Whether the page that {@link fetch} has just found is the same in all process contexts. */
  isGlobal(low: number, privilege: Privilege): boolean {
    return (this.#r.i32[this.#place(low, privilege) + PAGE]! & GLOBAL) !== 0;
  }

  /** What it adds to the low half of an address there to get its offset in the memory. */
  addend(low: number, privilege: Privilege): number {
    return this.#r.i32[this.#place(low, privilege) + ADDEND]!;
  }

  /**
   * @param offset of the page in the memory
   * @param rights bits of {@link MAY}
   * @param shift size of the page as a power of two: 12, 21, 22 or 30
   */
  fill(
    low: number,
    high: number,
    offset: number,
    privilege: Privilege,
    rights: number,
    shift: number,
    global: boolean,
  ): void {
    const { i32 } = this.#r;
    const at = this.#place(low, privilege);
    // Without the bit, it holds a page that is not global, and is listed.
    if (!global && i32[at + PAGE]! & GLOBAL) this.#list(at);
    const tag = low & ~0xfff;
    i32[at + READ] = rights & MAY.read ? tag : -1;
    i32[at + READ + 1] = rights & MAY.read ? high : -1;
    i32[at + WRITE] = rights & MAY.write ? tag : -1;
    i32[at + WRITE + 1] = rights & MAY.write ? high : -1;
    i32[at + EXECUTE] = rights & MAY.execute ? tag : -1;
    i32[at + EXECUTE + 1] = rights & MAY.execute ? high : -1;
    i32[at + ADDEND] = offset - tag;
    i32[at + PAGE] = (shift << 1) | (global ? GLOBAL : 0);
    if (shift === 30) this.#huge[hugeHash(low, high)] = this.#stamp;
    else if (shift > 12) {
      this.#large[largeHash(low, high)] = this.#stamp;
      if (shift === 22) this.#large[largeHash(low ^ 0x20_0000, high)] = this.#stamp;
    }
  }

  #list(at: number): void {
    const { i32 } = this.#r;
    if (this.#listed === CONTEXTS.listed) {
      // Some are listed more than once, as they were cleared in between.
      this.#listed = 0;
      for (let entry = FIRST; entry < END; entry += WORDS)
        if (!(i32[entry + PAGE]! & GLOBAL)) i32[LIST + this.#listed++] = entry * 4;
    }
    i32[LIST + this.#listed++] = at * 4;
  }

  /** Sends the next write to a page to `Mmu.translate`, since it holds code now. @param offset of the page in the memory. */
  protect(offset: number): void {
    const { i32 } = this.#r;
    this.#protections++;
    for (let at = FIRST; at < END; at += WORDS)
      if (i32[at + WRITE] !== -1 && (i32[at + WRITE]! + i32[at + ADDEND]!) >>> 0 === offset) {
        i32[at + WRITE] = -1;
        i32[at + WRITE + 1] = -1;
      }
  }

  // ---------------------------------------------------------------- forgetting

  /** Makes an entry match no address. @param at its place */
  #clear(at: number): void {
    const { i32 } = this.#r;
    for (let i = 0; i < WORDS; i++) i32[at + i] = -1;
  }

  /** Forgets every translation, of global pages and other contexts as well. */
  flush(): void {
    this.#moves.clear();
    this.#listed = 0;
    this.contexts.reset(this.#pcid);
    this.#stamp = (this.#stamp + 1) >>> 0;
    if (this.#stamp !== 0) return;
    this.#large.fill(0);
    this.#huge.fill(0);
    this.#stamp = 1;
  }

  /** Forgets the current context's translations; those of global pages stay. */
  flushContext(): void {
    this.#moves.putAside(this.#listed, 0, 0);
    this.#listed = 0;
  }

  /** Size, as a power of two, of the largest page at a linear address of which something may be known. */
  sizeAt(low: number, high: number): number {
    if (this.#huge[hugeHash(low, high)] === this.#stamp) return 30;
    return this.#large[largeHash(low, high)] === this.#stamp ? 22 : 12;
  }

  /** Forgets the translations of a page. @param shift {@link sizeAt} it */
  flushPage(low: number, high: number, shift: number): void {
    for (const privilege of Object.values(PRIVILEGE)) this.#clear(this.#place(low, privilege));
    if (shift === 12) return;
    const { i32 } = this.#r;
    for (let at = FIRST; at < END; at += WORDS) {
      const page = i32[at + PAGE]!;
      if (page === -1 || page >> 1 === 12) continue;
      for (const tag of [at + READ, at + WRITE, at + EXECUTE])
        if ((i32[tag]! ^ low) >>> (page >> 1) === 0 && i32[tag + 1] === high) {
          this.#clear(at);
          break;
        }
    }
  }

  // ---------------------------------------------------------------- process contexts

  get #pcid(): number {
    const { cr4, u32 } = this.#r;
    return cr4 & CR4.pcide ? u32[CR3]! & 0xfff : 0;
  }

  /**
   * CR3 has been loaded (SDM vol. 3 §4.10.4.1).
   * @param keep what is known of the context that it names
   */
  loadCr3(keep: boolean): void {
    const { contexts } = this;
    const pcid = this.#pcid;
    if (pcid !== contexts.current.pcid) {
      this.#putAside(contexts.current);
      contexts.select(pcid);
      if (keep) this.#putBack(contexts.current);
      else contexts.current.forget();
    } else if (!keep) {
      this.flushContext();
      contexts.current.forget();
    }
  }

  /** An area holds more than nearly any context has entries; what it does not hold is forgotten. */
  #putAside(context: ProcessContext): void {
    context.used = this.#moves.putAside(this.#listed, context.area, CONTEXTS.most);
    context.protections = this.#protections;
    this.#listed = 0;
  }

  #putBack(context: ProcessContext): void {
    if (context.protections !== this.#protections) this.#protectAside(context);
    this.#moves.putBack(context.area, context.used);
    this.#listed = context.used;
    context.used = 0;
  }

  /** Pages of a context that is put aside may hold code by now. */
  #protectAside({ area, used }: ProcessContext): void {
    const { i32 } = this.#r;
    const first = (area + CONTEXTS.entries) / 4;
    for (let at = first; at < first + used * WORDS; at += WORDS)
      if (i32[at + WRITE] !== -1 && this.#code.holdsCode((i32[at + WRITE]! + i32[at + ADDEND]!) >>> 0)) {
        i32[at + WRITE] = -1;
        i32[at + WRITE + 1] = -1;
      }
  }
}

const CR3 = STATE.cr / 4 + 6;
const largeHash = (low: number, high: number): number => ((low >>> 21) ^ (high * 0x35)) & 0x7ff;
const hugeHash = (low: number, high: number): number => ((low >>> 30) | (high << 2)) & 0xff;
