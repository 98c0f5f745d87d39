import type { Cpu } from './cpu.ts';
import { BASE_RIP, DECODE, Decoded, type DecodeResult, OPERAND_KIND, SEG } from './decode/decoded.ts';
import { Decoder, MAX_LENGTH } from './decode/decoder.ts';
import type { Escape } from './escapes/escape.ts';
import { ESCAPES } from './escapes/index.ts';
import { VECTOR } from './fault.ts';
import type { HandlerTable } from './interpreter/handler-table.ts';
import { ADDRESSING, type Addressing, isRegister, LINK, RECORD } from './interpreter/record.ts';
import { addressHandler, SPECIAL } from './interpreter/special.ts';
import { ROWS } from './isa/rows.ts';
import { MODE } from './mode.ts';
import { SEGREG } from './registers.ts';
import { crPlace, RECORDS, SEGMENT, STATE } from './state.ts';
import { x87Opcode } from './x87/opcode.ts';

/** Instruction that the interpreter hands to TypeScript, by index in the record. */
interface Escaping {
  run: Escape;
  insn: Decoded;
}

/** Instructions in one block at most; bounds how long an interrupt waits for the end of a block. */
export const MAX_BLOCK = 64;
/** Records that a block can take: two an instruction, one to go on with. */
export const MAX_RECORDS = 2 * MAX_BLOCK + 2;
/** Instructions handed to TypeScript that are kept at most: they cost the host's heap more than records do. */
const MAX_ESCAPES = 2 ** 17;
/** Where blocks that are not kept are put: single steps, code in device memory. */
export const SCRATCH: number = RECORDS.base;
/** The first of those that are kept. */
export const FIRST: number = SCRATCH + MAX_RECORDS * RECORD.size;
/** Offset of the base of CS. */
export const CS_BASE: number = STATE.segments + SEGREG.cs * SEGMENT.size + SEGMENT.base;

const raiseUndefined: Escape = cpu => cpu.raise(VECTOR.ud);
const raiseTooLong: Escape = cpu => cpu.gp();
const NOTHING = new Decoded(ROWS[0]!);

/** Turns guest code into records. Where they go, and how long they are good, is the code cache's business. */
export class Predecoder {
  readonly #cpu: Cpu;
  readonly #decoder: Decoder;
  readonly #insn = new Decoded(ROWS[0]!);
  readonly #redecoded = new Decoded(ROWS[0]!);
  readonly #again: Escaping = { run: raiseUndefined, insn: this.#redecoded };
  #handlers!: HandlerTable;
  /** Instructions that records hand to TypeScript; the first place is for blocks that are not kept. */
  readonly #escapes: Escaping[] = [{ run: raiseUndefined, insn: NOTHING }];
  /** An instruction that does not lie in one page of guest memory, for {@link block}. */
  readonly bytes: Uint8Array = new Uint8Array(MAX_LENGTH);
  /** Bytes of code that the last {@link block} was made from. */
  decodedBytes = 0;

