import {
  ACCELERATOR_ARENA,
  type CpuBus,
  type CpuState,
  type Exit,
  GuestMemory,
  type MemoryRegion,
} from '@mainboard/core';
import { type CpuModelName, cpuModel, DEFAULT_CPU } from './cpu-models.ts';
import type { JitMode } from './jit/jit-mode.ts';
import { SoftVcpu } from './vcpu.ts';

const RAM = 0x10_0000;
const PAGE = 0x1000;

/** Where the bench has what, by physical and (but for {@link VcpuBench.map}) linear address. */
export const AT = {
  pml4: 0x1000,
  pageTable: 0x4000,
  idt: 0x6000,
  /** Handlers of the exceptions, 16 bytes each: HLT. */
  handlers: 0x7000,
  gdt: 0x8000,
  stack: 0xa000,
  data: 0x2_0000,
  code: 0x3_0000,
  window: 0x10_0000,
  rom: 0x10_1000,
} as const;

/** An access that the bus saw. */
export interface Access {
  readonly kind: 'read' | 'write' | 'out';
  readonly address: number;
  readonly size: number;
  readonly value: number;
}

/**
 * A software processor on 1 MiB of RAM, a page of device memory and one of ROM, for tests: code is given as bytes in
 * hexadecimal, exceptions end in HLT at a place that tells their vector.
 */
export class VcpuBench {
  readonly vcpu: SoftVcpu;
  readonly view: DataView;
  readonly accesses: Access[] = [];
  /** Called for every port write, in the middle of the run. */
  onOut: (port: number, value: number) => void = () => {};
  /** Called for every read of device memory. */
  onRead: () => void = () => {};
  /** What device memory reads as, by offset in its page. */
  readonly device: Uint8Array = new Uint8Array(PAGE);
  /** The vector of the next interrupt. */
  vector = 0x20;
  /** Looks at the clock. */
  looks = 0;
  #written: (offset: number, size: number) => void = () => {};

  constructor(jit: JitMode = 'off', model: CpuModelName = DEFAULT_CPU) {
    const guest = new GuestMemory(AT.rom + PAGE);
    const regions: MemoryRegion[] = [
      { base: 0, size: RAM, kind: 'ram', offset: ACCELERATOR_ARENA },
      { base: AT.window, size: PAGE, kind: 'window', offset: 0 },
      { base: AT.rom, size: PAGE, kind: 'rom', offset: ACCELERATOR_ARENA + AT.rom },
    ];
    const device = new DataView(this.device.buffer);
    const bus: CpuBus = {
      guest,
      regions: () => regions,
      onRegionsChanged: () => {},
      onWrite: written => {
        this.#written = written;
      },
      portRead: () => 0xff,
      portWrite: (address, size, value) => {
        this.accesses.push({ kind: 'out', address, size, value });
        this.onOut(address, value);
      },
      memoryRead: (address, size) => {
        const at = address - AT.window;
        const inside = at >= 0 && at + size <= PAGE;
        const value = !inside
          ? 0xff
          : size === 1
            ? device.getUint8(at)
            : size === 2
              ? device.getUint16(at, true)
              : device.getUint32(at, true);
        this.accesses.push({ kind: 'read', address, size, value });
        this.onRead();
        return value;
      },
      memoryWrite: (address, size, value) => {
        this.accesses.push({ kind: 'write', address, size, value });
      },
      acknowledge: () => this.vector,
      now: () => ++this.looks * 1000,
    };
    this.view = new DataView(guest.memory.buffer, ACCELERATOR_ARENA);
    this.vcpu = new SoftVcpu(0, bus, jit, cpuModel(model));
    for (let vector = 0; vector < 64; vector++) this.view.setUint8(AT.handlers + 16 * vector, 0xf4);
  }

  // ---------------------------------------------------------------- memory

  /** Puts bytes, given in hexadecimal, at a physical address. */
  put(at: number, bytes: string): void {
    for (const [i, byte] of (bytes.match(/[0-9a-f]{2}/g) ?? []).entries())
      this.view.setUint8(at + i, Number.parseInt(byte, 16));
  }

  /** Writes as a device does. */
  deviceWrites(at: number, bytes: string): void {
    this.#written(ACCELERATOR_ARENA + at, bytes.length / 2);
    this.put(at, bytes);
  }

  /** Maps a page of the first 2 MiB of linear addresses in long mode. @param flags of the entry, 3 by default */
  map(linear: number, physical: number, flags = 3n): void {
    this.view.setBigUint64(this.entry(linear), BigInt(physical) | flags, true);
  }
  /** Address of the page-table entry of a linear address. */
  entry(linear: number): number {
    return AT.pageTable + (linear >> 12) * 8;
  }

