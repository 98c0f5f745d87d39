import { type Cpu, MODE } from './cpu.ts';
import { MAX_LENGTH } from './decode/decoder.ts';
import type { Escape } from './escapes/escape.ts';
import { VECTOR } from './fault.ts';
import { SPECIAL } from './interpreter/generate.ts';
import { RECORD, STOP } from './interpreter/record.ts';
import { Predecoder } from './predecoder.ts';
import { SEGREG } from './registers.ts';
import { JUMP_CACHE, RECORDS, SEGMENT, STATE } from './state.ts';

/** Instructions in one block at most; bounds how long an interrupt waits for the end of a block. */
const MAX_BLOCK = 64;
/** Records that a block can take: two an instruction, one to go on with. */
const MAX_RECORDS = 2 * MAX_BLOCK + 2;
/** Where blocks that are not kept are put: single steps, code in device memory. */
const SCRATCH = RECORDS.base;
const FIRST = SCRATCH + MAX_RECORDS * RECORD.size;

/** What the MMU asks of the code cache. Offsets are places in the guest memory. */
export interface CodePages {
  /** Instructions of this page have been decoded. */
  holdsCode(offset: number): boolean;
  /** Somebody is about to write there. */
  written(offset: number, size: number): void;
}

interface Block {
  /** Key in the map of blocks. */
  readonly key: number;
  readonly records: number;
  /** Offset behind the last record. */
  readonly end: number;
}

interface CodePage {
  /** A bit for each byte that an instruction was decoded from. */
  readonly bytes: Uint8Array;
  readonly blocks: Block[];
}

/** Keeps blocks of predecoded guest code, and drops them when their bytes are written. */
export class CodeCache implements CodePages {
  readonly #cpu: Cpu;
  readonly predecoder: Predecoder;
  readonly #hasCode: Uint8Array;
  readonly #pages = new Map<number, CodePage>();
  readonly #blocks = new Map<number, Block>();
  #next: number = FIRST;

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
    this.predecoder = new Predecoder(cpu);
    this.#hasCode = new Uint8Array(cpu.r.u8.length >>> 12);
    cpu.bus.onWrite((offset, size) => {
      for (let at = offset & ~0xfff; at < offset + size; at += 4096) {
        const from = Math.max(at, offset);
        if (this.#hasCode[at >>> 12]) this.written(from, Math.min(at + 4096, offset + size) - from);
      }
    });
  }

  // ---------------------------------------------------------------- written code

  holdsCode(offset: number): boolean {
    return this.#hasCode[offset >>> 12] !== 0;
  }

  written(offset: number, size: number): void {
    const number = offset >>> 12;
    if (this.#hasCode[number] === 0) return;
    const page = this.#pages.get(number)!;
    for (let at = offset & 0xfff; at < (offset & 0xfff) + size && at < 4096; at++)
      if (page.bytes[at >> 3]! & (1 << (at & 7))) {
        this.#drop(number, page);
        return;
      }
  }

  /** Forgets the code of a page. Whoever still runs it finds stale records and looks again. */
  #drop(number: number, page: CodePage): void {
    const { u32 } = this.#cpu.r;
    for (const { key, records, end } of page.blocks) {
      for (let at = records; at < end; at += RECORD.size) u32[(at + RECORD.handler) >> 2] = SPECIAL.stale;
      this.#blocks.delete(key);
    }
    this.#pages.delete(number);
    this.#hasCode[number] = 0;
  }

  /** Forgets everything: the records are used up, or the machine was reset. Nothing may run meanwhile. */
  clear(): void {
    this.#pages.clear();
    this.#blocks.clear();
    this.#hasCode.fill(0);
    this.predecoder.clear();
    this.#next = FIRST;
    this.clearJumpCache();
    this.#cpu.flushTlb();
  }

  clearJumpCache(): void {
    const { i32 } = this.#cpu.r;
    for (let i = 0; i < JUMP_CACHE.entries; i++)
      i32[(JUMP_CACHE.base + i * JUMP_CACHE.entrySize + JUMP_CACHE.key) >> 2] = 0;
  }

  // ---------------------------------------------------------------- looking up

  /**
   * The block at RIP, decoded if need be.
   * @returns offset of its first record; 0 when the fetch faults.
   */
  lookup(): number {
    const cpu = this.#cpu;
    const { r } = cpu;
    const ripLow = r.i32[STATE.rip / 4]!;
    const ripHigh = r.i32[STATE.rip / 4 + 1]!;
    const records = this.#find(ripLow, ripHigh, MAX_BLOCK);
    if (records >= FIRST) {
      const entry =
        (JUMP_CACHE.base + ((ripLow ^ (ripLow >>> 12)) & (JUMP_CACHE.entries - 1)) * JUMP_CACHE.entrySize) >> 2;
      r.i32[entry + JUMP_CACHE.rip / 4] = ripLow;
      r.i32[entry + JUMP_CACHE.rip / 4 + 1] = ripHigh;
      r.i32[entry + JUMP_CACHE.key / 4] = r.i32[STATE.codeKey / 4]!;
      r.u32[entry + JUMP_CACHE.block / 4] = records;
    }
    return records;
  }

  /** A block of the single instruction at RIP, good for one run; 0 when the fetch faults. */
  single(): number {
    const { i32 } = this.#cpu.r;
    return this.#find(i32[STATE.rip / 4]!, i32[STATE.rip / 4 + 1]!, 1);
  }

