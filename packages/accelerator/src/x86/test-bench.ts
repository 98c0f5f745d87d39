import { ACCELERATOR_ARENA, type CpuBus, GuestMemory, type MemoryRegion } from '@mainboard/core';
import { Cpu } from './cpu.ts';
import { type CpuModelName, cpuModel, DEFAULT_CPU } from './cpu-models.ts';
import { Decoded } from './decode/decoded.ts';
import { Decoder } from './decode/decoder.ts';
import { ESCAPES } from './escapes/index.ts';
import { ROWS } from './isa/rows.ts';
import { CR0, CR4, EFER, RIGHTS, SEGREG } from './registers.ts';
import { STATE } from './state.ts';

const RAM = 0x10_0000;

/** Selectors of the bench's GDT. */
export const SELECTOR = {
  code: 0x08,
  data: 0x10,
  userCode: 0x1b,
  userData: 0x23,
  /** Two entries long, as {@link gate} and {@link ldt}. */
  tss: 0x28,
  conforming: 0x38,
  code64: 0x40,
  userCode64: 0x4b,
  absentData: 0x50,
  gate: 0x58,
  ldt: 0x68,
  readOnly: 0x78,
  executeOnly: 0x80,
  otherTss: 0x88,
  absentCode: 0x90,
  code16: 0x98,
  absentStack: 0xa0,
  end: 0xa8,
} as const;

/** Where the bench has its tables, by linear address. */
export const AT = {
  gdt: 0x1000,
  idt: 0x2000,
  tss: 0x3000,
  otherTss: 0x4000,
  ldt: 0x4800,
  code: 0x5000,
  stack0: 0x8000,
  stack3: 0xa000,
  ist1: 0xc000,
  data: 0xd000,
} as const;

/** What an instruction came to: nothing, or the exception that it raised. */
export type Outcome = { vector: number; error: number } | undefined;

/**
 * A processor on 1 MiB of RAM, without an interpreter: instructions that are escapes, one at a time. For tests: tables
 * are made by hand, so that a test shows what is in them.
 */
export class TestBench {
  readonly cpu: Cpu;
  readonly ports: { port: number; size: number; value: number }[] = [];
  /** What every port reads as. */
  portValue = 0;
  readonly #decoder: Decoder;
  readonly #view: DataView;

  constructor(model: CpuModelName = DEFAULT_CPU) {
    const guest = new GuestMemory(RAM);
    const regions: MemoryRegion[] = [{ base: 0, size: RAM, kind: 'ram', offset: ACCELERATOR_ARENA }];
    const bus: CpuBus = {
      guest,
      regions: () => regions,
      onRegionsChanged: () => {},
      onWrite: () => {},
      portRead: (port, size) => {
        this.ports.push({ port, size, value: -1 });
        return this.portValue;
      },
      portWrite: (port, size, value) => {
        this.ports.push({ port, size, value });
      },
      memoryRead: () => 0xffff_ffff,
      memoryWrite: () => {},
      acknowledge: () => 0,
      now: () => 5000,
    };
    this.#view = new DataView(guest.memory.buffer, ACCELERATOR_ARENA);
    this.cpu = new Cpu(bus, cpuModel(model));
    this.#decoder = new Decoder(feature => this.cpu.has(feature));
  }

