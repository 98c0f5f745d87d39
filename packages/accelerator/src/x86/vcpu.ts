import type { CpuBus, CpuState, Exit, Vcpu } from '@mainboard/core';
import { Cpu } from './cpu.ts';
import type { CpuModel } from './cpu-models.ts';
import { VECTOR } from './fault.ts';
import { loadInterpreter } from './interpreter/load.ts';
import { RECORD, STOP } from './interpreter/record.ts';
import { SPECIAL } from './interpreter/special.ts';
import { deliver } from './interrupts.ts';
import { Jit } from './jit/jit.ts';
import type { JitMode } from './jit/jit-mode.ts';
import { CS_BASE } from './predecoder.ts';
import { SEGREG } from './registers.ts';
import { FLAG, SEGMENT, STATE } from './state.ts';
import { resetState, restoreState, saveState } from './vcpu-state.ts';
import { isVirtualInterruptDue } from './virtual-interrupts.ts';

/** Instructions between two looks at the clock, give or take what is in {@link COST}. */
const CHUNK = 50_000;
/** What takes longer than an instruction in records, in such instructions, rather too high than too low. */
const COST = {
  /** An instruction in TypeScript. */
  escape: 100,
  /** A look at the time. */
  timestamp: 30,
  /** A turn of the run loop, an exception or interrupt included. */
  turn: 400,
  /** A block that the interpreter did not find by itself. */
  lookup: 50,
  /** An instruction decoded on the way. */
  decode: 50,
  /** An access that the TLB did not know. */
  miss: 10,
  /** An access that a device answered. */
  window: 100,
} as const;

/** Instructions after which a trap comes only if TF is still set: they cleared it (SDM vol. 3 §17.3.1.4). */
const CLEARS_TF: ReadonlySet<string> = new Set(['int', 'int1', 'int3', 'into', 'syscall']);
const DR6_BS = 0x4000;

const SLICE: Exit = { kind: 'slice' };
const HALT: Exit = { kind: 'halt' };
const SHUTDOWN: Exit = { kind: 'shutdown' };

/** A processor in software. */
export class SoftVcpu implements Vcpu {
  readonly index: number;
  readonly cpu: Cpu;
  readonly #bus: CpuBus;
  readonly #run: (record: number) => number;
  readonly #jit: Jit;
  #intr = false;
  #nmiLevel = false;
  #nmi = false;
  #kicked = false;
  /** Set while records run. */
  #running = false;
  /** What {@link #interrupt} took from the budget to end the run. */
  #withheld = 0;
  /** What {@link #charge} took from the budget. */
  #charged = 0;
  /** What the last run of records took in all. */
  #spent = 0;
  /** Instructions since the last reset. */
  #instructions = 0;

  constructor(index: number, bus: CpuBus, jit: JitMode = 'off', model?: CpuModel) {
    this.index = index;
    this.#bus = bus;
    this.cpu = new Cpu(bus, model);
    const { cpu } = this;
    const runtime = {
      translate: (low: number, high: number, info: number) => {
        const at = cpu.mmu.translate(low, high, info, cpu.privilege);
        this.#charge(at === STATE.bounce ? COST.window : COST.miss);
        if (at === STATE.bounce) this.#forgetStackPage();
        return at;
      },
      commit: () => {
        cpu.mmu.commit();
        this.#forgetStackPage();
      },
      escape: (record: number) => this.#escape(record),
      timestamp: () => {
        this.#charge(COST.timestamp);
        cpu.msrs.loadTsc(cpu.r.u32, STATE.timestamp / 4, STATE.timestamp / 4 + 1);
      },
      segmentFault: (segment: number) => {
        cpu.fault.vector = segment === STATE.segments + SEGREG.ss * SEGMENT.size ? VECTOR.ss : VECTOR.gp;
        cpu.fault.error = 0;
      },
    };
    const { instance, handlers } = loadInterpreter(bus.guest.memory, runtime);
    const { table, enter, ...functions } = instance.exports;
    this.#jit = new Jit(cpu, jit, table as WebAssembly.Table, { memory: bus.guest.memory, enter, ...functions });
    this.#run = enter as (record: number) => number;
    cpu.code.predecoder.use(handlers);
    cpu.code.onDeviceWrote = () => this.#interrupt();
    bus.onRegionsChanged(() => {
      cpu.mmu.remap();
      cpu.forgetJumps();
      this.#interrupt();
    });
    this.reset();
  }

