import type { Cpu } from './cpu.ts';

/** Model-specific registers that hold state of ours (SDM vol. 4). */
export const MSR = {
  tsc: 0x10,
  apicBase: 0x1b,
  tscAdjust: 0x3b,
  /** Revision of the microcode, of Intel's; reads 0, writes say nothing to us. GUEST: Linux asks at boot. */
  biosSignId: 0x8b,
  sysenterCs: 0x174,
  sysenterEsp: 0x175,
  sysenterEip: 0x176,
  pat: 0x277,
  efer: 0xc000_0080,
  star: 0xc000_0081,
  lstar: 0xc000_0082,
  cstar: 0xc000_0083,
  fmask: 0xc000_0084,
  fsBase: 0xc000_0100,
  gsBase: 0xc000_0101,
  kernelGsBase: 0xc000_0102,
  tscAux: 0xc000_0103,
  /** KVM's paravirtual clock; see `paravirtual-clock.ts`. */
  kvmWallClock: 0x4b56_4d00,
  kvmSystemTime: 0x4b56_4d01,
  /** Interrupt Pending Message of the K8 (AMD BKDG for family 0Fh): no C1E, reads 0. GUEST: Linux reads it at boot. */
  interruptPending: 0xc001_0055,
} as const;

/** Model-specific registers, by number. EFER and the bases of FS and GS live in the CPU's own state. */
export class Msrs {
  readonly #cpu: Cpu;
  readonly values: Map<number, bigint> = new Map();

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
  }

  get(msr: number): bigint {
    return this.values.get(msr) ?? 0n;
  }
  set(msr: number, value: bigint): void {
    this.values.set(msr, value);
  }

  /** Values at power-on (SDM vol. 3 table 9-1). */
  reset(): void {
    this.values.clear();
    this.values.set(MSR.pat, 0x0007_0406_0007_0406n);
    this.tsc = 0n;
  }

  /** What the guest wrote to the time-stamp counter, less the time then. */
  #tscOffset = 0n;
  /** The time-stamp counter runs at 1 GHz of virtual time: it counts nanoseconds. */
  get tsc(): bigint {
    return BigInt.asUintN(64, this.#now + this.#tscOffset);
  }
  set tsc(value: bigint) {
    this.#tscOffset = value - this.#now;
  }

  get #now(): bigint {
    return BigInt(Math.floor(this.#cpu.bus.now()));
  }
}
