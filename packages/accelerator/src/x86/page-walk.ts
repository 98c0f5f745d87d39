import type { CpuModel } from './cpu-models.ts';
import { type Fault, VECTOR } from './fault.ts';
import { ACCESS } from './interpreter/access.ts';
import type { PhysicalMemory } from './physical-memory.ts';
import { PRIVILEGE, type Privilege } from './privilege.ts';
import { CR0, CR4, EFER, type Registers } from './registers.ts';
import { STATE } from './state.ts';

/** Bits of a page-table entry (SDM vol. 3 §4.5.4), low half; and NX in the high half. */
const PTE = { p: 1, rw: 2, us: 4, a: 0x20, d: 0x40, ps: 0x80, g: 0x100 } as const;
const NX = 0x8000_0000;
/** Bits of a page-fault error code (SDM vol. 3 §4.7). */
const PF = { p: 1, w: 2, u: 4, rsvd: 8, id: 0x10 } as const;

/** Physical address bits at most, in the high half of an entry. */
const ADDRESS_HIGH = 0xff;
/** Bits 62:52 of an entry, which PAE paging outside IA-32e mode reserves. */
const RESERVED_PAE = 0x7ff0_0000;
/** Bits 2:1 and 8:5 of a PDPTE. */
const RESERVED_PDPTE = 0x1e6;

/** Physical page number in an entry of 8 bytes. */
const frameOf = (low: number, high: number): number => (low >>> 12) + (high & ADDRESS_HIGH) * 0x10_0000;

/**
 * Walks the page tables (SDM vol. 3 §4.3–4.6) and sets their accessed and dirty bits. Linear addresses come as two
 * 32-bit halves, so that nothing here makes a bigint.
 *
 * DEVIATION §4.4.1: the four PDPTEs of PAE paging are read on every walk, not when CR3 is loaded.
 */
export class PageWalk {
  readonly #r: Registers;
  readonly #fault: Fault;
  readonly #memory: PhysicalMemory;
  /** Address bits in the high half of an entry that the model does not have. */
  readonly #reservedHigh: number;
  /** Bits of the entry for a page of 4 MiB: 21, and those above the address bits that the model has (PSE-36). */
  readonly #reservedPde: number;
  readonly #hugePages: boolean;

  /** Of the last walk. */
  readable = false;
  /** Of the last walk: another write needs no walk, the page being writable and dirty. */
  writable = false;
  /** Of the last walk. */
  executable = false;
  /** Of the last walk: size of the page as a power of two: 12, 21, 22 or 30. */
  shift = 12;
  /** Of the last walk: the page is the same in all process contexts (SDM vol. 3 §4.10.2.4). */
  global = false;

  constructor(registers: Registers, fault: Fault, memory: PhysicalMemory, model: CpuModel) {
    this.#r = registers;
    this.#fault = fault;
    this.#memory = memory;
    this.#reservedPde = 0x003f_e000 & ~((1 << (model.physicalBits - 19)) - 1);
    this.#hugePages = model.features.has('pdpe1gb');
    this.#reservedHigh = 0xf_ffff & ~((1 << (model.physicalBits - 32)) - 1);
  }

  /**
   * @param access `ACCESS.read`, `.write` or `.execute`
   * @returns the physical page number, or −1 with {@link Fault} filled in.
   */
  walk(low: number, high: number, access: number, privilege: Privilege): number {
    const { cr0, cr4, efer } = this.#r;
    this.readable = true;
    this.writable = true;
    this.executable = true;
    this.shift = 12;
    this.global = false;
    if ((cr0 & CR0.pg) === 0) return low >>> 12;
    if ((cr4 & CR4.pae) === 0) return this.#walk32(low, access, privilege);
    if ((efer & EFER.lma) === 0) return this.#walkPae(low, access, privilege);
    if (high >> 15 !== 0 && high >> 15 !== -1) return this.notCanonical();
    const { u32 } = this.#r;
    return this.#levels(frameOf(u32[CR3]!, u32[CR3 + 1]!), 39, low, high, access, privilege);
  }

