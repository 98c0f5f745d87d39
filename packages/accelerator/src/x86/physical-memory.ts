import type { CpuBus } from '@mainboard/core';
import type { CodePages } from './code-cache.ts';
import type { Registers } from './registers.ts';

/** In a word of the map: the page is ROM. */
const ROM = 1;

/** The physical address space, by page number and offset in the page: guest memory where there is some, else the bus. */
export class PhysicalMemory {
  readonly #r: Registers;
  readonly #bus: CpuBus;
  readonly #code: CodePages;
  /** Offset in the memory by page; 0 where the bus answers; bit 0 marks ROM. */
  #map = new Uint32Array(0);
  /** Without bit 20 of the address while A20 is low. */
  #a20Mask = ~0;

  constructor(registers: Registers, bus: CpuBus, code: CodePages) {
    this.#r = registers;
    this.#bus = bus;
    this.#code = code;
    this.remap();
  }

  /** Takes over the bus's regions. */
  remap(): void {
    const regions = this.#bus.regions().filter(region => region.kind !== 'window');
    const top = Math.max(0, ...regions.map(({ base, size }) => base + size));
    this.#map = new Uint32Array(Math.ceil(top / 4096));
    for (const { base, size, kind, offset } of regions)
      for (let at = 0; at < size; at += 4096)
        this.#map[(base + at) / 4096] = (offset + at) | (kind === 'rom' ? ROM : 0);
  }

  setA20(level: boolean): void {
    this.#a20Mask = level ? ~0 : ~0x100;
  }

  /** {@link offsetOf} and {@link isRom} in one: the offset, and bit 0. */
  find(page: number): number {
    const masked = page & this.#a20Mask;
    return masked < this.#map.length ? this.#map[masked]! : 0;
  }
  /** Offset in the memory of a page; 0 where the bus answers. */
  offsetOf(page: number): number {
    return (this.find(page) & ~ROM) >>> 0;
  }
  /** Reads come from the memory, writes go to the bus. */
  isRom(page: number): boolean {
    return (this.find(page) & ROM) !== 0;
  }
  /** Address on the bus. */
  address(page: number, at: number): number {
    return (page & this.#a20Mask) * 4096 + at;
  }

  read32(page: number, at: number): number {
    const offset = this.offsetOf(page);
    return offset ? this.#r.u32[(offset + at) >>> 2]! : this.#bus.memoryRead(this.address(page, at), 4);
  }
  write32(page: number, at: number, value: number): void {
    const offset = this.offsetOf(page);
    if (offset && !this.isRom(page)) {
      this.#code.written(offset + at, 4);
      this.#r.u32[(offset + at) >>> 2] = value;
    } else this.#bus.memoryWrite(this.address(page, at), 4, value >>> 0);
  }

  read8(page: number, at: number): number {
    const offset = this.offsetOf(page);
    return offset ? this.#r.u8[offset + at]! : this.#bus.memoryRead(this.address(page, at), 1) & 0xff;
  }
  write8(page: number, at: number, value: number): void {
    const offset = this.offsetOf(page);
    if (offset && !this.isRom(page)) {
      this.#code.written(offset + at, 1);
      this.#r.u8[offset + at] = value;
    } else this.#bus.memoryWrite(this.address(page, at), 1, value);
  }
}
