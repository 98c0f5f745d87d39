import { type Cpu, MODE } from './cpu.ts';
import { hasFeature } from './cpuid.ts';
import { BASE_RIP, DECODE, Decoded, OPERAND_KIND, SEG } from './decode/decoded.ts';
import { Decoder, MAX_LENGTH } from './decode/decoder.ts';
import type { Escape } from './escapes/escape.ts';
import { ESCAPES } from './escapes/index.ts';
import { VECTOR } from './fault.ts';
import { addressHandler, SPECIAL } from './interpreter/generate.ts';
import type { HandlerTable } from './interpreter/handler-table.ts';
import { ADDRESSING, type Addressing, LINK, RECORD, STOP } from './interpreter/record.ts';
import { isRegister } from './interpreter/record-ops.ts';
import { ROWS } from './isa/rows.ts';
import { SEGREG } from './registers.ts';
import { JUMP_CACHE, RECORDS, SEGMENT, STATE } from './state.ts';

/** Instructions in one block at most; bounds how long an interrupt waits for the end of a block. */
const MAX_BLOCK = 64;
/** Records that a block can take: two an instruction, one to go on with. */
const MAX_RECORDS = 2 * MAX_BLOCK + 2;
/** Where blocks that are not kept are put: single steps, code in device memory. */
const SCRATCH = RECORDS.base;
const FIRST = SCRATCH + MAX_RECORDS * RECORD.size;

/** What the MMU asks of the code cache. Offsets are places in the guest memory. */
export interface CodePages {
  /** Instructions of this page have been decoded. */
  holdsCode(offset: number): boolean;
  /** Somebody is about to write there. */
  written(offset: number, size: number): void;
}

/** Instruction that the interpreter hands to TypeScript, by index in the record. */
interface Escaping {
  readonly run: Escape;
  readonly insn: Decoded;
}

interface Block {
  /** Key in the map of blocks. */
  readonly key: number;
  readonly records: number;
  /** Offset behind the last record. */
  readonly end: number;
}

interface CodePage {
  /** A bit for each byte that an instruction was decoded from. */
  readonly bytes: Uint8Array;
  readonly blocks: Block[];
}

const raiseUndefined: Escape = cpu => cpu.raise(VECTOR.ud);
const raiseTooLong: Escape = cpu => cpu.gp();
const NOTHING = new Decoded(ROWS[0]!);

/** Decodes guest code into records, keeps the blocks, and drops them when their bytes are written. */
export class CodeCache implements CodePages {
  readonly #cpu: Cpu;
  readonly #decoder = new Decoder(hasFeature);
  readonly #insn = new Decoded(ROWS[0]!);
  #handlers!: HandlerTable;
  readonly #hasCode: Uint8Array;
  readonly #pages = new Map<number, CodePage>();
  readonly #blocks = new Map<number, Block>();
  /** The first place is for blocks that are not kept. */
  #escapes: Escaping[] = [{ run: raiseUndefined, insn: NOTHING }];
  #next: number = FIRST;
  /** An instruction that does not lie in one page of guest memory. */
  readonly #bytes = new Uint8Array(MAX_LENGTH);

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
    this.#hasCode = new Uint8Array(cpu.r.u8.length >>> 12);
    cpu.bus.onWrite((offset, size) => {
      for (let at = offset & ~0xfff; at < offset + size; at += 4096) {
        const from = Math.max(at, offset);
        if (this.#hasCode[at >>> 12]) this.written(from, Math.min(at + 4096, offset + size) - from);
      }
    });
  }

  use(handlers: HandlerTable): void {
    this.#handlers = handlers;
  }

  // ---------------------------------------------------------------- written code

  holdsCode(offset: number): boolean {
    return this.#hasCode[offset >>> 12] !== 0;
  }

