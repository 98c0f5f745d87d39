import type { CpuBus } from '@mainboard/core';
import type { Breakpoints } from './breakpoints.ts';
import type { CodePages } from './code-cache.ts';
import type { CpuModel } from './cpu-models.ts';
import { type Fault, VECTOR } from './fault.ts';
import { ACCESS } from './interpreter/access.ts';
import { PageWalk } from './page-walk.ts';
import { PhysicalMemory } from './physical-memory.ts';
import { PRIVILEGE, type Privilege, tlbOf } from './privilege.ts';
import { EFER, type Registers, RIGHTS, SEGREG } from './registers.ts';
import { STATE, TLB } from './state.ts';

/**
 * From linear addresses to bytes: page tables, physical map, and the slow half of every access that the TLB does not
 * answer. Linear addresses come as two 32-bit halves, so that nothing here makes a bigint.
 */
export class Mmu {
  readonly #r: Registers;
  readonly #bus: CpuBus;
  readonly #fault: Fault;
  readonly #code: CodePages;
  readonly #breakpoints: Breakpoints;
  /** What translations lead to. */
  readonly physical: PhysicalMemory;
  readonly #pages: PageWalk;

  /**
   * By bits 31:21 of linear addresses: a part of a large page may be in the TLB, which knows small pages only, if it
   * says {@link #largeStamp}.
   */
  readonly #large = new Uint32Array(2048);
  #largeStamp = 1;
  /** Pages of 1 GiB likewise: their addresses, as numbers of such pages. */
  readonly #huge = new Set<number>();
  /** By privilege: the whole TLB, eight bytes at a time: a shared memory is not filled any faster. */
  readonly #tlbs: readonly BigInt64Array[];
  /** By privilege: bits of the TLBs that may hold anything. */
  #used = (1 << TLB.count) - 1;

  /** Entries filled since the last flush (by their place in an i32 view), as long as they are few. */
  readonly #filled = new Uint32Array(256);
  /** Starts out as too many: the memory may hold anything. */
  #filledCount = 257;

  // A store on its way through the bounce buffer: to the bus at `#pendingAddress`, or to two pages when fewer than
  // all of its bytes go to the first.
  #pendingSize = 0;
  #pendingFirst = 0;
  #pendingAddress = 0;
  #pendingPage = 0;
  #pendingNextPage = 0;

