import { DECODE, Decoded, OPERAND_KIND } from '../decode/decoded.ts';
import { type Decoder, MAX_LENGTH } from '../decode/decoder.ts';
import { ESCAPES } from '../escapes/index.ts';
import { endsBlock } from '../interpreter/handler-table.ts';
import { ROWS } from '../isa/rows.ts';
import { descriptionOf } from '../semantics/index.ts';

/** Instructions in a region at most. */
export const MAX_INSTRUCTIONS = 400;

/** Where a region's code is found. Pages are counted from the entry's; places are 4096 times that, plus an offset. */
export interface CodeSource {
  readonly memory: Uint8Array;
  readonly bits: 16 | 32 | 64;
  readonly vex: boolean;
  /** Offset in the memory of a page; −1 when it is not known where it is. */
  page(n: number): number;
  /** Whether code was run from a place: what never ran is not worth compiling. */
  ran(place: number): boolean;
  /** Whether code that ran belongs to this region: it is near, and no other region begins there. */
  known(place: number): boolean;
}

/** An instruction of a region, at a place relative to the entry's page. */
export interface RegionInstruction {
  readonly at: number;
  readonly insn: Decoded;
}

/** Straight-line code of a region. */
export interface RegionBlock {
  readonly at: number;
  readonly instructions: readonly RegionInstruction[];
  /** Place behind the last instruction. */
  readonly end: number;
  /** Where the branch at the end goes (it may lie outside); undefined without one. */
  readonly taken: number | undefined;
  /** Whether what follows may be reached from here: by falling through, or by a condition that fails. */
  readonly next: boolean;
  /** Its only instruction begins on one page and ends on the next. */
  readonly straddles: boolean;
}

/** Code that is compiled as one function: what direct branches and calls reach from `entry`, and where calls return. */
export interface Region {
  readonly entry: number;
  readonly blocks: ReadonlyMap<number, RegionBlock>;
  /** Places that control may come to from elsewhere: the entry, targets of calls, and where calls return. */
  readonly entries: readonly number[];
  readonly count: number;
}

export const pageOf = (place: number): number => Math.floor(place / 4096);

/** Mnemonics whose branch is conditional. */
const CONDITIONAL = /^(j(?!mp)|loop)/;

/** Mnemonics after which control mostly comes back to the next instruction. */
const COMES_BACK: ReadonlySet<string> = new Set(['call', 'syscall']);

/** Finds the region of an entry in page 0, nearest code first. */
export function findRegion(decoder: Decoder, source: CodeSource, entry: number): Region | undefined {
  const instructions = new Map<number, RegionInstruction & { straddles: boolean }>();
  const leaders = new Set<number>();
  const entries = new Set([entry]);
  const work = [entry];
  for (let next = 0; next < work.length; next++) {
    let at = work[next]!;
    if (leaders.has(at)) continue;
    leaders.add(at);
    while (!instructions.has(at) && instructions.size < MAX_INSTRUCTIONS) {
      if ((at & 4095) === 0 && at !== work[next]) leaders.add(at);
      const found = decodeAt(decoder, source, at);
      if (!found) break;
      const { insn, straddles } = found;
      if (straddles) leaders.add(at);
      instructions.set(at, found);
      const end = at + insn.length;
      if (endsBlock(insn.row)) {
        const relative = insn.operands[0].kind === OPERAND_KIND.rel;
        const target = end + insn.immLo;
        const known = relative && source.known(target);
        const stub = relative && !known && isStub(decoder, source, target);
        if (known || stub) work.push(target);
        if (CONDITIONAL.test(insn.row.mnemonic) && source.known(end)) work.push(end);
        if (COMES_BACK.has(insn.row.mnemonic) && source.known(end)) {
          work.push(end);
          entries.add(end);
          if (relative && !stub) entries.add(target);
        }
        break;
      }
      at = end;
      if (straddles) leaders.add(at);
    }
  }
  if (!instructions.has(entry)) return undefined;

  const blocks = new Map<number, RegionBlock>();
  for (const leader of leaders) {
    if (!instructions.has(leader)) continue;
    const list: RegionInstruction[] = [];
    let at = leader;
    let taken: number | undefined;
    let next = true;
    for (;;) {
      const instruction = instructions.get(at);
      if (!instruction || (at !== leader && leaders.has(at))) break;
      list.push(instruction);
      const { insn: last } = instruction;
      at += last.length;
      if (endsBlock(last.row)) {
        const relative = last.operands[0].kind === OPERAND_KIND.rel;
        taken = relative ? at + last.immLo : undefined;
        next = relative && CONDITIONAL.test(last.row.mnemonic);
        break;
      }
    }
    const { straddles } = instructions.get(leader)!;
    blocks.set(leader, { at: leader, instructions: list, end: at, taken, next, straddles });
  }
  return { entry, blocks, entries: [...entries].filter(at => blocks.has(at)), count: instructions.size };
}

/** Instructions of a stub at most. */
const STUB = 2;

/**
 * Whether that is all there is at a place: a jump through a table, or a function that tells its caller where it is. All
 * of a program calls those, however far they are, so each region has its own copy. A region of their own would do less
 * than it takes to enter it.
 */
function isStub(decoder: Decoder, source: CodeSource, place: number): boolean {
  if (!source.ran(place)) return false;
  let at = place;
  for (let n = 0; n < STUB; n++) {
    const found = decodeAt(decoder, source, at);
    if (!found) return false;
    const { row, operands, length } = found.insn;
    if (endsBlock(row))
      return row.mnemonic === 'ret' || (row.mnemonic === 'jmp' && operands[0].kind !== OPERAND_KIND.rel);
    at += length;
  }
  return false;
}

const straddling = new Uint8Array(MAX_LENGTH);

function decodeAt(
  decoder: Decoder,
  { memory, bits, vex, page }: CodeSource,
  at: number,
): (RegionInstruction & { straddles: boolean }) | undefined {
  const number = pageOf(at);
  const here = page(number);
  if (here < 0) return undefined;
  const within = at & 4095;
  const insn = new Decoded(ROWS[0]!);
  let result = decoder.decode(memory, here + within, here + 4096, bits, insn, vex);
  const straddles = result === DECODE.needMore;
  if (straddles) {
    const next = page(number + 1);
    if (next < 0) return undefined;
    const first = 4096 - within;
    for (let i = 0; i < MAX_LENGTH; i++) straddling[i] = memory[i < first ? here + within + i : next + i - first]!;
    result = decoder.decode(straddling, 0, MAX_LENGTH, bits, insn, vex);
  }
  return result === DECODE.ok && compilable(insn, bits, at) ? { at, insn, straddles } : undefined;
}

function compilable(insn: Decoded, bits: 16 | 32 | 64, at: number): boolean {
  const { row, opsize } = insn;
  const description = descriptionOf(row.mnemonic);
  // What ends a block by an escape goes elsewhere in ways that only the run loop knows.
  if (!description && (endsBlock(row) || !ESCAPES[row.mnemonic])) return false;
  for (let i = 0; i < insn.count; i++) {
    const { kind } = insn.operands[i as 0]!;
    if ((kind === OPERAND_KIND.cr && i === 0) || kind === OPERAND_KIND.dr || kind === OPERAND_KIND.farptr) return false;
    // Goes to the first 64 KiB: in 16-bit code, by adding alone only if that does not wrap, as within the entry's page.
    if (kind === OPERAND_KIND.rel && opsize === 16 && (bits !== 16 || pageOf(at + insn.length + insn.immLo) !== 0))
      return false;
  }
  return true;
}
