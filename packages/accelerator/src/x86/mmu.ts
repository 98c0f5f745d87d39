import type { CpuBus } from '@mainboard/core';
import type { CodePages } from './code-cache.ts';
import { type Fault, VECTOR } from './fault.ts';
import { ACCESS } from './interpreter/access.ts';
import { CR0, CR4, EFER, type Registers } from './registers.ts';
import { STATE, TLB } from './state.ts';

/** Bits of a page-table entry (SDM vol. 3 §4.5.4), low half; and NX in the high half. */
const PTE = { p: 1, rw: 2, us: 4, a: 0x20, d: 0x40, ps: 0x80 } as const;
const NX = 0x8000_0000;
/** Bits of a page-fault error code (SDM vol. 3 §4.7). */
const PF = { p: 1, w: 2, u: 4, rsvd: 8, id: 0x10 } as const;

/** Physical address bits that we have; more in an entry are reserved and fault. */
export const PHYSICAL_BITS = 40;
const RESERVED_HIGH = ((0xf_ffff << (PHYSICAL_BITS - 32)) & 0xf_ffff) >>> 0;

/** In a word of the physical map: the page is ROM. */
const ROM = 1;

/**
 * From linear addresses to bytes: page tables, physical map, and the slow half of every access that the TLB does not
 * answer. Linear addresses come as two 32-bit halves, so that nothing here makes a bigint.
 */
export class Mmu {
  readonly #r: Registers;
  readonly #bus: CpuBus;
  readonly #fault: Fault;
  readonly #code: CodePages;
  /** Offset in the memory by physical page number; 0 where the bus answers; bit 0 marks ROM. */
  #map = new Uint32Array(0);
  /** Physical pages whose bit 20 is forced to 0, while A20 is low. */
  #a20Mask = ~0;

  /** Protection of the last walk: may be written (dirty already), may be executed. */
  #writable = false;
  #executable = false;

  /** By bits 31:21 of linear addresses: a part of a large page may be in the TLB, which knows small pages only. */
  readonly #large = new Uint8Array(2048);
  /** The whole TLB, eight bytes at a time: a shared memory is not filled any faster. */
  readonly #tlb: BigInt64Array;

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

  constructor(registers: Registers, bus: CpuBus, fault: Fault, code: CodePages) {
    this.#r = registers;
    this.#bus = bus;
    this.#fault = fault;
    this.#code = code;
    this.#tlb = new BigInt64Array(bus.guest.memory.buffer, TLB.base, (2 * TLB.size) / 8);
    this.remap();
    this.flush();
  }

  /** Takes over the bus's regions. The caller flushes the TLB. */
  remap(): void {
    const regions = this.#bus.regions().filter(region => region.kind !== 'window');
    const top = Math.max(0, ...regions.map(({ base, size }) => base + size));
    this.#map = new Uint32Array(Math.ceil(top / 4096));
    for (const { base, size, kind, offset } of regions)
      for (let at = 0; at < size; at += 4096)
        this.#map[(base + at) / 4096] = (offset + at) | (kind === 'rom' ? ROM : 0);
  }

  setA20(level: boolean): void {
    this.#a20Mask = level ? ~0 : ~0x100;
    this.flush();
  }

  /** Forgets every translation. */
  flush(): void {
    const filled = this.#filledCount;
    if (filled > this.#filled.length) this.#tlb.fill(-1n);
    else for (let i = 0; i < filled; i++) this.#clear(this.#filled[i]!);
    this.#filledCount = 0;
    this.#large.fill(0);
  }

  /** Forgets the translations of one page; of a large one, those of all its parts. */
  flushPage(low: number): void {
    if (this.#large[low >>> 21]) {
      this.flush();
      return;
    }
    const at = (TLB.base + ((low >>> 12) & (TLB.entries - 1)) * TLB.entrySize) >> 2;
    this.#clear(at);
    this.#clear(at + TLB.size / 4);
  }

  /** Makes an entry match no address. @param at its place in an i32 view */
  #clear(at: number): void {
    const { i32 } = this.#r;
    for (let i = 0; i < TLB.addend / 4; i++) i32[at + i] = -1;
  }

  /** Sends the next write to a page to {@link translate}, since it holds code now. @param offset of the page in the memory. */
  protect(offset: number): void {
    const { i32 } = this.#r;
    for (let at = TLB.base / 4; at < (TLB.base + 2 * TLB.size) / 4; at += TLB.entrySize / 4) {
      if (i32[at + TLB.write / 4 + 1] === -1 && i32[at + TLB.write / 4] === -1) continue;
      if ((i32[at + TLB.write / 4]! + i32[at + TLB.addend / 4]!) >>> 0 !== offset) continue;
      i32[at + TLB.write / 4] = -1;
      i32[at + TLB.write / 4 + 1] = -1;
    }
  }