  constructor(
    registers: Registers,
    bus: CpuBus,
    fault: Fault,
    code: CodePages,
    model: CpuModel,
    breakpoints: Breakpoints,
  ) {
    this.#r = registers;
    this.#bus = bus;
    this.#fault = fault;
    this.#code = code;
    this.#breakpoints = breakpoints;
    this.physical = new PhysicalMemory(registers, bus, code);
    this.#pages = new PageWalk(registers, fault, this.physical, model);
    this.#tlbs = Object.values(PRIVILEGE).map(
      privilege => new BigInt64Array(bus.guest.memory.buffer, tlbOf(privilege), TLB.size / 8),
    );
    this.flush();
  }

  /** Takes over the bus's regions. */
  remap(): void {
    this.physical.remap();
    this.flush();
  }

  setA20(level: boolean): void {
    this.physical.setA20(level);
    this.flush();
  }

  /** Forgets every translation. */
  flush(): void {
    const filled = this.#filledCount;
    if (filled > this.#filled.length) {
      for (const [n, tlb] of this.#tlbs.entries()) if (this.#used & (1 << n)) tlb.fill(-1n);
    } else for (let i = 0; i < filled; i++) this.#clear(this.#filled[i]!);
    this.#filledCount = 0;
    this.#used = 0;
    this.#huge.clear();
    this.#largeStamp = (this.#largeStamp + 1) >>> 0;
    if (this.#largeStamp !== 0) return;
    this.#large.fill(0);
    this.#largeStamp = 1;
  }

  /**
   * Forgets the translations of one page; of a large one, those of all its parts.
   * @returns whether more than a page was forgotten
   */
  flushPage(low: number, high: number): boolean {
    const large = this.#large[low >>> 21] === this.#largeStamp;
    if (large || (this.hasHugePages && this.#huge.has(hugePage(low, high)))) {
      this.flush();
      return true;
    }
    const at = (TLB.base + ((low >>> 12) & (TLB.entries - 1)) * TLB.entrySize) >> 2;
    for (let n = 0; n < TLB.count; n++) this.#clear(at + (n * TLB.size) / 4);
    return false;
  }

  /** A page of 1 GiB may be in the TLB. */
  get hasHugePages(): boolean {
    return this.#huge.size > 0;
  }

  /** Makes an entry match no address. @param at its place in an i32 view */
  #clear(at: number): void {
    const { i32 } = this.#r;
    for (let i = 0; i < TLB.addend / 4; i++) i32[at + i] = -1;
  }

  /** Sends the next write to a page to {@link translate}, since it holds code now. @param offset of the page in the memory. */
  protect(offset: number): void {
    const { i32 } = this.#r;
    for (let at = TLB.base / 4; at < (TLB.base + TLB.count * TLB.size) / 4; at += TLB.entrySize / 4) {
      if (i32[at + TLB.write / 4 + 1] === -1 && i32[at + TLB.write / 4] === -1) continue;
      if ((i32[at + TLB.write / 4]! + i32[at + TLB.addend / 4]!) >>> 0 !== offset) continue;
      i32[at + TLB.write / 4] = -1;
      i32[at + TLB.write / 4 + 1] = -1;
    }
  }

  // ---------------------------------------------------------------- accesses

  /**
   * The slow half of an access.
   * @param info size in bytes plus an {@link ACCESS}
   * @returns the offset in the memory at which to read or write: in RAM, or in `STATE.bounce` (then {@link commit}
   * follows a store); 0 with {@link Fault} filled in.
   */
  translate(low: number, high: number, info: number, privilege: Privilege): number {
    const at = this.#translate(low, high, info & 0xff, info & ~0xff & ~ACCESS.stack, privilege);
    if (at === 0 && info & ACCESS.stack && this.#fault.vector === VECTOR.gp) this.#fault.vector = VECTOR.ss;
    return at;
  }

  #translate(low: number, high: number, size: number, kind: number, privilege: Privilege): number {
    const write = kind === ACCESS.write || kind === ACCESS.modify || kind === ACCESS.probe;
    const access = write ? ACCESS.write : kind;
    const within = low & 0xfff;
    const page = this.#walk(low, high, size, access, privilege);
    if (page < 0) return 0;
    if (this.#breakpoints.armed && kind !== ACCESS.probe) this.#breakpoints.accessed(low, high, size, write);
    if (within + size > 4096) return this.#straddle(low, high, kind, access, size, page, privilege);

    const found = this.physical.find(page);
    const rom = (found & 1) !== 0;
    const offset = rom ? found - 1 : found;
    if (offset === 0 || (write && rom))
      return kind === ACCESS.probe ? STATE.bounce : this.#window(page, within, size, kind, offset);
    const hasCode = this.#code.holdsCode(offset);
    this.#fill(low, high, offset, privilege, !hasCode && !rom);
    if (write && hasCode && kind !== ACCESS.probe) this.#code.written(offset + within, size);
    return offset + within;
  }

  /** The physical page of the first byte of an access. @returns −1 on a fault */
  #walk(low: number, high: number, size: number, access: number, privilege: Privilege): number {
    const pages = this.#pages;
    // What ends beyond the lower half is not canonical, whatever the page says where it begins.
    if (high === 0x7fff && (low >>> 0) + size > 0x1_0000_0000) return pages.notCanonical();
    const page = pages.walk(low, this.#longMode ? high : 0, access, privilege);
    if (pages.huge) this.#huge.add(hugePage(low, high));
    else if (pages.large) {
      this.#large[low >>> 21] = this.#largeStamp;
      this.#large[(low >>> 21) ^ 1] = this.#largeStamp; // it may have 4 MiB
    }
    return page;
  }

  get #longMode(): boolean {
    return (this.#r.efer & EFER.lma) !== 0;
  }

  /** High half of the address of the page after the one of `high`, whose low half is `nextLow`. */
  #carry(nextLow: number, high: number): number {
    if (nextLow !== 0) return high;
    // Outside 64-bit mode, an instruction's addresses wrap at 4 GiB.
    const wide = high !== 0 || (this.#longMode && (this.#r.rights(SEGREG.cs) & RIGHTS.l) !== 0);
    return wide ? (high + 1) | 0 : 0;
  }

  /** Notes what the last walk found. @param writes may go by without a look */
  #fill(low: number, high: number, offset: number, privilege: Privilege, writes: boolean): void {
    const { i32 } = this.#r;
    const { writable, executable } = this.#pages;
    const watched = this.#breakpoints.armed && this.#breakpoints.watchesPage(low, high);
    const readable = this.#pages.readable && !watched;
    const at = (TLB.base + privilege * TLB.size + ((low >>> 12) & (TLB.entries - 1)) * TLB.entrySize) >> 2;
    if (this.#filledCount < this.#filled.length) this.#filled[this.#filledCount] = at;
    this.#filledCount++;
    this.#used |= 1 << privilege;
    const tag = low & ~0xfff;
    i32[at + TLB.read / 4] = readable ? tag : -1;
    i32[at + TLB.read / 4 + 1] = readable ? high : -1;
    const direct = writes && writable && !watched;
    i32[at + TLB.write / 4] = direct ? tag : -1;
    i32[at + TLB.write / 4 + 1] = direct ? high : -1;
    i32[at + TLB.execute / 4] = executable ? tag : -1;
    i32[at + TLB.execute / 4 + 1] = executable ? high : -1;
    i32[at + TLB.addend / 4] = offset - tag;
  }

  /** An access that the bus answers: reads go to the bounce buffer now, writes leave it in {@link commit}. */
  #window(page: number, within: number, size: number, kind: number, offset: number): number {
    const { u8, view } = this.#r;
    const address = this.physical.address(page, within);
    if (kind !== ACCESS.write) {
      if (offset) u8.copyWithin(STATE.bounce, offset + within, offset + within + size);
      else if (size <= 4) view.setUint32(STATE.bounce, this.#bus.memoryRead(address, size), true);
      else
        for (let i = 0; i < size; i += 4) view.setUint32(STATE.bounce + i, this.#bus.memoryRead(address + i, 4), true);
    }
    this.#pendingSize = size;
    this.#pendingFirst = size;
    this.#pendingAddress = address;
    return STATE.bounce;
  }

  /** An access to two pages: both must allow it before either is touched. */
  #straddle(
    low: number,
    high: number,
    kind: number,
    access: number,
    size: number,
    page: number,
    privilege: Privilege,
  ): number {
    const nextLow = ((low & ~0xfff) + 0x1000) | 0;
    const nextPage = this.#walk(nextLow, this.#carry(nextLow, high), 1, access, privilege);
    if (nextPage < 0) return 0;
    const first = 4096 - (low & 0xfff);
    const within = low & 0xfff;
    if (kind === ACCESS.read || kind === ACCESS.modify)
      for (let i = 0; i < size; i++)
        this.#r.u8[STATE.bounce + i] =
          i < first ? this.physical.read8(page, within + i) : this.physical.read8(nextPage, i - first);
    this.#pendingSize = size;
    this.#pendingFirst = first;
    this.#pendingPage = page;
    this.#pendingNextPage = nextPage;
    return STATE.bounce;
  }

  /** Carries out the store that lies in the bounce buffer. */
  commit(): void {
    const { u8, view } = this.#r;
    const size = this.#pendingSize;
    const page = this.#pendingPage;
    if (this.#pendingFirst === size) {
      const address = this.#pendingAddress;
      if (size <= 4)
        this.#bus.memoryWrite(
          address,
          size,
          size === 4
            ? view.getUint32(STATE.bounce, true)
            : size === 2
              ? view.getUint16(STATE.bounce, true)
              : u8[STATE.bounce]!,
        );
      else
        for (let i = 0; i < size; i += 4) this.#bus.memoryWrite(address + i, 4, view.getUint32(STATE.bounce + i, true));
      return;
    }
    const first = this.#pendingFirst;
    for (let i = 0; i < size; i++)
      if (i < first) this.physical.write8(page, 4096 - first + i, u8[STATE.bounce + i]!);
      else this.physical.write8(this.#pendingNextPage, i - first, u8[STATE.bounce + i]!);
  }

  /**
   * The physical page to fetch instructions from.
   * @returns its offset in the memory; −1 on a fault; −2 when the bus answers there, with the page in {@link lastPage}.
   */
  fetch(low: number, high: number, privilege: Privilege): number {
    const { i32 } = this.#r;
    const at = (TLB.base + privilege * TLB.size + ((low >>> 12) & (TLB.entries - 1)) * TLB.entrySize) >> 2;
    const tag = low & ~0xfff;
    if (i32[at + TLB.execute / 4] === tag && i32[at + TLB.execute / 4 + 1] === high)
      return (tag + i32[at + TLB.addend / 4]!) >>> 0;
    const page = this.#walk(low, high, 1, ACCESS.execute, privilege);
    if (page < 0) return -1;
    const offset = this.physical.offsetOf(page);
    this.lastPage = page;
    if (offset === 0) return -2;
    this.#fill(low, high, offset, privilege, !this.#code.holdsCode(offset) && !this.physical.isRom(page));
    return offset;
  }
  /** The physical page to fetch instructions from, if the TLB knows: its offset in the memory, else −1. */
  known(low: number, high: number, privilege: Privilege): number {
    const { i32 } = this.#r;
    const at = (TLB.base + privilege * TLB.size + ((low >>> 12) & (TLB.entries - 1)) * TLB.entrySize) >> 2;
    const tag = low & ~0xfff;
    const hit = i32[at + TLB.execute / 4] === tag && i32[at + TLB.execute / 4 + 1] === high;
    return hit ? (tag + i32[at + TLB.addend / 4]!) >>> 0 : -1;
  }

  /** Number of the physical page that the last {@link fetch} from the bus found. */
  lastPage = 0;

  /** One byte of code that the bus answers. */
  fetchByte(page: number, at: number): number {
    return this.physical.read8(page, at);
  }
}

/** Number of the 1 GiB of linear addresses that an address lies in. */
const hugePage = (low: number, high: number): number => high * 4 + (low >>> 30);
