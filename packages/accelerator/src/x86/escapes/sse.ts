import type { Cpu } from '../cpu.ts';
import { type Decoded, OPERAND_KIND } from '../decode/decoded.ts';
import { VECTOR } from '../fault.ts';
import { MXCSR } from '../mxcsr.ts';
import { CR4 } from '../registers.ts';
import {
  add,
  compare,
  convert,
  DOUBLE,
  divide,
  type FloatContext,
  type Format,
  fromInteger,
  maximum,
  minimum,
  multiply,
  type Operation,
  SINGLE,
  squareRoot,
  subtract,
  toInteger,
  toWhole,
} from '../sse/soft-float.ts';
import { FLAG, STATE, STATUS_FLAGS } from '../state.ts';
import { X87_LAYOUT } from '../x87/state.ts';
import type { Escape, Escapes } from './escape.ts';

/**
 * SSE arithmetic in all its modes (SDM vol. 1 §11.5): the part that `semantics/vector-float.ts` and `vector-convert.ts`
 * leave, which is any MXCSR but the usual one, and results that mean an exception.
 */

const PRE_COMPUTATION = MXCSR.IE | MXCSR.DE | MXCSR.ZE;

/** The exceptions of one instruction over all its lanes. */
class Exceptions implements FloatContext {
  readonly rounding: number;
  readonly denormalsAreZeros: boolean;
  readonly flushToZero: boolean;
  readonly overflowMasked: boolean;
  readonly underflowMasked: boolean;
  flags = 0;
  readonly #masks: number;
  #all = 0;

