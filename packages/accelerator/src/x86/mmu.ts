import type { CpuBus } from '@mainboard/core';
import type { Breakpoints } from './breakpoints.ts';
import type { CodePages } from './code-cache.ts';
import type { CpuModel } from './cpu-models.ts';
import { type Fault, VECTOR } from './fault.ts';
import { ACCESS } from './interpreter/access.ts';
import { PageWalk } from './page-walk.ts';
import { PhysicalMemory } from './physical-memory.ts';
import type { Privilege } from './privilege.ts';
import { EFER, type Registers, RIGHTS, SEGREG } from './registers.ts';
import { STATE } from './state.ts';
import { MAY, Tlb } from './tlb.ts';

/**
 * From linear addresses to bytes: page tables, physical map, and the slow half of every access that the TLB does not
 * answer. Linear addresses come as two 32-bit halves, so that nothing here makes a bigint.
 *
 * NOT IMPLEMENTED: alignment checks (#AC, SDM vol. 3 §6.15).
 */
export class Mmu {
  readonly #r: Registers;
  readonly #bus: CpuBus;
  readonly #fault: Fault;
  readonly #code: CodePages;
  readonly #breakpoints: Breakpoints;
  /** What translations lead to. */
  readonly physical: PhysicalMemory;
  readonly tlb: Tlb;
  readonly #pages: PageWalk;

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
    this.tlb = new Tlb(registers, code, bus.guest.memory);
    this.tlb.flush();
  }

  /** Takes over the bus's regions. */
  remap(): void {
    this.physical.remap();
    this.tlb.flush();
  }

  setA20(level: boolean): void {
    this.physical.setA20(level);
    this.tlb.flush();
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

  /** See `PageWalk.hasPdptes`. */
  hasPdptes(cr3: number): boolean {
    return this.#pages.hasPdptes(cr3);
  }

  /** The physical page of the first byte of an access. @returns −1 on a fault */
  #walk(low: number, high: number, size: number, access: number, privilege: Privilege): number {
    const pages = this.#pages;
    // What ends beyond the lower half is not canonical, whatever the page says where it begins.
    if (high === 0x7fff && (low >>> 0) + size > 0x1_0000_0000) return pages.notCanonical();
    return pages.walk(low, this.#longMode ? high : 0, access, privilege);
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
    const { readable, writable, executable, shift, global } = this.#pages;
    const watched = this.#breakpoints.armed && this.#breakpoints.watchesPage(low, high);
    const read = readable && !watched ? MAY.read : 0;
    const write = writes && writable && !watched ? MAY.write : 0;
    this.tlb.fill(low, high, offset, privilege, read | write | (executable ? MAY.execute : 0), shift, global);
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
    const known = this.tlb.fetch(low, high, privilege);
    if (known >= 0) return known;
    const page = this.#walk(low, high, 1, ACCESS.execute, privilege);
    if (page < 0) return -1;
    const offset = this.physical.offsetOf(page);
    this.lastPage = page;
    if (offset === 0) return -2;
    this.#fill(low, high, offset, privilege, !this.#code.holdsCode(offset) && !this.physical.isRom(page));
    return offset;
  }

  /** Number of the physical page that the last {@link fetch} from the bus found. */
  lastPage = 0;

  /** One byte of code that the bus answers. */
  fetchByte(page: number, at: number): number {
    return this.physical.read8(page, at);
  }
}