  #find(ripLow: number, ripHigh: number, limit: number): number {
    const cpu = this.#cpu;
    const { r, mode } = cpu;
    const user = cpu.cpl === 3;
    const long = (mode & MODE.code) === 2;
    const low = long ? ripLow : (ripLow + r.u32[(STATE.segments + SEGMENT.size + SEGMENT.base) >> 2]!) | 0;
    const high = long ? ripHigh : 0;
    let inSegment = 4096;
    if (!(mode & MODE.wholeCode)) {
      inSegment = r.limit(SEGREG.cs) - (ripLow >>> 0) + 1;
      if (inSegment <= 0) {
        cpu.fault.vector = VECTOR.gp;
        cpu.fault.error = 0;
        return 0;
      }
    }
    const page = cpu.mmu.fetch(low, high, user);
    if (page === -1) return 0;
    if (page === -2 || inSegment < MAX_LENGTH) return this.#gather(low, high, inSegment, page);
    const at = page + (low & 0xfff);
    const key = at * MODE.count + mode;
    if (limit > 1) {
      const known = this.#blocks.get(key);
      if (known) return known.records;
      if (this.#next + MAX_RECORDS * RECORD.size > RECORDS.end) this.clear();
    }
    const records = limit > 1 ? this.#next : SCRATCH;
    const end = this.predecoder.block(records, at, page + 4096, low & 0xfff, limit, limit > 1);
    if (end < 0) return limit > 1 ? this.#straddling(low, high, page, key) : this.#gather(low, high, inSegment, page);
    if (limit > 1) {
      this.#next = end;
      const block = { key, records, end };
      this.#blocks.set(key, block);
      this.#claim(page, at, this.predecoder.decodedBytes, block);
    }
    return records;
  }

  /** Notes that a block depends on some bytes of a page, and makes writes to the page come by. */
  #claim(page: number, at: number, count: number, block: Block): void {
    const number = page >>> 12;
    let code = this.#pages.get(number);
    if (!code) {
      code = { bytes: new Uint8Array(512), blocks: [] };
      this.#pages.set(number, code);
      this.#hasCode[number] = 1;
      this.#cpu.mmu.protect(page);
    }
    for (let i = at & 0xfff; i < (at & 0xfff) + count; i++) code.bytes[i >> 3]! |= 1 << (i & 7);
    code.blocks.push(block);
  }

  // ---------------------------------------------------------------- instructions on two pages

  /**
   * A block of one instruction whose bytes go on in the next page. Kept under its first byte, but entered through a
   * check that the next page is still the one it was decoded from.
   */
  #straddling(low: number, high: number, page: number, key: number): number {
    const cpu = this.#cpu;
    const nextLow = ((low & ~0xfff) + 4096) | 0;
    const nextHigh = nextLow === 0 ? (high + 1) | 0 : high;
    const next = cpu.mmu.fetch(nextLow, nextHigh, cpu.cpl === 3);
    if (next === -1) return 0;
    if (next === -2) return this.#gather(low, high, 4096, page);
    const first = 4096 - (low & 0xfff);
    const { u8 } = cpu.r;
    for (let i = 0; i < MAX_LENGTH; i++)
      this.predecoder.bytes[i] = i < first ? u8[page + (low & 0xfff) + i]! : u8[next + i - first]!;
    const records = this.#next;
    const check: Escape = () => {
      if (cpu.mmu.fetch(nextLow, nextHigh, cpu.cpl === 3) === next) return;
      const code = this.#pages.get(page >>> 12);
      if (code) this.#drop(page >>> 12, code);
      return STOP.restart;
    };
    this.predecoder.straddle(records, check);
    const end = this.predecoder.block(records + RECORD.size, -1, MAX_LENGTH, low & 0xfff, 1, true);
    this.#next = end;
    const block = { key, records, end };
    this.#blocks.set(key, block);
    this.#claim(page, page + (low & 0xfff), first, block);
    this.#claim(next, next, Math.max(1, this.predecoder.decodedBytes - first), block);
    return records;
  }

  /** A block of one instruction, read byte by byte from wherever it lies, not kept. */
  #gather(low: number, high: number, inSegment: number, firstPage: number): number {
    const cpu = this.#cpu;
    const { mmu, r } = cpu;
    let page = firstPage;
    let physical = mmu.lastPage;
    let count = 0;
    for (; count < MAX_LENGTH && count < inSegment; count++) {
      const at = (low + count) | 0;
      if (count > 0 && (at & 0xfff) === 0) {
        // A fault on the second page counts only if the instruction reaches that far.
        if (this.predecoder.complete(count)) break;
        page = mmu.fetch(at, at === 0 ? (high + 1) | 0 : high, cpu.cpl === 3);
        if (page === -1) return 0;
        physical = mmu.lastPage;
      }
      this.predecoder.bytes[count] = page === -2 ? mmu.fetchByte(physical, at & 0xfff) : r.u8[page + (at & 0xfff)]!;
    }
    if (this.predecoder.block(SCRATCH, -1, count, low & 0xfff, 1, false) < 0) {
      cpu.fault.vector = VECTOR.gp; // the code segment ends before the instruction does
      cpu.fault.error = 0;
      return 0;
    }
    return SCRATCH;
  }
}
