import type { Cpu } from './cpu.ts';
import { VECTOR } from './fault.ts';
import { baseOf, dplOf, fillSegment, isWritable, knownDescriptor } from './flat-segments.ts';
import { EFER, RIGHTS, SEGREG } from './registers.ts';
import { STATE } from './state.ts';

/** Types of system descriptors (SDM vol. 3 table 3-2). In IA-32e mode those of 32 bits are the 64-bit ones. */
export const SYSTEM_TYPE = {
  tss16: 1,
  ldt: 2,
  busyTss16: 3,
  callGate16: 4,
  taskGate: 5,
  interruptGate16: 6,
  trapGate16: 7,
  tss32: 9,
  busyTss32: 11,
  callGate32: 12,
  interruptGate32: 14,
  trapGate32: 15,
} as const;

/** Rights of a real-mode segment after reset, and of any segment in virtual-8086 mode. */
const REAL_RIGHTS = 0x93;
const V86_RIGHTS = 0xf3;

/** An 8-byte entry of a descriptor table (SDM vol. 3 §3.4.5), as two unsigned words. */
export class Descriptor {
  /** Linear address of the entry. */
  readonly at: bigint;
  readonly low: number;
  readonly high: number;

  constructor(at: bigint, low: number, high: number) {
    this.at = at;
    this.low = low;
    this.high = high;
  }

  get base(): bigint {
    return BigInt(((this.low >>> 16) | ((this.high & 0xff) << 16) | (this.high & 0xff00_0000)) >>> 0);
  }
  /** In bytes, granularity applied. */
  get limit(): number {
    const limit = (this.low & 0xffff) | (this.high & 0xf_0000);
    return this.high & 0x80_0000 ? ((limit << 12) | 0xfff) >>> 0 : limit;
  }
  /** In the format of `SegmentState.rights`. */
  get rights(): number {
    return (this.high >>> 8) & 0xf0ff;
  }
  get dpl(): number {
    return (this.high >>> 13) & 3;
  }
  get present(): boolean {
    return (this.high & 0x8000) !== 0;
  }
  /** A code or data segment; otherwise a system segment or gate of {@link systemType}. */
  get isSegment(): boolean {
    return (this.high & 0x1000) !== 0;
  }
  /** Type of a system descriptor; −1 for a code or data segment. */
  get systemType(): number {
    return this.isSegment ? -1 : (this.high >>> 8) & 0xf;
  }
  get isCode(): boolean {
    return (this.high & 0x1800) === 0x1800;
  }
  get isConforming(): boolean {
    return (this.high & 0x1c00) === 0x1c00;
  }
  get isWritableData(): boolean {
    return (this.high & 0x1a00) === 0x1200;
  }
  get isReadable(): boolean {
    return this.isSegment && (!this.isCode || (this.high & 0x200) !== 0);
  }
  /** A code segment for 64-bit mode. */
  get isLong(): boolean {
    return (this.high & 0x20_0000) !== 0;
  }
  get isBig(): boolean {
    return (this.high & 0x40_0000) !== 0;
  }
  /** Of a gate: the selector it leads to, and its offset without the upper half of a 64-bit one. */
  get gateSelector(): number {
    return this.low >>> 16;
  }
  get gateOffset(): number {
    return ((this.low & 0xffff) | (this.high & 0xffff_0000)) >>> 0;
  }
}

/** RPL and TI 0: no segment. */
export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;

/**
 * Linear address of a selector's descriptor; −1n when it lies outside its table.
 * @param bytes 8, or 16 for system descriptors in IA-32e mode.
 */
function descriptorAddress(cpu: Cpu, selector: number, bytes: number): bigint {
  const { r } = cpu;
  const offset = selector & 0xfff8;
  let base: bigint;
  if (selector & 4) {
    if (r.rights(SEGREG.ldtr) & RIGHTS.unusable || offset + bytes - 1 > r.limit(SEGREG.ldtr)) return -1n;
    base = r.base(SEGREG.ldtr);
  } else {
    if (offset + bytes - 1 > r.u32[STATE.gdtr / 4 + 2]!) return -1n;
    base = r.u64[STATE.gdtr / 8]!;
  }
  return BigInt.asUintN(cpu.longMode ? 64 : 32, base + BigInt(offset));
}

/** Reads the descriptor of a selector; undefined when it lies outside its table (LAR and its kin). May page-fault. */
export function findDescriptor(cpu: Cpu, selector: number): Descriptor | undefined {
  const at = descriptorAddress(cpu, selector, 8);
  return at < 0n ? undefined : new Descriptor(at, cpu.load32(at, false), cpu.load32(at + 4n, false));
}

