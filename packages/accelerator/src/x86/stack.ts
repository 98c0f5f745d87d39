import { isCanonical } from './canonical.ts';
import type { Cpu } from './cpu.ts';
import { VECTOR } from './fault.ts';
import { SEGREG } from './registers.ts';
import type { Descriptor } from './segmentation.ts';
import { GPR, SEGMENT, STATE } from './state.ts';

type Bits = 16 | 32 | 64;

/**
 * A stack that values are pushed to or popped from while SS and rSP stay as they are: interrupts, gates and returns
 * change them only when nothing can fault any more.
 */
export class Stack {
  readonly #cpu: Cpu;
  readonly #bits: Bits;
  readonly #base: bigint;
  /** Lowest and highest valid offset. */
  readonly #low: number;
  readonly #high: number;
  /** At which level; undefined: at the one in force. */
  readonly #user: boolean | undefined;
  /** Error code of the #SS for an offset beyond the limit. */
  readonly #error: number;
  /** As wide as the stack is. */
  pointer: bigint;

  constructor(
    cpu: Cpu,
    bits: Bits,
    base: bigint,
    low: number,
    high: number,
    pointer: bigint,
    user: boolean | undefined,
    error: number,
  ) {
    this.#cpu = cpu;
    this.#bits = bits;
    this.#base = base;
    this.#low = low;
    this.#high = high;
    this.#user = user;
    this.#error = error;
    this.pointer = pointer;
  }

  /** The stack in use. */
  static current(cpu: Cpu, error = 0): Stack {
    const { r } = cpu;
    const at = (STATE.segments + SEGREG.ss * SEGMENT.size) / 4;
    const low = r.u32[at + SEGMENT.low / 4]!;
    const high = r.u32[at + SEGMENT.high / 4]!;
    const bits = cpu.stackBits;
    return new Stack(cpu, bits, r.base(SEGREG.ss), low, high, r.gpr(GPR.rsp, bits), undefined, error);
  }

  /** The stack that a checked descriptor of SS makes, at privilege level `cpl`. */
  static of(cpu: Cpu, d: Descriptor, pointer: bigint, cpl: number, error: number): Stack {
    const bits = d.isBig ? 32 : 16;
    const { limit } = d;
    const down = (d.high & 0x400) !== 0; // expand-down (SDM vol. 3 §5.3)
    const high = !down ? limit : d.isBig ? 0xffff_ffff : 0xffff;
    return new Stack(cpu, bits, d.base, down ? limit + 1 : 0, high, BigInt.asUintN(bits, pointer), cpl === 3, error);
  }

  /** A stack of 64-bit mode. */
  static long(cpu: Cpu, pointer: bigint, cpl: number, error: number): Stack {
    return new Stack(cpu, 64, 0n, 0, 0, pointer, cpl === 3, error);
  }

  #linear(offset: bigint, bytes: number): bigint {
    if (this.#bits === 64) {
      if (!isCanonical(offset)) this.#cpu.raise(VECTOR.ss, this.#error);
      return offset;
    }
    const first = Number(offset);
    if (first < this.#low || first + bytes - 1 > this.#high) this.#cpu.raise(VECTOR.ss, this.#error);
    return BigInt.asUintN(32, this.#base + offset);
  }

  push(size: Bits, value: bigint): void {
    const pointer = BigInt.asUintN(this.#bits, this.pointer - BigInt(size >> 3));
    this.#cpu.store(size, this.#linear(pointer, size >> 3), value, this.#user);
    this.pointer = pointer;
  }

  pop(size: Bits): bigint {
    const value = this.#cpu.load(size, this.#linear(this.pointer, size >> 3), this.#user);
    this.skip(size >> 3);
    return value;
  }

  /** Moves past `bytes` towards the bottom of the stack. */
  skip(bytes: number): void {
    this.pointer = BigInt.asUintN(this.#bits, this.pointer + BigInt(bytes));
  }

  /** Makes its pointer rSP's; upper bits that the stack does not have stay. */
  commit(): void {
    this.#cpu.r.setGpr(GPR.rsp, this.#bits, this.pointer);
  }
}
