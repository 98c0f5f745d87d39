import { BASE_RIP, OPERAND_KIND } from '../../packages/accelerator/src/x86/decode/decoded.ts';
import type { Feature, Row } from '../../packages/accelerator/src/x86/isa/row.ts';
import { GPR } from '../../packages/accelerator/src/x86/state.ts';
import { type Bits, type Case, CODE, COMPARED_FLAGS, MAX_CODE } from './case.ts';
import { COUNTDOWNS, Encoder, GOES, type Part } from './encoder.ts';
import { hasImage, hasPieces, isApproximate, isSolitary, type LeftOpen, pointersOf } from './left-open.ts';
import type { Random } from './random.ts';
import { Start } from './start.ts';
import { isUndefined, undefinedFlags } from './undefined-flags.ts';

/** A case with what is known of how it came about. */
export interface Generated extends Case {
  /** The row that it is about. */
  readonly row: Row;
  readonly parts: readonly Part[];
  /** Which of {@link parts} is of {@link row}. */
  readonly main: number;
  /** It counts rCX down in a loop. */
  readonly countdown: boolean;
  readonly leftOpen: LeftOpen;
}

/** A sequence of instructions at an address, before it is known what it starts with. */
type Sequence = Pick<Generated, 'row' | 'parts' | 'main' | 'countdown' | 'code' | 'rip'>;

/** What fills integer cases up: what sets flags in each way there is, and what looks at them. */
const FILLERS =
  /^(add|adc|sub|sbb|cmp|and|or|xor|test|inc|dec|neg|not|shl|shr|sar|rol|ror|rcl|rcr|imul|bt|btr|bts|set.*|cmov.*|mov|movzx|movsx|lea|cmc|stc|clc|lahf|sahf|xchg|xadd|cmpxchg|popcnt|cbw|cwd)$/;
/** After these, little goes on as before. */
const UPSETS = new Set(['fldenv', 'frstor', 'fldcw', 'clflush']);
/** Instructions of a case at most, those apart that set undefined flags. */
const MAX_PARTS = 12;

type Family = 'integer' | 'mmx' | 'sse' | 'x87';
function familyOf({ unit }: Row): Family {
  if (unit === 'sse') return 'sse';
  if (unit === 'mmx' || unit === 'sse+mmx') return 'mmx';
  return unit === undefined ? 'integer' : 'x87';
}

/** Registers as 32-bit code has them. */
const narrow = (gpr: BigUint64Array): BigUint64Array => gpr.map((value, n) => (n < 8 ? value & 0xffff_ffffn : 0n));
const sizeOf = (parts: readonly Part[]): number => parts.reduce((sum, { bytes }) => sum + bytes.length, 0);

/** Whether direct branches go to starts of instructions, or out of the code: who knows what is in between. */
function staysOnStarts(parts: readonly Part[]): boolean {
  const starts = new Set<number>();
  let end = 0;
  for (const { bytes } of parts) {
    starts.add(end);
    end += bytes.length;
  }
  let at = 0;
  for (const { bytes, insn } of parts) {
    at += bytes.length;
    const to = at + insn.immLo;
    if (insn.operands[0].kind === OPERAND_KIND.rel && to >= 0 && to < end && !starts.has(to)) return false;
  }
  return true;
}

/** Makes cases out of rows, and out of other cases. */
export class Generator {
  readonly rows: readonly Row[];
  readonly #random: Random;
  readonly #encoder: Encoder;
  readonly #fillers: Readonly<Record<Family, readonly Row[]>>;
  readonly #wanted: ReadonlySet<Row>;

  /** @param rows those that cases are made of. */
  constructor(rows: readonly Row[], bits: Bits, has: (feature: Feature) => boolean, random: Random) {
    this.rows = rows;
    this.#random = random;
    this.#encoder = new Encoder(bits, has, random);
    this.#wanted = new Set(rows);
    const fillers = (family: Family): Row[] =>
      rows.filter(
        row =>
          familyOf(row) === family &&
          (family !== 'integer' || FILLERS.test(row.mnemonic)) &&
          !isSolitary(row) &&
          !row.impliedMemory &&
          !UPSETS.has(row.mnemonic),
      );
    this.#fillers = { integer: fillers('integer'), mmx: fillers('mmx'), sse: fillers('sse'), x87: fillers('x87') };
  }

