import { DECODE, Decoded, OPERAND_KIND } from '../decode/decoded.ts';
import type { Decoder } from '../decode/decoder.ts';
import { ROWS } from '../isa/rows.ts';
import { descriptionOf } from '../semantics/index.ts';

/** Instructions in a region at most. */
const MAX_INSTRUCTIONS = 256;
/** Records that a region needs at most: one an instruction, and two exits. */
export const MAX_REGION_RECORDS = 3 * MAX_INSTRUCTIONS;

/** An instruction of a region; addresses are offsets in its page. */
export interface RegionInstruction {
  readonly at: number;
  readonly insn: Decoded;
}

/** Straight-line code of a region. */
export interface RegionBlock {
  readonly at: number;
  readonly instructions: readonly RegionInstruction[];
  /** Offset behind the last instruction. */
  readonly end: number;
  /** Where the branch at the end goes, as an offset in the page (it may lie outside); undefined without one. */
  readonly taken: number | undefined;
  /** Whether what follows may be reached from here: by falling through, or by a condition that fails. */
  readonly next: boolean;
}

/** Code of one page that is compiled as one function: what direct branches reach from `entry`. */
export interface Region {
  readonly entry: number;
  readonly blocks: ReadonlyMap<number, RegionBlock>;
  readonly count: number;
}

/** Mnemonics whose branch is conditional. */
const CONDITIONAL = /^(j(?!mp)|loop)/;

/**
 * Finds the region that starts at an offset in a page. Instructions that the engine cannot compile, or that lie on two
 * pages, are left outside: the region ends before them.
 * @param page offset of the page in `bytes`
 */
export function findRegion(
  decoder: Decoder,
  bytes: Uint8Array,
  page: number,
  entry: number,
  bits: 16 | 32 | 64,
): Region | undefined {
  const instructions = new Map<number, RegionInstruction>();
  const leaders = new Set<number>();
  const work = [entry];
  const insn = new Decoded(ROWS[0]!);
  while (work.length > 0) {
    let at = work.pop()!;
    if (leaders.has(at)) continue;
    leaders.add(at);
    while (at < 4096 && !instructions.has(at) && instructions.size < MAX_INSTRUCTIONS) {
      if (decoder.decode(bytes, page + at, page + 4096, bits, insn) !== DECODE.ok) break;
      const description = descriptionOf(insn.row.mnemonic);
      if (!description || !compilable(insn, bits)) break;
      instructions.set(at, { at, insn: insn.copy() });
      const end = at + insn.length;
      if (description.ends) {
        if (insn.operands[0].kind === OPERAND_KIND.rel && insn.row.mnemonic !== 'call') {
          const target = end + insn.immLo;
          if (target >= 0 && target < 4096) work.push(target);
          if (CONDITIONAL.test(insn.row.mnemonic)) work.push(end);
        }
        break;
      }
      at = end;
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
      if (descriptionOf(last.row.mnemonic)!.ends) {
        const relative = last.operands[0].kind === OPERAND_KIND.rel;
        taken = relative ? at + last.immLo : undefined;
        next = relative && CONDITIONAL.test(last.row.mnemonic);
        break;
      }
    }
    blocks.set(leader, { at: leader, instructions: list, end: at, taken, next });
  }
  return { entry, blocks, count: instructions.size };
}

/** System registers go by escapes; everything else described can be compiled. */
function compilable(insn: Decoded, bits: 16 | 32 | 64): boolean {
  if (insn.rep !== 0 && insn.row.rep) return false; // repeated string instructions have a good loop already
  for (let i = 0; i < insn.count; i++) {
    const { kind } = insn.operands[i as 0]!;
    if (kind === OPERAND_KIND.cr || kind === OPERAND_KIND.dr || kind === OPERAND_KIND.farptr) return false;
    if (kind === OPERAND_KIND.seg) return false;
    if (kind === OPERAND_KIND.rel && insn.opsize === 16 && bits !== 16) return false; // goes to the first 64 KiB
  }
  return true;
}