  /** Offset in the memory of a physical page, 0 where there is none. */
  #offsetOf(page: number): number {
    const word = page < this.#map.length ? this.#map[page & this.#a20Mask]! : 0;
    return (word & ~ROM) >>> 0;
  }
  #isRom(page: number): boolean {
    return page < this.#map.length && (this.#map[page & this.#a20Mask]! & ROM) !== 0;
  }

  // ---------------------------------------------------------------- physical memory

  #read32(page: number, at: number): number {
    const offset = this.#offsetOf(page);
    return offset ? this.#r.u32[(offset + at) >>> 2]! : this.#bus.memoryRead(page * 4096 + at, 4);
  }

  #write32(page: number, at: number, value: number): void {
    const offset = this.#offsetOf(page);
    if (offset && !this.#isRom(page)) {
      this.#code.written(offset + at, 4);
      this.#r.u32[(offset + at) >>> 2] = value;
    } else this.#bus.memoryWrite(page * 4096 + at, 4, value);
  }

  #read8(page: number, at: number): number {
    const offset = this.#offsetOf(page);
    return offset ? this.#r.u8[offset + at]! : this.#bus.memoryRead(page * 4096 + at, 1) & 0xff;
  }

  #write8(page: number, at: number, value: number): void {
    const offset = this.#offsetOf(page);
    if (offset && !this.#isRom(page)) {
      this.#code.written(offset + at, 1);
      this.#r.u8[offset + at] = value;
    } else this.#bus.memoryWrite(page * 4096 + at, 1, value);
  }

  // ---------------------------------------------------------------- page tables

  #pageFault(low: number, high: number, error: number): number {
    this.#fault.vector = VECTOR.pf;
    this.#fault.error = error;
    this.#r.i32[STATE.cr2 / 4] = low;
    this.#r.i32[STATE.cr2 / 4 + 1] = high;
    return -1;
  }

  /**
   * Walks the page tables (SDM vol. 3 §4.3–4.6), sets accessed and dirty bits.
   * @param access `ACCESS.read`, `.write` or `.execute`
   * @returns the physical page number, or −1 with {@link Fault} filled in.
   */
  #walk(low: number, high: number, access: number, user: boolean): number {
    const r = this.#r;
    const { cr0, cr4, efer } = r;
    this.#writable = true;
    this.#executable = true;
    if ((cr0 & CR0.pg) === 0) return low >>> 12;

    const write = access === ACCESS.write;
    const fetch = access === ACCESS.execute;
    const nxe = (efer & EFER.nxe) !== 0;
    const pae = (cr4 & CR4.pae) !== 0;
    let error = (write ? PF.w : 0) | (user ? PF.u : 0);
    if (fetch && pae && nxe) error |= PF.id;
    const long = (efer & EFER.lma) !== 0;
    if (long && high >> 15 !== 0 && high >> 15 !== -1) return this.#notCanonical();

    const cr3Low = r.u32[STATE.cr / 4 + 6]!;
    const cr3High = r.u32[STATE.cr / 4 + 7]!;
    let rights = PTE.rw | PTE.us;
    let noExecute = false;
    let page: number;

    if (!pae) {
      // 32-bit paging: two levels of 4-byte entries.
      const directory = cr3Low >>> 12;
      const pdeAt = (low >>> 22) * 4;
      const pde = this.#read32(directory, pdeAt);
      if ((pde & PTE.p) === 0) return this.#pageFault(low, high, error);
      rights &= pde;
      let leaf = pde;
      let leafPage = directory;
      let leafAt = pdeAt;
      if (pde & PTE.ps && cr4 & CR4.pse) {
        if (pde & 0x0020_0000) return this.#pageFault(low, high, error | PF.p | PF.rsvd);
        // PSE-36: bits 20:13 are address bits 39:32.
        this.#large[low >>> 21] = 1;
        this.#large[(low >>> 21) ^ 1] = 1; // 4 MiB
        page = (((pde >>> 13) & 0xff) << 20) + ((pde >>> 12) & 0xf_fc00) + ((low >>> 12) & 0x3ff);
      } else {
        if ((pde & PTE.a) === 0) this.#write32(directory, pdeAt, pde | PTE.a);
        leafPage = pde >>> 12;
        leafAt = ((low >>> 12) & 0x3ff) * 4;
        leaf = this.#read32(leafPage, leafAt);
        if ((leaf & PTE.p) === 0) return this.#pageFault(low, high, error);
        rights &= leaf;
        page = leaf >>> 12;
      }
      const denied = this.#check(rights, false, write, fetch, user);
      if (denied) return this.#pageFault(low, high, error | PF.p);
      const marked = leaf | PTE.a | (write ? PTE.d : 0);
      if (marked !== leaf) this.#write32(leafPage, leafAt, marked);
      this.#writable = this.#writable && (marked & PTE.d) !== 0;
      return page;
    }

    // PAE and 4-level paging: 8-byte entries.
    let table: number;
    let shift: number;
    if (long) {
      table = (cr3Low >>> 12) + (cr3High & ((1 << (PHYSICAL_BITS - 32)) - 1)) * 0x10_0000;
      shift = 39;
    } else {
      // The four PDPTEs, read from memory on every walk; the manual lets a processor cache them at MOV to CR3.
      const at = (low >>> 30) * 8 + (cr3Low & 0xfe0);
      const entry = this.#read32(cr3Low >>> 12, at);
      const entryHigh = this.#read32(cr3Low >>> 12, at + 4);
      if ((entry & PTE.p) === 0) return this.#pageFault(low, high, error);
      table = (entry >>> 12) + (entryHigh & ((1 << (PHYSICAL_BITS - 32)) - 1)) * 0x10_0000;
      shift = 21;
    }
    for (;;) {
      const index =
        shift >= 32
          ? shift === 39
            ? (high >>> 7) & 0x1ff
            : 0
          : shift === 30
            ? ((low >>> 30) | (high << 2)) & 0x1ff
            : (low >>> shift) & 0x1ff;
      const at = index * 8;
      const entry = this.#read32(table, at);
      const entryHigh = this.#read32(table, at + 4);
      if ((entry & PTE.p) === 0) return this.#pageFault(low, high, error);
      if (entryHigh & RESERVED_HIGH || (entryHigh & NX && !nxe) || (!long && entryHigh & 0x7ff0_0000))
        return this.#pageFault(low, high, error | PF.p | PF.rsvd);
      rights &= entry;
      if (entryHigh & NX) noExecute = true;
      const frame = (entry >>> 12) + (entryHigh & ((1 << (PHYSICAL_BITS - 32)) - 1)) * 0x10_0000;
      const large = shift > 12 && (entry & PTE.ps) !== 0;
      if (large && shift >= 30) return this.#pageFault(low, high, error | PF.p | PF.rsvd); // no 1 GiB pages
      if (shift === 12 || large) {
        if (large && entry & 0x1f_e000) return this.#pageFault(low, high, error | PF.p | PF.rsvd);
        if (this.#check(rights, noExecute, write, fetch, user)) return this.#pageFault(low, high, error | PF.p);
        const marked = entry | PTE.a | (write ? PTE.d : 0);
        if (marked !== entry) this.#write32(table, at, marked);
        this.#writable = this.#writable && (marked & PTE.d) !== 0;
        if (large) this.#large[low >>> 21] = 1;
        return large ? frame - (frame & 0x1ff) + ((low >>> 12) & 0x1ff) : frame;
      }
      if ((entry & PTE.a) === 0) this.#write32(table, at, entry | PTE.a);
      table = frame;
      shift -= 9;
    }
  }

  /** SDM vol. 3 §4.6. Remembers what else the page allows. @returns true when the access is not allowed. */
  #check(rights: number, noExecute: boolean, write: boolean, fetch: boolean, user: boolean): boolean {
    const userPage = (rights & PTE.us) !== 0;
    const writable = (rights & PTE.rw) !== 0;
    this.#writable = writable || (!user && (this.#r.cr0 & CR0.wp) === 0);
    this.#executable = !noExecute;
    if (user && !userPage) return true;
    if (write && !this.#writable) return true;
    return fetch && noExecute;
  }

  #notCanonical(): number {
    this.#fault.vector = VECTOR.gp;
    this.#fault.error = 0;
    return -1;
  }

  // ---------------------------------------------------------------- accesses

  /**
   * The slow half of an access.
   * @param info size in bytes plus an {@link ACCESS}
   * @returns the offset in the memory at which to read or write: in RAM, or in `STATE.bounce` (then {@link commit}
   * follows a store); 0 with {@link Fault} filled in.
   */
  translate(low: number, high: number, info: number, user: boolean): number {
    const at = this.#translate(low, high, info & 0xff, info & ~0xff & ~ACCESS.stack, user);
    if (at === 0 && info & ACCESS.stack && this.#fault.vector === VECTOR.gp) this.#fault.vector = VECTOR.ss;
    return at;
  }

  #translate(low: number, high: number, size: number, kind: number, user: boolean): number {
    const write = kind === ACCESS.write || kind === ACCESS.modify || kind === ACCESS.probe;
    const access = write ? ACCESS.write : kind;
    const within = low & 0xfff;
    // What ends beyond the lower half is not canonical, whatever the page says where it begins.
    const ends = high === 0x7fff && (low >>> 0) + size > 0x1_0000_0000;
    const page = ends ? this.#notCanonical() : this.#walk(low, high, access, user);
    if (page < 0) return 0;
    if (within + size > 4096) return this.#straddle(low, high, kind, access, size, page, user);

    const offset = this.#offsetOf(page);
    if (offset === 0 || (write && this.#isRom(page)))
      return kind === ACCESS.probe ? STATE.bounce : this.#window(page, within, size, kind, offset);
    const hasCode = this.#code.holdsCode(offset);
    this.#fill(low, high, offset, page, user, this.#writable && !hasCode && !this.#isRom(page));
    if (write && hasCode && kind !== ACCESS.probe) this.#code.written(offset + within, size);
    return offset + within;
  }

  #fill(low: number, high: number, offset: number, page: number, user: boolean, writable: boolean): void {
    const { i32, u32 } = this.#r;
    const at = (TLB.base + (user ? TLB.size : 0) + ((low >>> 12) & (TLB.entries - 1)) * TLB.entrySize) >> 2;
    if (this.#filledCount < this.#filled.length) this.#filled[this.#filledCount] = at;
    this.#filledCount++;
    const tag = low & ~0xfff;
    i32[at + TLB.read / 4] = tag;
    i32[at + TLB.read / 4 + 1] = high;
    i32[at + TLB.write / 4] = writable ? tag : -1;
    i32[at + TLB.write / 4 + 1] = writable ? high : -1;
    i32[at + TLB.execute / 4] = this.#executable ? tag : -1;
    i32[at + TLB.execute / 4 + 1] = this.#executable ? high : -1;
    i32[at + TLB.addend / 4] = offset - tag;
    u32[at + TLB.page / 4] = page;
  }

  /** An access that the bus answers: reads go to the bounce buffer now, writes leave it in {@link commit}. */
  #window(page: number, within: number, size: number, kind: number, offset: number): number {
    const { u8, view } = this.#r;
    const address = (page & this.#a20Mask) * 4096 + within;
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
    user: boolean,
  ): number {
    const nextLow = ((low & ~0xfff) + 0x1000) | 0;
    const nextPage = this.#walk(nextLow, nextLow === 0 ? (high + 1) | 0 : high, access, user);
    if (nextPage < 0) return 0;
    const first = 4096 - (low & 0xfff);
    const within = low & 0xfff;
    if (kind === ACCESS.read || kind === ACCESS.modify)
      for (let i = 0; i < size; i++)
        this.#r.u8[STATE.bounce + i] = i < first ? this.#read8(page, within + i) : this.#read8(nextPage, i - first);
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
      if (i < first) this.#write8(page, 4096 - first + i, u8[STATE.bounce + i]!);
      else this.#write8(this.#pendingNextPage, i - first, u8[STATE.bounce + i]!);
  }

  /**
   * The physical page to fetch instructions from.
   * @returns its offset in the memory; −1 on a fault; −2 when the bus answers there, with the page in {@link lastPage}.
   */
  fetch(low: number, high: number, user: boolean): number {
    const { i32 } = this.#r;
    const at = (TLB.base + (user ? TLB.size : 0) + ((low >>> 12) & (TLB.entries - 1)) * TLB.entrySize) >> 2;
    const tag = low & ~0xfff;
    if (i32[at + TLB.execute / 4] === tag && i32[at + TLB.execute / 4 + 1] === high)
      return (tag + i32[at + TLB.addend / 4]!) >>> 0;
    const page = this.#walk(low, high, ACCESS.execute, user);
    if (page < 0) return -1;
    const offset = this.#offsetOf(page);
    this.lastPage = page;
    if (offset === 0) return -2;
    this.#fill(low, high, offset, page, user, this.#writable && !this.#code.holdsCode(offset) && !this.#isRom(page));
    return offset;
  }
  lastPage = 0;

  /** One byte of code that the bus answers. */
  fetchByte(page: number, at: number): number {
    return this.#read8(page, at);
  }
}
