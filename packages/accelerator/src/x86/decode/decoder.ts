import { VEX_MAPS } from '../isa/opcode.ts';
import type { Feature } from '../isa/row.ts';
import { ROWS } from '../isa/rows.ts';
import { BASE_RIP, DECODE, type Decoded, type DecodeResult, OPERAND_KIND, SEG } from './decoded.ts';
import { Lookup, NO_ROW } from './lookup.ts';
import { ANY_MOD, FROM, IMPLIED_MEMORY, LOCKABLE, MAX_OPERANDS, MODRM, operandSize, Plan, VVVV } from './plan.ts';
import { setGpr, setMemory, setOperand } from './set-operand.ts';

/** Longest instruction, in bytes (SDM vol. 2 §2.3.11). */
export const MAX_LENGTH = 15;

const PREFIX_NONE = 0;
const PREFIX_OPSIZE = 1;
const PREFIX_ASIZE = 2;
const PREFIX_LOCK = 3;
const PREFIX_REP = 4;
const PREFIX_SEGMENT = 5; // + number of the segment register

/** Legacy prefixes by byte (SDM vol. 2 §2.1.1). */
const PREFIX = new Uint8Array(256);
PREFIX[0x66] = PREFIX_OPSIZE;
PREFIX[0x67] = PREFIX_ASIZE;
PREFIX[0xf0] = PREFIX_LOCK;
PREFIX[0xf2] = PREFIX[0xf3] = PREFIX_REP;
// In the order of SEG.
for (const [segment, byte] of [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65].entries()) PREFIX[byte] = PREFIX_SEGMENT + segment;

/** Base and index of the eight 16-bit addressing forms (SDM vol. 2 table 2-1); −1 is none. */
const BASE_16 = Int8Array.of(3, 3, 5, 5, 6, 7, 5, 3);
const INDEX_16 = Int8Array.of(6, 7, 6, 7, -1, -1, -1, -1);

/** Control registers that exist, by bit. CR8 has a number above 7 and so exists in 64-bit mode only. */
const CONTROL_REGISTERS = (1 << 0) | (1 << 2) | (1 << 3) | (1 << 4) | (1 << 8);

/**
 * Instruction decoder of one processor. It holds tables and the place it reads at, nothing of the guest.
 *
 * It follows Intel where vendors differ. DEVIATION (AMD): in 64-bit mode 66 does not shorten near branches; far branches
 * through memory take REX.W; 0F 0D with a register is a hint; LOCK MOV CR0 is not CR8; SYSCALL is for 64-bit mode only.
 * In all else a Zen 5 in 64-bit mode finds the same encodings valid and the same lengths.
 * NOT IMPLEMENTED: vectors by VEX, XOP and EVEX (8F and 62 where they are no instruction of old are #UD), 3DNow!,
 * SSE4a, VMX, SVM, TSX.
 */
export class Decoder {
  readonly #legacy: Lookup;
  readonly #long: Lookup;
  readonly #plan: Plan;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #limit = 0;
  #vex = true;
  /** VEX.vvvv of the instruction under way, as a register. */
  #vvvv = 0;

  /** @param has whether the processor has a CPUID feature; encodings of others mean what they did before it. */
  constructor(has: (feature: Feature) => boolean = () => true) {
    this.#legacy = new Lookup(ROWS, false, has);
    this.#long = new Lookup(ROWS, true, has);
    this.#plan = new Plan(ROWS);
  }

  /**
   * Decodes the instruction at `start` into `out`, which holds nothing of use unless the result is `DECODE.ok`.
   * @param end offset after the last byte that may be read.
   * @param bits size of the code segment: CS.L or else CS.D.
   * @param vex there is VEX, as there is not in real and virtual-8086 mode (§2.3).
   */
  decode(bytes: Uint8Array, start: number, end: number, bits: 16 | 32 | 64, out: Decoded, vex = true): DecodeResult {
    this.#bytes = bytes;
    this.#vex = vex;
    this.#limit = end - start > MAX_LENGTH ? start + MAX_LENGTH : end;
    const result = this.#instruction(start, bits, out);
    if (result === DECODE.needMore) return this.#limit - start < MAX_LENGTH ? DECODE.needMore : DECODE.tooLong;
    out.length = this.#at - start;
    return result;
  }

