import { GPR } from '../state.ts';
import type { Description, Descriptions } from './description.ts';
import type { Ops } from './ops.ts';
import { lanes16, zeroVector } from './vector.ts';

/**
 * PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM vol. 2 §4.1). The immediate: bit 0, 16-bit elements; bit 1, signed;
 * bits 3:2, how to aggregate; bits 5:4, polarity; bit 6, which index or what kind of mask.
 *
 * Sets of elements are numbers with a bit for each. Operand 0 is the set, range list or substring, operand 1 the text.
 */
interface Elements {
  readonly shape: 'i8x16' | 'i16x8';
  readonly count: 16 | 8;
}
const BYTES: Elements = { shape: 'i8x16', count: 16 };
const WORDS: Elements = { shape: 'i16x8', count: 8 };

/** Aggregations by bits 3:2 of the immediate. */
const AGGREGATION = { equalAny: 0, ranges: 1, equalEach: 2, equalOrdered: 3 } as const;

/** The bits below `n`. */
const below = <V>(o: Ops<V>, n: V): V =>
  o.binary('sub', 32, o.binary('shl', 32, o.constant(32, 1), n), o.constant(32, 1));
const and = <V>(o: Ops<V>, a: V, b: V): V => o.binary('and', 32, a, b);
const or = <V>(o: Ops<V>, a: V, b: V): V => o.binary('or', 32, a, b);
const invert = <V>(o: Ops<V>, { count }: Elements, a: V): V => o.binary('xor', 32, a, o.constant(32, (1 << count) - 1));

/** Elements before the first zero. */
function implicitLength<V>(o: Ops<V>, { shape, count }: Elements, a: V): V {
  const zeros = o.vector(`${shape}.bitmask`, o.vector(`${shape}.eq`, a, zeroVector(o)));
  return o.unary('ctz', 32, or(o, zeros, o.constant(32, 1 << count)));
}

/** The magnitude of EAX or EDX (RAX, RDX by REX.W), the number of elements at most. */
function explicitLength<V>(o: Ops<V>, { count }: Elements, w: 32 | 64, register: number): V {
  const n = o.gpr(w, register);
  const magnitude = o.select(o.compare('ltS', w, n, o.constant(w, 0)), w, o.unary('neg', w, n), n);
  const most = o.constant(w, count);
  const length = o.select(o.compare('gtU', w, magnitude, most), w, most, magnitude);
  return w === 64 ? o.truncate(64, 32, length) : length;
}

/** All elements become element `n`. */
function element<V>(o: Ops<V>, { shape }: Elements, a: V, n: V): V {
  if (shape === 'i8x16') return o.vector('i8x16.swizzle', a, o.vector('i8x16.splat', n));
  const bytes = o.vector('i16x8.mul', o.vector('i16x8.splat', n), lanes16(o, 0x0202));
  return o.vector('i8x16.swizzle', a, o.vector('i16x8.add', bytes, lanes16(o, 0x0100)));
}