  /** #GP(0) for an address that is not canonical. */
  notCanonical(): number {
    this.#fault.vector = VECTOR.gp;
    this.#fault.error = 0;
    return -1;
  }

  /** @param cause bits `p` and `rsvd` of the error code */
  #pageFault(low: number, high: number, access: number, privilege: Privilege, cause: number): number {
    const { i32, cr4, efer } = this.#r;
    const tellsFetches = (cr4 & CR4.pae && efer & EFER.nxe) || cr4 & CR4.smep;
    const fetch = access === ACCESS.execute && tellsFetches;
    this.#fault.vector = VECTOR.pf;
    this.#fault.error =
      cause | (access === ACCESS.write ? PF.w : 0) | (privilege === PRIVILEGE.user ? PF.u : 0) | (fetch ? PF.id : 0);
    i32[STATE.cr2 / 4] = low;
    i32[STATE.cr2 / 4 + 1] = high;
    return -1;
  }

  /**
   * Whether the four PDPTEs of PAE paging that a value of CR3 leads to have no reserved bits set, as a load of CR3 asks
   * (SDM vol. 3 §4.4.1).
   */
  hasPdptes(cr3: number): boolean {
    const page = cr3 >>> 12;
    return [0, 8, 16, 24].every(n => {
      const at = (cr3 & 0xfe0) + n;
      const entry = this.#memory.read32(page, at);
      const high = this.#memory.read32(page, at + 4);
      const reserved = (entry & RESERVED_PDPTE) | (high & (this.#reservedHigh | NX | RESERVED_PAE));
      return (entry & PTE.p) === 0 || reserved === 0;
    });
  }

  /** 32-bit paging (SDM vol. 3 §4.3): two levels of 4-byte entries, pages of 4 KiB or 4 MiB. */
  #walk32(low: number, access: number, privilege: Privilege): number {
    const memory = this.#memory;
    const directory = this.#r.u32[CR3]! >>> 12;
    const pdeAt = (low >>> 22) * 4;
    const pde = memory.read32(directory, pdeAt);
    if ((pde & PTE.p) === 0) return this.#pageFault(low, 0, access, privilege, 0);
    if (pde & PTE.ps && this.#r.cr4 & CR4.pse) {
      if (pde & this.#reservedPde) return this.#pageFault(low, 0, access, privilege, PF.p | PF.rsvd);
      if (!this.#allows(pde, false, access, privilege)) return this.#pageFault(low, 0, access, privilege, PF.p);
      this.shift = 22;
      this.#mark(directory, pdeAt, pde, access);
      // PSE-36: bits 20:13 are address bits 39:32.
      return (((pde >>> 13) & 0xff) << 20) + ((pde >>> 12) & 0xf_fc00) + ((low >>> 12) & 0x3ff);
    }
    if ((pde & PTE.a) === 0) memory.write32(directory, pdeAt, pde | PTE.a);
    const table = pde >>> 12;
    const pteAt = ((low >>> 12) & 0x3ff) * 4;
    const pte = memory.read32(table, pteAt);
    if ((pte & PTE.p) === 0) return this.#pageFault(low, 0, access, privilege, 0);
    if (!this.#allows(pde & pte, false, access, privilege)) return this.#pageFault(low, 0, access, privilege, PF.p);
    this.#mark(table, pteAt, pte, access);
    return pte >>> 12;
  }

  /** PAE paging (SDM vol. 3 §4.4): one of four pointers, then two levels. */
  #walkPae(low: number, access: number, privilege: Privilege): number {
    const cr3 = this.#r.u32[CR3]!;
    const at = (low >>> 30) * 8 + (cr3 & 0xfe0);
    const entry = this.#memory.read32(cr3 >>> 12, at);
    if ((entry & PTE.p) === 0) return this.#pageFault(low, 0, access, privilege, 0);
    return this.#levels(frameOf(entry, this.#memory.read32(cr3 >>> 12, at + 4)), 21, low, 0, access, privilege);
  }

  /**
   * Levels of 8-byte entries (SDM vol. 3 §4.5).
   * @param table page number of the first
   * @param top lowest address bit of its index: 39 or 21
   */
  #levels(table: number, top: number, low: number, high: number, access: number, privilege: Privilege): number {
    const memory = this.#memory;
    const { u32, efer } = this.#r;
    const nxe = (efer & EFER.nxe) !== 0;
    const reserved = this.#reservedHigh | (nxe ? 0 : NX) | (top === 39 ? 0 : RESERVED_PAE);
    let rights = PTE.rw | PTE.us;
    let noExecute = false;
    let page = table;
    for (let shift = top; ; shift -= 9) {
      const bits = shift === 39 ? high >>> 7 : shift === 30 ? (low >>> 30) | (high << 2) : low >>> shift;
      const at = (bits & 0x1ff) * 8;
      const offset = memory.offsetOf(page);
      const entry = offset ? u32[(offset + at) >>> 2]! : memory.read32(page, at);
      const entryHigh = offset ? u32[(offset + at + 4) >>> 2]! : memory.read32(page, at + 4);
      if ((entry & PTE.p) === 0) return this.#pageFault(low, high, access, privilege, 0);
      const large = shift > 12 && (entry & PTE.ps) !== 0;
      if (entryHigh & reserved || (large && entry & this.#reservedLow(shift, top)))
        return this.#pageFault(low, high, access, privilege, PF.p | PF.rsvd);
      rights &= entry;
      if (entryHigh & NX) noExecute = true;
      const frame = frameOf(entry, entryHigh);
      if (shift === 12 || large) {
        if (!this.#allows(rights, noExecute, access, privilege))
          return this.#pageFault(low, high, access, privilege, PF.p);
        this.shift = shift;
        this.#mark(page, at, entry, access);
        const inside = (1 << (shift - 12)) - 1;
        return frame - (frame & inside) + ((low >>> 12) & inside);
      }
      if ((entry & PTE.a) === 0) memory.write32(page, at, entry | PTE.a);
      page = frame;
    }
  }

  /** Bits 31:0 of an entry for a large page that must be 0: those of the address in it, below its own (PAT apart). */
  #reservedLow(shift: number, top: number): number {
    if (shift === 21) return 0x001f_e000;
    return shift === 30 && top === 39 && this.#hugePages ? 0x3fff_e000 : PTE.ps;
  }

  /** SDM vol. 3 §4.6. Remembers what else the page allows. */
  #allows(rights: number, noExecute: boolean, access: number, privilege: Privilege): boolean {
    const { cr0, cr4 } = this.#r;
    const user = privilege === PRIVILEGE.user;
    const userPage = (rights & PTE.us) !== 0;
    this.readable = user ? userPage : !userPage || privilege !== PRIVILEGE.guarded;
    this.writable = this.readable && ((rights & PTE.rw) !== 0 || (!user && (cr0 & CR0.wp) === 0));
    this.executable = !noExecute && (user ? userPage : !userPage || (cr4 & CR4.smep) === 0);
    if (access === ACCESS.write) return this.writable;
    return access === ACCESS.execute ? this.executable : this.readable;
  }

  /** The entry that maps the page: its accessed and dirty bits (SDM vol. 3 §4.8), and whether the page is global. */
  #mark(page: number, at: number, entry: number, access: number): void {
    this.global = (entry & PTE.g) !== 0 && (this.#r.cr4 & CR4.pge) !== 0;
    const marked = entry | PTE.a | (access === ACCESS.write ? PTE.d : 0);
    if (marked !== entry) this.#memory.write32(page, at, marked);
    if ((marked & PTE.d) === 0) this.writable = false;
  }
}

/** CR3 as a u32. */
const CR3 = STATE.cr / 4 + 6;
