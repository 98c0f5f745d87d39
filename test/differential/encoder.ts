import { DECODE, Decoded, SEG } from '../../packages/accelerator/src/x86/decode/decoded.ts';
import { Decoder } from '../../packages/accelerator/src/x86/decode/decoder.ts';
import { sampleEncoding } from '../../packages/accelerator/src/x86/decode/sample.ts';
import type { Feature, Row } from '../../packages/accelerator/src/x86/isa/row.ts';
import { ROWS } from '../../packages/accelerator/src/x86/isa/rows.ts';
import type { Bits } from './case.ts';
import type { Random } from './random.ts';

/** One instruction of a case. */
export interface Part {
  readonly bytes: Uint8Array;
  readonly insn: Decoded;
}

/** Instructions that go elsewhere. */
export const GOES = /^(j|call|ret|loop)/;
/** Conditional branches that are taken while a count is not yet zero. */
export const COUNTDOWNS = /^j(nz|ns|nle)$/;
export const BIT_TESTS: ReadonlySet<string> = new Set(['bt', 'bts', 'btr', 'btc']);

/**
 * What Intel and AMD processors do differently: 66 on near branches and MOVSXD, 0F 0D with a register. AMD's take F3
 * before LOOPNE for LOOPE's condition.
 */
function isVendors({ row, length, isMem, opsize, rep }: Decoded, bytes: Uint8Array, bits: Bits): boolean {
  if (rep !== 0 && /^loopn?z$/.test(row.mnemonic)) return true;
  if (bits === 64 && row.f64 && GOES.test(row.mnemonic)) return bytes.subarray(0, length).indexOf(0x66) >= 0;
  if (row.mnemonic === 'movsxd') return opsize === 16;
  return row.opcode === '0f 0d' && !isMem;
}

/** Prefixes of which only the last counts. */
const IDLE_PREFIXES = [0x2e, 0x3e, 0x26, 0x36, 0x3e];

/** Makes encodings of rows, and changes what is in them. */
export class Encoder {
  readonly #random: Random;
  readonly #decoder: Decoder;
  readonly bits: Bits;

  constructor(bits: Bits, has: (feature: Feature) => boolean, random: Random) {
    this.bits = bits;
    this.#random = random;
    this.#decoder = new Decoder(has);
  }