/** Intermediate result 1: what the aggregation finds, as a set. */
function aggregate<V>(o: Ops<V>, e: Elements, control: V, a: V, b: V, lengthA: V, lengthB: V): V {
  const { shape, count } = e;
  const all = (1 << count) - 1;
  const field = and(o, control, o.constant(32, 12));
  const is = (aggregation: number): V => o.compare('eq', 32, field, o.constant(32, aggregation << 2));
  const equal = (x: V): V => o.vector(`${shape}.bitmask`, o.vector(`${shape}.eq`, x, b));
  const [validA, validB] = [below(o, lengthA), below(o, lengthB)];
  const result = o.cell(32, o.constant(32, 0));
  const each = (step: number, body: (n: V) => void): void => {
    const n = o.cell(32, o.constant(32, 0));
    o.repeat(stop => {
      // A last element without its pair does not count.
      const last = step === 1 ? n.get() : o.binary('add', 32, n.get(), o.constant(32, step - 1));
      o.if(o.compare('geU', 32, last, lengthA), stop);
      body(n.get());
      n.set(o.binary('add', 32, n.get(), o.constant(32, step)));
    });
  };

  o.if(
    is(AGGREGATION.equalEach),
    () => {
      const both = and(o, equal(a), and(o, validA, validB));
      result.set(or(o, both, invert(o, e, or(o, validA, validB))));
    },
    () => {
      o.if(is(AGGREGATION.equalAny), () => {
        each(1, n => result.set(or(o, result.get(), equal(element(o, e, a, n)))));
        result.set(and(o, result.get(), validB));
      });
      o.if(is(AGGREGATION.ranges), () => {
        // Signed numbers become unsigned ones, in the same order, when their sign is turned.
        const turn = o.selectVector(
          and(o, control, o.constant(32, 2)),
          lanes16(o, shape === 'i8x16' ? 0x8080 : 0x8000),
          zeroVector(o),
        );
        const [x, y] = [o.vector('v128.xor', a, turn), o.vector('v128.xor', b, turn)];
        each(2, n => {
          const low = element(o, e, x, n);
          const high = element(o, e, x, o.binary('add', 32, n, o.constant(32, 1)));
          const inside = o.vector('v128.and', o.vector(`${shape}.ge_u`, y, low), o.vector(`${shape}.le_u`, y, high));
          result.set(or(o, result.get(), o.vector(`${shape}.bitmask`, inside)));
        });
        result.set(and(o, result.get(), validB));
      });
      o.if(is(AGGREGATION.equalOrdered), () => {
        result.set(o.constant(32, all));
        each(1, n => {
          // Beyond the end of the text's vector there is nothing to differ.
          const beyond = o.binary('shl', 32, o.constant(32, -1), o.binary('sub', 32, o.constant(32, count), n));
          const here = o.binary('shr', 32, and(o, equal(element(o, e, a, n)), validB), n);
          result.set(and(o, result.get(), or(o, here, beyond)));
        });
      });
    },
  );
  return result.get();
}

const compareStrings = (lengths: 'explicit' | 'implicit', output: 'index' | 'mask'): Description => ({
  dimensions: ['opsize'],
  run(o, f) {
    const b = o.readVector(1);
    const a = o.readVector(0);
    const control = o.read(2);
    const w = f.opsize === 64 ? 64 : 32;
    const bit = (n: number): typeof a => and(o, control, o.constant(32, n));
    const run = (e: Elements): void => {
      const { count, shape } = e;
      const lengthA = lengths === 'implicit' ? implicitLength(o, e, a) : explicitLength(o, e, w, GPR.rax);
      const lengthB = lengths === 'implicit' ? implicitLength(o, e, b) : explicitLength(o, e, w, GPR.rdx);
      const found = aggregate(o, e, control, a, b, lengthA, lengthB);
      const flipped = o.select(bit(0x20), 32, below(o, lengthB), o.constant(32, (1 << count) - 1));
      const set = o.binary('xor', 32, found, o.select(bit(0x10), 32, flipped, o.constant(32, 0)));
      if (output === 'index') {
        const first = o.unary('ctz', 32, or(o, set, o.constant(32, 1 << count)));
        const highest = o.binary('sub', 32, o.constant(32, 31), o.unary('clz', 32, set));
        const last = o.select(set, 32, highest, o.constant(32, count));
        o.setGpr(32, GPR.rcx, o.select(bit(0x40), 32, last, first));
      } else {
        const bits = o.lane('i32x4.replace_lane', 0, zeroVector(o), set);
        // Bit n to element n: of bytes, the first eight look at the low half of the set.
        const numbers =
          count === 16
            ? o.shuffle(bits, bits, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1])
            : o.vector('i16x8.splat', set);
        const one =
          count === 16
            ? lanes16(o, 0x0201, 0x0804, 0x2010, 0x8040)
            : lanes16(o, 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80);
        const mask = o.vector(`${shape}.eq`, o.vector('v128.and', numbers, one), one);
        o.setXmm(0, o.selectVector(bit(0x40), mask, bits));
      }
      const ends = (length: typeof a): typeof a => o.compare('ltU', 32, length, o.constant(32, count));
      o.setFlags({
        cf: o.compare('ne', 32, set, o.constant(32, 0)),
        zf: ends(lengthB),
        sf: ends(lengthA),
        of: and(o, set, o.constant(32, 1)),
        af: o.constant(32, 0),
        pf: o.constant(32, 0),
      });
    };
    o.if(
      bit(1),
      () => run(WORDS),
      () => run(BYTES),
    );
  },
});

export const vectorString = {
  pcmpestri: compareStrings('explicit', 'index'),
  pcmpestrm: compareStrings('explicit', 'mask'),
  pcmpistri: compareStrings('implicit', 'index'),
  pcmpistrm: compareStrings('implicit', 'mask'),
} satisfies Descriptions;