/**
 * Reads the descriptor of a selector that is not null.
 * @param vector of the exception when it lies outside its table
 * @param ext 1 while an event from outside the program is delivered: bit 0 of error codes (SDM vol. 3 §6.13)
 */
export function readDescriptor(cpu: Cpu, selector: number, vector: number = VECTOR.gp, ext = 0): Descriptor {
  return findDescriptor(cpu, selector) ?? cpu.raise(vector, (selector & 0xfffc) | ext);
}

/**
 * The upper half of a 16-byte system descriptor's base or offset (IA-32e mode); the type field above must be 0.
 * #GP(selector) otherwise.
 */
export function readUpperHalf(cpu: Cpu, selector: number, { at }: Descriptor): bigint {
  if (descriptorAddress(cpu, selector, 16) < 0n) cpu.gp(selector & 0xfffc);
  if (cpu.load32(at + 12n, false) & 0x1f00) cpu.gp(selector & 0xfffc);
  return BigInt(cpu.load32(at + 8n, false)) << 32n;
}

/** Sets the accessed bit in memory, where it is not set. Call once nothing but this can fault. */
export function markAccessed(cpu: Cpu, { at, high }: Descriptor): void {
  if ((high & 0x100) === 0) cpu.store8(at + 5n, ((high >>> 8) & 0xff) | 1, false);
}

/** Leaves a data segment register or LDTR without a segment: any access by it faults, outside 64-bit mode. */
export function setNull(cpu: Cpu, n: number, selector: number, dpl = 0): void {
  cpu.r.setSegment(n, selector, 0n, 0, RIGHTS.unusable | (dpl << 5));
}

/** Fills a segment register from a checked descriptor. */
export function setFromDescriptor(cpu: Cpu, n: number, selector: number, d: Descriptor): void {
  cpu.r.setSegment(n, selector, d.base, d.limit, d.rights | 1);
}

/** Loads CS and CPL from a checked code segment descriptor. The caller sets RIP and calls `updateMode`. */
export function setCode(cpu: Cpu, selector: number, d: Descriptor, cpl: number): void {
  const { r } = cpu;
  const base = cpu.longMode && d.isLong ? 0n : d.base;
  if (base !== r.base(SEGREG.cs) || d.limit !== r.limit(SEGREG.cs)) cpu.forgetJumps(); // blocks know no limit
  r.setSegment(SEGREG.cs, (selector & 0xfffc) | cpl, base, d.limit, d.rights | 1);
  cpu.cpl = cpl;
}

/**
 * A segment load in real mode (SDM vol. 3 §20.1.1). Limit and attributes stay what protected mode left in them.
 * GUEST: boot loaders and option ROMs that run in "unreal" mode.
 */
export function setReal(cpu: Cpu, n: number, selector: number): void {
  const { r } = cpu;
  const rights = r.rights(n);
  const base = BigInt(selector << 4);
  if (n === SEGREG.cs && base !== r.base(n)) cpu.forgetJumps();
  if (rights & RIGHTS.unusable) r.setSegment(n, selector, base, 0xffff, REAL_RIGHTS);
  else r.setSegment(n, selector, base, r.limit(n), (rights & ~0xff) | REAL_RIGHTS);
}

/** A segment load in virtual-8086 mode (SDM vol. 3 §20.2.1). */
export function setV86(cpu: Cpu, n: number, selector: number): void {
  const base = BigInt(selector << 4);
  if (n === SEGREG.cs && base !== cpu.r.base(n)) cpu.forgetJumps();
  cpu.r.setSegment(n, selector, base, 0xffff, V86_RIGHTS);
}

/**
 * Checks a selector for SS at a privilege level: a present, writable data segment of that level.
 * @param vector #GP for loads, #TS for stacks out of a TSS; #SS when it is not present
 */
export function readStackDescriptor(cpu: Cpu, selector: number, cpl: number, vector: number, ext = 0): Descriptor {
  if (isNull(selector)) cpu.raise(vector, ext);
  const error = (selector & 0xfffc) | ext;
  const d = readDescriptor(cpu, selector, vector, ext);
  if ((selector & 3) !== cpl || !d.isWritableData || d.dpl !== cpl) cpu.raise(vector, error);
  if (!d.present) cpu.raise(VECTOR.ss, error);
  return d;
}

/**
 * Loads ES, SS, DS, FS or GS, as MOV, POP, LDS… do (SDM vol. 2 MOV). The caller calls `updateMode` afterwards.
 * @param vector #GP; #TS during a task switch
 */