  #decoded = 0;

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
    this.#decoder = new Decoder(feature => cpu.has(feature));
  }

  use(handlers: HandlerTable): void {
    this.#handlers = handlers;
  }

  /** Forgets the instructions that records hand to TypeScript: no record is left. */
  clear(): void {
    this.#escapes.length = 1;
  }

  /** Instructions decoded since the last call. */
  takeDecoded(): number {
    const decoded = this.#decoded;
    this.#decoded = 0;
    return decoded;
  }

  /** There is no room for another block's escapes. */
  get full(): boolean {
    return this.#escapes.length > MAX_ESCAPES - MAX_BLOCK;
  }

  /** Whether the first `count` of {@link bytes} are a whole instruction (or none at all). */
  complete(count: number): boolean {
    return (
      this.#decoder.decode(this.bytes, 0, count, this.#cpu.codeBits, this.#insn, this.#cpu.hasVex) !== DECODE.needMore
    );
  }

  /**
   * The instruction at RIP, for an escape in the middle of a described instruction: that of `record`.
   * @returns undefined when something else is mapped there by now, which the guest did not say by INVLPG
   */
  again(record: number): Escaping | undefined {
    const { r, mmu, privilege, bits64, codeBits } = this.#cpu;
    const escaping = this.#again;
    let result: DecodeResult = DECODE.ok;
    if (record < FIRST)
      escaping.insn = this.#insn; // what is not kept was decoded last
    else {
      const low = bits64 ? r.i32[STATE.rip / 4]! : (r.i32[STATE.rip / 4]! + r.i32[CS_BASE / 4]!) | 0;
      const high = bits64 ? r.i32[STATE.rip / 4 + 1]! : 0;
      for (let i = 0, page = -1; i < MAX_LENGTH; i++) {
        const at = (low + i) | 0;
        if (i === 0 || (at & 0xfff) === 0) {
          if (i > 0 && this.complete(i)) break;
          page = mmu.fetch(at, at === 0 && i > 0 && bits64 ? high + 1 : high, privilege);
          if (page < 0) return undefined;
        }
        this.bytes[i] = r.u8[page + (at & 0xfff)]!;
      }
      escaping.insn = this.#redecoded;
      result = this.#decoder.decode(this.bytes, 0, MAX_LENGTH, codeBits, escaping.insn, this.#cpu.hasVex);
    }
    const { insn } = escaping;
    const run = ESCAPES[insn.row.mnemonic];
    if (result !== DECODE.ok || !run || insn.length !== r.u8[record + RECORD.length]) return undefined;
    escaping.run = run;
    return escaping;
  }

  /** Keeps an instruction for an escape record. @returns its index */
  keep(insn: Decoded): number {
    return this.#escapes.push({ run: ESCAPES[insn.row.mnemonic] ?? raiseUndefined, insn }) - 1;
  }

  /** The instruction that an escape record stands for. */
  escape(index: number): Escaping {
    return this.#escapes[index]!;
  }

  /**
   * Decodes a block into records.
   * @param at offset of the first byte in the guest memory, or −1 for {@link bytes}
   * @param limit offset behind the last byte that may be read
   * @param pageOffset of the first byte
   * @param kept the block stays, so that links into and out of it may
   * @returns offset behind the last record; −1 when not even the first instruction ends before `limit`
   */
  block(records: number, at: number, limit: number, pageOffset: number, maximum: number, kept: boolean): number {
    const cpu = this.#cpu;
    const insn = this.#insn;
    const source = at < 0 ? this.bytes : cpu.r.u8;
    const first = Math.max(at, 0);
    const bits = cpu.codeBits;
    let next = records;
    let distance = 0;
    let count = 0;
    let ended = false;
    while (!ended && count < maximum) {
      const result = this.#decoder.decode(source, first + distance, limit, bits, insn, cpu.hasVex);
      if (result === DECODE.needMore) {
        if (count === 0) return -1;
        break;
      }
      if (result !== DECODE.ok) {
        this.#record(next, SPECIAL.escape, distance, count);
        this.#setEscape(next, result === DECODE.undefined ? raiseUndefined : raiseTooLong, NOTHING, kept);
        next += RECORD.size;
        // What it is undefined for is in its later bytes, too.
        this.decodedBytes = Math.min(distance + MAX_LENGTH, limit - first);
        return next;
      }
      this.#decoded++;
      next = this.#emit(next, insn, distance, count, pageOffset, kept);
      distance += insn.length;
      count++;
      ended = this.#handlers.ends(insn.row);
      if (pageOffset + distance >= 4096) break;
    }
    this.decodedBytes = distance;
    if (!ended || maximum === 1) {
      this.#record(next, SPECIAL.through, distance, count);
      cpu.r.u32[(next + RECORD.taken) >> 2] =
        kept && this.#linkable(pageOffset, distance) ? LINK.unknown : LINK.dynamic;
      next += RECORD.size;
    }
    return next;
  }

  /** Whether a direct link may be kept to code this far from the start of the block: same page, no wrap, no limit. */
  #linkable(pageOffset: number, distance: number): boolean {
    const target = pageOffset + distance;
    return target >= 0 && target < 4096 && (this.#cpu.mode & MODE.wholeCode) !== 0;
  }

  /**
   * The record in front of an instruction on two pages.
   * @param nextPage offset in the memory of the page where it goes on
   */
  straddle(at: number, nextPage: number): void {
    const { bits64, r } = this.#cpu;
    this.#record(at, SPECIAL.straddle, 0, 0);
    r.u32[(at + RECORD.nextPage) >> 2] = nextPage;
    r.u16[(at + RECORD.base) >> 1] = bits64 ? STATE.zero : CS_BASE;
    r.i32[(at + RECORD.imm) >> 2] = -1;
    r.i32[(at + RECORD.imm + 4) >> 2] = bits64 ? -1 : 0;
  }

  #record(at: number, handler: number, start: number, count: number): void {
    const { u32, u16 } = this.#cpu.r;
    u32.fill(0, at >> 2, (at + RECORD.size) >> 2);
    u32[(at + RECORD.handler) >> 2] = handler;
    u16[(at + RECORD.start) >> 1] = start;
    u16[(at + RECORD.count) >> 1] = count;
  }

  #setEscape(at: number, run: Escape, insn: Decoded, kept: boolean): void {
    let index = 0;
    if (kept) index = this.#escapes.push({ run, insn }) - 1;
    else this.#escapes[0] = { run, insn };
    this.#cpu.r.u32[(at + RECORD.imm) >> 2] = index;
  }

  #emit(first: number, insn: Decoded, start: number, count: number, pageOffset: number, kept: boolean): number {
    const cpu = this.#cpu;
    const { u32, i32, u16, u8 } = cpu.r;
    const handlers = this.#handlers;
    let at = first;
    const long = (cpu.mode & MODE.code) === 2;
    const flatMode = (cpu.mode & MODE.flat) !== 0;
    const { seg } = insn;
    const flat =
      flatMode &&
      (long ? !insn.segOverride || seg < SEG.fs : seg < 0 || seg === SEG.ds || seg === SEG.es || seg === SEG.ss);
    // Operands beyond `count` are another instruction's.
    const kindOf = (n: 0 | 1): number => (n < insn.count ? insn.operands[n].kind : OPERAND_KIND.none);
    // What hangs on these registers is not for descriptions.
    const system = kindOf(0) === OPERAND_KIND.cr || kindOf(0) === OPERAND_KIND.dr || kindOf(1) === OPERAND_KIND.dr;
    const memory = insn.isMem || kindOf(0) === OPERAND_KIND.moffs || kindOf(1) === OPERAND_KIND.moffs;

    const state = handlers.state(insn, cpu.stackBits, flat, long);
    let handler = -1;
    let addressing: Addressing = ADDRESSING.none;
    if (memory) {
      const direct = long ? insn.asize === 64 && flat : insn.asize === 32 && flat;
      const fits =
        insn.base !== BASE_RIP ||
        (Number.isSafeInteger(insn.disp + start + insn.length) &&
          insn.disp + start + insn.length === ((insn.disp + start + insn.length) | 0));
      if (direct && fits && insn.isMem) {
        addressing = long ? ADDRESSING.flat64 : ADDRESSING.flat32;
        handler = handlers.find(insn.row, state, addressing);
      }
      if (handler < 0) {
        addressing = ADDRESSING.slot;
        handler = handlers.find(insn.row, state, addressing);
      }
    } else if (!system) handler = handlers.find(insn.row, state, addressing);

    if (handler < 0) {
      this.#record(at, SPECIAL.escape, start, count);
      u8[at + RECORD.length] = insn.length;
      this.#setEscape(at, ESCAPES[insn.row.mnemonic] ?? raiseUndefined, insn.copy(), kept);
      return at + RECORD.size;
    }

    if (memory && addressing === ADDRESSING.slot && !handlers.ignoresMemory(insn.row)) {
      const kind = long ? (flat ? 'flat' : 'based') : flat ? 'flat' : 'checked';
      this.#record(at, addressHandler(insn.asize, kind), start, count);
      u8[at + RECORD.length] = insn.length;
      this.#address(at, insn, start);
      const operand = insn.operands.find(o => o.kind === OPERAND_KIND.mem || o.kind === OPERAND_KIND.moffs)!;
      u16[(at + RECORD.a) >> 1] = Math.max(1, operand.size >> 3);
      u16[(at + RECORD.b) >> 1] = handlers.writesMemory(handler) ? 1 : 0;
      at += RECORD.size;
    }

    this.#record(at, handler, start, count);
    u8[at + RECORD.length] = insn.length;
    let field = RECORD.a as number;
    const lastField = memory ? RECORD.b : RECORD.base;
    for (let n = 0; n < insn.count && field <= lastField; n++) {
      const { kind, reg, high } = insn.operands[n as 0]!;
      if (!isRegister(kind)) continue;
      u16[(at + field) >> 1] =
        kind === OPERAND_KIND.gpr
          ? STATE.gpr + 8 * reg + (high ? 1 : 0)
          : kind === OPERAND_KIND.seg
            ? STATE.segments + SEGMENT.size * reg
            : kind === OPERAND_KIND.cr
              ? crPlace(reg)
              : kind === OPERAND_KIND.mm
                ? STATE.x87 + 16 * reg
                : kind === OPERAND_KIND.st
                  ? reg
                  : STATE.xmm + 16 * reg;
      field += 2;
    }
    i32[(at + RECORD.imm) >> 2] = insn.immLo;
    i32[(at + RECORD.imm + 4) >> 2] = insn.immHi;
    if (seg >= 0) u16[(at + RECORD.segment) >> 1] = STATE.segments + SEGMENT.size * seg;
    if (memory) {
      const displacement = insn.base === BASE_RIP ? insn.disp + start + insn.length : insn.disp;
      this.#base(at, insn);
      i32[(at + RECORD.disp) >> 2] = displacement;
      if (handlers.ignoresMemory(insn.row)) this.#address(at, insn, start); // LEA
    }
    if (insn.row.unit === 'x87') {
      u16[(at + RECORD.opcode) >> 1] = x87Opcode(insn);
      if (addressing === ADDRESSING.slot) {
        u16[(at + RECORD.segmentBase) >> 1] = flat ? STATE.zero : STATE.segments + SEGMENT.size * seg + SEGMENT.base;
        u8[at + RECORD.narrower] = flat || long ? 0 : 32;
      }
    }
    if (kindOf(0) === OPERAND_KIND.rel) {
      const target = start + insn.length + insn.immLo;
      i32[(at + RECORD.disp) >> 2] = target;
      const near = insn.opsize !== 16 && kept;
      u32[(at + RECORD.taken) >> 2] = near && this.#linkable(pageOffset, target) ? LINK.unknown : LINK.dynamic;
      u32[(at + RECORD.fallthrough) >> 2] =
        kept && this.#linkable(pageOffset, start + insn.length) ? LINK.unknown : LINK.dynamic;
    }
    return at + RECORD.size;
  }

  #base(at: number, insn: Decoded): void {
    const { u16, u8 } = this.#cpu.r;
    u16[(at + RECORD.base) >> 1] =
      insn.base === BASE_RIP ? STATE.blockRip : insn.isMem && insn.base >= 0 ? STATE.gpr + 8 * insn.base : STATE.zero;
    u16[(at + RECORD.index) >> 1] = insn.isMem && insn.index >= 0 ? STATE.gpr + 8 * insn.index : STATE.zero;
    u8[at + RECORD.scale] = insn.scale;
  }

  /** Address fields with the displacement in the immediate field. */
  #address(at: number, insn: Decoded, start: number): void {
    const { i32, u16 } = this.#cpu.r;
    this.#base(at, insn);
    u16[(at + RECORD.segment) >> 1] = STATE.segments + SEGMENT.size * Math.max(0, insn.seg);
    if (!insn.isMem) {
      i32[(at + RECORD.imm) >> 2] = insn.immLo;
      i32[(at + RECORD.imm + 4) >> 2] = insn.immHi;
      return;
    }
    const displacement = insn.base === BASE_RIP ? insn.disp + start + insn.length : insn.disp;
    i32[(at + RECORD.imm) >> 2] = displacement | 0;
    i32[(at + RECORD.imm + 4) >> 2] = Math.floor(displacement / 2 ** 32);
  }
}
