import type { GuestMemory } from '@mainboard/core';
import { FLAG, GPR, SEGMENT, STATE, STATUS_FLAGS } from './state.ts';

/** Bits of the control registers and EFER that the processor looks at (SDM vol. 3 §2.5). */
export const CR0 = {
  pe: 1,
  mp: 2,
  em: 4,
  ts: 8,
  et: 0x10,
  ne: 0x20,
  wp: 0x1_0000,
  am: 0x4_0000,
  nw: 0x2000_0000,
  cd: 0x4000_0000,
  pg: 0x8000_0000,
} as const;
export const CR4 = {
  vme: 1,
  pvi: 2,
  tsd: 4,
  de: 8,
  pse: 0x10,
  pae: 0x20,
  mce: 0x40,
  pge: 0x80,
  pce: 0x100,
  osfxsr: 0x200,
  osxmmexcpt: 0x400,
  umip: 0x800,
  fsgsbase: 0x1_0000,
  pcide: 0x2_0000,
  osxsave: 0x4_0000,
  smep: 0x10_0000,
  smap: 0x20_0000,
} as const;
export const EFER = { sce: 1, lme: 0x100, lma: 0x400, nxe: 0x800 } as const;

/** Bits of `SegmentState.rights`. */
export const RIGHTS = {
  type: 0xf,
  s: 0x10,
  dpl: 0x60,
  p: 0x80,
  l: 0x2000,
  db: 0x4000,
  g: 0x8000,
  unusable: 0x1_0000,
} as const;

/** Segment registers by number, as instructions and `SEGMENTS` of core count them. */
export const SEGREG = { es: 0, cs: 1, ss: 2, ds: 3, fs: 4, gs: 5, ldtr: 6, tr: 7 } as const;

/**
 * The processor's registers in the guest memory's arena, as TypeScript sees them. 64-bit registers are unsigned
 * bigints; flags are numbers.
 */
export class Registers {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
  readonly view: DataView;

  constructor({ memory }: GuestMemory) {
    const { buffer } = memory;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.u64 = new BigUint64Array(buffer, 0, STATE.bounce / 8);
    this.view = new DataView(buffer);
  }

  // ---- general registers

  gpr64(n: number): bigint {
    return this.u64[n]!;
  }
  setGpr64(n: number, value: bigint): void {
    this.u64[n] = value;
  }
  gpr32(n: number): number {
    return this.u32[2 * n]!;
  }
  /** Clears the upper half, as every 32-bit write does. */
  setGpr32(n: number, value: number): void {
    this.u32[2 * n] = value;
    this.u32[2 * n + 1] = 0;
  }
  gpr16(n: number): number {
    return this.u16[4 * n]!;
  }
  setGpr16(n: number, value: number): void {
    this.u16[4 * n] = value;
  }
  /** @param bits 16, 32 or 64. */
  gpr(n: number, bits: number): bigint {
    return bits === 64 ? this.u64[n]! : BigInt(bits === 32 ? this.u32[2 * n]! : this.u16[4 * n]!);
  }
  setGpr(n: number, bits: number, value: bigint): void {
    if (bits === 64) this.u64[n] = value;
    else if (bits === 32) this.setGpr32(n, Number(value & 0xffff_ffffn));
    else this.setGpr16(n, Number(value & 0xffffn));
  }
  /** AL, CL, … DIL, R15B; AH, CH, DH, BH with `high`. */
  gpr8(n: number, high = false): number {
    return this.u8[8 * n + (high ? 1 : 0)]!;
  }
  setGpr8(n: number, value: number, high = false): void {
    this.u8[8 * n + (high ? 1 : 0)] = value;
  }
  get rsp(): bigint {
    return this.u64[GPR.rsp]!;
  }
  set rsp(value: bigint) {
    this.u64[GPR.rsp] = value;
  }

  // ---- RIP: of the instruction that runs, or of the next while none does
  get rip(): bigint {
    return this.u64[STATE.rip / 8]!;
  }
  set rip(value: bigint) {
    this.u64[STATE.rip / 8] = value;
  }

  // ---- flags