export function loadSegment(cpu: Cpu, n: number, selector: number, vector: number = VECTOR.gp): void {
  if (!cpu.protectedMode) setReal(cpu, n, selector);
  else if (cpu.v86) setV86(cpu, n, selector);
  else if (n === SEGREG.ss) {
    if (isNull(selector) && cpu.bits64 && cpu.cpl !== 3 && (selector & 3) === cpu.cpl) {
      setNull(cpu, n, selector, cpu.cpl);
      return;
    }
    const d = readStackDescriptor(cpu, selector, cpu.cpl, vector);
    markAccessed(cpu, d);
    setFromDescriptor(cpu, n, selector, d);
  } else if (isNull(selector)) setNull(cpu, n, selector);
  else if (!loadDataFast(cpu, n, selector)) {
    const d = readDescriptor(cpu, selector, vector);
    const error = selector & 0xfffc;
    if (!d.isReadable) cpu.raise(vector, error);
    if (!d.isConforming && (d.dpl < (selector & 3) || d.dpl < cpu.cpl)) cpu.raise(vector, error);
    if (!d.present) cpu.raise(VECTOR.np, error);
    markAccessed(cpu, d);
    setFromDescriptor(cpu, n, selector, d);
  }
}

/** {@link loadSegment} of a data segment of the GDT that was used before, if the TLB knows its descriptor. */
function loadDataFast(cpu: Cpu, n: number, selector: number): boolean {
  const at = knownDescriptor(cpu, selector) >>> 2;
  if (at === 0) return false;
  const low = cpu.r.i32[at]!;
  const high = cpu.r.i32[at + 1]!;
  const dpl = dplOf(high);
  if (!isWritable(high) || dpl < (selector & 3) || dpl < cpu.cpl) return false;
  fillSegment(cpu, n, selector, low, high, baseOf(low, high));
  return true;
}

/** On a return to an outer level: takes away the data segments that this level may not use (SDM vol. 3 §5.8.6). */
export function dropInnerSegments(cpu: Cpu): void {
  const { r } = cpu;
  for (const n of [SEGREG.es, SEGREG.ds, SEGREG.fs, SEGREG.gs]) {
    const rights = r.rights(n);
    if (rights & RIGHTS.unusable || (rights & 0x1c) === 0x1c) continue;
    if ((rights & RIGHTS.dpl) >> 5 < cpu.cpl) setNull(cpu, n, 0);
  }
}

/** LLDT (SDM vol. 2): a null selector leaves no LDT. @param vector #GP; #TS during a task switch */
export function loadLdtr(cpu: Cpu, selector: number, vector: number = VECTOR.gp): void {
  if (isNull(selector)) {
    setNull(cpu, SEGREG.ldtr, selector);
    return;
  }
  const error = selector & 0xfffc;
  if (selector & 4) cpu.raise(vector, error);
  const d = readDescriptor(cpu, selector, vector);
  if (d.systemType !== SYSTEM_TYPE.ldt) cpu.raise(vector, error);
  if (!d.present) cpu.raise(vector === VECTOR.ts ? vector : VECTOR.np, error);
  const upper = cpu.longMode ? readUpperHalf(cpu, selector, d) : 0n;
  cpu.r.setSegment(SEGREG.ldtr, selector, d.base | upper, d.limit, d.rights);
}

/** LTR (SDM vol. 2): the TSS must be available, and becomes busy. */
export function loadTr(cpu: Cpu, selector: number): void {
  if (isNull(selector)) cpu.gp();
  const error = selector & 0xfffc;
  if (selector & 4) cpu.gp(error);
  const d = readDescriptor(cpu, selector);
  const type = d.systemType;
  if (type !== SYSTEM_TYPE.tss32 && (type !== SYSTEM_TYPE.tss16 || cpu.r.efer & EFER.lma)) cpu.gp(error);
  if (!d.present) cpu.raise(VECTOR.np, error);
  const upper = cpu.longMode ? readUpperHalf(cpu, selector, d) : 0n;
  setBusy(cpu, d, true);
  cpu.r.setSegment(SEGREG.tr, selector, d.base | upper, d.limit, d.rights | 2);
}

/** Sets or clears the busy bit of a TSS descriptor in memory. */
export function setBusy(cpu: Cpu, { at, high }: Descriptor, busy: boolean): void {
  const byte = (high >>> 8) & 0xff;
  cpu.store8(at + 5n, busy ? byte | 2 : byte & ~2, false);
}