  /** Cases about a row, all of the same code; none when no encoding came up that suits. */
  next(row: Row, count: number): Generated[] {
    const random = this.#random;
    const main = this.#encoder.encode(row, true);
    if (!main) return [];
    const goes = GOES.test(row.mnemonic);
    const countdown = COUNTDOWNS.test(row.mnemonic) && random.oneIn(3);
    const alone = isSolitary(row) || (!goes && random.oneIn(2));
    const most = random.oneIn(4) ? MAX_PARTS / 2 : 3;
    const family = familyOf(row);
    const before = alone ? [] : this.#fill(random.below(most), family, goes);
    const after = alone ? [] : this.#fill(random.below(most) + (goes ? 1 : 0), family, false);
    if (countdown) before.push(this.#encoder.countDown());
    if (after.length > 0 && undefinedFlags(main.insn) !== 0) after.unshift(this.#encoder.compareAl());
    const parts = [...before, main, ...after];
    const size = sizeOf(parts);
    if (size > MAX_CODE - 1) return [];
    const rip = this.#placeCode(size);
    return this.#cases({ row, parts, main: before.length, countdown, code: new Uint8Array(size), rip }, count, false);
  }

  /** Often across the page boundary. */
  #placeCode(size: number): number {
    const random = this.#random;
    return CODE.address + (random.oneIn(3) ? 0x1000 - random.below(size + 1) : random.below(0x1f00));
  }

  /** Cases like another: with other registers and memory, a byte of code changed, or another's instructions behind. */
  mutate(from: Generated, other: Generated, count: number): Generated[] {
    const random = this.#random;
    switch (random.below(3)) {
      case 0: {
        const code = from.code.slice();
        code[random.below(code.length)] = random.oneIn(2) ? random.word() : random.pick([0x66, 0x67, 0xf2, 0xf3, 0x48]);
        return this.#mutated(code, from, count);
      }
      case 1: {
        const code = Uint8Array.from([...from.code, ...other.code]);
        return code.length < MAX_CODE ? this.#mutated(code, from, count) : [];
      }
      default:
        return this.#cases(from, count, true);
    }
  }

  #mutated(code: Uint8Array, { rip, countdown }: Generated, count: number): Generated[] {
    const parts = this.#encoder.parts(code, row => this.#wanted.has(row));
    if (!parts || parts.length > 2 * MAX_PARTS) return [];
    const main = this.#random.below(parts.length);
    const { row } = parts[main]!.insn;
    if (parts.length > 1 && parts.some(({ insn }) => isSolitary(insn.row))) return [];
    // What is left undefined must not be seen by the next one.
    if (parts.some(({ insn }, n) => isUndefined(insn) || (n < parts.length - 1 && undefinedFlags(insn) !== 0)))
      return [];
    if (!staysOnStarts(parts)) return [];
    const at = Math.min(rip, CODE.address + CODE.size - code.length - 1);
    return this.#cases({ row, parts, main, countdown, code, rip: at }, count, true);
  }

  #cases(sequence: Sequence, count: number, frozen: boolean): Generated[] {
    const found: Generated[] = [];
    for (let n = 0; n < count; n++) {
      const made = this.#start(sequence, frozen || n > 0);
      if (n === 0 && !made) return [];
      if (made) found.push(made);
    }
    return found;
  }

  /** Chooses registers and memory for a sequence; the first time also what its code says of them. */
  #start(sequence: Sequence, frozen: boolean): Generated | undefined {
    const random = this.#random;
    const { row, parts, main: index, countdown, code, rip } = sequence;
    const main = parts[index]!;
    const start = new Start(this.#encoder, random, { frozen, floating: row.unit !== undefined });
    const mainAt = rip + sizeOf(parts.slice(0, index));
    start.pinOperands(main, mainAt);
    if (GOES.test(row.mnemonic))
      start.pinTarget(main, mainAt, parts.slice(0, index), parts.slice(index + 1), countdown);
    else if (countdown) start.pinCount(Math.min(32, this.#encoder.bits));
    let at = rip;
    for (const part of parts) {
      start.patchAddress(part, at);
      at += part.bytes.length;
    }
    const cl = parts.length === 1 ? Number(start.gpr[GPR.rcx]! & 0xffn) : undefined;
    if (isUndefined(main.insn, cl)) return undefined;
    at = 0;
    for (const { bytes } of frozen ? [] : parts) {
      code.set(bytes, at);
      at += bytes.length;
    }
    return {
      ...sequence,
      gpr: this.#encoder.bits === 64 ? start.gpr : narrow(start.gpr),
      bits: this.#encoder.bits,
      flags: random.word() & COMPARED_FLAGS,
      window: start.window,
      fpu: start.fpu,
      leftOpen: {
        // Only the last instruction leaves them; the others are followed by one that sets all flags.
        flags: undefinedFlags(parts.at(-1)!.insn, cl),
        approximate: isApproximate(row),
        images: this.#places(parts, rip, hasImage),
        pieces: this.#places(parts, rip, hasPieces),
        memory: pointersOf(main.insn, main.insn.isMem ? start.addressOf(main.insn, mainAt) : 0n),
      },
    };
  }

  /** Where RIP is at instructions of some kind. */
  #places(parts: readonly Part[], rip: number, isWanted: (row: Row) => boolean): number[] {
    let at = this.#encoder.bits === 16 ? rip - CODE.address : rip;
    const found: number[] = [];
    for (const { bytes, insn } of parts) {
      if (isWanted(insn.row)) found.push(at);
      at += bytes.length;
    }
    return found;
  }

  /** Fillers, each followed by CMP AL, imm8 if it leaves flags undefined. @param loops they must leave rCX alone */
  #fill(count: number, family: Family, loops: boolean): Part[] {
    const random = this.#random;
    const parts: Part[] = [];
    for (let attempt = 0; count > 0 && attempt < 100; attempt++) {
      const own = this.#fillers[random.oneIn(6) ? random.pick(['integer', 'mmx', 'sse', 'x87'] as const) : family];
      const part = own.length > 0 && this.#encoder.encode(random.pick(own), false);
      if (!part) continue;
      // Memory by an address of its own, since who knows what is in registers by now.
      const { insn } = part;
      const absolute = insn.base === BASE_RIP || (insn.base < 0 && insn.index < 0);
      if (insn.isMem && (!absolute || insn.asize !== this.#encoder.bits)) continue;
      if (insn.operands[0].kind === OPERAND_KIND.moffs || insn.operands[1].kind === OPERAND_KIND.moffs) continue;
      if (isUndefined(insn)) continue;
      if (loops && insn.operands.some(({ kind, reg }) => kind === OPERAND_KIND.gpr && reg === GPR.rcx)) continue;
      parts.push(part);
      if (undefinedFlags(insn) !== 0) parts.push(this.#encoder.compareAl());
      count--;
    }
    return parts;
  }
}
