import type { Cpu } from './cpu.ts';
import { MAX_LENGTH } from './decode/decoder.ts';
import { VECTOR } from './fault.ts';
import { LINK, RECORD, STOP } from './interpreter/record.ts';
import { SPECIAL } from './interpreter/special.ts';
import { MAX_REGION_RECORDS, type RegionRecords } from './jit/region-records.ts';
import { MODE } from './mode.ts';
import { CS_BASE, FIRST, MAX_BLOCK, MAX_RECORDS, Predecoder, SCRATCH } from './predecoder.ts';
import { SEGREG } from './registers.ts';
import { RECORDS, STATE } from './state.ts';

/** Blocks at most, kept ones and dropped ones: what they cost the host's heap does not hang on the guest. */
const MAX_BLOCKS = 2 ** 19;

/** Code that changes so often is decoded in shorter blocks, as little of it may run before it changes again. */
const RESTLESS = 100;
const SHORT_BLOCK = 8;

/** What the MMU asks of the code cache. Offsets are places in the guest memory. */
export interface CodePages {
  /** Instructions of this page have been decoded. */
  holdsCode(offset: number): boolean;
  /** Somebody is about to write there. */
  written(offset: number, size: number): void;
}

interface Block {
  readonly records: number;
  /** Offset behind the last record. */
  readonly end: number;
}

interface CodePage {
  /** A bit for each byte that an instruction was decoded from. */
  readonly bytes: Uint8Array;
  /** Blocks that begin here, by {@link keyOf}. */
  readonly blocks: Map<number, Block>;
  /** Blocks that end here, of instructions that begin in another page. */
  readonly entering: Block[];
  /** Compiled from it; some may have been given up since. */
  readonly regions: RegionRecords[];
}

/** What tells the blocks of a page apart: offset in the page, mode, and whether it is the single instruction there. */
const keyOf = (within: number, mode: number, single: boolean): number =>
  (within * MODE.count + mode) * 2 + (single ? 1 : 0);