  written(offset: number, size: number): void {
    const number = offset >>> 12;
    if (this.#hasCode[number] === 0) return;
    const page = this.#pages.get(number)!;
    for (let at = offset & 0xfff; at < (offset & 0xfff) + size && at < 4096; at++)
      if (page.bytes[at >> 3]! & (1 << (at & 7))) {
        this.#drop(number, page);
        return;
      }
  }

  /** Forgets the code of a page. Whoever still runs it finds stale records and looks again. */
  #drop(number: number, page: CodePage): void {
    const { u32 } = this.#cpu.r;
    for (const { key, records, end } of page.blocks) {
      for (let at = records; at < end; at += RECORD.size) u32[(at + RECORD.handler) >> 2] = SPECIAL.stale;
      this.#blocks.delete(key);
    }
    this.#pages.delete(number);
    this.#hasCode[number] = 0;
  }

  /** Forgets everything: the records are used up, or the machine was reset. Nothing may run meanwhile. */
  clear(): void {
    this.#pages.clear();
    this.#blocks.clear();
    this.#hasCode.fill(0);
    this.#escapes.length = 1;
    this.#next = FIRST;
    this.clearJumpCache();
    this.#cpu.flushTlb();
  }

  clearJumpCache(): void {
    const { i32 } = this.#cpu.r;
    for (let i = 0; i < JUMP_CACHE.entries; i++)
      i32[(JUMP_CACHE.base + i * JUMP_CACHE.entrySize + JUMP_CACHE.key) >> 2] = 0;
  }

  // ---------------------------------------------------------------- looking up

  /**
   * The block at RIP, decoded if need be.
   * @returns offset of its first record; 0 when the fetch faults.
   */
  lookup(): number {
    const cpu = this.#cpu;
    const { r } = cpu;
    const ripLow = r.i32[STATE.rip / 4]!;
    const ripHigh = r.i32[STATE.rip / 4 + 1]!;
    const records = this.#find(ripLow, ripHigh, MAX_BLOCK);
    if (records >= FIRST) {
      const entry =
        (JUMP_CACHE.base + ((ripLow ^ (ripLow >>> 12)) & (JUMP_CACHE.entries - 1)) * JUMP_CACHE.entrySize) >> 2;
      r.i32[entry + JUMP_CACHE.rip / 4] = ripLow;
      r.i32[entry + JUMP_CACHE.rip / 4 + 1] = ripHigh;
      r.i32[entry + JUMP_CACHE.key / 4] = r.i32[STATE.codeKey / 4]!;
      r.u32[entry + JUMP_CACHE.block / 4] = records;
    }
    return records;
  }

  /** A block of the single instruction at RIP, good for one run; 0 when the fetch faults. */
  single(): number {
    const { i32 } = this.#cpu.r;
    return this.#find(i32[STATE.rip / 4]!, i32[STATE.rip / 4 + 1]!, 1);
  }

  #find(ripLow: number, ripHigh: number, limit: number): number {
    const cpu = this.#cpu;
    const { r, mode } = cpu;
    const user = cpu.cpl === 3;
    const long = (mode & MODE.code) === 2;
    const low = long ? ripLow : (ripLow + r.u32[(STATE.segments + SEGMENT.size + SEGMENT.base) >> 2]!) | 0;
    const high = long ? ripHigh : 0;
    let inSegment = 4096;
    if (!(mode & MODE.wholeCode)) {
      inSegment = r.limit(SEGREG.cs) - (ripLow >>> 0) + 1;
      if (inSegment <= 0) {
        cpu.fault.vector = VECTOR.gp;
        cpu.fault.error = 0;
        return 0;
      }
    }
    const page = cpu.mmu.fetch(low, high, user);
    if (page === -1) return 0;
    if (page === -2 || inSegment < MAX_LENGTH) return this.#gather(low, high, inSegment, page);
    const at = page + (low & 0xfff);
    const key = at * MODE.count + mode;
    if (limit > 1) {
      const known = this.#blocks.get(key);
      if (known) return known.records;
      if (this.#next + MAX_RECORDS * RECORD.size > RECORDS.end) this.clear();
    }
    const records = limit > 1 ? this.#next : SCRATCH;
    const end = this.#decode(records, at, page + 4096, low & 0xfff, limit, limit > 1);
    if (end < 0) return limit > 1 ? this.#straddling(low, high, page, key) : this.#gather(low, high, inSegment, page);
    if (limit > 1) {
      this.#next = end;
      const block = { key, records, end };
      this.#blocks.set(key, block);
      this.#claim(page, at, this.#decodedBytes, block);
    }
    return records;
  }
  #decodedBytes = 0;