  // ---------------------------------------------------------------- modes

  #restore(change: (state: CpuState) => CpuState): this {
    this.vcpu.reset();
    this.vcpu.restore(change(this.vcpu.save()));
    return this;
  }

  /** Real mode at 0:7c00, segments at 0. */
  real(): this {
    return this.#restore(state => {
      const flat = { selector: 0, base: 0n, limit: 0xffff, rights: 0x93 };
      const { segments } = state;
      return {
        ...state,
        gpr: state.gpr.with(4, 0x7000n),
        rip: 0x7c00n,
        segments: { ...segments, cs: { ...flat, rights: 0x9b }, ds: flat, es: flat, ss: flat },
      };
    });
  }

  /** 32-bit protected mode, flat, without paging; code at {@link AT.code}. */
  protected(): this {
    for (let vector = 0; vector < 64; vector++) this.#gate(AT.idt + 8 * vector, AT.handlers + 16 * vector);
    this.#descriptors(0x00cf_9b00);
    return this.#restore(state => this.#flat(state, 0xc09b, { cr0: 0x11n }));
  }

  /** 64-bit mode, the first 2 MiB mapped one to one by pages of 4 KiB; code at {@link AT.code}. */
  long(): this {
    const { view } = this;
    for (const level of [0, 1, 2])
      view.setBigUint64(AT.pml4 + level * PAGE, BigInt(AT.pml4 + (level + 1) * PAGE) | 7n, true);
    for (let page = 0; page < 512; page++) this.map(page * PAGE, page * PAGE);
    for (let vector = 0; vector < 64; vector++) {
      this.#gate(AT.idt + 16 * vector, AT.handlers + 16 * vector);
      view.setBigUint64(AT.idt + 16 * vector + 8, 0n, true);
    }
    this.#descriptors(0x00af_9b00);
    return this.#restore(state =>
      this.#flat(state, 0xa09b, { cr0: 0x8001_0031n, cr3: BigInt(AT.pml4), cr4: 0x620n, efer: 0xd00n }),
    );
  }

  #gate(at: number, handler: number): void {
    this.view.setUint32(at, (8 << 16) | handler, true);
    this.view.setUint32(at + 4, 0x8e00, true);
  }

  #descriptors(code: number): void {
    this.view.setUint32(AT.gdt + 8, 0xffff, true);
    this.view.setUint32(AT.gdt + 12, code, true);
    this.view.setUint32(AT.gdt + 16, 0xffff, true);
    this.view.setUint32(AT.gdt + 20, 0x00cf_9300, true);
  }

  #flat(state: CpuState, code: number, change: Partial<CpuState>): CpuState {
    const data = { selector: 0x10, base: 0n, limit: 0xffff_ffff, rights: 0xc093 };
    const cs = { selector: 8, base: 0n, limit: 0xffff_ffff, rights: code };
    return {
      ...state,
      gpr: state.gpr.with(4, BigInt(AT.stack)),
      rip: BigInt(AT.code),
      segments: { ...state.segments, cs, ds: data, es: data, ss: data, fs: data, gs: data },
      gdtr: { base: BigInt(AT.gdt), limit: 0x17 },
      idtr: { base: BigInt(AT.idt), limit: 0x3ff },
      ...change,
    };
  }

  /** Changes registers. */
  set(change: Partial<CpuState>): void {
    this.vcpu.restore({ ...this.vcpu.save(), ...change });
  }

  // ---------------------------------------------------------------- running

  /** Puts code where RIP is, and runs it until the processor stops for another reason than the time. */
  run(code = ''): Exit {
    if (code) this.put(Number(this.vcpu.save().rip), code);
    for (let slices = 0; slices < 1000; slices++) {
      const exit = this.vcpu.run(1e6);
      if (exit.kind !== 'slice') return exit;
    }
    throw new Error('the guest does not halt');
  }

  get rip(): number {
    return Number(this.vcpu.save().rip);
  }
  gpr(n: number): number {
    return Number(this.vcpu.save().gpr[n]!);
  }
  /** The exception in whose handler the processor halts; undefined elsewhere. */
  get exception(): number | undefined {
    const at = this.rip - 1 - AT.handlers;
    return at >= 0 && at < 1024 && at % 16 === 0 ? at / 16 : undefined;
  }
  /** A value on the stack, from its top. @param size bytes of a value */
  stack(n: number, size: 4 | 8 = 8): number {
    const at = this.gpr(4) + n * size;
    return size === 8 ? Number(this.view.getBigUint64(at, true)) : this.view.getUint32(at, true);
  }
}
