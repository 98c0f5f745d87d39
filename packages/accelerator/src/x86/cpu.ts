import type { CpuBus } from '@mainboard/core';
import { Breakpoints } from './breakpoints.ts';
import { CodeCache } from './code-cache.ts';
import { type CpuModel, cpuModel, DEFAULT_CPU } from './cpu-models.ts';
import { Cpuid } from './cpuid.ts';
import type { CpuFeature } from './cpuid-bits.ts';
import { BASE_RIP, type Decoded, OPERAND_KIND, SEG } from './decode/decoded.ts';
import { Fault, VECTOR } from './fault.ts';
import { ACCESS } from './interpreter/access.ts';
import { STOP } from './interpreter/record.ts';
import { JumpCache } from './jump-cache.ts';
import { Mmu } from './mmu.ts';
import { MODE } from './mode.ts';
import { Msrs } from './msr.ts';
import { ParavirtualClock } from './paravirtual-clock.ts';
import { PRIVILEGE, type Privilege, privilegeOf, tlbOf } from './privilege.ts';
import { CR0, CR4, EFER, Registers, RIGHTS, SEGREG } from './registers.ts';
import { FLAG, GPR, SEGMENT, STATE, TLB } from './state.ts';
import { X87Bridge } from './x87/bridge.ts';
import { X87 } from './x87/state.ts';
import { EXCEPTIONS } from './x87/status.ts';

/**
 * One processor as its instructions see it: registers, memory through segments and pages, mode. Instructions that run
 * in TypeScript (`escapes/`) work on this; so does the delivery of interrupts.
 */
export class Cpu {
  readonly r: Registers;
  readonly bus: CpuBus;
  readonly fault: Fault;
  readonly code: CodeCache;
  readonly breakpoints: Breakpoints;
  readonly mmu: Mmu;
  readonly jumps: JumpCache;
  readonly x87: X87;
  readonly x87Bridge: X87Bridge;
  readonly msrs: Msrs;
  readonly model: CpuModel;
  readonly cpuid: Cpuid;
  readonly paravirtualClock: ParavirtualClock = new ParavirtualClock(this);

  /** Current privilege level, 0–3. */
  cpl = 0;
  /** Waiting in HLT. */
  halted = false;
  /** After STI or a load of SS: interrupts wait for one instruction more (SDM vol. 3 §6.8.3); see {@link holdInterrupts}. */
  shadow = false;
  /** Address of the one instruction more, in halves. */
  #shadowLow = 0;
  #shadowHigh = 0;
  /** An NMI or interrupt is announced, whether or not it may come now. */
  announced = false;
  /** From delivery of an NMI to the next IRET. */
  nmiMasked = false;
  /** Bits of {@link MODE}. */
  mode = 0;

  constructor(bus: CpuBus, model: CpuModel = cpuModel(DEFAULT_CPU)) {
    this.bus = bus;
    this.model = model;
    this.cpuid = new Cpuid(model);
    this.r = new Registers(bus.guest);
    this.fault = new Fault(this.r.i32);
    this.code = new CodeCache(this);
    this.breakpoints = new Breakpoints(this.r);
    this.mmu = new Mmu(this.r, bus, this.fault, this.code, model, this.breakpoints);
    this.jumps = new JumpCache(this.r, this.mmu.tlb.contexts);
    this.x87 = new X87(this.r.view, STATE.x87);
    this.x87Bridge = new X87Bridge(this);
    this.msrs = new Msrs(this);
  }

  /** Whether the processor has a CPUID feature. */
  has(feature: CpuFeature): boolean {
    return this.model.features.has(feature);
  }

  // ---------------------------------------------------------------- modes

  get protectedMode(): boolean {
    return (this.r.cr0 & CR0.pe) !== 0;
  }
  get v86(): boolean {
    return this.r.systemFlag(FLAG.vm);
  }
  /** IA-32e mode, compatibility mode included. */
  get longMode(): boolean {
    return (this.r.efer & EFER.lma) !== 0;
  }
  /** 64-bit mode proper. */
  get bits64(): boolean {
    return (this.mode & MODE.code) === 2;
  }
  get codeBits(): 16 | 32 | 64 {
    return (16 << (this.mode & MODE.code)) as 16 | 32 | 64;
  }
  get stackBits(): 16 | 32 | 64 {
    return this.bits64 ? 64 : this.mode & MODE.stack32 ? 32 : 16;
  }