/** Keeps blocks of predecoded guest code, and drops them when their bytes are written. */
export class CodeCache implements CodePages {
  readonly #cpu: Cpu;
  readonly predecoder: Predecoder;
  readonly #hasCode: Uint8Array;
  /** By number of the page in the memory. */
  readonly #pages: (CodePage | undefined)[];
  /** How often the code of a page was dropped, up to {@link RESTLESS}. */
  readonly #drops: Uint8Array;
  #next: number = FIRST;
  /** Blocks since {@link clear}, dropped ones included. */
  #made = 0;
  /** Calls of {@link clear}. */
  #clears = 0;
  /** A compiled region's code was written to. */
  onRegionDropped: ((region: RegionRecords) => void) | undefined;
  /** All blocks are forgotten. */
  onClear: (() => void) | undefined;
  /** A block was decoded. */
  onBlock: ((records: number, at: number) => void) | undefined;
  /** A device wrote to code that was decoded: whoever runs it is to look again. */
  onDeviceWrote: (() => void) | undefined;

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
    this.predecoder = new Predecoder(cpu);
    const pages = cpu.r.u8.length >>> 12;
    this.#drops = new Uint8Array(pages);
    this.#hasCode = new Uint8Array(pages);
    this.#pages = new Array<CodePage | undefined>(pages).fill(undefined);
    cpu.bus.onWrite((offset, size) => {
      for (let at = offset - (offset & 0xfff); at < offset + size; at += 4096) {
        if (!this.#hasCode[at >>> 12]) continue;
        const from = Math.max(at, offset);
        this.written(from, Math.min(at + 4096, offset + size) - from);
        if (!this.#hasCode[at >>> 12]) this.onDeviceWrote?.();
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
    const page = this.#pages[number]!;
    for (let at = offset & 0xfff; at < (offset & 0xfff) + size && at < 4096; at++)
      if (page.bytes[at >> 3]! & (1 << (at & 7))) {
        this.#drop(number, page);
        return;
      }
  }

  /**
   * Forgets the code of a page. Whoever still runs it finds stale records and looks again. Links into the page die
   * with it: they come from the page itself.
   */
  #drop(number: number, page: CodePage): void {
    for (const block of page.blocks.values()) this.#invalidate(block);
    for (const block of page.entering) this.#invalidate(block);
    for (const region of page.regions) this.onRegionDropped?.(region);
    this.#pages[number] = undefined;
    this.#hasCode[number] = 0;
    if (this.#drops[number]! < RESTLESS) this.#drops[number]!++;
  }

  #invalidate({ records, end }: Block): void {
    const { u32 } = this.#cpu.r;
    for (let at = records; at < end; at += RECORD.size) u32[(at + RECORD.handler) >> 2] = SPECIAL.stale;
  }

  /** The block is stale, but its page does not know: it ended in another one. */
  #isStale({ records }: Block): boolean {
    return this.#cpu.r.u32[(records + RECORD.handler) >> 2] === SPECIAL.stale;
  }

  /** Forgets everything: there is no room for more, or the machine was reset. Nothing may run meanwhile. */
  clear(): void {
    this.#pages.fill(undefined);
    this.#hasCode.fill(0);
    this.#drops.fill(0);
    this.predecoder.clear();
    this.#next = FIRST;
    this.#made = 0;
    this.#clears++;
    this.onClear?.();
    this.#cpu.jumps.clear();
    this.#cpu.flushTlb();
  }

  // ---------------------------------------------------------------- looking up

  /**
   * The block at RIP, decoded if need be.
   * @returns offset of its first record; 0 when the fetch faults.
   */
  lookup(): number {
    const cpu = this.#cpu;
    const { r } = cpu;
    if (!cpu.bits64) r.i32[STATE.rip / 4 + 1] = 0; // records do not wrap what they do not branch to
    const ripLow = r.i32[STATE.rip / 4]!;
    const ripHigh = r.i32[STATE.rip / 4 + 1]!;
    const known = cpu.jumps.find(ripLow, ripHigh);
    if (known !== 0) return known;
    const records = this.#find(ripLow, ripHigh, false);
    if (records >= FIRST) {
      const low = cpu.bits64 ? ripLow : (ripLow + r.i32[CS_BASE / 4]!) | 0;
      const { tlb } = cpu.mmu;
      cpu.jumps.add(ripLow, ripHigh, records, low, tlb.isGlobal(low, cpu.privilege), tlb.addend(low, cpu.privilege));
    }
    return records;
  }

  /**
   * {@link lookup} for a record that leads to RIP, whose link it fills in.
   * @param slot offset of the link
   */
  link(slot: number): number {
    const { u32 } = this.#cpu.r;
    const clears = this.#clears;
    const records = this.lookup();
    if (records === 0 || clears !== this.#clears) return records; // the record is gone, or somebody else's
    // What is not kept, or may be dropped while its page stays, is found by the jump cache.
    const lasting = records >= FIRST && u32[(records + RECORD.handler) >> 2] !== SPECIAL.straddle;
    u32[slot >> 2] = lasting ? records : LINK.dynamic;
    return records;
  }

  /** A block of the single instruction at RIP; 0 when the fetch faults. */
  single(): number {
    const { i32 } = this.#cpu.r;
    return this.#find(i32[STATE.rip / 4]!, i32[STATE.rip / 4 + 1]!, true);
  }

  #find(ripLow: number, ripHigh: number, single: boolean): number {
    const cpu = this.#cpu;
    const { r, mode } = cpu;
    const long = (mode & MODE.code) === 2;
    const low = long ? ripLow : (ripLow + r.u32[CS_BASE / 4]!) | 0;
    const high = long ? ripHigh : 0;
    const within = low & 0xfff;
    let inSegment = 4096;
    if (!(mode & MODE.wholeCode)) {
      inSegment = r.limit(SEGREG.cs) - (ripLow >>> 0) + 1;
      if (inSegment <= 0) return this.#beyondSegment();
    }
    const page = cpu.mmu.fetch(low, high, cpu.privilege);
    if (page === -1) return 0;
    // Blocks do not know the limit of CS: where it lies in this page, instructions come one at a time.
    if (page === -2 || inSegment < 4096 - within) return this.#gather(low, high, inSegment, page);
    const at = page + within;
    const key = keyOf(within, mode, single);
    const known = this.#pages[page >>> 12]?.blocks.get(key);
    if (known && !this.#isStale(known)) return known.records;
    const full =
      this.#next + (MAX_RECORDS + MAX_REGION_RECORDS) * RECORD.size > RECORDS.end || this.#made === MAX_BLOCKS;
    if (full || this.predecoder.full) this.clear();
    const records = this.#next;
    const limit = single ? 1 : this.#drops[page >>> 12] === RESTLESS ? SHORT_BLOCK : MAX_BLOCK;
    const end = this.predecoder.block(records, at, page + 4096, within, limit, true);
    if (end < 0)
      return inSegment < MAX_LENGTH ? this.#gather(low, high, inSegment, page) : this.#straddling(low, high, page, key);
    this.#claim(page, within, this.predecoder.decodedBytes).blocks.set(key, this.#keep(records, end));
    if (!single) this.onBlock?.(records, at);
    return records;
  }

  /** Offset behind the last record: where a region may put its own. */
  get free(): number {
    return this.#next;
  }

  /** Takes a compiled region into its pages. @param parts where in the memory the code lies that it was made of */
  addRegion(region: RegionRecords, parts: Iterable<{ readonly at: number; readonly end: number }>): void {
    this.#next = region.end;
    for (const { at, end } of parts)
      for (let from = at; from < end; from = (from & ~0xfff) + 4096) {
        const page = this.#claim(from & ~0xfff, from & 0xfff, Math.min(end, (from & ~0xfff) + 4096) - from);
        if (!page.regions.includes(region)) page.regions.push(region);
      }
  }

  /** The block at a place in the guest memory, as the processor runs now: its first record, or 0. */
  blockAt(place: number): number {
    const block = this.#pages[place >>> 12]?.blocks.get(keyOf(place & 0xfff, this.#cpu.mode, false));
    return block && !this.#isStale(block) ? block.records : 0;
  }

  /** Offset in the memory of the n-th page from RIP's, if the TLB knows it; else −1. */
  pageNear(n: number): number {
    const cpu = this.#cpu;
    const { i32 } = cpu.r;
    const low = i32[STATE.rip / 4]! + (cpu.bits64 ? 0 : i32[CS_BASE / 4]!);
    const page = ((low & ~0xfff) >>> 0) + 4096 * n;
    const high = cpu.bits64 ? i32[STATE.rip / 4 + 1]! + Math.floor(page / 2 ** 32) : 0;
    return cpu.mmu.tlb.fetch(page | 0, high, cpu.privilege);
  }

  /** The block at RIP, if there is one: its first record, and where its code lies in the guest memory. */
  blockAtRip(): { readonly records: number; readonly at: number } | undefined {
    const cpu = this.#cpu;
    const { i32 } = cpu.r;
    const low = (i32[STATE.rip / 4]! + (cpu.bits64 ? 0 : i32[CS_BASE / 4]!)) | 0;
    const page = cpu.mmu.fetch(low, cpu.bits64 ? i32[STATE.rip / 4 + 1]! : 0, cpu.privilege);
    if (page < 0) return undefined;
    const within = low & 0xfff;
    const block = this.#pages[page >>> 12]?.blocks.get(keyOf(within, cpu.mode, false));
    return block && !this.#isStale(block) ? { records: block.records, at: page + within } : undefined;
  }

  #keep(records: number, end: number): Block {
    this.#next = end;
    this.#made++;
    return { records, end };
  }

  /** Notes that blocks depend on some bytes of a page, and makes writes to the page come by. */
  #claim(page: number, within: number, count: number): CodePage {
    const number = page >>> 12;
    let code = this.#pages[number];
    if (!code) {
      code = { bytes: new Uint8Array(512), blocks: new Map(), entering: [], regions: [] };
      this.#pages[number] = code;
      this.#hasCode[number] = 1;
      this.#cpu.mmu.tlb.protect(page);
    }
    for (let i = within; i < within + count; i++) code.bytes[i >> 3]! |= 1 << (i & 7);
    return code;
  }

  /** The code segment ends before the instruction does. */
  #beyondSegment(): number {
    const { fault } = this.#cpu;
    fault.vector = VECTOR.gp;
    fault.error = 0;
    return 0;
  }

