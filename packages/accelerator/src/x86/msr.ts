import type { Cpu } from './cpu.ts';
import { STATE } from './state.ts';

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

/** Places in {@link Msrs.words} of the low halves of those that system calls and task switches look at. */
export const MSR_WORD = {
  sysenterCs: 0,
  sysenterEsp: 2,
  sysenterEip: 4,
  star: 6,
  lstar: 8,
  cstar: 10,
  fmask: 12,
  kernelGsBase: 14,
  tscAux: 16,
} as const;
type Frequent = keyof typeof MSR_WORD;
const FREQUENT = Object.keys(MSR_WORD) as Frequent[];
const WORDS: ReadonlyMap<number, number> = new Map(FREQUENT.map(name => [MSR[name], MSR_WORD[name]]));

/** Model-specific registers, by number. EFER and the bases of FS and GS live in the CPU's own state. */
export class Msrs {
  readonly #cpu: Cpu;
  readonly #values: Map<number, bigint> = new Map();
  /** Those of {@link MSR_WORD}, in the processor's state. */
  readonly #frequent: BigUint64Array;
  /** The same in halves. */
  readonly words: Uint32Array;

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
    const { buffer } = cpu.r.u8;
    this.#frequent = new BigUint64Array(buffer, STATE.msrs, FREQUENT.length);
    this.words = new Uint32Array(buffer, STATE.msrs, 2 * FREQUENT.length);
  }

  get(msr: number): bigint {
    const word = WORDS.get(msr);
    return word === undefined ? (this.#values.get(msr) ?? 0n) : this.#frequent[word / 2]!;
  }
  set(msr: number, value: bigint): void {
    const word = WORDS.get(msr);
    if (word === undefined) this.#values.set(msr, value);
    else this.#frequent[word / 2] = value;
  }

  /** All that were written or have a value of their own. */
  all(): Map<number, bigint> {
    const all = new Map(this.#values);
    for (const [msr, word] of WORDS) all.set(msr, this.#frequent[word / 2]!);
    return all.set(MSR.tsc, this.tsc);
  }

  /** Values at power-on (SDM vol. 3 table 9-1). */
  reset(): void {
    this.#values.clear();
    this.#frequent.fill(0n);
    this.#values.set(MSR.pat, 0x0007_0406_0007_0406n);
    this.tsc = 0n;
  }

  /** What the guest wrote to the time-stamp counter, less the time then. */
  #tscOffset = 0n;
  /** The same as a number, as long as that is exact. */
  #tscDistance = 0;
  /** The time-stamp counter runs at 1 GHz of virtual time: it counts nanoseconds. */
  get tsc(): bigint {
    return BigInt.asUintN(64, this.#now + this.#tscOffset);
  }
  set tsc(value: bigint) {
    this.#tscOffset = value - this.#now;
    this.#tscDistance = Number(this.#tscOffset);
  }
  /** The time-stamp counter to two words of a view. */
  loadTsc(words: Uint32Array, low: number, high: number): void {
    const tsc = Math.floor(this.#cpu.bus.now()) + this.#tscDistance;
    if (tsc >= 0 && tsc <= Number.MAX_SAFE_INTEGER && Number.isSafeInteger(this.#tscDistance)) {
      words[low] = tsc;
      words[high] = tsc / 2 ** 32;
    } else {
      const whole = this.tsc;
      words[low] = Number(whole & 0xffff_ffffn);
      words[high] = Number(whole >> 32n);
    }
  }

  get #now(): bigint {
    return BigInt(Math.floor(this.#cpu.bus.now()));
  }
}
