import type { Cpu } from '../cpu.ts';
import type { Decoded } from '../decode/decoded.ts';
import { knownMemory } from '../known-memory.ts';
import { GPR, STATE } from '../state.ts';
import { XSAVE_SIZE } from '../xsave-layout.ts';
import type { X87Cpu } from './cpu.ts';
import type { EnvironmentFormat } from './environment.ts';
import { FXSAVE_LAYOUT } from './fxsave.ts';

/** The processor as x87 instructions see it. A fault does not come back as false: it is thrown, through them. */
export class X87Bridge implements X87Cpu {
  readonly #cpu: Cpu;
  readonly #bytes = new Uint8Array(XSAVE_SIZE);
  /** Room for the largest operand, an area of XSAVE. */
  readonly operand: DataView = new DataView(this.#bytes.buffer);
  /** The same, by words. */
  readonly words: Int32Array = new Int32Array(this.#bytes.buffer);
  /** The instruction under way. */
  insn: Decoded | undefined;

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
  }

  load(size: number): boolean {
    this.loadAt(this.#cpu.address(this.insn!, size, false), size);
    return true;
  }

  store(size: number): boolean {
    this.storeAt(this.#cpu.address(this.insn!, size, true), 0, size);
    return true;
  }

  probeStore(size: number): boolean {
    this.#cpu.probeWrite(this.#cpu.address(this.insn!, size, true), size);
    return true;
  }

  /** Reads `size` bytes at a linear address into {@link operand}. */
  loadAt(linear: bigint, size: number): void {
    if (this.#copy(linear, 0, size, false)) return;
    const { operand } = this;
    let at = 0;
    for (; at + 8 <= size; at += 8) operand.setBigUint64(at, this.#cpu.load64(linear + BigInt(at)), true);
    for (; at + 2 <= size; at += 2) operand.setUint16(at, this.#cpu.load16(linear + BigInt(at)), true);
  }

  /** Writes bytes `from` to `end` of {@link operand}, all or none; both are even. `linear` is that of byte 0. */
  storeAt(linear: bigint, from: number, end: number): void {
    if (this.#copy(linear, from, end, true)) return;
    const { operand } = this;
    this.#cpu.probeWrite(linear + BigInt(from), end - from);
    let at = from;
    for (; at + 8 <= end; at += 8) this.#cpu.store64(linear + BigInt(at), operand.getBigUint64(at, true));
    for (; at + 2 <= end; at += 2) this.#cpu.store16(linear + BigInt(at), operand.getUint16(at, true));
  }

  /** Splits a linear address without making bigints. */
  readonly #linear: BigUint64Array = new BigUint64Array(1);
  readonly #halves: Int32Array = new Int32Array(this.#linear.buffer);

  /**
   * Moves whole words of {@link operand} to or from a page or two that the TLB knows: an image goes either way at each
   * switch of tasks. `linear` is that of byte 0.
   * @returns false when the TLB does not know them; nothing is done then
   */
  #copy(linear: bigint, from: number, end: number, write: boolean): boolean {
    const cpu = this.#cpu;
    this.#linear[0] = linear;
    const low = (this.#halves[0]! >>> 0) + from;
    const high = this.#halves[1]!;
    if ((from | end) & 3 || low + end - from > 2 ** 32) return false;
    const user = cpu.cpl === 3;
    const inFirst = Math.min(end - from, 4096 - (low & 0xfff));
    const rest = end - from - inFirst;
    const first = knownMemory(cpu, low | 0, high, inFirst, write, user);
    const second = rest === 0 ? first : knownMemory(cpu, (low + inFirst) | 0, high, rest, write, user);
    if (first === 0 || second === 0) return false;
    this.#move(from, first, inFirst, write);
    this.#move(from + inFirst, second, rest, write);
    return true;
  }

  #move(at: number, memory: number, bytes: number, write: boolean): void {
    const { words } = this;
    const { i32 } = this.#cpu.r;
    const distance = (memory - at) >> 2;
    const [first, end] = [at >> 2, (at + bytes) >> 2];
    if (write) for (let word = first; word < end; word++) i32[distance + word] = words[word]!;
    else for (let word = first; word < end; word++) words[word] = i32[distance + word]!;
  }

  /** Takes XMM registers into the image of FXSAVE in {@link operand}. @param count 8 or 16 */
  takeXmm(count: number): void {
    const { i32 } = this.#cpu.r;
    for (let word = 0; word < 4 * count; word++) this.words[XMM_IMAGE + word] = i32[XMM + word]!;
  }

  /** Gives XMM registers back from the image. @param count 8 or 16 */
  giveXmm(count: number): void {
    const { i32 } = this.#cpu.r;
    for (let word = 0; word < 4 * count; word++) i32[XMM + word] = this.words[XMM_IMAGE + word]!;
  }

  get eflags(): number {
    return this.#cpu.r.flags;
  }
  set eflags(value: number) {
    this.#cpu.r.flags = value;
  }

  setAx(value: number): void {
    this.#cpu.r.setGpr16(GPR.rax, value);
  }

  get environment(): EnvironmentFormat {
    const wide = this.insn!.opsize !== 16;
    if (this.#cpu.protectedMode && !this.#cpu.v86) return wide ? 'protected32' : 'protected16';
    return wide ? 'real32' : 'real16';
  }
}

const XMM = STATE.xmm / 4;
const XMM_IMAGE = FXSAVE_LAYOUT.xmm / 4;
