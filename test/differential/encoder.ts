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
export const BIT_TESTS: ReadonlySet<string> = new Set(['bt', 'bts', 'btr', 'btc']);

/** What Intel and AMD processors do differently: 66 on near branches and MOVSXD, 0F 0D with a register. */
function isVendors({ row, length, isMem, opsize }: Decoded, bytes: Uint8Array, bits: Bits): boolean {
  if (bits === 64 && row.f64 && GOES.test(row.mnemonic)) return bytes.subarray(0, length).indexOf(0x66) >= 0;
  if (row.mnemonic === 'movsxd') return opsize === 16;
  return row.opcode === '0f 0d' && !isMem;
}

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
      if (row.rep && random.oneIn(2)) bytes.unshift(random.oneIn(2) ? 0xf2 : 0xf3);
      if (row.lock && main && random.oneIn(4)) bytes.unshift(0xf0);
      const insn = new Decoded(row);
      const given = Uint8Array.from(bytes);
      if (this.#decoder.decode(given, 0, given.length, this.bits, insn) !== DECODE.ok) continue;
      if (insn.row.index !== row.index) continue;
      if (insn.seg === SEG.fs) continue; // the C library's
      if (isVendors(insn, given, this.bits)) continue;
      if (this.bits !== 64 && insn.seg === SEG.gs) continue; // null
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
    const bytes = Uint8Array.of(0x3c, this.#random.word());
    const part = { bytes, insn: new Decoded(ROWS[0]!) };
    this.redecode(part);
    return part;
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