  /**
   * Works out what depends on segments, control registers, CPL and RFLAGS.VM or IOPL. Whoever changes one of those
   * calls it, then ends the instruction by {@link leave} or {@link jump}.
   */
  updateMode(): void {
    const { r } = this;
    const csRights = r.rights(SEGREG.cs);
    const code = this.longMode && csRights & RIGHTS.l ? 2 : csRights & RIGHTS.db ? 1 : 0;
    const flat = code === 2 || (isFlatData(r, SEGREG.ds) && isFlatData(r, SEGREG.es) && isFlatData(r, SEGREG.ss));
    const stack32 = code !== 2 && (r.rights(SEGREG.ss) & RIGHTS.db) !== 0;
    const whole = code === 2 || r.limit(SEGREG.cs) === 0xffff_ffff;
    const user = this.cpl === 3;
    this.mode =
      code |
      (stack32 ? MODE.stack32 : 0) |
      (flat ? MODE.flat : 0) |
      (whole ? MODE.wholeCode : 0) |
      (user ? MODE.user : 0);
    const { cr0, cr4 } = r;
    const guarded = tlbOf(cr4 & CR4.smap ? PRIVILEGE.guarded : PRIVILEGE.supervisor);
    const supervisor = r.systemFlag(FLAG.ac) ? tlbOf(PRIVILEGE.supervisor) : guarded;
    r.i32[STATE.guardedTlb / 4] = guarded;
    r.i32[STATE.tlb / 4] = user ? tlbOf(PRIVILEGE.user) : supervisor;
    r.i32[STATE.level0 / 4] = this.cpl === 0 ? 1 : 0;
    const noSse = cr0 & CR0.em || !(cr4 & CR4.osfxsr);
    r.i32[STATE.sseFault / 4] = noSse ? VECTOR.ud : cr0 & CR0.ts ? VECTOR.nm : 0;
    this.updateX87();
    r.i32[STATE.mayChangeIf / 4] = !this.protectedMode || (!this.v86 && this.cpl <= r.iopl) ? 1 : 0;
    this.#updateKey();
  }

  /** MXCSR, and what follows from it: SSE arithmetic may use the host's only as long as it rounds like the host. */
  setMxcsr(value: number): void {
    this.r.i32[STATE.mxcsr / 4] = value;
    this.r.i32[STATE.sseExact / 4] = (value & 0xffc0) === 0x1f80 ? 0 : (value & 0x7f80) === 0x1f80 ? 1 : 2;
  }

  /** What MMX instructions fault with, if anything, by CR0 or for an x87 exception that waits; and what x87 ones need. */
  updateX87(): void {
    const { cr0, i32 } = this.r;
    const waiting = cr0 & CR0.ne && this.x87.pending() ? VECTOR.mf : 0;
    const usable = !(cr0 & (CR0.em | CR0.ts)) && (this.x87.control & EXCEPTIONS) === EXCEPTIONS;
    i32[STATE.x87Unusual / 4] = usable ? 0 : 1;
    i32[STATE.mmxFault / 4] = cr0 & CR0.em ? VECTOR.ud : cr0 & CR0.ts ? VECTOR.nm : waiting;
  }

