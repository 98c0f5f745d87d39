import {
  BASE_RIP,
  type Decoded,
  OPERAND_KIND,
  type Operand,
  SEG,
} from '../../packages/accelerator/src/x86/decode/decoded.ts';
import { GPR } from '../../packages/accelerator/src/x86/state.ts';
import { CODE, DATA, DATA_16, GS_BASE, WINDOW } from './case.ts';
import { BIT_TESTS, type Encoder, type Part } from './encoder.ts';
import { FloatingStart, FXSAVE } from './floating-start.ts';
import type { Random } from './random.ts';

const MASK_64 = (1n << 64n) - 1n;
const STRINGS = new Set(['movs', 'cmps', 'stos', 'lods', 'scas']);
const LOOPS = new Set(['loop', 'loopz', 'loopnz']);
const PUSHES = new Set(['push', 'pop', 'pushf', 'popf', 'call', 'ret', 'enter', 'pusha', 'popa']);
const DIVISIONS = new Set(['div', 'idiv']);
const TEXT = /^pcmp.str/;
/** Bits of MXCSR that no processor has. AMD has bit 17, Intel has not. */
const MXCSR_RESERVED = 0xfffd_0000;
/** What rCX counts down to when the case loops. */
const MAX_COUNT = 5;

/** Registers and memory that a case starts with, chosen so that its instructions do something of interest. */
export class Start {
  readonly gpr: BigUint64Array;
  readonly window: Uint8Array;
  readonly fpu: Uint8Array;
  readonly #random: Random;
  readonly #encoder: Encoder;
  readonly #floating: FloatingStart;
  readonly #frozen: boolean;
  /** Registers that hold what somebody asked for, a bit each. */
  #pinned = 0;

  /** @param frozen the code is not to be changed any more */
  constructor(encoder: Encoder, random: Random, { frozen, floating }: { frozen: boolean; floating: boolean }) {
    this.#random = random;
    this.#encoder = encoder;
    this.#floating = new FloatingStart(random);
    this.#frozen = frozen;
    this.fpu = this.#floating.image();
    this.gpr = BigUint64Array.from({ length: 16 }, () => random.value());
    this.window = Uint8Array.from({ length: WINDOW.size }, () => random.word());
    if (random.oneIn(2)) this.#sprinkle();
    if (floating) {
      const view = new DataView(this.window.buffer);
      for (let at = 0; at < WINDOW.size; at += 16) this.#floating.vector(view, at);
    }
  }

  /** Values of the awkward kind into memory. */
  #sprinkle(): void {
    const view = new DataView(this.window.buffer);
    for (let at = 0; at < WINDOW.size; at += 8) view.setBigUint64(at, this.#random.value(), true);
  }

