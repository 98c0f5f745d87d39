import { BASE_RIP, OPERAND_KIND } from '../../packages/accelerator/src/x86/decode/decoded.ts';
import type { Feature, Row } from '../../packages/accelerator/src/x86/isa/row.ts';
import { GPR } from '../../packages/accelerator/src/x86/state.ts';
import { type Bits, type Case, CODE, COMPARED_FLAGS, MAX_CODE } from './case.ts';
import { Encoder, GOES, type Part } from './encoder.ts';
import type { Random } from './random.ts';
import { Start } from './start.ts';
import { isUndefined, undefinedFlags } from './undefined-flags.ts';

/** A case with what is known of how it came about. */
export interface Generated extends Case {
  /** The row that it is about. */
  readonly row: Row;
  readonly parts: readonly Part[];
  /** Flags that both sides may set as they like. */
  readonly undefinedFlags: number;
}

/** What fills cases up: what sets flags in each way there is, and what looks at them. */
const FILLERS =
  /^(add|adc|sub|sbb|cmp|and|or|xor|test|inc|dec|neg|not|shl|shr|sar|rol|ror|rcl|rcr|imul|bt|btr|bts|set.*|cmov.*|mov|movzx|movsx|lea|cmc|stc|clc|lahf|sahf|xchg|xadd|cmpxchg|popcnt|cbw|cwd)$/;

/** Registers as 32-bit code has them. */
const narrow = (gpr: BigUint64Array): BigUint64Array => gpr.map((value, n) => (n < 8 ? value & 0xffff_ffffn : 0n));

/** Makes cases out of rows. */
export class Generator {
  readonly rows: readonly Row[];
  readonly #random: Random;
  readonly #encoder: Encoder;
  readonly #fillers: readonly Row[];

  /** @param rows those that cases are made of. */
  constructor(rows: readonly Row[], bits: Bits, has: (feature: Feature) => boolean, random: Random) {
    this.rows = rows;
    this.#random = random;
    this.#encoder = new Encoder(bits, has, random);
    this.#fillers = rows.filter(({ mnemonic }) => FILLERS.test(mnemonic));
  }

  /** A case about a row; undefined when no encoding came up that suits. */
  next(row: Row): Generated | undefined {
    const random = this.#random;
    const start = new Start(this.#encoder, random);

    const main = this.#encoder.encode(row, true);
    if (!main) return undefined;
    const goes = GOES.test(row.mnemonic);
    const alone = !goes && random.oneIn(2);
    const before = alone ? [] : this.#fill(random.below(3));
    const after = alone ? [] : this.#fill(random.below(3) + (goes ? 1 : 0));
    const length = before.length + after.length;
    if (after.length > 0 && undefinedFlags(main.insn) !== 0) after.unshift(this.#encoder.compareAl());
    const parts = [...before, main, ...after];
    const size = parts.reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (size > MAX_CODE - 1) return undefined;

    // Often across the page boundary.
    const rip = CODE.address + (random.oneIn(3) ? 0x1000 - random.below(size + 1) : random.below(0x1f00));
    const mainAt = rip + before.reduce((sum, { bytes }) => sum + bytes.length, 0);
    start.pinOperands(main, mainAt);
    if (goes) start.pinTarget(main, mainAt, before, after);
    let at = rip;
    for (const part of parts) {
      start.patchAddress(part, at);
      at += part.bytes.length;
    }
    const cl = length === 0 ? Number(start.gpr[GPR.rcx]! & 0xffn) : undefined;
    if (isUndefined(main.insn, cl)) return undefined;

    const code = new Uint8Array(size);
    at = 0;
    for (const { bytes } of parts) {
      code.set(bytes, at);
      at += bytes.length;
    }
    return {
      row,
      parts,
      code,
      rip,
      gpr: this.#encoder.bits === 64 ? start.gpr : narrow(start.gpr),
      bits: this.#encoder.bits,
      flags: random.word() & COMPARED_FLAGS,
      window: start.window,
      // Only the last instruction leaves them; the others are followed by one that sets all flags.
      undefinedFlags: undefinedFlags(parts.at(-1)!.insn, cl),
    };
  }

  /** Fillers, each followed by CMP AL, imm8 if it leaves flags undefined. */
  #fill(count: number): Part[] {
    const random = this.#random;
    const parts: Part[] = [];
    while (count > 0) {
      const part = this.#encoder.encode(random.pick(this.#fillers), false);
      if (!part) continue;
      // Memory by an address of its own, since who knows what is in registers by now.
      const { insn } = part;
      const absolute = insn.base === BASE_RIP || (insn.base < 0 && insn.index < 0);
      if (insn.isMem && (!absolute || insn.asize !== this.#encoder.bits)) continue;
      if (insn.operands[0].kind === OPERAND_KIND.moffs || insn.operands[1].kind === OPERAND_KIND.moffs) continue;
      if (isUndefined(insn)) continue;
      parts.push(part);
      if (undefinedFlags(insn) !== 0) parts.push(this.#encoder.compareAl());
      count--;
    }
    return parts;
  }
}
