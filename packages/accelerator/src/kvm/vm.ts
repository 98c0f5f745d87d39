import type { CpuBus } from '@mainboard/core';
import { KVM_CAP, KVM_PIT_SPEAKER_DUMMY } from './abi/constants.ts';
import * as io from './abi/ioctls.ts';
import { Struct } from './abi/layout.ts';
import { kvmClockData, kvmEnableCap, kvmIrqchip, kvmIrqLevel, kvmPitConfig, kvmPitState2 } from './abi/structs.ts';
import { KvmError } from './errors.ts';
import { Descriptor } from './ioctl.ts';
import { MemorySlots } from './memory-slots.ts';
import type { KvmSystem } from './system.ts';

/**
 * Four pages below the local APIC that VT-x without "unrestricted guest" needs for real mode: an identity page table
 * and a TSS of three pages. They must lie below 4 GiB where no machine has memory or firmware: firmware reaches down
 * to 0xFF000000 at most, and the APICs begin at 0xFEC00000; this is the hole between them that QEMU uses too.
 */
const IDENTITY_MAP = 0xfeff_c000;
const TSS = IDENTITY_MAP + 0x1000;

/** The second level: one VM, its memory and the chips that live in the kernel. */
export class KvmVm {
  readonly system: KvmSystem;
  readonly bus: CpuBus;
  readonly hasIrqchip: boolean;
  readonly #vm: Descriptor;
  readonly #slots: MemorySlots;
  readonly #irqLevel = new Struct(kvmIrqLevel);
  readonly #vcpus: Descriptor[] = [];
  #disposed = false;

  /** @param irqchip whether the interrupt controllers and the PIT live in the kernel. */
  constructor(system: KvmSystem, bus: CpuBus, irqchip: boolean) {
    this.system = system;
    this.bus = bus;
    this.hasIrqchip = irqchip;
    this.#vm = system.createVm();
    // SAFETY: a wasm memory never moves (this one cannot even grow), and `bus` holds it as long as we live.
    const address = system.libc.addressOf(bus.guest.bytes);
    this.#slots = new MemorySlots(this.#vm, address, system.extension('NR_MEMSLOTS') || 32);
    try {
      this.#setUp();
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** @returns the descriptor of a new vCPU; closed with the VM at the latest. */
  createVcpu(index: number): Descriptor {
    const vcpu = new Descriptor(this.system.libc, this.#vm.call(io.KVM_CREATE_VCPU, index));
    this.#vcpus.push(vcpu);
    return vcpu;
  }

  /** Drives an input of the in-kernel interrupt controllers. @param gsi 0–7 master PIC, 8–15 slave, all the I/O APIC. */
  setIrqLine(gsi: number, level: boolean): void {
    if (this.#disposed) return;
    this.#irqLevel.set('irq', gsi);
    this.#irqLevel.set('level', level ? 1 : 0);
    this.#vm.callStruct(io.KVM_IRQ_LINE, this.#irqLevel);
  }

  /** State of an in-kernel PIC: `struct kvm_pic_state`. @param chip KVM_IRQCHIP_PIC_MASTER or _SLAVE. */
  readPic(chip: number): Uint8Array {
    const irqchip = new Struct(kvmIrqchip);
    irqchip.set('chip_id', chip);
    this.#vm.callStruct(io.KVM_GET_IRQCHIP, irqchip);
    return irqchip.bytes.slice(kvmIrqchip.fields.chip.offset, kvmIrqchip.fields.chip.offset + 16);
  }

  writePic(chip: number, state: Uint8Array): void {
    const irqchip = new Struct(kvmIrqchip);
    irqchip.set('chip_id', chip);
    irqchip.bytes.set(state, kvmIrqchip.fields.chip.offset);
    this.#vm.callStruct(io.KVM_SET_IRQCHIP, irqchip);
  }

  /** State of the in-kernel PIT: `struct kvm_pit_state2`, 112 bytes; its times are of the host's monotonic clock. */
  readPit(): Uint8Array {
    const pit = new Struct(kvmPitState2);
    this.#vm.callStruct(io.KVM_GET_PIT2, pit);
    return pit.bytes;
  }

  writePit(state: Uint8Array): void {
    const pit = new Struct(kvmPitState2);
    pit.bytes.set(state);
    this.#vm.callStruct(io.KVM_SET_PIT2, pit);
  }

  /** The VM's paravirtual clock, in nanoseconds. */
  clock(): bigint {
    const data = new Struct(kvmClockData);
    this.#vm.callStruct(io.KVM_GET_CLOCK, data);
    return data.get64('clock');
  }

  setClock(nanoseconds: bigint): void {
    const data = new Struct(kvmClockData);
    data.set64('clock', nanoseconds);
    this.#vm.callStruct(io.KVM_SET_CLOCK, data);
  }

  /** Closes the VM. Its vCPUs must have been disposed before, or have failed to come up. */
  dispose(): void {
    this.#disposed = true;
    for (const vcpu of this.#vcpus) vcpu.close();
    this.#vm.close();
  }

  #setUp(): void {
    const { system, bus } = this;
    if (system.extension('SET_IDENTITY_MAP_ADDR') !== 0)
      this.#vm.callStruct(io.KVM_SET_IDENTITY_MAP_ADDR, { bytes: u64(IDENTITY_MAP) });
    this.#vm.call(io.KVM_SET_TSS_ADDR, TSS);
    if (this.hasIrqchip) this.#createIrqchip();
    this.#updateSlots();
    bus.onRegionsChanged(() => {
      if (!this.#disposed) this.#updateSlots();
    });
  }

  #createIrqchip(): void {
    const { system } = this;
    if (system.extension('IRQCHIP') === 0 || system.extension('PIT2') === 0)
      throw new KvmError(
        'unsupported',
        'This KVM has no in-kernel interrupt controllers and timer; leave out kvmIrqchipModule to use our own.',
      );
    this.#vm.call(io.KVM_CREATE_IRQCHIP);
    const pit = new Struct(kvmPitConfig);
    // The kernel answers port 61h too, which Linux reads to calibrate its clock by channel 2.
    pit.set('flags', KVM_PIT_SPEAKER_DUMMY);
    this.#vm.callStruct(io.KVM_CREATE_PIT2, pit);
    // A halted vCPU waits inside KVM_RUN, in the embedder's thread: let it sleep and not poll.
    if (system.extension('HALT_POLL') !== 0) this.#enable('HALT_POLL', 0n);
  }

  #enable(capability: keyof typeof KVM_CAP, argument: bigint): void {
    const enable = new Struct(kvmEnableCap);
    enable.set('cap', KVM_CAP[capability]);
    enable.set64('args', argument);
    this.#vm.callStruct(io.KVM_ENABLE_CAP, enable);
  }

  #updateSlots(): void {
    const regions = this.bus.regions();
    if (regions.some(region => region.kind === 'rom') && this.system.extension('READONLY_MEM') === 0)
      throw new KvmError('kvm-too-old', 'This KVM cannot map ROM (KVM_CAP_READONLY_MEM, Linux 3.7); use --accel soft.');
    this.#slots.update(regions);
  }
}

const u64 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
};