  constructor(mxcsr: number) {
    this.rounding = (mxcsr & MXCSR.RC) >> MXCSR.rcShift;
    this.denormalsAreZeros = (mxcsr & MXCSR.DAZ) !== 0;
    this.flushToZero = (mxcsr & MXCSR.FTZ) !== 0;
    this.#masks = (mxcsr >> MXCSR.maskShift) & 0x3f;
    this.overflowMasked = (this.#masks & MXCSR.OE) !== 0;
    this.underflowMasked = (this.#masks & MXCSR.UE) !== 0;
  }

  /** The lane is done. An unmasked exception before its computation leaves none of those after it. */
  lane(): void {
    this.#all |= this.flags & PRE_COMPUTATION & ~this.#masks ? this.flags & PRE_COMPUTATION : this.flags;
    this.flags = 0;
  }

  /** Notes the flags in MXCSR; #XM, or #UD without CR4.OSXMMEXCPT, for an unmasked one (SDM vol. 1 §11.5.1). */
  deliver(cpu: Cpu): void {
    const unmasked = this.#all & ~this.#masks;
    const noted = unmasked & PRE_COMPUTATION ? this.#all & PRE_COMPUTATION : this.#all;
    cpu.setMxcsr(cpu.r.u32[STATE.mxcsr / 4]! | noted);
    if (unmasked) cpu.raise(cpu.r.cr4 & CR4.osxmmexcpt ? VECTOR.xm : VECTOR.ud);
  }
}

// ---------------------------------------------------------------- operands

const PLACE = { [OPERAND_KIND.mm]: STATE.x87 + X87_LAYOUT.registers, [OPERAND_KIND.xmm]: STATE.xmm } as const;
const usesMm = ({ operands }: Decoded): boolean =>
  operands[0].kind === OPERAND_KIND.mm || operands[1].kind === OPERAND_KIND.mm;
const isVector = (kind: number): kind is keyof typeof PLACE => kind === OPERAND_KIND.mm || kind === OPERAND_KIND.xmm;
const place = (i: Decoded, n: number): number => {
  const { kind, reg } = i.operands[n as 0]!;
  return isVector(kind) ? PLACE[kind] + 16 * reg : -1;
};

/** `count` lanes of `bits` from the bottom of an operand. */
function readLanes(cpu: Cpu, i: Decoded, n: number, bits: 32 | 64, count: number): bigint[] {
  const from = place(i, n);
  const { view } = cpu.r;
  if (from >= 0)
    return Array.from({ length: count }, (_, lane) =>
      bits === 64 ? view.getBigUint64(from + 8 * lane, true) : BigInt(view.getUint32(from + 4 * lane, true)),
    );
  const { exception, unaligned } = i.row;
  const bytes = (count * bits) / 8;
  const address = cpu.address(i, bytes, false);
  if (bytes === 16 && (exception === 2 || exception === 4) && !unaligned && address & 15n) cpu.gp();
  return Array.from({ length: count }, (_, lane) => cpu.load(bits, address + BigInt((bits / 8) * lane)));
}

function writeLanes(cpu: Cpu, i: Decoded, bits: 32 | 64, lanes: readonly bigint[]): void {
  const to = place(i, 0);
  const { view } = cpu.r;
  for (const [lane, value] of lanes.entries())
    if (bits === 64) view.setBigUint64(to + 8 * lane, value, true);
    else view.setUint32(to + 4 * lane, Number(value), true);
  if (i.operands[0].kind === OPERAND_KIND.mm) view.setUint16(to + 8, 0xffff, true);
}

// ---------------------------------------------------------------- shapes of instructions

interface FloatType {
  readonly format: Format;
  readonly count: number;
}
const TYPES = {
  ps: { format: SINGLE, count: 4 },
  pd: { format: DOUBLE, count: 2 },
  ss: { format: SINGLE, count: 1 },
  sd: { format: DOUBLE, count: 1 },
} as const satisfies Record<string, FloatType>;

const begin = (cpu: Cpu): Exceptions => new Exceptions(cpu.r.u32[STATE.mxcsr / 4]!);

/** Results lane by lane, of vectors that `pair` made of the operands. */
const lanewise =
  (
    { format, count }: FloatType,
    operation: (lane: number) => Operation,
    pair: (a: bigint[], b: bigint[]) => [bigint[], bigint[]] = (a, b) => [a, b],
  ): Escape =>
  (cpu, i) => {
    const c = begin(cpu);
    const b = readLanes(cpu, i, 1, format.bits, count);
    const [x, y] = pair(readLanes(cpu, i, 0, format.bits, count), b);
    const results = x.map((value, lane) => {
      const result = operation(lane)(c, format, value, y[lane]!);
      c.lane();
      return result;
    });
    c.deliver(cpu);
    writeLanes(cpu, i, format.bits, results);
  };

const horizontal = (t: FloatType, operation: Operation): Escape =>
  lanewise(
    t,
    () => operation,
    (a, b) => {
      const all = [...a, ...b];
      return [all.filter((_, n) => n % 2 === 0), all.filter((_, n) => n % 2 === 1)];
    },
  );

/** Predicates of CMP by the low two bits of the immediate: equal, less, less or equal, unordered. */
const PREDICATES: readonly ((order: -1 | 0 | 1 | undefined) => boolean)[] = [
  order => order === 0,
  order => order === -1,
  order => order === -1 || order === 0,
  order => order === undefined,
];
const compareLanes =
  (t: FloatType): Escape =>
  (cpu, i) => {
    const predicate = i.immLo & 7;
    const quiet = (predicate & 3) === 0 || (predicate & 3) === 3;
    const holds = PREDICATES[predicate & 3]!;
    const test: Operation = (c, f, a, b) =>
      holds(compare(c, f, a, b, quiet)) === predicate < 4 ? (1n << BigInt(f.bits)) - 1n : 0n;
    return lanewise(t, () => test)(cpu, i);
  };

/** ROUND: bits of the immediate are the rounding mode, or say that MXCSR has it, and whether PE is left alone. */
const roundLanes =
  (t: FloatType): Escape =>
  (cpu, i) => {
    const { immLo } = i;
    const operation: Operation = (c, f, _a, b) => {
      const result = toWhole(c, f, b, immLo & 4 ? c.rounding : immLo & 3);
      if (immLo & 8) c.flags &= ~MXCSR.PE;
      return result;
    };
    return lanewise(t, () => operation)(cpu, i);
  };

/** DPPS, DPPD: products, then sums, each stage with exceptions of its own; what is not selected counts as +0. */
const dotProduct =
  ({ format, count }: FloatType): Escape =>
  (cpu, i) => {
    const c = begin(cpu);
    const b = readLanes(cpu, i, 1, format.bits, count);
    let terms = readLanes(cpu, i, 0, format.bits, count).map((a, lane) => {
      const product = i.immLo & (16 << lane) ? multiply(c, format, a, b[lane]!) : 0n;
      c.lane();
      return product;
    });
    c.deliver(cpu);
    while (terms.length > 1) {
      terms = terms.flatMap((a, lane) => {
        if (lane % 2 === 1) return [];
        const sum = add(c, format, a, terms[lane + 1]!);
        c.lane();
        return [sum];
      });
      c.deliver(cpu);
    }
    writeLanes(
      cpu,
      i,
      format.bits,
      b.map((_, lane) => (i.immLo & (1 << lane) ? terms[0]! : 0n)),
    );
  };

const compareToFlags =
  ({ format }: FloatType, quiet: boolean): Escape =>
  (cpu, i) => {
    const c = begin(cpu);
    const [b] = readLanes(cpu, i, 1, format.bits, 1);
    const [a] = readLanes(cpu, i, 0, format.bits, 1);
    const order = compare(c, format, a!, b!, quiet);
    c.lane();
    c.deliver(cpu);
    const flags = order === undefined ? FLAG.zf | FLAG.pf | FLAG.cf : order === 0 ? FLAG.zf : order < 0 ? FLAG.cf : 0;
    cpu.r.flags = (cpu.r.flags & ~STATUS_FLAGS) | flags;
  };

/** Lanes of one type to as many of another. `zeros`: how many lanes above the results become 0. */
const mapLanes =
  (
    count: number,
    from: 32 | 64,
    to: 32 | 64,
    zeros: number,
    change: (c: FloatContext, value: bigint) => bigint,
  ): Escape =>
  (cpu, i) => {
    const c = begin(cpu);
    const results = readLanes(cpu, i, 1, from, count).map(value => {
      const result = change(c, value);
      c.lane();
      return result;
    });
    // The registers are MMX's by now, as on silicon: a fault in memory leaves them the FPU's, #XM does not.
    if (usesMm(i)) cpu.x87.enterMmx();
    c.deliver(cpu);
    writeLanes(cpu, i, to, [...results, ...new Array<bigint>(zeros).fill(0n)]);
  };

const toIntegers = ({ format }: FloatType, count: number, truncate: boolean, zeros: number): Escape =>
  mapLanes(count, format.bits, 32, zeros, (c, value) => toInteger(c, format, value, 32, truncate));

const fromIntegers = (count: number): Escape =>
  mapLanes(count, 32, 32, 0, (c, value) => fromInteger(c, SINGLE, BigInt.asIntN(32, value)));

const toGeneral =
  ({ format }: FloatType, truncate: boolean): Escape =>
  (cpu, i) => {
    const c = begin(cpu);
    const [value] = readLanes(cpu, i, 1, format.bits, 1);
    const result = toInteger(c, format, value!, i.operands[0].size, truncate);
    c.lane();
    c.deliver(cpu);
    cpu.write(i, 0, result);
  };

const fromGeneral =
  ({ format }: FloatType): Escape =>
  (cpu, i) => {
    const c = begin(cpu);
    const result = fromInteger(c, format, BigInt.asIntN(i.operands[1].size, cpu.read(i, 1)));
    c.lane();
    c.deliver(cpu);
    writeLanes(cpu, i, format.bits, [result]);
  };

const converts = (from: Format, to: Format, count: number, zeros: number): Escape =>
  mapLanes(count, from.bits, to.bits, zeros, (c, value) => convert(c, from, to, value));

// ---------------------------------------------------------------- the table

const each = (name: string, make: (t: FloatType) => Escape): Escapes =>
  Object.fromEntries(Object.entries(TYPES).map(([suffix, t]) => [`${name}${suffix}`, make(t)]));
const root: Operation = (c, f, _a, b) => squareRoot(c, f, b);
const addSub = (lane: number): Operation => (lane % 2 === 0 ? subtract : add);

export const SSE_ESCAPES: Escapes = {
  ...each('add', t => lanewise(t, () => add)),
  ...each('sub', t => lanewise(t, () => subtract)),
  ...each('mul', t => lanewise(t, () => multiply)),
  ...each('div', t => lanewise(t, () => divide)),
  ...each('min', t => lanewise(t, () => minimum)),
  ...each('max', t => lanewise(t, () => maximum)),
  ...each('sqrt', t => lanewise(t, () => root)),
  ...each('cmp', compareLanes),
  ...each('round', roundLanes),
  dpps: dotProduct(TYPES.ps),
  dppd: dotProduct(TYPES.pd),
  haddps: horizontal(TYPES.ps, add),
  haddpd: horizontal(TYPES.pd, add),
  hsubps: horizontal(TYPES.ps, subtract),
  hsubpd: horizontal(TYPES.pd, subtract),
  addsubps: lanewise(TYPES.ps, addSub),
  addsubpd: lanewise(TYPES.pd, addSub),
  comiss: compareToFlags(TYPES.ss, false),
  comisd: compareToFlags(TYPES.sd, false),
  ucomiss: compareToFlags(TYPES.ss, true),
  ucomisd: compareToFlags(TYPES.sd, true),
  cvtsi2ss: fromGeneral(TYPES.ss),
  cvtsi2sd: fromGeneral(TYPES.sd),
  cvtss2si: toGeneral(TYPES.ss, false),
  cvtsd2si: toGeneral(TYPES.sd, false),
  cvttss2si: toGeneral(TYPES.ss, true),
  cvttsd2si: toGeneral(TYPES.sd, true),
  cvtss2sd: converts(SINGLE, DOUBLE, 1, 0),
  cvtsd2ss: converts(DOUBLE, SINGLE, 1, 0),
  cvtps2pd: converts(SINGLE, DOUBLE, 2, 0),
  cvtpd2ps: converts(DOUBLE, SINGLE, 2, 2),
  cvtdq2ps: fromIntegers(4),
  cvtpi2ps: fromIntegers(2),
  cvtps2dq: toIntegers(TYPES.ps, 4, false, 0),
  cvttps2dq: toIntegers(TYPES.ps, 4, true, 0),
  cvtps2pi: toIntegers(TYPES.ps, 2, false, 0),
  cvttps2pi: toIntegers(TYPES.ps, 2, true, 0),
  cvtpd2dq: toIntegers(TYPES.pd, 2, false, 2),
  cvttpd2dq: toIntegers(TYPES.pd, 2, true, 2),
  cvtpd2pi: toIntegers(TYPES.pd, 2, false, 0),
  cvttpd2pi: toIntegers(TYPES.pd, 2, true, 0),
};
