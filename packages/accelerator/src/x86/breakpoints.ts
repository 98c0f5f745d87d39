import { CR4, type Registers } from './registers.ts';
import { ATTENTION, STATE } from './state.ts';

const DR = STATE.dr / 4;
const DR6 = DR + 12;
const DR7 = DR + 14;

/** R/W fields of DR7 (SDM vol. 3 §17.2.4). */
const ON = { execute: 0, write: 1, port: 2, access: 3 } as const;
/** Bytes that LEN fields stand for. */
const LENGTHS = [1, 2, 8, 4] as const;

interface Breakpoint {
  readonly n: number;
  readonly on: number;
  /** Halves of the linear address; of a port, its number. */
  readonly low: number;
  readonly high: number;
  readonly bytes: number;
}

/**
 * Hardware breakpoints (SDM vol. 3 §17.2). While any is enabled, the run loop carries instructions out one by one, and
 * pages with a watched address are not in the TLB, so that every access to them comes by.
 *
 * NOT IMPLEMENTED: watching what the delivery of an event writes; breakpoints held back after MOV SS.
 */
export class Breakpoints {
  readonly #r: Registers;
  #enabled: readonly Breakpoint[] = [];
  /** Bits of DR6 for what the instruction under way has touched. */
  #hits = 0;

  constructor(registers: Registers) {
    this.#r = registers;
  }

  /** Some breakpoint is enabled. */
  get armed(): boolean {
    return this.#enabled.length > 0;
  }

  /** Takes over the debug registers and CR4.DE. The TLB is to be flushed if {@link armed} is set before or after. */
  update(): void {
    const { u32, i32, cr4 } = this.#r;
    const dr7 = u32[DR7]!;
    this.#enabled = [0, 1, 2, 3].flatMap(n => {
      if (((dr7 >> (2 * n)) & 3) === 0) return [];
      const on = (dr7 >> (16 + 4 * n)) & 3;
      if (on === ON.port && !(cr4 & CR4.de)) return [];
      const bytes = on === ON.execute ? 1 : LENGTHS[((dr7 >> (18 + 4 * n)) & 3) as 0]!;
      return [{ n, on, low: i32[DR + 2 * n]! & ~(bytes - 1), high: i32[DR + 2 * n + 1]!, bytes }];
    });
    this.#hits = 0;
    this.#r.setAttention(ATTENTION.breakpoint, this.armed);
  }

  /** Bits of DR6 for an instruction breakpoint at a linear address. */
  atInstruction(low: number, high: number): number {
    let hits = 0;
    for (const b of this.#enabled) if (b.on === ON.execute && b.low === low && b.high === high) hits |= 1 << b.n;
    return hits;
  }

  /** Whether data of the page of a linear address is watched. */
  watchesPage(low: number, high: number): boolean {
    return this.#enabled.some(b => isData(b) && b.high === high && (b.low ^ low) >>> 12 === 0);
  }

  /** Notes an access by linear address. */
  accessed(low: number, high: number, bytes: number, write: boolean): void {
    for (const b of this.#enabled)
      if (isData(b) && (write || b.on === ON.access) && b.high === high && overlap(b, low >>> 0, bytes))
        this.#hits |= 1 << b.n;
  }

  /** Notes an access to a port. */
  port(port: number, bytes: number): void {
    for (const b of this.#enabled) if (b.on === ON.port && overlap(b, port, bytes)) this.#hits |= 1 << b.n;
  }

  /** What was noted since the last call, as bits of DR6. */
  take(): number {
    const hits = this.#hits;
    this.#hits = 0;
    return hits;
  }

  /** Sets bits of DR6. */
  report(bits: number): void {
    this.#r.u32[DR6] = this.#r.u32[DR6]! | bits;
  }
}

const isData = ({ on }: Breakpoint): boolean => on === ON.write || on === ON.access;
const overlap = (b: Breakpoint, at: number, bytes: number): boolean =>
  at < (b.low >>> 0) + b.bytes && at + bytes > b.low >>> 0;
