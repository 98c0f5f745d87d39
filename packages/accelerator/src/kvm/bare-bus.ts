import { ACCELERATOR_ARENA, type CpuBus, GuestMemory, type MemoryRegion } from '@mainboard/core';

/** A machine of RAM and nothing else, for the guests that measure KVM; all other accesses are floating. */
export class BareBus implements CpuBus {
  readonly guest: GuestMemory;
  readonly #regions: readonly MemoryRegion[];

  /** @param size bytes of RAM at address 0, a multiple of 64 KiB. */
  constructor(size: number) {
    this.guest = new GuestMemory(size);
    this.#regions = [{ base: 0, size: this.guest.size, kind: 'ram', offset: ACCELERATOR_ARENA }];
  }

  regions(): readonly MemoryRegion[] {
    return this.#regions;
  }
  onRegionsChanged(_changed: () => void): void {}
  onWrite(_written: (offset: number, size: number) => void): void {}
  portRead(_port: number, size: number): number {
    return size === 4 ? 0xffff_ffff : 2 ** (8 * size) - 1;
  }
  portWrite(_port: number, _size: number, _value: number): void {}
  memoryRead(_address: number, size: number): number {
    return size === 4 ? 0xffff_ffff : 2 ** (8 * size) - 1;
  }
  memoryWrite(_address: number, _size: number, _value: number): void {}
  acknowledge(): number {
    return 0xff;
  }
  now(): number {
    return 0;
  }
}