  #updateKey(): void {
    this.r.i32[STATE.codeKey / 4] = this.jumps.key(this.mode);
  }

  /** What the jump cache knows is void: translations changed, or CS moved. */
  forgetJumps(): void {
    this.jumps.forget();
    this.#updateKey();
  }

  /** Forgets all translations, global ones and other process contexts' included. */
  flushTlb(): void {
    this.mmu.tlb.flush();
    this.forgetJumps();
  }

  /** CR3 was loaded (SDM vol. 3 §4.10.4.1). @param keep the translations of its process context stay */
  contextChanged(keep: boolean): void {
    this.mmu.tlb.loadCr3(keep);
    this.jumps.contextChanged();
    this.#updateKey();
  }

  /** The debug registers or CR4.DE have changed. */
  updateBreakpoints(): void {
    const { breakpoints } = this;
    const { armed } = breakpoints;
    breakpoints.update();
    if (armed || breakpoints.armed) this.flushTlb();
  }

  /** Forgets the translations of one page: INVLPG. Those of other process contexts stay, global ones do not. */
  flushPage(low: number, high = 0): void {
    const { tlb } = this.mmu;
    const shift = tlb.sizeAt(low, high);
    tlb.flushPage(low, high, shift);
    this.jumps.forgetPage(low, high, shift);
  }

  // ---------------------------------------------------------------- ends of escapes

  /** Gives the instruction up with an exception. Nothing of it may have taken effect. */
  raise(vector: number, error = 0): never {
    this.fault.vector = vector;
    this.fault.error = error;
    throw this.fault;
  }

  /** #GP(error). */
  gp(error = 0): never {
    this.raise(VECTOR.gp, error);
  }

  ud(): never {
    this.raise(VECTOR.ud);
  }

  /** Faults unless CPL is 0. */
  requireCpl0(): void {
    if (this.cpl !== 0) this.gp();
  }

  /** Address of the instruction after the one that an escape carries out. */
  get nextRip(): bigint {
    return this.r.u64[STATE.nextRip / 8]!;
  }
  set nextRip(value: bigint) {
    this.r.u64[STATE.nextRip / 8] = value;
  }

  /** The instruction is done, and something changed that the run loop must look at. */
  leave(): number {
    const { i32 } = this.r;
    i32[STATE.rip / 4] = i32[STATE.nextRip / 4]!;
    i32[STATE.rip / 4 + 1] = i32[STATE.nextRip / 4 + 1]!;
    return STOP.escaped;
  }

  /** Interrupts wait until after the next instruction. A run that goes on to it may leave {@link shadow} behind. */
  holdInterrupts(): void {
    const { i32 } = this.r;
    this.shadow = true;
    this.#shadowLow = i32[STATE.nextRip / 4]!;
    this.#shadowHigh = i32[STATE.nextRip / 4 + 1]!;
  }

  /** Ends the {@link shadow} that a run left behind, once the instruction that it was for is done. */
  settleShadow(): void {
    const { i32 } = this.r;
    if (i32[STATE.rip / 4] !== this.#shadowLow || i32[STATE.rip / 4 + 1] !== this.#shadowHigh) this.shadow = false;
  }

  /** The instruction is done, and went elsewhere. */
  jump(rip: bigint): number {
    this.r.rip = rip;
    return STOP.escaped;
  }

  /** The same, and RIP is set already. */
  jumped(): number {
    return STOP.escaped;
  }

  /** The instruction (a repeated one) has more to do, but lets interrupts in first. */
  again(): number {
    return STOP.escaped; // RIP still points at it
  }

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

  // ---------------------------------------------------------------- operands of escapes

  /** A general register or memory operand of 8 to 64 bits, or an immediate (as wide as the operand). */
  read(i: Decoded, n: number): bigint {
    const operand = i.operands[n as 0]!;
    const { kind, size } = operand;
    switch (kind) {
      case OPERAND_KIND.gpr:
        return size === 8 ? BigInt(this.r.gpr8(operand.reg, operand.high)) : this.r.gpr(operand.reg, size);
      case OPERAND_KIND.imm:
        return BigInt.asUintN(size, (BigInt(i.immHi) << 32n) | BigInt(i.immLo >>> 0));
      case OPERAND_KIND.imm2:
        return BigInt(i.imm2);
      case OPERAND_KIND.one:
        return 1n;
      default:
        return this.load(size, this.address(i, size / 8, false));
    }
  }

  write(i: Decoded, n: number, value: bigint): void {
    const operand = i.operands[n as 0]!;
    const { kind, size } = operand;
    if (kind !== OPERAND_KIND.gpr) this.store(size, this.address(i, size / 8, true), value);
    else if (size === 8) this.r.setGpr8(operand.reg, Number(value & 0xffn), operand.high);
    else this.r.setGpr(operand.reg, size, value);
  }
}

/** A usable, writable data segment of all 4 GiB. */
function isFlatData({ u32 }: Registers, n: number): boolean {
  const at = (STATE.segments + n * SEGMENT.size) >> 2;
  return (
    (u32[at + SEGMENT.base / 4]! | u32[at + SEGMENT.base / 4 + 1]!) === 0 &&
    u32[at + SEGMENT.limit / 4] === 0xffff_ffff &&
    (u32[at + SEGMENT.rights / 4]! & (RIGHTS.unusable | 0x9e)) === 0x92
  );
}

const crossesPage = (linear: bigint, bytes: number): boolean => Number(linear & 0xfffn) + bytes > 4096;
/** Where the second page of an access that crosses one begins: CR2 says so. */
const lastPage = (linear: bigint, bytes: number): bigint => (linear + BigInt(bytes - 1)) & ~0xfffn;

/** Bits 63:47 of an address are all alike (SDM vol. 1 §3.3.7.1). */
export function isCanonical(linear: bigint): boolean {
  return BigInt.asUintN(64, BigInt.asIntN(48, linear)) === linear;
}