  /** RFLAGS, lazily kept flags worked out. */
  get flags(): number {
    const resultLow = this.i32[STATE.flagResult / 4]!;
    const resultHigh = this.i32[STATE.flagResult / 4 + 1]!;
    const auxLow = this.i32[STATE.flagAux / 4]!;
    const auxHigh = this.i32[STATE.flagAux / 4 + 1]!;
    let flags = this.i32[STATE.flagsSystem / 4]! | 2;
    if (auxHigh < 0) flags |= FLAG.cf;
    if ((auxHigh ^ (auxHigh << 1)) < 0) flags |= FLAG.of;
    if (auxLow & 8) flags |= FLAG.af;
    if (resultLow === 0 && resultHigh === 0) flags |= FLAG.zf;
    if ((resultHigh ^ (auxLow << 30)) < 0) flags |= FLAG.sf;
    let parity = resultLow & 0xff;
    parity ^= parity >> 4;
    if ((((0x9669 >> (parity & 15)) ^ auxLow) & 1) === 1) flags |= FLAG.pf;
    return flags;
  }
  set flags(value: number) {
    this.i32[STATE.flagsSystem / 4] = (value & ~STATUS_FLAGS & 0x3f_7fd5) | 2;
    const zf = value & FLAG.zf ? 1 : 0;
    const sf = value & FLAG.sf ? 1 : 0;
    const pf = value & FLAG.pf ? 1 : 0;
    const cf = value & FLAG.cf ? 1 : 0;
    const of = value & FLAG.of ? 1 : 0;
    // A result of 0 or 1 makes ZF, and implies SF = 0 and PF = ZF; aux corrects those two.
    this.i32[STATE.flagResult / 4] = zf ^ 1;
    this.i32[STATE.flagResult / 4 + 1] = 0;
    this.i32[STATE.flagAux / 4] = (value & FLAG.af ? 8 : 0) | (sf << 1) | (pf ^ zf);
    this.i32[STATE.flagAux / 4 + 1] = (cf << 31) | ((cf ^ of) << 30);
  }
  systemFlag(mask: number): boolean {
    return (this.i32[STATE.flagsSystem / 4]! & mask) !== 0;
  }
  setSystemFlag(mask: number, on: boolean): void {
    const at = STATE.flagsSystem / 4;
    this.i32[at] = on ? this.i32[at]! | mask : this.i32[at]! & ~mask;
  }
  /** @param bit of `ATTENTION` */
  setAttention(bit: number, on: boolean): void {
    const at = STATE.attention / 4;
    this.i32[at] = on ? this.i32[at]! | bit : this.i32[at]! & ~bit;
  }
  get iopl(): number {
    return (this.i32[STATE.flagsSystem / 4]! >> 12) & 3;
  }

  // ---- segment registers, by SEGREG

  selector(n: number): number {
    return this.u16[(STATE.segments + n * SEGMENT.size + SEGMENT.selector) / 2]!;
  }
  base(n: number): bigint {
    return this.u64[(STATE.segments + n * SEGMENT.size + SEGMENT.base) / 8]!;
  }
  setBase(n: number, base: bigint): void {
    this.u64[(STATE.segments + n * SEGMENT.size + SEGMENT.base) / 8] = base;
  }
  limit(n: number): number {
    return this.u32[(STATE.segments + n * SEGMENT.size + SEGMENT.limit) / 4]!;
  }
  /** Access rights as in `SegmentState`. */
  rights(n: number): number {
    return this.u32[(STATE.segments + n * SEGMENT.size + SEGMENT.rights) / 4]!;
  }
  /** Fills a segment register and its derived bounds. @param limit in bytes. */
  setSegment(n: number, selector: number, base: bigint, limit: number, rights: number): void {
    const at = STATE.segments + n * SEGMENT.size;
    this.u64[(at + SEGMENT.base) / 8] = base;
    this.u16[(at + SEGMENT.selector) / 2] = selector;
    this.u32[(at + SEGMENT.limit) / 4] = limit;
    this.u32[(at + SEGMENT.rights) / 4] = rights;
    const code = (rights & 0x18) === 0x18;
    const expandDown = (rights & 0x1c) === 0x14;
    const usable = (rights & RIGHTS.unusable) === 0 && (rights & RIGHTS.p) !== 0;
    // Expand-down (SDM vol. 3 §5.3): valid offsets lie above the limit, up to 64 KiB or 4 GiB by the B bit.
    const low = expandDown ? limit + 1 : 0;
    const high = !expandDown ? limit : rights & RIGHTS.db ? 0xffff_ffff : 0xffff;
    const some = usable && low <= high;
    this.u32[(at + SEGMENT.low) / 4] = some ? low : 1;
    this.u32[(at + SEGMENT.high) / 4] = some ? high : 0;
    const readable = usable && (!code || (rights & 2) !== 0);
    const writable = usable && !code && (rights & 2) !== 0;
    this.u32[(at + SEGMENT.access) / 4] = (readable ? 1 : 0) | (writable ? 2 : 0);
  }

  // ---- control registers
  get cr0(): number {
    return this.u32[STATE.cr / 4]!;
  }
  set cr0(value: number) {
    this.u32[STATE.cr / 4] = value;
  }
  get cr2(): bigint {
    return this.u64[STATE.cr2 / 8]!;
  }
  set cr2(value: bigint) {
    this.u64[STATE.cr2 / 8] = value;
  }
  get cr3(): bigint {
    return this.u64[STATE.cr / 8 + 3]!;
  }
  set cr3(value: bigint) {
    this.u64[STATE.cr / 8 + 3] = value;
  }
  get cr4(): number {
    return this.u32[STATE.cr / 4 + 8]!;
  }
  set cr4(value: number) {
    this.u32[STATE.cr / 4 + 8] = value;
  }
  get efer(): number {
    return this.u32[STATE.efer / 4]!;
  }
  set efer(value: number) {
    this.u32[STATE.efer / 4] = value;
  }
}
