import type { Feature, Row } from '../isa/row.ts';

/** Answer of the tables where no row claims an encoding. */
export const NO_ROW = -1;

/** Cells of one opcode: ModRM byte × mandatory prefix (np 66 f3 f2) × a REX bit. */
const PREFIXES = ['np', '66', 'f3', 'f2'] as const;
const INNER = PREFIXES.length * 2;

/** How much of ModRM a node tells apart. */
const NOTHING = 0;
const REG_AND_MOD = 1;
const ALL = 2;
const PROJECTED_SIZE = [1, 16, 72] as const;

/** ModRM byte → column of a node, for each of the three projections. Memory forms do not differ by rm. */
const PROJECTION = new Uint8Array(3 * 256);
for (let modrm = 0; modrm < 256; modrm++) {
  const reg = (modrm >> 3) & 7;
  PROJECTION[256 * REG_AND_MOD + modrm] = modrm < 0xc0 ? reg : 8 + reg;
  PROJECTION[256 * ALL + modrm] = modrm < 0xc0 ? reg : 8 + (modrm & 0x3f);
}

/** Operand letters that need a ModRM byte. */
const BY_MODRM = new Set(['C', 'D', 'E', 'G', 'M', 'N', 'P', 'Q', 'R', 'S', 'U', 'V', 'W', 'sti']);

/** Whether the row's encoding has a ModRM byte. */
export function hasModrm(row: Row): boolean {
  return row.ext !== undefined || row.mod !== undefined || row.operands.some(o => BY_MODRM.has(o.addressing));
}

/** The form of ModRM that the row is limited to, by its opcode column or by its operands. */
export function modOf(row: Row): 'mem' | 'reg' | undefined {
  if (row.mod || row.anyMod) return row.mod;
  if (row.operands.some(o => o.addressing === 'M')) return 'mem';
  return row.operands.some(o => 'NRU'.includes(o.addressing)) ? 'reg' : undefined;
}

/** How many conditions the row puts on its encoding. Where two rows claim one, the one with more has it. */
export function specificity(row: Row): number {
  return [row.prefix, row.rex, row.ext, row.rm, modOf(row)].filter(condition => condition !== undefined).length;
}

/** Opcode map, opcode byte, prefix, REX and ModRM → row, by two or three array accesses. For one of the modes. */
export class Lookup {
  /** By `map << 8 | byte`: a row's index, {@link NO_ROW}, or −2 − the number of a node. */
  readonly root = new Int16Array(7 * 256).fill(NO_ROW);
  /** By node: what it tells apart of ModRM, shifted left by 8 (an offset into the projections). */
  readonly #projection: number[] = [];
  /** By node: which bit of REX it looks at. */
  readonly #rexBit: number[] = [];
  /** By node: where its cells start. */
  readonly #base: number[] = [];
  readonly #cells: Int16Array;

  /**
   * @param long the rows of 64-bit mode, else those of the others.
   * @param has rows of a feature that is missing are left out; what is below them shows.
   */
  constructor(rows: readonly Row[], long: boolean, has: (feature: Feature) => boolean) {
    const byOpcode = new Map<number, Row[]>();
    for (const row of rows) {
      if ((long ? row.i64 : row.o64) || (row.cpuid && !has(row.cpuid))) continue;
      for (let byte = row.byte; byte <= row.byte + (row.plusR ? 7 : 0); byte++) {
        const slot = (row.map << 8) | byte;
        byOpcode.set(slot, [...(byOpcode.get(slot) ?? []), row]);
      }
    }
    const cells: number[] = [];
    for (const [slot, claims] of byOpcode) {
      if (claims.length === 1 && specificity(claims[0]!) === 0) this.root[slot] = claims[0]!.index;
      else this.root[slot] = this.#addNode(claims, cells);
    }
    this.#cells = Int16Array.from(cells);
  }

  /** Whether the node tells apart anything of ModRM, which then must be read first. */
  nodeHasModrm(entry: number): boolean {
    return this.#projection[-2 - entry] !== NOTHING;
  }

  /** The row of a node. `prefix`: 0 none, 1 66, 2 F3, 3 F2. */
  row(entry: number, modrm: number, prefix: number, rex: number): number {
    const node = -2 - entry;
    const column = PROJECTION[this.#projection[node]! + modrm]!;
    return this.#cells[this.#base[node]! + column * INNER + prefix * 2 + ((rex >> this.#rexBit[node]!) & 1)]!;
  }

  #addNode(claims: readonly Row[], cells: number[]): number {
    const kind = claims.some(r => r.rm !== undefined)
      ? ALL
      : claims.some(r => r.ext !== undefined || modOf(r))
        ? REG_AND_MOD
        : NOTHING;
    const node = this.#base.push(cells.length) - 1;
    this.#projection.push(kind << 8);
    this.#rexBit.push(claims.some(r => r.rex === 'b0') ? 0 : 3);
    // The general rows first, so that the specific ones replace them.
    const order = [...claims].sort((a, b) => specificity(a) - specificity(b));
    for (let column = 0; column < PROJECTED_SIZE[kind]!; column++) {
      for (const prefix of PREFIXES) {
        for (let bit = 0; bit < 2; bit++) {
          const claiming = order.filter(r => claimsCell(r, kind, column, prefix, bit));
          const [last, before] = [claiming.at(-1), claiming.at(-2)];
          if (last && before && specificity(last) === specificity(before)) {
            throw new Error(`rows '${before.opcode}' ${before.mnemonic} and '${last.opcode}' ${last.mnemonic} overlap`);
          }
          cells.push(last ? last.index : NO_ROW);
        }
      }
    }
    return -2 - node;
  }
}

function claimsCell(row: Row, kind: number, column: number, prefix: string, rexBit: number): boolean {
  if (row.prefix !== undefined && row.prefix !== prefix) return false;
  if (row.rex !== undefined && (row.rex === 'w1') !== (rexBit === 1)) return false;
  if (kind === NOTHING) return true;
  const isReg = column >= 8;
  const mod = modOf(row);
  if (mod !== undefined && (mod === 'reg') !== isReg) return false;
  const reg = !isReg ? column : kind === ALL ? (column - 8) >> 3 : column - 8;
  if (row.ext !== undefined && row.ext !== reg) return false;
  return row.rm === undefined || row.rm === ((column - 8) & 7);
}