  #pin(register: number, value: bigint): void {
    this.gpr[register] = value & MASK_64;
    this.#pinned |= 1 << register;
  }

  #isPinned(register: number): boolean {
    return ((this.#pinned >> register) & 1) !== 0;
  }

  /** A place for an access of some bytes: mostly in the window, some on its page boundary, some where it faults. */
  #place(bytes: number, aligned: boolean, wild = true): bigint {
    const random = this.#random;
    const align = (at: number): bigint => BigInt(aligned ? at & -Math.max(8, bytes) : at);
    const boundary = DATA.address + 0x1000;
    const end = DATA.address + DATA.size;
    switch (random.below(20)) {
      case 0:
      case 1:
      case 2:
        return align(boundary - random.below(Math.max(2, bytes)));
      case 3:
        return align(DATA.address + DATA.writable - random.below(bytes + 1)); // into what may only be read
      case 4:
        return align(end - random.below(bytes + 2));
      case 5:
        return align(DATA.address - random.below(bytes + 1));
      case 6:
        if (!wild) return align(WINDOW.address);
        if (this.#encoder.bits === 16)
          return (
            this.#base(SEG.ds) +
            BigInt(random.pick([0, DATA_16.limit - 1, DATA_16.limit, 0xffff, random.below(0x1_0000)]))
          );
        return random.pick([0x8000_0000_0000n, 0xffff_7fff_ffff_ffffn, MASK_64, 0n, random.word64() >> 17n]);
      default:
        return align(WINDOW.address + random.below(WINDOW.size - bytes));
    }
  }

  /** Of a segment register by `SEG`. */
  #base(segment: number): bigint {
    const { bits } = this.#encoder;
    if (bits === 16) return BigInt(segment === SEG.cs ? CODE.address : DATA_16.base);
    return bits === 64 && segment === SEG.gs ? BigInt(GS_BASE) : 0n;
  }

  /** Linear address of the top of the stack. */
  #stackTop(): bigint {
    return this.#encoder.bits === 16 ? this.#base(SEG.ss) + (this.gpr[GPR.rsp]! & 0xffffn) : this.gpr[GPR.rsp]!;
  }

  /** Makes a register hold an address, the rest of it at random where an address is narrower. */
  #pinAddress(register: number, address: bigint, asize: number): void {
    const mask = (1n << BigInt(asize)) - 1n;
    this.#pin(register, (address & mask) | (this.#random.word64() & ~mask));
  }

  /** Chooses what an instruction's operands find in registers and memory. */
  pinOperands(part: Part, at: number): void {
    const random = this.#random;
    const { insn } = part;
    const { mnemonic } = insn.row;
    const atomic = insn.lock || mnemonic === 'xchg' || mnemonic.startsWith('cmpxchg');
    if (mnemonic === 'leave' || mnemonic === 'enter') this.#pin(GPR.rbp, this.#place(8, false) - this.#base(SEG.ss));
    if (PUSHES.has(mnemonic) && !random.oneIn(16))
      this.#pin(GPR.rsp, this.#place(8, random.oneIn(2)) - this.#base(SEG.ss));
    // One that faults halfway has restored some registers already, which ones is the processor's affair.
    if (mnemonic === 'popa')
      this.#pin(GPR.rsp, BigInt(WINDOW.address + random.below(WINDOW.size - 32)) - this.#base(SEG.ss));
    if (mnemonic === 'popf') this.#dropFlags(Number(this.#stackTop()) - WINDOW.address);
    if (STRINGS.has(mnemonic)) this.#pinString(insn);
    if (mnemonic === 'xlat') {
      const segment = this.#base(insn.seg);
      this.#pinAddress(GPR.rbx, this.#place(1, false) - (this.gpr[GPR.rax]! & 0xffn) - segment, insn.asize);
    }
    const size = Math.max(1, ...insn.operands.filter(o => o.kind === OPERAND_KIND.mem).map(o => o.size / 8));
    const { exception, unaligned, unit } = insn.row;
    const wantsAlignment = size === 16 && exception !== undefined && exception !== 5 && exception !== 3 && !unaligned;
    const aligned = atomic || (wantsAlignment && !random.oneIn(8));
    let address: bigint | undefined;
    // The bit may lie in the other half than the operand: processors differ in which of the two must be canonical.
    const wild = !BIT_TESTS.has(mnemonic);
    if (insn.isMem) {
      const to = size === 512 ? this.#placeImage() : this.#place(size, aligned, wild);
      address = this.#pinMemory(part, at, to);
    }
    if (unit?.startsWith('x87') && address !== undefined) this.#setX87Operand(insn, address, size);
    if (mnemonic === 'ldmxcsr' && address !== undefined)
      this.#setOperand(insn.operands[0], address, BigInt(this.#mxcsr()));
    if (mnemonic === 'fxrstor' && address !== undefined) this.#setImage(address);
    if (mnemonic.startsWith('maskmov')) {
      // Whether a byte that is not stored may fault is the processor's affair.
      const inside = BigInt(WINDOW.address + random.below(WINDOW.size - 16));
      this.#pinAddress(GPR.rdi, inside - this.#base(insn.seg), insn.asize);
    }
    if (TEXT.test(mnemonic)) this.#pinText();

    const count = insn.operands[insn.count > 0 ? insn.count - 1 : 0]!;
    if (/^(sh|sa|ro|rc)/.test(mnemonic) && count.kind === OPERAND_KIND.gpr && !this.#isPinned(GPR.rcx))
      this.#pin(GPR.rcx, (random.word64() & ~0xffn) | BigInt(this.#encoder.count()));
    if (BIT_TESTS.has(mnemonic) && insn.operands[1].kind === OPERAND_KIND.gpr && !this.#isPinned(insn.operands[1].reg))
      this.#pinBitOffset(insn.operands[1]);
    if (DIVISIONS.has(mnemonic) && random.below(4) !== 0) this.#pinDivision(insn, address);
    if (mnemonic.startsWith('cmpxchg') && random.oneIn(2)) this.#pinComparison(insn, address);
  }

  /** 512 bytes, mostly where they are all writable, and aligned. */
  #placeImage(): bigint {
    const random = this.#random;
    if (random.oneIn(2)) return BigInt(WINDOW.address);
    const at = DATA.address - 0x40 + 16 * random.below(DATA.size / 16);
    return BigInt(random.oneIn(8) ? at + random.below(16) : at);
  }

  /** Strings of few different characters, and lengths of strings. */
  #pinText(): void {
    const random = this.#random;
    if (random.oneIn(8)) return;
    for (let at: number = FXSAVE.xmm; at < FXSAVE.xmm + 256; at++) this.fpu[at] = random.pick([0, 1, 2, 0x80, 0xff, 3]);
    for (let at = 0; at < WINDOW.size; at++) this.window[at] = random.pick([0, 1, 2, 0x80, 0xff, 3]);
    for (const register of [GPR.rax, GPR.rdx])
      this.#pin(register, random.oneIn(4) ? random.value() : BigInt.asUintN(64, BigInt(random.below(40) - 20)));
  }

  #mxcsr(): number {
    const random = this.#random;
    const value = this.#floating.mxcsr();
    return (random.oneIn(8) ? value | (random.word() & MXCSR_RESERVED) : value) >>> 0;
  }

  /** An FXSAVE image, as much of it as lies in the window. */
  #setImage(address: bigint): void {
    const image = this.#floating.image();
    new DataView(image.buffer).setUint32(FXSAVE.mxcsr, this.#mxcsr(), true);
    for (let n = 0; n < image.length; n++) this.#setByte(address + BigInt(n), image[n]!);
  }

  #setX87Operand({ row }: Decoded, address: bigint, size: number): void {
    const bytes = new Uint8Array(16);
    this.#floating.x87Operand(new DataView(bytes.buffer), 0, size, row.mnemonic === 'fbld');
    if (size <= 10) for (let n = 0; n < size; n++) this.#setByte(address + BigInt(n), bytes[n]!);
  }

  #setByte(address: bigint, value: number): void {
    const at = Number(address) - WINDOW.address;
    if (at >= 0 && at < WINDOW.size) this.window[at] = value;
  }

  /** What rCX is when the case counts it down in a loop. */
  pinCount(asize: number): void {
    this.#pinAddress(GPR.rcx, BigInt(1 + this.#random.below(MAX_COUNT)), asize);
  }

  /** TF, NT and AC in the image of RFLAGS that POPF finds: what follows is not about it. */
  #dropFlags(at: number): void {
    const drop = (n: number, mask: number): void => {
      if (at + n >= 0 && at + n < WINDOW.size) this.window[at + n]! &= ~mask;
    };
    drop(1, 0x41);
    drop(2, 0x04);
  }

  #pinString({ asize, operands, rep, seg, count }: Decoded): void {
    const random = this.#random;
    const mask = (1n << BigInt(asize)) - 1n;
    const segment = this.#base(seg);
    const kinds = operands.slice(0, count).map(({ kind }) => kind);
    if (kinds.includes(OPERAND_KIND.si)) this.#pinAddress(GPR.rsi, this.#place(8, false) - segment, asize);
    if (kinds.includes(OPERAND_KIND.di)) {
      const near = (this.gpr[GPR.rsi]! & mask) + segment + BigInt(random.below(17) - 8);
      this.#pinAddress(GPR.rdi, (random.oneIn(4) ? near : this.#place(8, false)) - this.#base(SEG.es), asize);
    }
    if (rep !== 0) this.#pinAddress(GPR.rcx, BigInt(random.oneIn(8) ? random.below(400) : random.below(12)), asize);
    // Runs of equal bytes, so that REPE goes on and REPNE stops.
    if (random.oneIn(2)) this.window.fill(random.word(), random.below(128), 128 + random.below(128));
    if (random.oneIn(2)) {
      const byte = BigInt(this.window[128]!);
      this.#pin(GPR.rax, byte * 0x0101_0101_0101_0101n);
    }
  }

  /** Sets base and index so that the operand lies at `target`, if they can. @returns where it lies. */
  #pinMemory(part: Part, at: number, target: bigint): bigint {
    const { insn } = part;
    const { base, index, scale, asize, seg } = insn;
    const offset = target - this.#base(seg);
    const rest = offset - BigInt(insn.disp);
    if (base === BASE_RIP || (base < 0 && index < 0)) {
      if (this.#frozen) return this.addressOf(insn, at);
      this.#encoder.patchDisplacement(
        part,
        base === BASE_RIP ? rest + BigInt(insn.disp) - BigInt(at + insn.length) : offset,
      );
    } else if (base >= 0 && base === index) {
      if (!this.#isPinned(base)) this.#pinAddress(base, rest / ((1n << BigInt(scale)) + 1n), asize);
    } else if (base >= 0 && !this.#isPinned(base)) {
      const scaled = index >= 0 ? this.gpr[index]! << BigInt(scale) : 0n;
      this.#pinAddress(base, rest - scaled, asize);
      if (index >= 0) this.#pinned |= 1 << index;
    } else if (index >= 0 && !this.#isPinned(index)) {
      const left = rest - (base >= 0 ? this.gpr[base]! : 0n);
      this.#pinAddress(index, BigInt.asIntN(64, left) >> BigInt(scale), asize);
    }
    return this.addressOf(insn, at);
  }

  /** Linear address of a memory operand, with the registers as they are at the start. */
  addressOf({ base, index, scale, asize, seg, disp, length }: Decoded, at: number): bigint {
    const from = base === BASE_RIP ? BigInt(at + length) : base >= 0 ? this.gpr[base]! : 0n;
    const scaled = index >= 0 ? this.gpr[index]! << BigInt(scale) : 0n;
    const offset = BigInt.asUintN(asize, from + scaled + BigInt(disp));
    return (offset + this.#base(seg)) & MASK_64;
  }

  /** Addresses that are in the instruction: of the fillers, and of MOV at an offset. */
  patchAddress(part: Part, at: number): void {
    if (this.#frozen) return;
    const { insn, bytes } = part;
    const segment = this.#base(insn.seg);
    const moffs = insn.operands.find(({ kind }, n) => n < insn.count && kind === OPERAND_KIND.moffs);
    if (moffs) {
      let value = this.#place(8, false) - segment;
      for (let n = bytes.length - insn.asize / 8; n < bytes.length; n++, value >>= 8n) bytes[n] = Number(value & 0xffn);
      this.#encoder.redecode(part);
    } else if (insn.isMem && (insn.base === BASE_RIP || (insn.base < 0 && insn.index < 0))) {
      const address = this.addressOf(insn, at);
      if (address >= DATA.address - 64 && address < DATA.address + DATA.size) return;
      const to = BigInt(WINDOW.address + 16 * this.#random.below(15)) - segment;
      this.#encoder.patchDisplacement(part, insn.base === BASE_RIP ? to - BigInt(at + insn.length) : to);
    }
  }

  /** BT and its kin reach far beyond their operand; mostly not too far. */
  #pinBitOffset({ reg, size }: Operand): void {
    const random = this.#random;
    if (random.oneIn(4)) return;
    const near = BigInt.asUintN(size, BigInt(random.below(2048) - 1024));
    this.#pin(reg, size === 64 ? near : ((random.word64() >> BigInt(size)) << BigInt(size)) | near);
  }

  /** Writes a general register or memory operand, as far as it lies in the window. */
  #setOperand({ kind, reg, high, size }: Operand, address: bigint | undefined, value: bigint): void {
    if (kind === OPERAND_KIND.gpr) {
      const shift = high ? 8n : 0n;
      const mask = ((1n << BigInt(size)) - 1n) << shift;
      this.#pin(reg, (this.gpr[reg]! & ~mask) | ((value << shift) & mask));
    } else if (address !== undefined) {
      let rest = value;
      for (let n = 0; n < size / 8; n++, rest >>= 8n) this.#setByte(address + BigInt(n), Number(rest & 0xffn));
    }
  }

  /** A dividend of quotient × divisor + remainder, the quotient often at the edge of what fits. */
  #pinDivision(insn: Decoded, address: bigint | undefined): void {
    const random = this.#random;
    const operand = insn.operands[0];
    const { size } = operand;
    const bits = BigInt(size);
    const signed = insn.row.mnemonic === 'idiv';
    const wrap = (v: bigint): bigint => (signed ? BigInt.asIntN(size, v) : BigInt.asUintN(size, v));
    let divisor = wrap(random.value() >> BigInt(random.below(64)));
    if (divisor === 0n) divisor = 3n;
    const edge = BigInt(random.below(5) - 2);
    const quotient = random.oneIn(3)
      ? (signed ? random.pick([-1n, 1n]) * (1n << (bits - 1n)) : 1n << bits) + edge
      : wrap(random.value());
    const magnitude = divisor < 0n ? -divisor : divisor;
    const remainder = random.word64() % magnitude;
    const product = quotient * divisor;
    const dividend = product < 0n ? product - remainder : product + remainder;
    // The divisor first: where it is part of rAX or rDX, chance decides.
    this.#setOperand(operand, address, divisor);
    if (size === 8) this.gpr[0] = (this.gpr[0]! & ~0xffffn) | BigInt.asUintN(16, dividend);
    else {
      const mask = (1n << bits) - 1n;
      this.gpr[0] = (this.gpr[0]! & ~mask) | (dividend & mask);
      this.gpr[2] = (this.gpr[2]! & ~mask) | ((dividend >> bits) & mask);
    }
  }

  /** Makes the comparison of CMPXCHG succeed. */
  #pinComparison(insn: Decoded, address: bigint | undefined): void {
    const operand = insn.operands[0];
    const mask = (bits: number): bigint => (1n << BigInt(bits)) - 1n;
    const low = this.gpr[GPR.rax]!;
    const half = operand.size / 2;
    const pair = ((this.gpr[GPR.rdx]! & mask(half)) << BigInt(half)) | (low & mask(half));
    this.#setOperand(operand, address, insn.row.mnemonic === 'cmpxchg' ? low & mask(operand.size) : pair);
  }

  /**
   * Sends a branch to the start of another instruction of the case.
   * @param countdown the branch comes after an instruction that counts rCX down, and goes back
   */
  pinTarget(main: Part, at: number, before: readonly Part[], after: readonly Part[], countdown: boolean): void {
    const random = this.#random;
    const { insn, bytes } = main;
    const sum = (parts: readonly Part[]): number => parts.reduce((n, part) => n + part.bytes.length, 0);
    let to = at + bytes.length + sum(after.slice(0, random.below(after.length + 1)));
    if (LOOPS.has(insn.row.mnemonic) || countdown) {
      const back = countdown || (this.#frozen ? insn.immLo < 0 : random.oneIn(2));
      if (back) this.pinCount(countdown ? Math.min(32, this.#encoder.bits) : insn.asize);
      else this.#pinAddress(GPR.rcx, BigInt(random.below(3)), insn.asize);
      if (back) to = at - sum(before.slice(random.below(before.length + (countdown ? 0 : 1))));
    }
    if (insn.row.mnemonic === 'jcxz' && random.oneIn(2)) this.#pinAddress(GPR.rcx, 0n, insn.asize);
    const [operand] = insn.operands;
    if (insn.count > 0 && operand.kind === OPERAND_KIND.rel) {
      if (this.#frozen) return;
      const short = insn.row.operands[0]!.type === 'bs';
      const distance = to - at - bytes.length;
      const view = new DataView(bytes.buffer);
      // With a 66 prefix IP loses its upper half: such a branch ends in a page fault.
      if (short) view.setInt8(bytes.length - 1, distance);
      else if (insn.opsize === 16) view.setInt16(bytes.length - 2, distance, true);
      else view.setInt32(bytes.length - 4, distance, true);
      this.#encoder.redecode(main);
    } else if (!random.oneIn(8)) {
      const target = BigInt(this.#encoder.bits === 16 ? to - CODE.address : to);
      if (insn.row.mnemonic === 'ret')
        this.#setOperand({ kind: OPERAND_KIND.mem, reg: 0, high: false, size: 64 }, this.#stackTop(), target);
      else this.#setOperand(operand, insn.isMem ? this.addressOf(insn, at) : undefined, target);
    }
  }
}