  // ---------------------------------------------------------------- instructions on two pages

  /** High half of the address that comes after the one before `low`. */
  #carry(low: number, high: number): number {
    return low === 0 && this.#cpu.bits64 ? (high + 1) | 0 : high;
  }

  /**
   * A block of one instruction whose bytes go on in the next page. Kept under its first byte; its first record makes
   * sure that the next page is still the one it was decoded from, wherever the two are mapped.
   */
  #straddling(low: number, high: number, page: number, key: number): number {
    const cpu = this.#cpu;
    const { predecoder } = this;
    const nextLow = ((low & ~0xfff) + 4096) | 0;
    const next = cpu.mmu.fetch(nextLow, this.#carry(nextLow, high), cpu.privilege);
    if (next === -1) return 0;
    if (next === -2) return this.#gather(low, high, 4096, page);
    const at = page + (low & 0xfff);
    const first = 4096 - (low & 0xfff);
    const { u8 } = cpu.r;
    for (let i = 0; i < MAX_LENGTH; i++) predecoder.bytes[i] = i < first ? u8[at + i]! : u8[next + i - first]!;
    const records = this.#next;
    predecoder.straddle(records, next);
    const end = predecoder.block(records + RECORD.size, -1, MAX_LENGTH, low & 0xfff, 1, true);
    const block = this.#keep(records, end);
    this.#claim(page, low & 0xfff, first).blocks.set(key, block);
    this.#claim(next, 0, Math.max(1, predecoder.decodedBytes - first)).entering.push(block);
    return records;
  }

  /**
   * The slow half of a `straddle` record: the interpreter's TLB does not say that the next page is the one it was.
   * @returns a STOP
   */
  straddles(record: number): number {
    const cpu = this.#cpu;
    const { i32, u32 } = cpu.r;
    const start = (i32[STATE.blockRip / 4]! + (cpu.bits64 ? 0 : i32[CS_BASE / 4]!)) | 0;
    const nextLow = ((start & ~0xfff) + 4096) | 0;
    const high = cpu.bits64 ? i32[STATE.blockRip / 4 + 1]! : 0;
    const next = cpu.mmu.fetch(nextLow, this.#carry(nextLow, high), cpu.privilege);
    if (next === -1) return STOP.fault;
    if (next === u32[(record + RECORD.nextPage) >> 2]!) return STOP.next;
    u32[(record + RECORD.handler) >> 2] = SPECIAL.stale;
    return STOP.restart;
  }

  /** A block of one instruction, read byte by byte from wherever it lies, not kept. */
  #gather(low: number, high: number, inSegment: number, firstPage: number): number {
    const cpu = this.#cpu;
    const { mmu, r } = cpu;
    const { predecoder } = this;
    let page = firstPage;
    let physical = mmu.lastPage;
    let count = 0;
    for (; count < MAX_LENGTH && count < inSegment; count++) {
      const at = (low + count) | 0;
      if (count > 0 && (at & 0xfff) === 0) {
        // A fault on the second page counts only if the instruction reaches that far.
        if (predecoder.complete(count)) break;
        page = mmu.fetch(at, this.#carry(at, high), cpu.privilege);
        if (page === -1) return 0;
        physical = mmu.lastPage;
      }
      predecoder.bytes[count] = page === -2 ? mmu.fetchByte(physical, at & 0xfff) : r.u8[page + (at & 0xfff)]!;
    }
    return predecoder.block(SCRATCH, -1, count, low & 0xfff, 1, false) < 0 ? this.#beyondSegment() : SCRATCH;
  }
}
