import type { Cpu } from './cpu.ts';
import { MSR } from './msr.ts';

/** Bits of CPUID leaf 4000_0001 EAX: the clock at the newer MSRs; the counter can be relied on across processors. */
export const KVM_FEATURES: number = (1 << 3) | (1 << 24);

/** Places in `struct pvclock_vcpu_time_info`, 32 bytes. */
const TIME = { version: 0, tsc: 8, system: 16, multiplier: 24, shiftAndFlags: 28 } as const;
/** Places in `struct pvclock_wall_clock`, 12 bytes. */
const WALL = { version: 0, seconds: 4, nanoseconds: 8 } as const;

/**
 * KVM's paravirtual clock (Linux Documentation/virt/kvm/x86/msr.rst and cpuid.rst): the rate of the time-stamp counter
 * and the time, without calibration. GUEST: Linux, whose calibration against the PIT fails where the host's event loop
 * takes its turns, and who keeps its tick for want of a better clock.
 */
export class ParavirtualClock {
  readonly #cpu: Cpu;

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
  }

  #store32(address: bigint, at: number, value: number): void {
    const place = Number(address) + at;
    this.#cpu.mmu.physical.write32(Math.floor(place / 4096), place % 4096, value);
  }
  #store64(address: bigint, at: number, value: bigint): void {
    this.#store32(address, at, Number(value & 0xffff_ffffn));
    this.#store32(address, at + 4, Number((value >> 32n) & 0xffff_ffffn));
  }

  /** Tells the wall-clock time at which virtual time began. @param address physical, on 4 bytes */
  writeWallClock(address: bigint): void {
    const { bus } = this.#cpu;
    const began = Math.floor((bus.wallClock?.() ?? 0) - bus.now() / 1e6);
    this.#store32(address, WALL.seconds, Math.floor(began / 1000));
    this.#store32(address, WALL.nanoseconds, (began % 1000) * 1e6);
    this.#store32(address, WALL.version, 2);
  }

  /**
   * Tells how the counter and virtual time go together, where the guest asked for it: again after the counter was
   * written. The counter runs at 1 GHz, so that (ticks << 1) × 2^31 / 2^32 are nanoseconds.
   */
  update(): void {
    const where = this.#cpu.msrs.get(MSR.kvmSystemTime);
    if ((where & 1n) === 0n) return;
    const address = where & ~3n;
    this.#store64(address, TIME.tsc, this.#cpu.msrs.tsc);
    this.#store64(address, TIME.system, BigInt(Math.floor(this.#cpu.bus.now())));
    this.#store32(address, TIME.multiplier, 0x8000_0000);
    this.#store32(address, TIME.shiftAndFlags, 1 | (1 << 8)); // shift 1; flag 0, the counter is stable
    this.#store32(address, TIME.version, 2);
  }
}
