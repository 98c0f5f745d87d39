import type { CpuBus } from '@mainboard/core';
import { Breakpoints } from './breakpoints.ts';
import { CodeCache } from './code-cache.ts';
import { CpuMemory } from './cpu-memory.ts';
import { type CpuModel, cpuModel, DEFAULT_CPU } from './cpu-models.ts';
import { Cpuid } from './cpuid.ts';
import type { CpuFeature } from './cpuid-bits.ts';
import { type Decoded, OPERAND_KIND } from './decode/decoded.ts';
import { Fault, VECTOR } from './fault.ts';
import { isFlatData } from './flat-segments.ts';
import { STOP } from './interpreter/record.ts';
import { JumpCache } from './jump-cache.ts';
import { Mmu } from './mmu.ts';
import { FLAT_MODE, LONG_MODE, MODE } from './mode.ts';
import { Msrs } from './msr.ts';
import { floatState } from './mxcsr.ts';
import { ParavirtualClock } from './paravirtual-clock.ts';
import { PRIVILEGE, tlbOf } from './privilege.ts';
import { CR0, CR4, EFER, Registers, RIGHTS, SEGREG } from './registers.ts';
import { ATTENTION, FLAG, STATE } from './state.ts';
import { X87Bridge } from './x87/bridge.ts';
import { X87 } from './x87/state.ts';
import { EXCEPTIONS } from './x87/status.ts';

/** Where the keys lie that code changes the level by, and modes below level 3. */
const LEVEL_KEYS = [
  [STATE.longKeys / 4, LONG_MODE],
  [STATE.flatKeys / 4, FLAT_MODE],
] as const;

/**
 * One processor as its instructions see it: registers, memory ({@link CpuMemory}), mode. Instructions that run
 * in TypeScript (`escapes/`) work on this; so does the delivery of interrupts.
 */
export class Cpu extends CpuMemory {
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

  /** Waiting in HLT. */
  halted = false;

  constructor(bus: CpuBus, model: CpuModel = cpuModel(DEFAULT_CPU)) {
    super();
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

  // ---------------------------------------------------------------- what compiled code knows as well

  /** Current privilege level, 0–3. */
  get cpl(): number {
    return this.r.i32[STATE.cpl / 4]!;
  }
  set cpl(level: number) {
    this.r.i32[STATE.cpl / 4] = level;
  }
  /** Bits of {@link MODE}. */
  get mode(): number {
    return this.r.i32[STATE.codeKey / 4]! & (MODE.count - 1);
  }
  /** After STI or a load of SS: interrupts wait for one instruction more (SDM vol. 3 §6.8.3); see {@link holdInterrupts}. */
  get shadow(): boolean {
    return this.r.i32[STATE.shadow / 4] !== 0;
  }
  set shadow(on: boolean) {
    this.r.i32[STATE.shadow / 4] = on ? 1 : 0;
  }
  /** An NMI or interrupt is announced, whether or not it may come now. */
  get announced(): boolean {
    return (this.r.i32[STATE.attention / 4]! & ATTENTION.event) !== 0;
  }
  set announced(on: boolean) {
    this.r.setAttention(ATTENTION.event, on);
  }
  /** From delivery of an NMI to the next IRET. */
  get nmiMasked(): boolean {
    return (this.r.i32[STATE.attention / 4]! & ATTENTION.nmiMasked) !== 0;
  }
  set nmiMasked(on: boolean) {
    this.r.setAttention(ATTENTION.nmiMasked, on);
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
  /** C4 and C5 may be VEX. */
  get hasVex(): boolean {
    return (this.mode & MODE.vex) !== 0;
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
    const mode =
      code |
      (stack32 ? MODE.stack32 : 0) |
      (flat ? MODE.flat : 0) |
      (whole ? MODE.wholeCode : 0) |
      (user ? MODE.user : 0) |
      (this.protectedMode && !this.v86 ? MODE.vex : 0);
    const { cr0, cr4 } = r;
    const guarded = tlbOf(cr4 & CR4.smap ? PRIVILEGE.guarded : PRIVILEGE.supervisor);
    const supervisor = r.systemFlag(FLAG.ac) ? tlbOf(PRIVILEGE.supervisor) : guarded;
    r.i32[STATE.guardedTlb / 4] = guarded;
    r.i32[STATE.tlb / 4] = user ? tlbOf(PRIVILEGE.user) : supervisor;
    const noSse = cr0 & CR0.em || !(cr4 & CR4.osfxsr);
    r.i32[STATE.sseFault / 4] = noSse ? VECTOR.ud : cr0 & CR0.ts ? VECTOR.nm : 0;
    this.updateX87();
    r.i32[STATE.mayChangeIf / 4] = !this.protectedMode || (!this.v86 && this.cpl <= r.iopl) ? 1 : 0;
    this.#updateKey(mode);
  }

  /** MXCSR, and what follows from it. */
  setMxcsr(value: number): void {
    this.r.i32[STATE.mxcsr / 4] = value;
    this.r.i32[STATE.floatState / 4] = floatState(value);
  }

  /** What MMX instructions fault with, if anything, by CR0 or for an x87 exception that waits; and what x87 ones need. */
  updateX87(): void {
    const { cr0, i32 } = this.r;
    const waiting = cr0 & CR0.ne && this.x87.pending() ? VECTOR.mf : 0;
    const usable = !(cr0 & (CR0.em | CR0.ts)) && (this.x87.control & EXCEPTIONS) === EXCEPTIONS;
    i32[STATE.x87Unusual / 4] = usable ? 0 : 1;
    i32[STATE.mmxFault / 4] = cr0 & CR0.em ? VECTOR.ud : cr0 & CR0.ts ? VECTOR.nm : waiting;
  }

  #updateKey(mode = this.mode): void {
    const { i32 } = this.r;
    i32[STATE.codeKey / 4] = this.jumps.key(mode);
    for (const [at, below] of LEVEL_KEYS) {
      i32[at] = this.jumps.key(below);
      i32[at + 1] = this.jumps.key(below | MODE.user);
    }
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
    i32[STATE.shadowRip / 4] = i32[STATE.nextRip / 4]!;
    i32[STATE.shadowRip / 4 + 1] = i32[STATE.nextRip / 4 + 1]!;
  }

  /** Ends the {@link shadow} that a run left behind, once the instruction that it was for is done. */
  settleShadow(): void {
    const { i32 } = this.r;
    const low = STATE.rip / 4;
    const shadowLow = STATE.shadowRip / 4;
    if (i32[low] !== i32[shadowLow] || (this.bits64 && i32[low + 1] !== i32[shadowLow + 1])) this.shadow = false;
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
