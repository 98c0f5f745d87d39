import { ACCELERATOR_ARENA, type CpuState, type MemoryRegion } from '@mainboard/core';
import { KvmAccelerator, type KvmOptions } from './accelerator.ts';
import { BareBus } from './bare-bus.ts';
import { FLAT, type FlatMode, flatState, writeFlatTables } from './flat-modes.ts';
import type { KvmVcpu } from './vcpu.ts';

// What the tests of this directory run their guests in; no part of the package's interface.

/** RAM at 0, a log of all other accesses, and a PIC of one request. */
export class StubBus extends BareBus {
  /** `out 10/1 41`, `in 20/4`, `write 200000/4 1`, `read 200000/4`, `ack 20`; all hexadecimal. */
  readonly log: string[] = [];
  readonly vcpu: { current?: KvmVcpu } = {};
  /** What a read of this port or address returns; all ones by default. */
  readonly answers = new Map<number, number>();
  /** Runs in the middle of an access. */
  onAccess: (entry: string) => void = () => {};
  vector = 0x20;
  #map: readonly MemoryRegion[] | undefined;
  #changed: () => void = () => {};

  override regions(): readonly MemoryRegion[] {
    return this.#map ?? super.regions();
  }
  override onRegionsChanged(changed: () => void): void {
    this.#changed = changed;
  }
  remap(map: readonly MemoryRegion[]): void {
    this.#map = map;
    this.#changed();
  }
  override portRead(port: number, size: number): number {
    this.#note(`in ${hex(port)}/${size}`);
    return this.answers.get(port) ?? super.portRead(port, size);
  }
  override portWrite(port: number, size: number, value: number): void {
    this.#note(`out ${hex(port)}/${size} ${hex(value)}`);
  }
  override memoryRead(address: number, size: number): number {
    this.#note(`read ${hex(address)}/${size}`);
    return this.answers.get(address) ?? super.memoryRead(address, size);
  }
  override memoryWrite(address: number, size: number, value: number): void {
    this.#note(`write ${hex(address)}/${size} ${hex(value)}`);
  }
  override acknowledge(): number {
    this.#note(`ack ${hex(this.vector)}`);
    this.vcpu.current?.setIntr(false);
    return this.vector;
  }
  /** Guest bytes at a guest-physical address. */
  poke(address: number, bytes: readonly number[]): void {
    this.guest.bytes.set(bytes, ACCELERATOR_ARENA + address);
  }
  peek(address: number, count: number): number[] {
    return [...this.guest.bytes.subarray(ACCELERATOR_ARENA + address, ACCELERATOR_ARENA + address + count)];
  }
  #note(entry: string): void {
    this.log.push(entry);
    this.onAccess(entry);
  }
}

const hex = (n: number): string => n.toString(16);
const RAM = 0x10_0000;
/** Far more than any of these guests needs. */
const LONG = 2_000_000_000;

/** One vCPU about to execute `code` at FLAT.CODE. */
export class StubMachine {
  readonly bus = new StubBus(RAM);
  readonly accelerator: KvmAccelerator;
  readonly vcpu: KvmVcpu;

  constructor(
    mode: FlatMode,
    code: readonly number[],
    change: (state: CpuState) => void = () => {},
    options: KvmOptions = {},
  ) {
    this.accelerator = new KvmAccelerator(options);
    this.accelerator.attach(this.bus);
    this.vcpu = this.accelerator.createVcpu(0);
    this.bus.vcpu.current = this.vcpu;
    writeFlatTables(this.bus.guest);
    this.bus.poke(FLAT.CODE, code);
    const state = flatState(this.vcpu.save(), mode);
    change(state);
    this.vcpu.restore(state);
  }

  get log(): string[] {
    return this.bus.log;
  }

  /** Runs in slices until there is another exit. @returns its kind. */
  run(): string {
    for (;;) {
      const exit = this.vcpu.run(LONG);
      if (exit.kind === 'error') throw new Error(exit.detail);
      if (exit.kind !== 'slice') return exit.kind;
    }
  }
}