  /** An encoding of a row; undefined when twenty attempts came out as something else. */
  encode(row: Row, main: boolean): Part | undefined {
    const random = this.#random;
    for (let attempt = 0; attempt < 20; attempt++) {
      const bytes = sampleEncoding(row, this.bits, random.below);
      if (row.map > 0 && !row.prefix && random.oneIn(4)) bytes.unshift(0x66);
      if ((row.prefix === 'f2' || row.prefix === 'f3') && random.oneIn(8)) bytes.unshift(0x66);
      if (main && random.oneIn(16)) bytes.unshift(...IDLE_PREFIXES.slice(random.below(IDLE_PREFIXES.length)));
      if (row.rep && random.oneIn(2)) bytes.unshift(random.oneIn(2) ? 0xf2 : 0xf3);
      if (row.lock && main && random.oneIn(4)) bytes.unshift(0xf0);
      const insn = new Decoded(row);
      const given = Uint8Array.from(bytes);
      if (this.#decoder.decode(given, 0, given.length, this.bits, insn) !== DECODE.ok) continue;
      if (insn.row.index !== row.index) continue;
      if (!this.#isComparable(insn, given)) continue;
      // There is no memory where 16-bit addresses of 32-bit code go: only faults come of them.
      if (this.bits === 32 && insn.asize === 16 && insn.seg >= 0 && !random.oneIn(16)) continue;
      const part = { bytes: given.slice(0, insn.length), insn };
      this.#chooseImmediate(part);
      return part;
    }
    return undefined;
  }

  /** CMP AL, imm8: sets every status flag. */
  compareAl(): Part {
    return this.#given(0x3c, this.#random.word());
  }

  /** DEC ECX, or CX in 16-bit code. */
  countDown(): Part {
    return this.#given(0xff, 0xc9);
  }

  #given(...bytes: number[]): Part {
    const part = { bytes: Uint8Array.from(bytes), insn: new Decoded(ROWS[0]!) };
    this.redecode(part);
    return part;
  }

  /** The instructions in a piece of code; undefined when they are not all of rows that `isWanted`. */
  parts(code: Uint8Array, isWanted: (row: Row) => boolean): Part[] | undefined {
    const parts: Part[] = [];
    for (let at = 0; at < code.length; ) {
      const insn = new Decoded(ROWS[0]!);
      if (this.#decoder.decode(code, at, code.length, this.bits, insn) !== DECODE.ok) return undefined;
      const bytes = code.slice(at, at + insn.length);
      if (!isWanted(insn.row) || !this.#isComparable(insn, bytes)) return undefined;
      parts.push({ bytes, insn });
      at += insn.length;
    }
    return parts;
  }

  #isComparable(insn: Decoded, bytes: Uint8Array): boolean {
    if (isVendors(insn, bytes, this.bits)) return false;
    // Whether a byte that is not stored may fault is the processor's affair, and 16-bit addresses lead to no memory.
    if (this.bits === 32 && insn.asize === 16 && insn.row.mnemonic.startsWith('maskmov')) return false;
    return this.bits === 64 || (insn.seg !== SEG.fs && insn.seg !== SEG.gs); // null
  }

  /** Immediates that matter, in place of random ones: counts around the widths, small numbers, edges. */
  #chooseImmediate(part: Part): void {
    const random = this.#random;
    const { bytes, insn } = part;
    const spec = insn.row.operands.find(({ addressing }) => addressing === 'I');
    if (!spec || random.oneIn(2)) return;
    if (insn.row.mnemonic === 'enter') {
      bytes[bytes.length - 3] = random.below(64);
      bytes[bytes.length - 2] = 0;
      bytes[bytes.length - 1] = random.below(6);
    } else if (spec.type === 'b' && insn.operands[0].size > 8) bytes[bytes.length - 1] = this.count();
    else if (spec.type === 'b' || spec.type === 'bs')
      bytes[bytes.length - 1] = random.pick([0, 1, 2, 0x7f, 0x80, 0xff, this.count()]);
    else {
      const size = spec.type === 'w' ? 2 : spec.type === 'v' ? insn.opsize / 8 : Math.min(4, insn.opsize / 8);
      let value = random.value();
      for (let at = bytes.length - size; at < bytes.length; at++, value >>= 8n) bytes[at] = Number(value & 0xffn);
    }
    this.redecode(part);
  }

  /** Writes a displacement of 2 or 4 bytes, wherever in the instruction it is. */
  patchDisplacement(part: Part, value: bigint): void {
    const size = part.insn.asize === 16 ? 2 : 4;
    const wanted = Number(BigInt.asIntN(8 * size, value));
    for (let at = 2; at + size <= part.bytes.length; at++) {
      const bytes = part.bytes.slice();
      const view = new DataView(bytes.buffer);
      if (size === 2) view.setInt16(at, wanted, true);
      else view.setInt32(at, wanted, true);
      const trial = new Decoded(part.insn.row);
      const { bytes: old, insn } = part;
      if (this.#decoder.decode(bytes, 0, bytes.length, this.bits, trial) !== DECODE.ok) continue;
      if (trial.disp !== wanted || trial.row !== insn.row || trial.length !== insn.length) continue;
      if (trial.base !== insn.base || trial.index !== insn.index) continue;
      old.set(bytes);
      this.redecode(part);
      return;
    }
  }

  redecode({ bytes, insn }: Part): boolean {
    return this.#decoder.decode(bytes, 0, bytes.length, this.bits, insn) === DECODE.ok;
  }

  /** A count of bits, often near the widths. */
  count(): number {
    return this.#random.pick([0, 1, 2, 7, 8, 9, 15, 16, 17, 18, 31, 32, 33, 63, 64, 65, this.#random.below(256)]);
  }
}
