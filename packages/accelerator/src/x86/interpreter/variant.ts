import { OPERAND_KIND, type OperandKind } from '../decode/decoded.ts';
import { type OperandSpec, TYPES } from '../isa/operand.ts';
import type { Row } from '../isa/row.ts';
import type { Dimension, Form, FormOperand } from '../semantics/form.ts';
import { conditionOf, descriptionOf } from '../semantics/index.ts';
import { ADDRESSING, type Addressing } from './record.ts';

const SIZES = [16, 32, 64] as const;
const REPS = [0, 0xf2, 0xf3] as const;

/** Everything a handler may be specialised on, besides its row. */
export interface Variant {
  opsize: 16 | 32 | 64;
  asize: 16 | 32 | 64;
  stack: 16 | 32 | 64;
  flat: boolean;
  long: boolean;
  rep: 0 | 0xf2 | 0xf3;
  addressing: Addressing;
}

const log = (size: 16 | 32 | 64): 0 | 1 | 2 => (size === 16 ? 0 : size === 32 ? 1 : 2);

/** What of a {@link Variant} a row's handlers depend on, as a mask for {@link pack}. */
export function maskOf(row: Row): number {
  const description = descriptionOf(row.mnemonic);
  if (!description) return 0;
  const has = (d: Dimension): boolean => description.dimensions?.includes(d) ?? false;
  const sized = row.operands.some(({ type, memoryType }) => [type, memoryType].some(t => new Set(TYPES[t]).size > 1));
  return (
    0x600 | // addressing
    (sized || has('opsize') ? 0x003 : 0) |
    (has('asize') ? 0x00c : 0) |
    (has('stack') ? 0x030 : 0) |
    (has('flat') ? 0x040 : 0) |
    (has('long') ? 0x080 : 0) |
    (has('rep') && row.rep ? 0x1800 : 0)
  );
}

/** A variant as a number below 2^13. */
export function pack(v: Variant): number {
  return (
    log(v.opsize) |
    (log(v.asize) << 2) |
    (log(v.stack) << 4) |
    (v.flat ? 0x040 : 0) |
    (v.long ? 0x080 : 0) |
    (v.addressing << 9) |
    (v.rep === 0xf3 ? 0x1000 : v.rep === 0xf2 ? 0x800 : 0)
  );
}

/** Every variant of a row that can occur, dimensions it does not depend on left at one value. */
export function variantsOf(row: Row): Variant[] {
  const description = descriptionOf(row.mnemonic);
  if (!description) return [];
  const mask = maskOf(row);
  const some = <T>(bits: number, all: readonly T[], one: T): readonly T[] => (mask & bits ? all : [one]);
  const variants: Variant[] = [];
  for (const opsize of some(0x003, SIZES, 32))
    for (const asize of some(0x00c, SIZES, 32))
      for (const stack of some(0x030, SIZES, 32))
        for (const flat of some(0x040, [true, false], true))
          for (const long of some(0x080, [true, false], false))
            for (const rep of some(0x1800, REPS, 0)) {
              if (mask & 0x080 && (long ? asize === 16 && mask & 0x00c : asize === 64 || opsize === 64)) continue;
              if (mask & 0x030 && (opsize === 64) !== (stack === 64) && opsize !== 16) continue;
              for (const addressing of addressingsOf(row, description.hot ?? false))
                variants.push({ opsize, asize, stack, flat, long, rep, addressing });
            }
  return variants;
}

const inMemory = ({ addressing }: OperandSpec): boolean =>
  addressing === 'E' || addressing === 'Q' || addressing === 'W' || addressing === 'M';

function addressingsOf(row: Row, hot: boolean): Addressing[] {
  if (row.operands.some(({ addressing }) => addressing === 'O')) return [ADDRESSING.slot];
  const memory = row.operands.find(inMemory);
  if (!memory || row.mod === 'reg') return [ADDRESSING.none];
  const some: Addressing[] = hot ? [ADDRESSING.slot, ADDRESSING.flat64, ADDRESSING.flat32] : [ADDRESSING.slot];
  return memory.addressing === 'M' || row.mod === 'mem' ? some : [ADDRESSING.none, ...some];
}

const KINDS: Record<OperandSpec['addressing'], OperandKind> = {
  A: OPERAND_KIND.farptr,
  B: OPERAND_KIND.gpr,
  C: OPERAND_KIND.cr,
  D: OPERAND_KIND.dr,
  E: OPERAND_KIND.gpr,
  G: OPERAND_KIND.gpr,
  I: OPERAND_KIND.imm,
  J: OPERAND_KIND.rel,
  M: OPERAND_KIND.mem,
  N: OPERAND_KIND.mm,
  O: OPERAND_KIND.mem,
  P: OPERAND_KIND.mm,
  Q: OPERAND_KIND.mm,
  R: OPERAND_KIND.gpr,
  S: OPERAND_KIND.seg,
  U: OPERAND_KIND.xmm,
  V: OPERAND_KIND.xmm,
  W: OPERAND_KIND.xmm,
  X: OPERAND_KIND.si,
  Y: OPERAND_KIND.di,
  Z: OPERAND_KIND.gpr,
  gpr: OPERAND_KIND.gpr,
  seg: OPERAND_KIND.seg,
  st: OPERAND_KIND.st,
  sti: OPERAND_KIND.st,
  xmm0: OPERAND_KIND.xmm,
  one: OPERAND_KIND.one,
};

function operandsOf(row: Row, { opsize, addressing }: Variant): FormOperand[] {
  return row.operands.map(spec => {
    const memory = addressing !== ADDRESSING.none && inMemory(spec);
    return {
      kind: memory ? OPERAND_KIND.mem : KINDS[spec.addressing],
      size: TYPES[memory || spec.addressing === 'O' ? spec.memoryType : spec.type][log(opsize)],
    };
  });
}

/** The form that a description sees. */
export function formOf(row: Row, v: Variant): Form {
  const { mnemonic, exception, unaligned } = row;
  const aligned = (exception === 1 || exception === 2 || exception === 4) && !unaligned;
  return { ...v, mnemonic, operands: operandsOf(row, v), aligned, condition: conditionOf(mnemonic) };
}

/** Name of the handler of a variant; handlers of one name are one. */
export function nameOf(row: Row, v: Variant): string {
  const mask = maskOf(row);
  const operands = operandsOf(row, v).map(({ kind, size }) => `${kind}:${size}`);
  const dimensions = descriptionOf(row.mnemonic)!.dimensions ?? [];
  const opsize = dimensions.includes('opsize') ? mask : mask & ~0x003;
  return `${row.mnemonic} ${operands.join(',')} ${pack(v) & opsize} ${row.unit ?? ''}`;
}
