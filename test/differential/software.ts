import { ACCELERATOR_ARENA, type CpuBus, type CpuState, GuestMemory } from '@mainboard/core';
import type { JitMode } from '../../packages/accelerator/src/x86/jit/jit-mode.ts';
import { STATE } from '../../packages/accelerator/src/x86/state.ts';
import { SoftVcpu } from '../../packages/accelerator/src/x86/vcpu.ts';
import { readFxsave, writeFxsave } from '../../packages/accelerator/src/x86/x87/fxsave.ts';
import {
  type Bits,
  type Case,
  CODE,
  DATA,
  DATA_16,
  FPU_SIZE,
  GS_BASE,
  type Outcome,
  outcome,
  SHUTDOWN,
  TIMEOUT,
  WINDOW,
} from './case.ts';
import { FXSAVE } from './floating-start.ts';

/** Physical addresses. */
const AT = {
  pml4: 0x1000,
  lowPdpt: 0x2000,
  lowDirectory: 0x3000,
  lowTable: 0x4000,
  highPdpt: 0x5000,
  highDirectory: 0x6000,
  idt: 0x7000,
  gdt: 0x8000,
  tss: 0x9000,
  handlers: 0xa000,
  stackTop: 0xc000,
  code: 0x1_0000,
  data: 0x2_0000,
  end: 0x10_0000,
} as const;
/** Where the supervisor's 2 MiB are: in the half of the address space that a user process never sees. */
const SUPERVISOR = 0xffff_ffff_8000_0000n;
/** Selectors as Linux has them, since instructions read them. */
const SELECTOR = {
  kernelCode: 0x10,
  tss: 0x40,
  userCode32: 0x23,
  userData: 0x2b,
  userCode: 0x33,
  code16: 0x07,
  data16: 0x0f,
} as const;
const PAGE = { present: 1, writable: 2, user: 4, large: 0x80, noExecute: 1n << 63n } as const;
const HLT = 0xf4;
/** Segment registers that cases start with differently, or that exceptions change, with their numbers. */
const CHANGED_SEGMENTS = [
  [0, 'es'],
  [1, 'cs'],
  [2, 'ss'],
  [3, 'ds'],
] as const;
/** Exceptions that push an error code. */
const WITH_ERROR = new Set([8, 10, 11, 12, 13, 14, 17]);

/** The software CPU in 64-bit mode at CPL 3, with silicon's memory; every exception ends in a HLT at CPL 0. */
export class Software {
  readonly vcpu: SoftVcpu;
  readonly #guest = new GuestMemory(AT.end);
  readonly #ram = this.#guest.bytes.subarray(ACCELERATOR_ARENA);
  readonly #view = new DataView(this.#guest.memory.buffer, ACCELERATOR_ARENA);
  readonly #starts: Readonly<Record<Bits, CpuState>>;
  /** The case that ran last: its code is decoded, and compiled. */
  #last: Case | undefined;
  /** Nanoseconds; goes on at every look, so that a case that hangs ends. */
  #now = 0;