  /** Instructions carried out since the last reset; iterations of a repeated string instruction count each. */
  get instructions(): number {
    return this.#instructions;
  }

  /** Regions of compiled code in use. */
  get regions(): number {
    return this.#jit.regions;
  }

  // ---------------------------------------------------------------- pins

  setIntr(level: boolean): void {
    this.#intr = level;
    this.#announce();
    if (level) this.#interrupt();
  }

  setNmi(level: boolean): void {
    if (level && !this.#nmiLevel) {
      this.#nmi = true;
      this.#announce();
      this.#interrupt();
    }
    this.#nmiLevel = level;
  }

  #announce(): void {
    this.cpu.announced = this.#intr || this.#nmi;
  }

  setA20(level: boolean): void {
    this.cpu.mmu.setA20(level);
    this.cpu.forgetJumps();
    this.#interrupt();
  }

  kick(): void {
    this.#kicked = true;
    this.#interrupt();
  }

  /** Ends a run of records at the next end of a block. */
  #interrupt(): void {
    if (!this.#running) return;
    const { i32 } = this.cpu.r;
    const budget = i32[STATE.budget / 4]!;
    if (budget < 0) return;
    this.#withheld += budget + 1;
    i32[STATE.budget / 4] = -1;
  }

  /** Lets something that is no instruction count as some, so that the run ends in time. */
  #charge(cost: number): void {
    this.cpu.r.i32[STATE.budget / 4]! -= cost;
    this.#charged += cost;
  }

  #chargeLookup(): void {
    this.#forgetStackPage(); // it may be one of code now
    this.#charge(COST.lookup + COST.decode * this.cpu.code.predecoder.takeDecoded());
  }

  // ---------------------------------------------------------------- running

  run(nanoseconds: number): Exit {
    const { cpu } = this;
    const end = this.#bus.now() + nanoseconds;
    let left = CHUNK;
    for (;;) {
      if (this.#kicked) {
        this.#kicked = false;
        return SLICE;
      }
      if (!cpu.shadow && !this.#accept()) return SHUTDOWN;
      if (cpu.halted) return HALT;
      if (isVirtualInterruptDue(cpu) && !deliver(cpu, VECTOR.gp)) return SHUTDOWN;
      const single = cpu.shadow || cpu.r.systemFlag(FLAG.tf) || cpu.breakpoints.armed;
      const alive = single ? this.#step() : this.#records(left);
      if (!alive) return SHUTDOWN;
      left -= this.#spent + COST.turn;
      if (left <= 0) {
        this.#jit.sample();
        if (this.#bus.now() >= end) return SLICE;
        left = CHUNK;
      }
    }
  }

  /** Takes an NMI or interrupt that waits and may come now. @returns false on a triple fault. */
  #accept(): boolean {
    const { cpu } = this;
    if (this.#nmi && !cpu.nmiMasked) {
      this.#nmi = false;
      this.#announce();
      cpu.nmiMasked = true;
      cpu.halted = false;
      return deliver(cpu, VECTOR.nmi, { external: true });
    }
    if (this.#intr && cpu.r.systemFlag(FLAG.if)) {
      cpu.halted = false;
      return deliver(cpu, this.#bus.acknowledge(), { external: true });
    }
    return true;
  }

  #begin(budget: number): void {
    const { r } = this.cpu;
    r.i32[STATE.budget / 4] = budget;
    this.#withheld = 0;
    this.#charged = 0;
    // RF holds back the breakpoint at one instruction, which clears it (SDM vol. 3 §17.3.1.1).
    r.setSystemFlag(FLAG.rf, false);
  }

  /** Runs records until the budget is used up or something needs a look. @returns false on a triple fault. */
  #records(budget: number): boolean {
    const { cpu } = this;
    this.#begin(budget);
    this.#running = true;
    let record = cpu.code.lookup();
    this.#chargeLookup();
    let stop: number = STOP.fault;
    while (record !== 0) {
      stop = this.#enter(record);
      if (stop === STOP.unfit) this.#jit.giveUp(cpu.r.u32[STATE.linkSlot / 4]!);
      else if (stop !== STOP.lookup && stop !== STOP.link) break;
      record = stop === STOP.link ? cpu.code.link(cpu.r.i32[STATE.linkSlot / 4]!) : cpu.code.lookup();
      this.#chargeLookup();
    }
    this.#running = false;
    return this.#finish(stop, record === 0, budget);
  }

  /** Runs records from the first one of the block at RIP. @returns a STOP */
  #enter(record: number): number {
    const { i32 } = this.cpu.r;
    i32[STATE.blockRip / 4] = i32[STATE.rip / 4]!;
    i32[STATE.blockRip / 4 + 1] = i32[STATE.rip / 4 + 1]!;
    return this.#run(record);
  }

  /** The breakpoint at the next instruction comes before it. @returns whether there is one, bits of DR6 set */
  #instructionBreakpoint(): boolean {
    const { cpu } = this;
    const { i32 } = cpu.r;
    if (!cpu.breakpoints.armed || cpu.r.systemFlag(FLAG.rf)) return false;
    const low = (i32[STATE.rip / 4]! + (cpu.bits64 ? 0 : i32[CS_BASE / 4]!)) | 0;
    const hits = cpu.breakpoints.atInstruction(low, cpu.bits64 ? i32[STATE.rip / 4 + 1]! : 0);
    if (hits === 0) return false;
    cpu.breakpoints.report(hits);
    return true;
  }

  /** Runs one instruction, then traps if TF or a breakpoint says so. @returns false on a triple fault. */
  #step(): boolean {
    const { cpu } = this;
    const { r } = cpu;
    if (this.#instructionBreakpoint()) {
      r.setSystemFlag(FLAG.rf, true); // pushed, so that the handler's IRET gets past it
      return deliver(cpu, VECTOR.db, {});
    }
    const trap = r.systemFlag(FLAG.tf);
    const interruptible = r.systemFlag(FLAG.if);
    const faultsBefore = this.#faults;
    const before = this.#instructions;
    cpu.shadow = false;
    this.#begin(0);
    cpu.breakpoints.take(); // what delivering an event touched
    const record = cpu.code.single();
    const stop = record === 0 ? STOP.fault : this.#enter(record);
    const hits = cpu.breakpoints.take();
    if (!this.#finish(stop, record === 0, 0)) return false;
    const done = this.#faults === faultsBefore;
    if (done && hits !== 0) {
      cpu.breakpoints.report(hits | (trap ? DR6_BS : 0));
      return deliver(cpu, VECTOR.db, {});
    }
    if (!trap || !done || this.#instructions === before) return true;
    // MOV SS and POP SS hold the trap back as well (SDM vol. 3 §6.8.3); STI does not, and is known by what it did.
    if (cpu.shadow && interruptible === r.systemFlag(FLAG.if)) return true;
    if (stop === STOP.escaped && !r.systemFlag(FLAG.tf) && CLEARS_TF.has(this.#escaped)) return true;
    cpu.breakpoints.report(DR6_BS);
    return deliver(cpu, VECTOR.db, {});
  }
  #faults = 0;
  /** Mnemonic of the last escape. */
  #escaped = '';

  /** RIP and the budget as of the record at which a run stopped. @param done instructions of the record that count. */
  #settle(done: number): void {
    const { r } = this.cpu;
    const record = r.i32[STATE.record / 4]!;
    r.i32[STATE.budget / 4]! -= r.u16[(record + RECORD.count) >> 1]! + done;
    if (done > 0) return; // the escape set RIP
    const start = r.u16[(record + RECORD.start) >> 1]!;
    const low = r.u32[STATE.blockRip / 4]! + start;
    r.u32[STATE.rip / 4] = low;
    r.u32[STATE.rip / 4 + 1] = r.u32[STATE.blockRip / 4 + 1]! + (low > 0xffff_ffff ? 1 : 0);
  }

  #finish(stop: number, fetchFault: boolean, budget: number): boolean {
    const { cpu } = this;
    const { i32 } = cpu.r;
    if (!fetchFault && (stop === STOP.fault || stop === STOP.restart)) this.#settle(0);
    else if (stop === STOP.escaped) this.#settle(1);
    if (!cpu.bits64) i32[STATE.rip / 4 + 1] = 0; // records do not wrap what they do not branch to
    if (cpu.shadow) cpu.settleShadow();
    this.#spent = budget - i32[STATE.budget / 4]! - this.#withheld;
    this.#instructions += this.#spent - this.#charged;
    if (stop !== STOP.fault && !fetchFault) return true;
    this.#faults++;
    const { vector, error } = cpu.fault;
    return deliver(cpu, vector, { error });
  }

  /** What compiled code knows of the stack's page may no longer be so. */
  #forgetStackPage(): void {
    const { i32 } = this.cpu.r;
    i32[STATE.stackTag / 4] = -1;
    i32[STATE.stackTag / 4 + 1] = -1;
  }

  /** Carries an instruction out in TypeScript, from the middle of a run. @returns a STOP */
  #escape(record: number): number {
    const { cpu } = this;
    const { r } = cpu;
    const { predecoder } = cpu.code;
    this.#charge(COST.escape);
    this.#forgetStackPage();
    const handler = r.u32[(record + RECORD.handler) >> 2]!;
    if (handler === SPECIAL.straddle) return cpu.code.straddles(record);
    const low = r.u32[STATE.blockRip / 4]! + r.u16[(record + RECORD.start) >> 1]!;
    const nextLow = low + r.u8[record + RECORD.length]!;
    const high = cpu.bits64 ? r.u32[STATE.blockRip / 4 + 1]! : 0;
    const carry = cpu.bits64 ? 1 : 0;
    r.u32[STATE.rip / 4] = low;
    r.u32[STATE.rip / 4 + 1] = low > 0xffff_ffff ? high + carry : high;
    r.u32[STATE.nextRip / 4] = nextLow;
    r.u32[STATE.nextRip / 4 + 1] = nextLow > 0xffff_ffff ? high + carry : high;
    const escaping =
      handler === SPECIAL.escape ? predecoder.escape(r.u32[(record + RECORD.imm) >> 2]!) : predecoder.again(record);
    if (!escaping) return STOP.restart;
    this.#escaped = escaping.insn.row.mnemonic;
    try {
      return escaping.run(cpu, escaping.insn) ?? STOP.next;
    } catch (thrown) {
      if (thrown !== cpu.fault) throw thrown;
      // After a task switch the fault is one of the new task, whose RIP is to be found by the record.
      r.u32[STATE.blockRip / 4] = r.u32[STATE.rip / 4]! - r.u16[(record + RECORD.start) >> 1]!;
      return STOP.fault;
    }
  }

  // ---------------------------------------------------------------- state

  /** Power-on and RESET#. */
  reset(): void {
    resetState(this.cpu);
    this.#nmi = false;
    this.#announce();
    this.#instructions = 0;
    this.#interrupt();
  }

  save(): CpuState {
    return saveState(this.cpu, this.#nmi);
  }

  restore(state: CpuState): void {
    this.#nmi = state.nmiPending ?? false;
    this.#announce();
    restoreState(this.cpu, state);
  }
}
