import { RECORD } from './interpreter/record.ts';
import { SPECIAL } from './interpreter/special.ts';
import { MODE } from './mode.ts';
import { CS_BASE } from './predecoder.ts';
import type { ProcessContexts } from './process-contexts.ts';
import type { Registers } from './registers.ts';
import { JUMP_CACHE, STATE } from './state.ts';

/** A key is a mode, and above it a generation. */
const GENERATION = MODE.count;

const BASE = JUMP_CACHE.base / 4;
const ENTRY = JUMP_CACHE.entrySize / 4;
const END = BASE + JUMP_CACHE.entries * ENTRY;
const RIP = JUMP_CACHE.rip / 4;
const KEY = JUMP_CACHE.key / 4;
const BLOCK = JUMP_CACHE.block / 4;
const ADDEND = JUMP_CACHE.addend / 4;

/**
 * Blocks by RIP, for the interpreter and for compiled code. An entry counts while its key is that of the processor
 * (`STATE.codeKey`). User code has a generation for each process context, so that all of one is forgotten at once;
 * supervisor code has one for all, as nearly all of it lies in global pages. What was forgotten stays there: user code
 * that the TLB then finds where it was gets the new generation (`interpreter/dispatch-runtime.ts`).
 */
export class JumpCache {
  readonly #r: Registers;
  readonly #contexts: ProcessContexts;
  /** Given out last. */
  #generation = 0;
  #supervisor = 0;
  /** Some supervisor code is known that does not lie in a global page. */
  #anyLocal = false;
  /**
   * By a hash of pages: supervisor code there may be known, if it says {@link #stamp}. Far more than there are pages of
   * code, as a guess that is wrong costs a look at all entries.
   */
  readonly #supervisorPages = new Uint32Array(HINTS);
  #stamp = 1;
  /** The same of user code, which may be known again at any time: anything but 0. */
  readonly #userPages = new Uint8Array(HINTS);

  constructor(registers: Registers, contexts: ProcessContexts) {
    this.#r = registers;
    this.#contexts = contexts;
  }

  /** `STATE.codeKey` of a mode. */
  key(mode: number): number {
    return mode | (mode & MODE.user ? this.#contexts.current.jumps : this.#supervisor);
  }

  /** The first of the two entries that may have it. */
  #pair(ripLow: number): number {
    return BASE + ((ripLow ^ (ripLow >>> 12)) & (JUMP_CACHE.entries - 2)) * ENTRY;
  }

  /** The block at RIP; 0 if none is known. */
  find(ripLow: number, ripHigh: number): number {
    const { i32, u32 } = this.#r;
    const pair = this.#pair(ripLow);
    for (let at = pair; at <= pair + ENTRY; at += ENTRY) {
      const known =
        i32[at + RIP] === ripLow && i32[at + RIP + 1] === ripHigh && i32[at + KEY] === i32[STATE.codeKey / 4];
      const block = u32[at + BLOCK]!;
      if (known && u32[(block + RECORD.handler) >> 2] !== SPECIAL.stale) return block;
    }
    return 0;
  }

  /**
   * @param low half of RIP's linear address
   * @param global whether it lies in a global page
   * @param addend what the TLB has for that page
   */
  add(ripLow: number, ripHigh: number, block: number, low: number, global: boolean, addend: number): void {
    const { i32, u32 } = this.#r;
    const at = this.#pair(ripLow);
    const key = i32[STATE.codeKey / 4]!;
    if (i32[at + RIP] !== ripLow || i32[at + RIP + 1] !== ripHigh)
      for (let word = at; word < at + ENTRY; word++) i32[word + ENTRY] = i32[word]!;
    i32[at + RIP] = ripLow;
    i32[at + RIP + 1] = ripHigh;
    i32[at + KEY] = key;
    u32[at + BLOCK] = block;
    i32[at + ADDEND] = low === ripLow ? addend : NONE;
    if (key & MODE.user) this.#userPages[hint(low)] = 1;
    else {
      this.#supervisorPages[hint(low)] = this.#stamp;
      if (!global) this.#anyLocal = true;
    }
  }

  // ---------------------------------------------------------------- forgetting

  /** Forgets everything: CS moved, or what is mapped where. */
  forget(): void {
    const contexts = this.#contexts;
    contexts.forgetJumps();
    this.#anyLocal = false;
    this.#supervisor = this.#next();
    contexts.current.jumps = this.#next();
    this.#stamp = (this.#stamp + 1) >>> 0;
    if (this.#stamp !== 0) return;
    this.#supervisorPages.fill(0);
    this.#stamp = 1;
  }

  /** The current process context is another one, or has been forgotten. */
  contextChanged(): void {
    if (this.#anyLocal) {
      this.#anyLocal = false;
      this.#supervisor = this.#next();
    }
    const { current } = this.#contexts;
    if (current.jumps === 0) current.jumps = this.#next();
  }

  /** Forgets code of the current context, and supervisor's. @param shift size of the page, as a power of two */
  forgetPage(low: number, high: number, shift: number): void {
    const page = hint(low);
    if (shift === 12 && this.#supervisorPages[page] !== this.#stamp && this.#userPages[page] === 0) return;
    const { i32 } = this.#r;
    for (let at = BASE; at < END; at += ENTRY) {
      const key = i32[at + KEY]!;
      const long = (key & MODE.code) === 2;
      const linear = i32[at + RIP]! + (long ? 0 : i32[CS_BASE / 4]!);
      if ((linear ^ low) >>> shift === 0 && (!long || i32[at + RIP + 1] === high) && key === this.key(key % GENERATION))
        i32[at + KEY] = 0;
    }
  }

  /** Makes entries void whatever their generation: their blocks are gone. */
  clear(): void {
    const { i32 } = this.#r;
    for (let at = BASE; at < END; at += ENTRY) i32[at + KEY] = 0;
    this.#userPages.fill(0);
  }

  #next(): number {
    if (this.#generation === 0x8000_0000 - GENERATION) {
      const contexts = this.#contexts;
      this.#generation = 0;
      this.clear();
      contexts.forgetJumps();
      this.#supervisor = this.#next();
      contexts.current.jumps = this.#next();
    }
    this.#generation += GENERATION;
    return this.#generation;
  }
}

const HINTS = 0x8000;
const hint = (low: number): number => ((low >>> 12) ^ (low >>> 27)) & (HINTS - 1);
/** No addend, as those are multiples of a page. */
const NONE = 1;
