import { hex, type MemoryRegion } from '@mainboard/core';
import { KVM_MEM_READONLY } from './abi/constants.ts';
import { KVM_SET_USER_MEMORY_REGION } from './abi/ioctls.ts';
import { Struct } from './abi/layout.ts';
import { kvmUserspaceMemoryRegion } from './abi/structs.ts';
import { KvmError } from './errors.ts';
import type { Descriptor } from './ioctl.ts';

const PAGE = 4096;

interface Slot {
  readonly number: number;
  readonly base: number;
  readonly size: number;
  readonly offset: number;
  readonly readOnly: boolean;
}

/**
 * Keeps a VM's memory slots equal to the machine's physical map. KVM cannot change where a slot points, nor whether
 * it is read-only, so a region that changed is taken away and put back. What is in no slot exits as MMIO, and so do
 * writes to a read-only slot.
 */
export class MemorySlots {
  readonly #vm: Descriptor;
  readonly #address: bigint;
  readonly #limit: number;
  readonly #region = new Struct(kvmUserspaceMemoryRegion);
  #slots: Slot[] = [];

  /**
   * @param address where guest memory offset 0 lies in this process; must stay mapped until the VM is closed.
   * @param limit how many slots KVM allows (KVM_CAP_NR_MEMSLOTS).
   */
  constructor(vm: Descriptor, address: bigint, limit: number) {
    this.#vm = vm;
    this.#address = address;
    this.#limit = limit;
  }

  get count(): number {
    return this.#slots.length;
  }

  /** Called between runs and, for a BAR or PAM register, in the middle of an access: never inside `KVM_RUN`. */
  update(regions: readonly MemoryRegion[]): void {
    const backed = regions.filter(region => region.kind !== 'window');
    const kept = this.#slots.filter(slot => backed.some(region => same(slot, region)));
    // All removals first: KVM refuses slots that overlap, even for a moment.
    for (const slot of this.#slots) if (!kept.includes(slot)) this.#set(slot, 0);
    this.#slots = kept;
    for (const region of backed) if (!kept.some(slot => same(slot, region))) this.#add(region);
  }

  #add(region: MemoryRegion): void {
    const { base, size, offset } = region;
    if (base % PAGE !== 0 || size % PAGE !== 0 || offset % PAGE !== 0)
      throw new KvmError(
        'unsupported',
        `KVM maps whole pages of 4 KiB: the memory at ${hex(base)}, ${hex(size)} bytes, must begin and end on one.`,
      );
    let number = 0;
    while (this.#slots.some(slot => slot.number === number)) number++;
    if (number >= this.#limit)
      throw new KvmError('unsupported', `KVM allows ${this.#limit} pieces of memory; this machine's map has more.`);
    const slot: Slot = { number, base, size, offset, readOnly: region.kind === 'rom' };
    this.#set(slot, size);
    this.#slots.push(slot);
  }

  /** @param size 0 takes the slot away. */
  #set(slot: Slot, size: number): void {
    this.#region.set('slot', slot.number);
    this.#region.set('flags', slot.readOnly ? KVM_MEM_READONLY : 0);
    this.#region.set64('guest_phys_addr', BigInt(slot.base));
    this.#region.set64('memory_size', BigInt(size));
    this.#region.set64('userspace_addr', this.#address + BigInt(slot.offset));
    // SAFETY: the range lies inside the guest memory, which KvmVm holds as long as the VM is open. Node shares that
    // memory with KVM by intent; the kernel pins nothing and follows changes of the map (KVM_CAP_SYNC_MMU).
    this.#vm.callStruct(KVM_SET_USER_MEMORY_REGION, this.#region);
  }
}

const same = (slot: Slot, region: MemoryRegion): boolean =>
  slot.base === region.base &&
  slot.size === region.size &&
  slot.offset === region.offset &&
  slot.readOnly === (region.kind === 'rom');
