import { isCanonical } from './canonical.ts';
import { BASE_RIP, type Decoded, OPERAND_KIND, SEG } from './decode/decoded.ts';
import { type Fault, VECTOR } from './fault.ts';
import { ACCESS } from './interpreter/access.ts';
import type { Mmu } from './mmu.ts';
import { PRIVILEGE, type Privilege, privilegeOf, tlbOf } from './privilege.ts';
import type { Registers } from './registers.ts';
import { GPR, SEGMENT, STATE, TLB } from './state.ts';

/**
 * Memory as the instructions that run in TypeScript reach it: by linear address, by segment, on the stack. An access
 * that faults throws, and has had no effect.
 */
export abstract class CpuMemory {
  abstract readonly r: Registers;
  abstract readonly mmu: Mmu;
  abstract readonly fault: Fault;
  /** 64-bit mode proper. */
  abstract get bits64(): boolean;
  /** Width of the stack pointer. */
  abstract get stackBits(): 16 | 32 | 64;
  abstract get nextRip(): bigint;
  abstract raise(vector: number, error?: number): never;

  // ---------------------------------------------------------------- memory by linear address

  /** As what the instruction's own accesses are made. */
  get privilege(): Privilege {
    return privilegeOf(this.r.i32[STATE.tlb / 4]!);
  }

  /** Splits a linear address without making bigints. */
  readonly #whole: BigUint64Array = new BigUint64Array(1);
  readonly #halves: Int32Array = new Int32Array(this.#whole.buffer);