  /** @param jit the tier: `off` is the interpreter alone, `eager` compiles what can be compiled */
  constructor(jit: JitMode = 'off') {
    const regions = [{ base: 0, size: AT.end, kind: 'ram', offset: ACCELERATOR_ARENA }] as const;
    const bus: CpuBus = {
      guest: this.#guest,
      regions: () => regions,
      onRegionsChanged: () => {},
      onWrite: () => {},
      portRead: () => 0xffff_ffff,
      portWrite: () => {},
      memoryRead: () => 0xffff_ffff,
      memoryWrite: () => {},
      acknowledge: () => 0,
      now: () => ++this.#now,
    };
    this.vcpu = new SoftVcpu(0, bus, jit);
    this.#writeTables();
    const start = this.#state();
    const cs = { selector: SELECTOR.userCode32, base: 0n, limit: 0xffff_ffff, rights: 0xc0fb };
    const cs16 = { selector: SELECTOR.code16, base: BigInt(CODE.address), limit: 0xffff, rights: 0xfb };
    const ds16 = { selector: SELECTOR.data16, base: BigInt(DATA_16.base), limit: DATA_16.limit, rights: 0xf3 };
    const all16 = { cs: cs16, ss: ds16, ds: ds16, es: ds16 };
    this.#starts = {
      16: { ...start, segments: { ...start.segments, ...all16 } },
      32: { ...start, segments: { ...start.segments, cs } },
      64: start,
    };
  }

  #writeTables(): void {
    const view = this.#view;
    const entry = (at: number, value: number | bigint): void => view.setBigUint64(at, BigInt(value), true);
    const open = PAGE.present | PAGE.writable | PAGE.user;
    entry(AT.pml4, AT.lowPdpt | open);
    entry(AT.lowPdpt, AT.lowDirectory | open);
    entry(AT.lowDirectory + 8 * (CODE.address >>> 21), AT.lowTable | open);
    const page = (address: number): number => AT.lowTable + 8 * ((address >>> 12) & 511);
    for (let at = 0; at < CODE.size; at += 0x1000)
      entry(page(CODE.address + at), (AT.code + at) | PAGE.present | PAGE.user);
    for (let at = 0; at < DATA.size; at += 0x1000) {
      const rights = PAGE.present | PAGE.user | (at < DATA.writable ? PAGE.writable : 0);
      entry(page(DATA.address + at), BigInt((AT.data + at) | rights) | PAGE.noExecute);
    }
    entry(AT.pml4 + 8 * 511, AT.highPdpt | PAGE.present | PAGE.writable);
    entry(AT.highPdpt + 8 * 510, AT.highDirectory | PAGE.present | PAGE.writable);
    entry(AT.highDirectory, PAGE.large | PAGE.present | PAGE.writable);

    entry(AT.gdt + SELECTOR.kernelCode, 0x00af_9b00_0000_ffffn);
    entry(AT.gdt + (SELECTOR.userData & ~7), 0x00cf_f300_0000_ffffn);
    entry(AT.gdt + (SELECTOR.userCode & ~7), 0x00af_fb00_0000_ffffn);
    view.setBigUint64(AT.tss + 4, SUPERVISOR + BigInt(AT.stackTop), true); // RSP0
    view.setUint16(AT.tss + 0x66, 0x68, true); // no I/O permission bitmap
    for (let vector = 0; vector < 32; vector++) {
      const to = SUPERVISOR + BigInt(AT.handlers + vector);
      this.#ram[AT.handlers + vector] = HLT;
      const gate = AT.idt + 16 * vector;
      view.setUint16(gate, Number(to & 0xffffn), true);
      view.setUint16(gate + 2, SELECTOR.kernelCode, true);
      view.setUint16(gate + 4, vector === 3 || vector === 4 ? 0xee00 : 0x8e00, true); // INT3 and INTO from CPL 3
      view.setUint16(gate + 6, Number((to >> 16n) & 0xffffn), true);
      view.setUint32(gate + 8, Number(to >> 32n), true);
    }
  }

  #state(): CpuState {
    const state = this.vcpu.save();
    const data = { selector: SELECTOR.userData, base: 0n, limit: 0xffff_ffff, rights: 0xc0f3 };
    const none = { selector: 0, base: 0n, limit: 0, rights: 0x1_0000 };
    return {
      ...state,
      cr0: 0x8005_0033n, // PG AM WP NE ET MP PE
      cr3: BigInt(AT.pml4),
      cr4: 0x4_0620n, // PAE OSFXSR OSXMMEXCPT OSXSAVE
      efer: 0xd01n, // NXE LMA LME SCE
      gdtr: { base: SUPERVISOR + BigInt(AT.gdt), limit: 0x4f },
      idtr: { base: SUPERVISOR + BigInt(AT.idt), limit: 32 * 16 - 1 },
      segments: {
        ...state.segments,
        cs: { selector: SELECTOR.userCode, base: 0n, limit: 0xffff_ffff, rights: 0xa0fb },
        ss: data,
        ds: data,
        es: data,
        fs: none,
        gs: { ...none, base: BigInt(GS_BASE) },
        tr: { selector: SELECTOR.tss, base: SUPERVISOR + BigInt(AT.tss), limit: 0x67, rights: 0x8b },
      },
    };
  }

  /** Puts code in place. What was decoded stays where a case follows that has the same. */
  #place(c: Case): void {
    const last = this.#last;
    this.#last = c;
    if (last && last.code === c.code && last.rip === c.rip && last.bits === c.bits) return;
    this.#ram.fill(0xcc, AT.code, AT.code + CODE.size);
    this.#ram.set(c.code, AT.code + c.rip - CODE.address);
    this.vcpu.restore(this.#starts[c.bits]);
  }

  /** What a case starts with, into the registers: like `restore`, which forgets all code, but faster. */
  #load(c: Case): void {
    const { cpu } = this.vcpu;
    const { r } = cpu;
    for (let n = 0; n < 16; n++) r.setGpr64(n, c.gpr[n]!);
    r.rip = BigInt(c.bits === 16 ? c.rip - CODE.address : c.rip);
    r.flags = c.flags | 0x202;
    const { segments } = this.#starts[c.bits];
    for (const [n, name] of CHANGED_SEGMENTS) {
      const { selector, base, limit, rights } = segments[name];
      r.setSegment(n, selector, base, limit, rights);
    }
    const image = new DataView(c.fpu.buffer, c.fpu.byteOffset, FPU_SIZE);
    readFxsave(cpu.x87, image, true);
    cpu.setMxcsr(image.getUint32(FXSAVE.mxcsr, true));
    r.u8.set(c.fpu.subarray(FXSAVE.xmm, FXSAVE.xmm + 256), STATE.xmm);
    cpu.cpl = 3;
    cpu.halted = false;
    cpu.shadow = false;
    cpu.updateMode();
  }

  run(c: Case): Outcome {
    const { vcpu } = this;
    const ram = this.#ram;
    this.#place(c);
    ram.fill(0, AT.data, AT.data + DATA.size);
    ram.set(c.window, AT.data + WINDOW.offset);
    const before = ram.slice(AT.data, AT.data + DATA.size);
    this.#load(c);
    const exit = vcpu.run(3);

    // As words, since bigints are slow; only what differs becomes one.
    const was = new Int32Array(before.buffer);
    const is = new Int32Array(ram.buffer, ram.byteOffset + AT.data, DATA.size / 4);
    const changes: [number, bigint][] = [];
    for (let n = 0; n < DATA.size / 4; n += 2)
      if (was[n] !== is[n] || was[n + 1] !== is[n + 1])
        changes.push([4 * n, this.#view.getBigUint64(AT.data + 4 * n, true)]);

    const { r } = vcpu.cpu;
    const gpr = BigUint64Array.from({ length: 16 }, (_, n) => r.gpr64(n));
    const fpu = new Uint8Array(FPU_SIZE);
    const image = new DataView(fpu.buffer);
    writeFxsave(vcpu.cpu.x87, image, true);
    image.setUint32(FXSAVE.mxcsr, r.u32[STATE.mxcsr / 4]!, true);
    fpu.set(r.u8.subarray(STATE.xmm, STATE.xmm + 256), FXSAVE.xmm);
    const rest = { cr2: r.cr2, changed: changes.length, changes, error: 0, fpu };
    if (exit.kind !== 'halt')
      return outcome({ ...rest, gpr, rip: r.rip, flags: r.flags, vector: exit.kind === 'slice' ? TIMEOUT : SHUTDOWN });
    // RIP is behind the HLT. The handler's stack holds the error code, RIP, CS, RFLAGS, RSP and SS.
    const vector = Number(r.rip - SUPERVISOR) - AT.handlers - 1;
    let at = Number(r.rsp - SUPERVISOR);
    if (WITH_ERROR.has(vector)) {
      rest.error = this.#view.getUint32(at, true);
      at += 8;
    }
    gpr[4] = this.#view.getBigUint64(at + 24, true);
    const flags = this.#view.getUint32(at + 16, true);
    return outcome({ ...rest, gpr, rip: this.#view.getBigUint64(at, true), flags, vector });
  }
}