  #instruction(start: number, bits: 16 | 32 | 64, out: Decoded): DecodeResult {
    const bytes = this.#bytes;
    const limit = this.#limit;
    let at = start;
    let opsize66 = false;
    let asize67 = false;
    let lock = false;
    let rep: 0 | 0xf2 | 0xf3 = 0;
    let override = -1;
    let rex = 0;
    let byte: number;
    for (;;) {
      if (at >= limit) return DECODE.needMore;
      byte = bytes[at++]!;
      const prefix = PREFIX[byte]!;
      if (prefix === PREFIX_NONE) {
        if (bits !== 64 || (byte & 0xf0) !== 0x40) break;
        rex = byte;
        continue;
      }
      rex = 0; // REX counts right before the opcode only (§2.2.1)
      if (prefix === PREFIX_OPSIZE) opsize66 = true;
      else if (prefix === PREFIX_ASIZE) asize67 = true;
      else if (prefix === PREFIX_LOCK) lock = true;
      else if (prefix === PREFIX_REP) rep = byte as 0xf2 | 0xf3;
      else if (bits !== 64 || prefix >= PREFIX_SEGMENT + SEG.fs) override = prefix - PREFIX_SEGMENT;
    }

    let map = 0;
    if (byte === 0x0f) {
      if (at >= limit) return DECODE.needMore;
      byte = bytes[at++]!;
      map = 1;
      if (byte === 0x38 || byte === 0x3a) {
        map = byte === 0x38 ? 2 : 3;
        if (at >= limit) return DECODE.needMore;
        byte = bytes[at++]!;
      }
    }

    let mandatory = rep === 0xf3 ? 2 : rep === 0xf2 ? 3 : opsize66 ? 1 : 0;
    let vex = false;
    if ((byte === 0xc4 || byte === 0xc5) && map === 0 && this.#vex) {
      if (at >= limit) return DECODE.needMore;
      // Outside 64-bit mode these are LES and LDS, whose register forms VEX has taken.
      vex = bits === 64 || bytes[at]! >= 0xc0;
    }
    if (vex) {
      if (byte === 0xc4 && at + 1 >= limit) return DECODE.needMore;
      const first = bytes[at++]!;
      const last = byte === 0xc4 ? bytes[at++]! : first & 0x7f;
      map = VEX_MAPS + (byte === 0xc4 ? first & 31 : 1);
      // Prefixes that VEX stands for may not be there as well; nor is there an instruction of ours with VEX.L.
      if (mandatory !== 0 || rex !== 0 || lock || last & 4 || map === VEX_MAPS || map > VEX_MAPS + 3) {
        this.#at = at;
        return DECODE.undefined;
      }
      mandatory = last & 3;
      this.#vvvv = (~last >> 3) & (bits === 64 ? 15 : 7);
      rex = bits === 64 ? ((last >> 4) & 8) | ((~first >> 5) & (byte === 0xc4 ? 7 : 4)) : 0;
      if (at >= limit) return DECODE.needMore;
      byte = bytes[at++]!;
    }

    const lookup = bits === 64 ? this.#long : this.#legacy;
    let index = lookup.root[(map << 8) | byte]!;
    let modrm = -1;
    if (index < NO_ROW) {
      if (lookup.nodeHasModrm(index)) {
        if (at >= limit) return DECODE.needMore;
        modrm = bytes[at++]!;
      }
      index = lookup.row(index, modrm & 0xff, mandatory, rex);
    }
    if (index === NO_ROW) {
      this.#at = at;
      return DECODE.undefined;
    }
    const attributes = this.#plan.bits[index]!;
    if (attributes & MODRM && modrm < 0) {
      if (at >= limit) return DECODE.needMore;
      modrm = bytes[at++]!;
    }

    if (vex && !(attributes & VVVV) && this.#vvvv !== 0) {
      this.#at = at;
      return DECODE.undefined;
    }

    out.row = ROWS[index]!;
    out.rep = rep;
    out.lock = lock;
    out.rex = rex;
    out.hasRex = rex !== 0;
    out.asize = bits === 64 ? (asize67 ? 32 : 64) : (bits === 32) !== asize67 ? 32 : 16;
    out.opsize = vex ? (rex & 8 ? 64 : 32) : operandSize(bits, attributes, rex, opsize66);
    out.segOverride = override >= 0;
    out.seg = attributes & IMPLIED_MEMORY ? (override < 0 ? SEG.ds : override) : -1;
    out.mod = 0;
    out.reg = 0;
    out.rm = 0;
    out.isMem = false;
    out.base = -1;
    out.index = -1;
    out.scale = 0;
    out.disp = 0;
    out.immLo = 0;
    out.immHi = 0;
    out.imm2 = 0;
    this.#at = at;
    if (attributes & MODRM) {
      out.mod = attributes & ANY_MOD ? 3 : modrm >> 6;
      out.reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
      out.rm = (modrm & 7) | ((rex & 1) << 3);
      if (out.mod !== 3 && !this.#address(bits, rex, override, out)) return DECODE.needMore;
    }
    if (lock && !(attributes & LOCKABLE && out.isMem)) return DECODE.undefined;
    return this.#operands(index, byte, override, out);
  }