  /** @param user undefined: as the instruction's own accesses. False: an implicit supervisor access, to a table of the system. */
  #access(linear: bigint, info: number, user?: boolean): number {
    this.#whole[0] = linear;
    const low = this.#halves[0]!;
    const high = this.#halves[1]!;
    const { i32 } = this.r;
    // The TLB first: what it knows lies in RAM.
    const tlb = user === undefined ? i32[STATE.tlb / 4]! : user ? tlbOf(PRIVILEGE.user) : i32[STATE.guardedTlb / 4]!;
    const entry = (tlb + ((low >>> 12) & (TLB.entries - 1)) * TLB.entrySize) >> 2;
    const tag = (info & ~0xff) === ACCESS.read ? entry + TLB.read / 4 : entry + TLB.write / 4;
    if (i32[tag] === (low & ~0xfff) && i32[tag + 1] === high && (low & 0xfff) + (info & 0xff) <= 4096)
      return (low + i32[entry + TLB.addend / 4]!) >>> 0;
    const at = this.mmu.translate(low, high, info, privilegeOf(tlb));
    if (at === 0) throw this.fault;
    return at;
  }

  load8(linear: bigint, user?: boolean): number {
    return this.r.u8[this.#access(linear, ACCESS.read | 1, user)]!;
  }
  load16(linear: bigint, user?: boolean): number {
    return this.r.view.getUint16(this.#access(linear, ACCESS.read | 2, user), true);
  }
  load32(linear: bigint, user?: boolean): number {
    return this.r.view.getUint32(this.#access(linear, ACCESS.read | 4, user), true);
  }
  load64(linear: bigint, user?: boolean): bigint {
    return this.r.view.getBigUint64(this.#access(linear, ACCESS.read | 8, user), true);
  }
  /** @param bits 8, 16, 32 or 64. */
  load(bits: number, linear: bigint, user?: boolean): bigint {
    if (bits === 64) return this.load64(linear, user);
    return BigInt(
      bits === 32 ? this.load32(linear, user) : bits === 16 ? this.load16(linear, user) : this.load8(linear, user),
    );
  }
  store8(linear: bigint, value: number, user?: boolean): void {
    const at = this.#access(linear, ACCESS.write | 1, user);
    this.r.u8[at] = value;
    if (at === STATE.bounce) this.mmu.commit();
  }
  store16(linear: bigint, value: number, user?: boolean): void {
    const at = this.#access(linear, ACCESS.write | 2, user);
    this.r.view.setUint16(at, value, true);
    if (at === STATE.bounce) this.mmu.commit();
  }
  store32(linear: bigint, value: number, user?: boolean): void {
    const at = this.#access(linear, ACCESS.write | 4, user);
    this.r.view.setUint32(at, value, true);
    if (at === STATE.bounce) this.mmu.commit();
  }
  store64(linear: bigint, value: bigint, user?: boolean): void {
    const at = this.#access(linear, ACCESS.write | 8, user);
    this.r.view.setBigUint64(at, value, true);
    if (at === STATE.bounce) this.mmu.commit();
  }
  /** @param bits 8, 16, 32 or 64; higher bits of the value are dropped. */
  store(bits: number, linear: bigint, value: bigint, user?: boolean): void {
    if (bits === 64) this.store64(linear, BigInt.asUintN(64, value), user);
    else {
      const low = Number(value & 0xffff_ffffn);
      if (bits === 32) this.store32(linear, low, user);
      else if (bits === 16) this.store16(linear, low & 0xffff, user);
      else this.store8(linear, low & 0xff, user);
    }
  }
  /** Faults now if a later store of `bytes` (up to a page) would. */
  probeWrite(linear: bigint, bytes: number, user?: boolean): void {
    this.#access(linear, ACCESS.probe | Math.min(bytes, 1), user);
    if (crossesPage(linear, bytes)) this.#access(lastPage(linear, bytes), ACCESS.probe | 1, user);
  }
  /** Faults now if a later load of `bytes` (up to a page) would. */
  probeRead(linear: bigint, bytes: number, user?: boolean): void {
    this.#access(linear, ACCESS.read | 1, user);
    if (crossesPage(linear, bytes)) this.#access(lastPage(linear, bytes), ACCESS.read | 1, user);
  }

  // ---------------------------------------------------------------- memory by segment

  /**
   * Linear address of an offset in a segment, limit, access and canonical form checked: #GP(0), or #SS(0) for SS.
   * @param n segment register by `SEGREG`
   */
  linear(n: number, offset: bigint, bytes: number, write: boolean): bigint {
    const { r } = this;
    const vector = n === SEG.ss ? VECTOR.ss : VECTOR.gp;
    if (this.bits64) {
      const linear = BigInt.asUintN(64, n === SEG.fs || n === SEG.gs ? offset + r.base(n) : offset);
      if (!isCanonical(linear)) this.raise(vector);
      return linear;
    }
    const at = (STATE.segments + n * SEGMENT.size) / 4;
    const first = Number(offset);
    const last = first + bytes - 1;
    if ((r.u32[at + SEGMENT.access / 4]! & (write ? 2 : 1)) === 0) this.raise(vector);
    if (first < r.u32[at + SEGMENT.low / 4]! || last > r.u32[at + SEGMENT.high / 4]!) this.raise(vector);
    return BigInt.asUintN(32, r.base(n) + offset);
  }

  /** Effective address (offset in its segment) of the instruction's memory operand. */
  offset(i: Decoded): bigint {
    const { r } = this;
    let sum: bigint;
    if (i.operands.some(({ kind }) => kind === OPERAND_KIND.moffs))
      sum = (BigInt(i.immHi) << 32n) | BigInt(i.immLo >>> 0);
    else {
      sum = BigInt(i.disp);
      if (i.base === BASE_RIP) sum += this.nextRip;
      else if (i.base >= 0) sum += r.gpr64(i.base);
      if (i.index >= 0) sum += r.gpr64(i.index) << BigInt(i.scale);
    }
    return BigInt.asUintN(i.asize, sum);
  }

  /** Linear address of the instruction's memory operand, checked for an access of `bytes`. */
  address(i: Decoded, bytes: number, write: boolean): bigint {
    return this.linear(i.seg, this.offset(i), bytes, write);
  }

  /** The stack pointer, as wide as the stack is. */
  get stackPointer(): bigint {
    return this.r.gpr(GPR.rsp, this.stackBits);
  }
  set stackPointer(value: bigint) {
    this.r.setGpr(GPR.rsp, this.stackBits, BigInt.asUintN(this.stackBits, value));
  }

  /** Reads the `n`-th value of `bits` from the top of the stack; the pointer stays. */
  peekStack(bits: 16 | 32 | 64, n = 0): bigint {
    const offset = BigInt.asUintN(this.stackBits, this.stackPointer + BigInt((n * bits) / 8));
    return this.load(bits, this.linear(SEG.ss, offset, bits / 8, false));
  }

  /** Pushes one value. */
  push(bits: 16 | 32 | 64, value: bigint): void {
    const pointer = BigInt.asUintN(this.stackBits, this.stackPointer - BigInt(bits / 8));
    this.store(bits, this.linear(SEG.ss, pointer, bits / 8, true), value);
    this.stackPointer = pointer;
  }
}

const crossesPage = (linear: bigint, bytes: number): boolean => Number(linear & 0xfffn) + bytes > 4096;
/** Where the second page of an access that crosses one begins: CR2 says so. */
const lastPage = (linear: bigint, bytes: number): bigint => (linear + BigInt(bytes - 1)) & ~0xfffn;