  /** Notes that a block depends on some bytes of a page, and makes writes to the page come by. */
  #claim(page: number, at: number, count: number, block: Block): void {
    const number = page >>> 12;
    let code = this.#pages.get(number);
    if (!code) {
      code = { bytes: new Uint8Array(512), blocks: [] };
      this.#pages.set(number, code);
      this.#hasCode[number] = 1;
      this.#cpu.mmu.protect(page);
    }
    for (let i = at & 0xfff; i < (at & 0xfff) + count; i++) code.bytes[i >> 3]! |= 1 << (i & 7);
    code.blocks.push(block);
  }

  // ---------------------------------------------------------------- instructions on two pages

  /**
   * A block of one instruction whose bytes go on in the next page. Kept under its first byte, but entered through a
   * check that the next page is still the one it was decoded from.
   */
  #straddling(low: number, high: number, page: number, key: number): number {
    const cpu = this.#cpu;
    const nextLow = ((low & ~0xfff) + 4096) | 0;
    const nextHigh = nextLow === 0 ? (high + 1) | 0 : high;
    const next = cpu.mmu.fetch(nextLow, nextHigh, cpu.cpl === 3);
    if (next === -1) return 0;
    if (next === -2) return this.#gather(low, high, 4096, page);
    const first = 4096 - (low & 0xfff);
    const { u8, u32 } = cpu.r;
    for (let i = 0; i < MAX_LENGTH; i++)
      this.#bytes[i] = i < first ? u8[page + (low & 0xfff) + i]! : u8[next + i - first]!;
    const records = this.#next;
    const check: Escape = () => {
      if (cpu.mmu.fetch(nextLow, nextHigh, cpu.cpl === 3) === next) return;
      const code = this.#pages.get(page >>> 12);
      if (code) this.#drop(page >>> 12, code);
      return STOP.restart;
    };
    this.#record(records, SPECIAL.straddle, 0, 0);
    u32[(records + RECORD.imm) >> 2] = this.#escapes.push({ run: check, insn: NOTHING }) - 1;
    const end = this.#decode(records + RECORD.size, -1, MAX_LENGTH, low & 0xfff, 1, true);
    this.#next = end;
    const block = { key, records, end };
    this.#blocks.set(key, block);
    this.#claim(page, page + (low & 0xfff), first, block);
    this.#claim(next, next, Math.max(1, this.#decodedBytes - first), block);
    return records;
  }

  /** A block of one instruction, read byte by byte from wherever it lies, not kept. */
  #gather(low: number, high: number, inSegment: number, firstPage: number): number {
    const cpu = this.#cpu;
    const { mmu, r } = cpu;
    let page = firstPage;
    let physical = mmu.lastPage;
    let count = 0;
    for (; count < MAX_LENGTH && count < inSegment; count++) {
      const at = (low + count) | 0;
      if (count > 0 && (at & 0xfff) === 0) {
        // A fault on the second page counts only if the instruction reaches that far.
        if (this.#decodeBytes(count)) break;
        page = mmu.fetch(at, at === 0 ? (high + 1) | 0 : high, cpu.cpl === 3);
        if (page === -1) return 0;
        physical = mmu.lastPage;
      }
      this.#bytes[count] = page === -2 ? mmu.fetchByte(physical, at & 0xfff) : r.u8[page + (at & 0xfff)]!;
    }
    if (this.#decode(SCRATCH, -1, count, low & 0xfff, 1, false) < 0) {
      cpu.fault.vector = VECTOR.gp; // the code segment ends before the instruction does
      cpu.fault.error = 0;
      return 0;
    }
    return SCRATCH;
  }

  #decodeBytes(count: number): boolean {
    return this.#decoder.decode(this.#bytes, 0, count, this.#cpu.codeBits, this.#insn) !== DECODE.needMore;
  }

  // ---------------------------------------------------------------- predecoding

  /** Instruction at an address of the running block, for an escape in the middle of a described instruction. */
  again(start: number, insn: Decoded): Escape {
    const { r, mmu, cpl } = this.#cpu;
    const long = (this.#cpu.mode & MODE.code) === 2;
    const low =
      (r.i32[STATE.blockRip / 4]! + start + (long ? 0 : r.i32[(STATE.segments + SEGMENT.size + SEGMENT.base) >> 2]!)) |
      0;
    const high = long ? r.i32[STATE.blockRip / 4 + 1]! + (low >>> 0 < r.u32[STATE.blockRip / 4]! ? 1 : 0) : 0;
    for (let i = 0, page = -1; i < MAX_LENGTH; i++) {
      const at = (low + i) | 0;
      if (page === -1 || (at & 0xfff) === 0) {
        if (i > 0 && this.#decodeBytes(i)) break;
        page = mmu.fetch(at, at < low && at >= 0 ? high + 1 : high, cpl === 3);
        if (page < 0) break; // it was fetched a moment ago
      }
      this.#bytes[i] = r.u8[page + (at & 0xfff)]!;
    }
    this.#decoder.decode(this.#bytes, 0, MAX_LENGTH, this.#cpu.codeBits, insn);
    return ESCAPES[insn.row.mnemonic]!;
  }

  /** The instruction that an escape record stands for. */
  escape(index: number): Escaping {
    return this.#escapes[index]!;
  }

  /**
   * Decodes a block into records.
   * @param at offset of the first byte in the guest memory, or −1 for {@link #bytes}
   * @param limit offset behind the last byte that may be read
   * @param pageOffset of the first byte
   * @param kept the block stays, so that links into and out of it may
   * @returns offset behind the last record; −1 when not even the first instruction ends before `limit`
   */
  #decode(records: number, at: number, limit: number, pageOffset: number, maximum: number, kept: boolean): number {
    const cpu = this.#cpu;
    const insn = this.#insn;
    const source = at < 0 ? this.#bytes : cpu.r.u8;
    const first = at < 0 ? 0 : at;
    const bits = cpu.codeBits;
    let next = records;
    let distance = 0;
    let count = 0;
    let ended = false;
    while (!ended && count < maximum) {
      const result = this.#decoder.decode(source, first + distance, limit, bits, insn);
      if (result === DECODE.needMore) {
        if (count === 0) return -1;
        break;
      }
      if (result !== DECODE.ok) {
        this.#record(next, SPECIAL.escape, distance, count);
        this.#setEscape(next, result === DECODE.undefined ? raiseUndefined : raiseTooLong, NOTHING, kept);
        next += RECORD.size;
        distance += 1;
        ended = true;
        break;
      }
      next = this.#emit(next, insn, distance, count, pageOffset, kept);
      distance += insn.length;
      count++;
      ended = this.#handlers.ends(insn.row);
      if (pageOffset + distance >= 4096) break;
    }
    this.#decodedBytes = distance;
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
    } else handler = handlers.find(insn.row, state, addressing);

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
    for (let n = 0; n < insn.count && field <= RECORD.b; n++) {
      const { kind, reg, high } = insn.operands[n as 0]!;
      if (!isRegister(kind)) continue;
      u16[(at + field) >> 1] =
        kind === OPERAND_KIND.gpr
          ? STATE.gpr + 8 * reg + (high ? 1 : 0)
          : kind === OPERAND_KIND.seg
            ? STATE.segments + SEGMENT.size * reg
            : kind === OPERAND_KIND.mm
              ? STATE.x87 + 16 * reg
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
