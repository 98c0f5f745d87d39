import type { Cpu } from '../cpu.ts';
import type { Decoded } from '../decode/decoded.ts';
import { knownMemory } from '../known-memory.ts';
import { GPR, STATE } from '../state.ts';
import type { X87Cpu } from './cpu.ts';
import type { EnvironmentFormat } from './environment.ts';
import { FXSAVE_LAYOUT } from './fxsave.ts';

/** The processor as x87 instructions see it. A fault does not come back as false: it is thrown, through them. */
export class X87Bridge implements X87Cpu {
  readonly #cpu: Cpu;
  readonly #bytes = new Uint8Array(FXSAVE_LAYOUT.size);
  /** Room for the largest operand, the image of FXSAVE. */
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
    const { operand, words } = this;
    const known = this.#known(linear, 0, size, false);
    if (known !== 0) {
      const { i32 } = this.#cpu.r;
      for (let word = 0; word < size >> 2; word++) words[word] = i32[(known >> 2) + word]!;
      return;
    }
    let at = 0;
    for (; at + 8 <= size; at += 8) operand.setBigUint64(at, this.#cpu.load64(linear + BigInt(at)), true);
    for (; at + 2 <= size; at += 2) operand.setUint16(at, this.#cpu.load16(linear + BigInt(at)), true);
  }

  /** Writes bytes `from` to `end` of {@link operand}, all or none; both are even. `linear` is that of byte 0. */
  storeAt(linear: bigint, from: number, end: number): void {
    const { operand, words } = this;
    const known = this.#known(linear, from, end, true);
    if (known !== 0) {
      const { i32 } = this.#cpu.r;
      for (let word = from >> 2; word < end >> 2; word++) i32[(known >> 2) + word] = words[word]!;
      return;
    }
    this.#cpu.probeWrite(linear + BigInt(from), end - from);
    let at = from;
    for (; at + 8 <= end; at += 8) this.#cpu.store64(linear + BigInt(at), operand.getBigUint64(at, true));
    for (; at + 2 <= end; at += 2) this.#cpu.store16(linear + BigInt(at), operand.getUint16(at, true));
  }

  /** Where byte 0 of an area of whole words lies, if the TLB knows: an image is loaded at each switch of tasks. Else 0. */
  #known(linear: bigint, from: number, end: number, write: boolean): number {
    if ((from | end) & 3) return 0;
    const first = linear + BigInt(from);
    const low = Number(BigInt.asIntN(32, first));
    const high = Number(BigInt.asIntN(32, first >> 32n));
    const at = knownMemory(this.#cpu, low, high, end - from, write, this.#cpu.cpl === 3);
    return at === 0 ? 0 : at - from;
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