  /** Reads SIB and displacement (SDM vol. 2 §2.1.5, §2.2.1.3 to 6). Answers false when bytes are missing. */
  #address(bits: 16 | 32 | 64, rex: number, override: number, out: Decoded): boolean {
    out.isMem = true;
    let size = out.mod === 0 ? 0 : out.mod === 1 ? 1 : 4;
    if (out.asize === 16) {
      const form = out.rm & 7;
      if (size === 4) size = 2;
      if (out.mod === 0 && form === 6) size = 2;
      else {
        out.base = BASE_16[form]!;
        out.index = INDEX_16[form]!;
      }
    } else if ((out.rm & 7) === 4) {
      if (this.#at >= this.#limit) return false;
      const sib = this.#bytes[this.#at++]!;
      const index = ((sib >> 3) & 7) | ((rex & 2) << 2);
      if (index !== 4) {
        out.index = index;
        out.scale = sib >> 6;
      }
      if (out.mod === 0 && (sib & 7) === 5) size = 4;
      else out.base = (sib & 7) | ((rex & 1) << 3);
    } else if (out.mod === 0 && (out.rm & 7) === 5) {
      size = 4;
      if (bits === 64) out.base = BASE_RIP;
    } else {
      out.base = out.rm;
    }
    // Only rSP and rBP imply the stack segment, R12 and R13 do not (vol. 1 §3.7.4).
    out.seg = override >= 0 ? override : out.base === 4 || out.base === 5 ? SEG.ss : SEG.ds;
    if (size === 0) return true;
    const at = this.#at;
    if (at + size > this.#limit) return false;
    this.#at = at + size;
    out.disp = readSigned(this.#bytes, at, size);
    return true;
  }

  #operands(index: number, opcode: number, override: number, out: Decoded): DecodeResult {
    const { counts, from, fixed, sizes } = this.#plan;
    const count = counts[index]!;
    const sizeColumn = out.opsize >> 5; // 16, 32, 64 → 0, 1, 2
    out.count = count;
    for (let i = count; i < 4; i++) out.operands[i as 0]!.kind = OPERAND_KIND.none; // nobody is to see the last one's
    for (let i = 0; i < count; i++) {
      const at = index * MAX_OPERANDS + i;
      const operand = out.operands[i]!;
      operand.high = false;
      operand.reg = 0;
      operand.size = sizes[at * 8 + sizeColumn]!;
      switch (from[at]) {
        case FROM.rmGpr:
          if (out.isMem) setMemory(operand, sizes[at * 8 + 4 + sizeColumn]!);
          else setGpr(operand, out.rm, out.hasRex);
          break;
        case FROM.rmMm:
          if (out.isMem) setMemory(operand, sizes[at * 8 + 4 + sizeColumn]!);
          else setOperand(operand, OPERAND_KIND.mm, out.rm & 7);
          break;
        case FROM.rmXmm:
          if (out.isMem) setMemory(operand, sizes[at * 8 + 4 + sizeColumn]!);
          else setOperand(operand, OPERAND_KIND.xmm, out.rm);
          break;
        case FROM.gpr:
          setGpr(operand, out.reg, out.hasRex);
          break;
        case FROM.mm:
          setOperand(operand, OPERAND_KIND.mm, out.reg & 7);
          break;
        case FROM.xmm:
          setOperand(operand, OPERAND_KIND.xmm, out.reg);
          break;
        case FROM.segment:
          // There are six; CS is no destination.
          if ((out.reg & 7) > 5 || (i === 0 && (out.reg & 7) === SEG.cs)) return DECODE.undefined;
          setOperand(operand, OPERAND_KIND.seg, out.reg & 7);
          break;
        case FROM.control:
          if (!((CONTROL_REGISTERS >> out.reg) & 1)) return DECODE.undefined;
          setOperand(operand, OPERAND_KIND.cr, out.reg);
          break;
        case FROM.debug:
          if (out.reg > 7) return DECODE.undefined;
          setOperand(operand, OPERAND_KIND.dr, out.reg);
          break;
        case FROM.vvvv:
          setOperand(operand, OPERAND_KIND.gpr, this.#vvvv);
          break;
        case FROM.opcode:
          setGpr(operand, (opcode & 7) | ((out.rex & 1) << 3), out.hasRex);
          break;
        case FROM.st:
          setOperand(operand, OPERAND_KIND.st, out.rm & 7);
          break;
        case FROM.fixedGpr:
          setOperand(operand, OPERAND_KIND.gpr, fixed[at]!);
          break;
        case FROM.fixedSegment:
          setOperand(operand, OPERAND_KIND.seg, fixed[at]!);
          break;
        case FROM.fixedSt:
          setOperand(operand, OPERAND_KIND.st, 0);
          break;
        case FROM.fixedXmm:
          setOperand(operand, OPERAND_KIND.xmm, 0);
          break;
        case FROM.one:
          setOperand(operand, OPERAND_KIND.one, 0);
          break;
        case FROM.si:
          setOperand(operand, OPERAND_KIND.si, 0);
          out.seg = override < 0 ? SEG.ds : override;
          break;
        case FROM.di:
          setOperand(operand, OPERAND_KIND.di, 0);
          if (out.seg < 0) out.seg = SEG.es;
          break;
        case FROM.moffs:
          setOperand(operand, OPERAND_KIND.moffs, 0);
          out.seg = override < 0 ? SEG.ds : override;
          if (!this.#unsigned(out.asize >> 3, out)) return DECODE.needMore;
          break;
        case FROM.farPointer: {
          setOperand(operand, OPERAND_KIND.farptr, 0);
          if (!this.#unsigned(out.opsize >> 3, out)) return DECODE.needMore;
          const selector = this.#at;
          if (selector + 2 > this.#limit) return DECODE.needMore;
          this.#at = selector + 2;
          out.imm2 = this.#bytes[selector]! | (this.#bytes[selector + 1]! << 8);
          break;
        }
        case FROM.byte:
          if (i > 0 && from[at - 1] === FROM.word) {
            if (this.#at >= this.#limit) return DECODE.needMore;
            out.imm2 = this.#bytes[this.#at++]!;
            setOperand(operand, OPERAND_KIND.imm2, 0);
            break;
          }
          setOperand(operand, OPERAND_KIND.imm, 0);
          if (!this.#unsigned(1, out)) return DECODE.needMore;
          break;
        case FROM.word:
          setOperand(operand, OPERAND_KIND.imm, 0);
          if (!this.#unsigned(2, out)) return DECODE.needMore;
          break;
        case FROM.signedByte:
          setOperand(operand, OPERAND_KIND.imm, 0);
          if (!this.#signed(1, out)) return DECODE.needMore;
          break;
        case FROM.signed:
          setOperand(operand, OPERAND_KIND.imm, 0);
          if (!this.#signed(out.opsize === 16 ? 2 : 4, out)) return DECODE.needMore;
          break;
        case FROM.full:
          setOperand(operand, OPERAND_KIND.imm, 0);
          if (!(out.opsize === 64 ? this.#unsigned(8, out) : this.#signed(out.opsize >> 3, out)))
            return DECODE.needMore;
          break;
        case FROM.relativeByte:
          setOperand(operand, OPERAND_KIND.rel, 0);
          if (!this.#signed(1, out)) return DECODE.needMore;
          break;
        case FROM.relative:
          setOperand(operand, OPERAND_KIND.rel, 0);
          if (!this.#signed(out.opsize === 16 ? 2 : 4, out)) return DECODE.needMore;
          break;
      }
    }
    return DECODE.ok;
  }

  /** Reads an immediate of 1, 2, 4 or 8 bytes, zero-extended. Answers false when bytes are missing. */
  #unsigned(size: number, out: Decoded): boolean {
    const at = this.#at;
    if (at + size > this.#limit) return false;
    this.#at = at + size;
    const low = readSigned(this.#bytes, at, Math.min(size, 4));
    out.immLo = size === 1 ? low & 0xff : size === 2 ? low & 0xffff : low;
    out.immHi = size === 8 ? readSigned(this.#bytes, at + 4, 4) : 0;
    return true;
  }

  /** Reads an immediate of 1, 2 or 4 bytes, sign-extended. Answers false when bytes are missing. */
  #signed(size: number, out: Decoded): boolean {
    const at = this.#at;
    if (at + size > this.#limit) return false;
    this.#at = at + size;
    out.immLo = readSigned(this.#bytes, at, size);
    out.immHi = out.immLo >> 31;
    return true;
  }
}

function readSigned(bytes: Uint8Array, at: number, size: number): number {
  if (size === 1) return (bytes[at]! << 24) >> 24;
  const low = bytes[at]! | (bytes[at + 1]! << 8);
  return size === 2 ? (low << 16) >> 16 : low | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