  // ---- memory, by physical address
  get8(at: number): number {
    return this.#view.getUint8(at);
  }
  get16(at: number): number {
    return this.#view.getUint16(at, true);
  }
  get32(at: number): number {
    return this.#view.getUint32(at, true);
  }
  get64(at: number): bigint {
    return this.#view.getBigUint64(at, true);
  }
  set8(at: number, value: number): void {
    this.#view.setUint8(at, value);
  }
  set16(at: number, value: number): void {
    this.#view.setUint16(at, value, true);
  }
  set32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }
  set64(at: number, value: bigint): void {
    this.#view.setBigUint64(at, value, true);
  }

  // ---- tables

  /** @param access type, S, DPL and P. @param flags AVL, L, D/B and G in bits 3:0 */
  descriptor(selector: number, base: number, limit: number, access: number, flags = 0): void {
    const at = AT.gdt + (selector & 0xfff8);
    this.set32(at, (limit & 0xffff) | ((base & 0xffff) << 16));
    this.set32(
      at + 4,
      ((base >>> 16) & 0xff) | (access << 8) | (limit & 0xf_0000) | (flags << 20) | (base & 0xff00_0000),
    );
  }
  /** Access byte of a descriptor, as it lies in memory now. */
  access(selector: number): number {
    return this.get8(AT.gdt + (selector & 0xfff8) + 5);
  }

  /** An 8-byte gate at a linear address. */
  gate(at: number, selector: number, offset: number, access: number, low = 0): void {
    this.set32(at, (offset & 0xffff) | (selector << 16));
    this.set32(at + 4, (offset & 0xffff_0000) | (access << 8) | low);
  }
  /** A gate of the IDT; 16 bytes in IA-32e mode. @param ist interrupt stack, or parameters of a call gate */
  idtGate(vector: number, selector: number, offset: number, access: number, ist = 0): void {
    const at = AT.idt + vector * (this.cpu.longMode ? 16 : 8);
    this.gate(at, selector, offset, access, ist);
    if (this.cpu.longMode) this.set64(at + 8, 0n);
  }

  // ---- modes

  #start(): void {
    const { cpu } = this;
    const { r } = cpu;
    r.u8.fill(0, 0, STATE.bounce);
    r.u8.fill(0, ACCELERATOR_ARENA, ACCELERATOR_ARENA + RAM);
    cpu.msrs.reset();
    cpu.x87.initialize();
    cpu.setMxcsr(0x1f80);
    r.flags = 2;
    r.rip = BigInt(AT.code);
    cpu.cpl = 0;
    cpu.halted = false;
    cpu.shadow = false;
    cpu.nmiMasked = false;
    this.ports.length = 0;
    for (let n = 0; n < 8; n++)
      r.setSegment(n, 0, 0n, 0xffff, n === SEGREG.ldtr ? 0x1_0082 : n === SEGREG.tr ? 0x8b : 0x93);
    cpu.flushTlb();
  }

  /** Real mode, all segments at 0, interrupt table at 0. */
  real(): this {
    this.#start();
    const { cpu } = this;
    cpu.r.cr0 = CR0.et;
    cpu.r.u32[STATE.idtr / 4 + 2] = 0x3ff;
    cpu.r.rsp = BigInt(AT.stack0);
    cpu.updateMode();
    return this;
  }

  #tables(): void {
    const { r } = this.cpu;
    r.u64[STATE.gdtr / 8] = BigInt(AT.gdt);
    r.u32[STATE.gdtr / 4 + 2] = SELECTOR.end - 1;
    r.u64[STATE.idtr / 8] = BigInt(AT.idt);
    r.u32[STATE.idtr / 4 + 2] = 0xfff;
    this.descriptor(SELECTOR.code, 0, 0xf_ffff, 0x9a, 0xc);
    this.descriptor(SELECTOR.data, 0, 0xf_ffff, 0x92, 0xc);
    this.descriptor(SELECTOR.userCode, 0, 0xf_ffff, 0xfa, 0xc);
    this.descriptor(SELECTOR.userData, 0, 0xf_ffff, 0xf2, 0xc);
    this.descriptor(SELECTOR.tss, AT.tss, 0x2fff, 0x8b);
    this.descriptor(SELECTOR.conforming, 0, 0xf_ffff, 0x9e, 0xc);
    this.descriptor(SELECTOR.code64, 0, 0xf_ffff, 0x9a, 0xa);
    this.descriptor(SELECTOR.userCode64, 0, 0xf_ffff, 0xfa, 0xa);
    this.descriptor(SELECTOR.absentData, 0, 0xf_ffff, 0x12, 0xc);
    this.descriptor(SELECTOR.ldt, AT.ldt, 0xff, 0x82);
    this.descriptor(SELECTOR.readOnly, 0, 0xf_ffff, 0x90, 0xc);
    this.descriptor(SELECTOR.executeOnly, 0, 0xf_ffff, 0x98, 0xc);
    this.descriptor(SELECTOR.otherTss, AT.otherTss, 0x67, 0x89);
    this.descriptor(SELECTOR.absentCode, 0, 0xf_ffff, 0x1a, 0xc);
    this.descriptor(SELECTOR.code16, 0, 0xffff, 0x9a, 0);
    this.descriptor(SELECTOR.absentStack, 0, 0xf_ffff, 0x12, 0xc);
    r.setSegment(SEGREG.tr, SELECTOR.tss, BigInt(AT.tss), 0x67, 0x8b);
    this.set16(AT.tss + 0x66, 0x68); // no I/O permission bitmap
  }

  /** 32-bit protected mode without paging; the TSS has a stack for level 0. */
  protected(cpl: 0 | 3 = 0): this {
    this.#start();
    const { cpu } = this;
    cpu.r.cr0 = CR0.pe | CR0.et | CR0.ne;
    this.#tables();
    this.set32(AT.tss + 4, AT.stack0);
    this.set32(AT.tss + 8, SELECTOR.data);
    this.segments(cpl, cpl ? SELECTOR.userCode : SELECTOR.code, cpl ? SELECTOR.userData : SELECTOR.data, RIGHTS.db);
    return this;
  }

  /** 64-bit mode with the lowest 2 MiB mapped one to one for all levels. */
  long(cpl: 0 | 3 = 0, bits: 32 | 64 = 64): this {
    this.#start();
    const { cpu } = this;
    const { r } = cpu;
    this.#tables();
    const tables = 0xe_0000;
    this.set64(tables, BigInt(tables + 0x1000) | 7n);
    this.set64(tables + 0x1000, BigInt(tables + 0x2000) | 7n);
    this.set64(tables + 0x2000, 0x87n);
    r.cr3 = BigInt(tables);
    r.cr4 = CR4.pae | CR4.osfxsr;
    r.efer = EFER.lme | EFER.lma | EFER.sce | EFER.nxe;
    r.cr0 = (CR0.pe | CR0.et | CR0.ne | CR0.wp | CR0.pg) >>> 0;
    this.set64(AT.tss + 4, BigInt(AT.stack0));
    this.set64(AT.tss + 0x24, BigInt(AT.ist1));
    const code = bits === 64 ? (cpl ? SELECTOR.userCode64 : SELECTOR.code64) : cpl ? SELECTOR.userCode : SELECTOR.code;
    this.segments(cpl, code, cpl ? SELECTOR.userData : SELECTOR.data, bits === 64 ? RIGHTS.l : RIGHTS.db);
    return this;
  }

  segments(cpl: number, code: number, data: number, size: number): void {
    const { cpu } = this;
    const { r } = cpu;
    const dpl = cpl << 5;
    r.setSegment(SEGREG.cs, code, 0n, 0xffff_ffff, 0x809b | dpl | size);
    for (const n of [SEGREG.es, SEGREG.ss, SEGREG.ds, SEGREG.fs, SEGREG.gs])
      r.setSegment(n, data, 0n, 0xffff_ffff, 0xc093 | dpl);
    r.rsp = BigInt(cpl ? AT.stack3 : AT.stack0);
    cpu.cpl = cpl;
    cpu.updateMode();
  }

  /** Virtual-8086 mode at CS 0x500, SS 0, SP 0xa000. */
  v86(iopl = 0): this {
    this.protected(3);
    const { cpu } = this;
    const { r } = cpu;
    r.flags = 0x2_0002 | (iopl << 12);
    for (const [n, selector] of [0x110, 0x500, 0, 0x120, 0x130, 0x140].entries())
      r.setSegment(n, selector, BigInt(selector << 4), 0xffff, 0xf3);
    r.rip = 0x10n;
    cpu.updateMode();
    return this;
  }

  // ---- instructions

  /** Decodes and carries out one instruction. @param code in hexadecimal. @returns the exception, if one was raised */
  run(code: string): Outcome {
    const { cpu } = this;
    const bytes = Uint8Array.from(code.match(/[0-9a-f]{2}/g)!, byte => Number.parseInt(byte, 16));
    const insn = new Decoded(ROWS[0]!);
    const result = this.#decoder.decode(bytes, 0, bytes.length, cpu.codeBits, insn, cpu.hasVex);
    if (result !== 0) return { vector: 6, error: 0 };
    cpu.nextRip = BigInt.asUintN(cpu.bits64 ? 64 : 32, cpu.r.rip + BigInt(insn.length));
    cpu.fault.error = 0;
    try {
      const stop = ESCAPES[insn.row.mnemonic]!(cpu, insn);
      if (stop === undefined) cpu.r.rip = cpu.nextRip;
    } catch (thrown) {
      if (thrown !== cpu.fault) throw thrown;
      return { vector: cpu.fault.vector, error: cpu.fault.error };
    }
    return undefined;
  }

  /** Values on the stack, from its top. */
  stack(bits: 16 | 32 | 64, count: number): number[] {
    const top = Number(this.cpu.r.base(SEGREG.ss) + this.cpu.stackPointer);
    return Array.from({ length: count }, (_, n) => {
      const at = top + (n * bits) / 8;
      return bits === 16 ? this.get16(at) : bits === 32 ? this.get32(at) : Number(this.get64(at));
    });
  }
  /** Pushes values, the last of them on top. */
  push(bits: 16 | 32 | 64, ...values: number[]): void {
    for (const value of values) this.cpu.push(bits, BigInt(value));
  }
}
