import { OPERAND_KIND } from '../decode/decoded.ts';
import type { Description, Descriptions } from './description.ts';
import type { Ops } from './ops.ts';
import { type IntegerShape, lanes16, lanes32, zeroVector } from './vector.ts';

/**
 * Integer arithmetic on MMX and XMM registers (SDM vol. 1 §9.4, §10.4.4, §11.4.2). An MMX operand is the low half of a
 * vector; what an operation makes of the other half is not written back.
 */
type Binary = <V>(o: Ops<V>, a: V, b: V) => V;

const binary = (compute: Binary): Description => ({
  hot: true,
  run: o => o.writeVector(0, compute(o, o.readVector(0), o.readVector(1))),
});
const named = (op: string): Description => binary((o, a, b) => o.vector(op, a, b));

// ---------------------------------------------------------------- multiplication and sums

/** Bits 31:16 of the products of 16-bit lanes. */
const multiplyHigh = (sign: 's' | 'u'): Description =>
  binary((o, a, b) =>
    o.shuffle(
      o.vector(`i32x4.extmul_low_i16x8_${sign}`, a, b),
      o.vector(`i32x4.extmul_high_i16x8_${sign}`, a, b),
      [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31],
    ),
  );

/** 64-bit products of the even 32-bit lanes. */
const multiplyEven = (sign: 's' | 'u'): Description =>
  binary((o, a, b) => {
    const even = (v: typeof a): typeof a => o.shuffle(v, v, [0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11]);
    return o.vector(`i64x2.extmul_low_i32x4_${sign}`, even(a), even(b));
  });

const psadbw = binary((o, a, b) => {
  const difference = o.vector('i8x16.sub', o.vector('i8x16.max_u', a, b), o.vector('i8x16.min_u', a, b));
  const quarters = o.vector('i32x4.extadd_pairwise_i16x8_u', o.vector('i16x8.extadd_pairwise_i8x16_u', difference));
  const other = o.shuffle(quarters, quarters, [4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11]);
  return o.vector('v128.and', o.vector('i32x4.add', quarters, other), lanes32(o, -1, 0));
});

/** Saturated sums of products of unsigned bytes (first operand) and signed bytes. */
const pmaddubsw = binary((o, a, b) => {
  // Lanes of one byte each of the pairs: even ones by a mask or a shift left and back, odd ones by a shift.
  const evenA = o.vector('v128.and', a, lanes16(o, 0xff));
  const oddA = o.vector('i16x8.shr_u', a, o.constant(32, 8));
  const evenB = o.vector('i16x8.shr_s', o.vector('i16x8.shl', b, o.constant(32, 8)), o.constant(32, 8));
  const oddB = o.vector('i16x8.shr_s', b, o.constant(32, 8));
  return o.vector('i16x8.add_sat_s', o.vector('i16x8.mul', evenA, evenB), o.vector('i16x8.mul', oddA, oddB));
});

/** WebAssembly saturates −1 × −1 where PMULHRSW wraps. */
const pmulhrsw = binary((o, a, b) => {
  const least = lanes16(o, 0x8000);
  const wraps = o.vector('v128.and', o.vector('i16x8.eq', a, least), o.vector('i16x8.eq', b, least));
  return o.vector('v128.xor', o.vector('i16x8.q15mulr_sat_s', a, b), wraps);
});

/** The sign of the second operand's lanes, applied to the first's. */
const sign = (shape: IntegerShape): Description =>
  binary((o, a, b) => {
    const zero = zeroVector(o);
    const negative = o.vector(`${shape}.lt_s`, b, zero);
    const negated = o.vector(`${shape}.sub`, o.vector('v128.xor', a, negative), negative);
    return o.vector('v128.andnot', negated, o.vector(`${shape}.eq`, b, zero));
  });

const absolute = (shape: IntegerShape): Description => ({
  run: o => o.writeVector(0, o.vector(`${shape}.abs`, o.readVector(1))),
});

/** Sums or differences of neighbours: first those of operand 0, then those of operand 1. */
const horizontal = (op: string, bytes: 2 | 4): Description => ({
  run(o, f) {
    const half = f.operands[0]!.kind === OPERAND_KIND.mm ? 8 : 16;
    const pick = (odd: 0 | 1): number[] =>
      Array.from({ length: 16 }, (_, i) => {
        const at = 2 * (i - (i % bytes)) + odd * bytes + (i % bytes);
        return at < half ? at : (16 + at - half) % 32;
      });
    const a = o.readVector(0);
    const b = o.readVector(1);
    o.writeVector(0, o.vector(op, o.shuffle(a, b, pick(0)), o.shuffle(a, b, pick(1))));
  },
});

// ---------------------------------------------------------------- shifts

/**
 * Shifts by a count that all lanes share: an immediate, or the low 64 bits of a register or memory operand. Counts
 * beyond the lane are not masked, unlike WebAssembly's.
 */
const shift = (op: 'shl' | 'shr_u' | 'shr_s', shape: IntegerShape, bits: number): Description => ({
  hot: true,
  run(o, f) {
    const by = f.operands[1]!.kind;
    const w = by === OPERAND_KIND.imm ? 32 : 64;
    const n = w === 32 ? o.read(1) : o.lane('i64x2.extract_lane', 0, o.readVector(1));
    const far = o.compare('gtU', w, n, o.constant(w, bits - 1));
    const near = w === 64 ? o.truncate(64, 32, n) : n;
    const a = o.readVector(0);
    const result =
      op === 'shr_s'
        ? o.vector(`${shape}.shr_s`, a, o.select(far, 32, o.constant(32, bits - 1), near))
        : o.selectVector(far, zeroVector(o), o.vector(`${shape}.${op}`, a, near));
    o.writeVector(0, result);
  },
});

// ---------------------------------------------------------------- comparison

/** ZF: no bit in common; CF: no bit of the second that the first lacks. */
const ptest: Description = {
  run(o) {
    const a = o.readVector(0);
    const b = o.readVector(1);
    const none = (v: typeof a): typeof a => o.compare('eq', 32, o.vector('v128.any_true', v), o.constant(32, 0));
    const no = o.constant(32, 0);
    o.setFlags({
      zf: none(o.vector('v128.and', a, b)),
      cf: none(o.vector('v128.andnot', b, a)),
      of: no,
      af: no,
      pf: no,
      sf: no,
    });
  },
};

const and = named('v128.and');
const or = named('v128.or');
const xor = named('v128.xor');
const andNot = binary((o, a, b) => o.vector('v128.andnot', b, a));

export const vectorInteger = {
  paddb: named('i8x16.add'),
  paddw: named('i16x8.add'),
  paddd: named('i32x4.add'),
  paddq: named('i64x2.add'),
  paddsb: named('i8x16.add_sat_s'),
  paddsw: named('i16x8.add_sat_s'),
  paddusb: named('i8x16.add_sat_u'),
  paddusw: named('i16x8.add_sat_u'),
  psubb: named('i8x16.sub'),
  psubw: named('i16x8.sub'),
  psubd: named('i32x4.sub'),
  psubq: named('i64x2.sub'),
  psubsb: named('i8x16.sub_sat_s'),
  psubsw: named('i16x8.sub_sat_s'),
  psubusb: named('i8x16.sub_sat_u'),
  psubusw: named('i16x8.sub_sat_u'),
  pand: and,
  andps: and,
  andpd: and,
  por: or,
  orps: or,
  orpd: or,
  pxor: xor,
  xorps: xor,
  xorpd: xor,
  pandn: andNot,
  andnps: andNot,
  andnpd: andNot,
  pcmpeqb: named('i8x16.eq'),
  pcmpeqw: named('i16x8.eq'),
  pcmpeqd: named('i32x4.eq'),
  pcmpeqq: named('i64x2.eq'),
  pcmpgtb: named('i8x16.gt_s'),
  pcmpgtw: named('i16x8.gt_s'),
  pcmpgtd: named('i32x4.gt_s'),
  pcmpgtq: named('i64x2.gt_s'),
  pminub: named('i8x16.min_u'),
  pminsb: named('i8x16.min_s'),
  pminuw: named('i16x8.min_u'),
  pminsw: named('i16x8.min_s'),
  pminud: named('i32x4.min_u'),
  pminsd: named('i32x4.min_s'),
  pmaxub: named('i8x16.max_u'),
  pmaxsb: named('i8x16.max_s'),
  pmaxuw: named('i16x8.max_u'),
  pmaxsw: named('i16x8.max_s'),
  pmaxud: named('i32x4.max_u'),
  pmaxsd: named('i32x4.max_s'),
  pavgb: named('i8x16.avgr_u'),
  pavgw: named('i16x8.avgr_u'),
  pmullw: named('i16x8.mul'),
  pmulld: named('i32x4.mul'),
  pmulhw: multiplyHigh('s'),
  pmulhuw: multiplyHigh('u'),
  pmuludq: multiplyEven('u'),
  pmuldq: multiplyEven('s'),
  pmaddwd: named('i32x4.dot_i16x8_s'),
  pmaddubsw,
  pmulhrsw,
  psadbw,
  psignb: sign('i8x16'),
  psignw: sign('i16x8'),
  psignd: sign('i32x4'),
  pabsb: absolute('i8x16'),
  pabsw: absolute('i16x8'),
  pabsd: absolute('i32x4'),
  phaddw: horizontal('i16x8.add', 2),
  phaddd: horizontal('i32x4.add', 4),
  phaddsw: horizontal('i16x8.add_sat_s', 2),
  phsubw: horizontal('i16x8.sub', 2),
  phsubd: horizontal('i32x4.sub', 4),
  phsubsw: horizontal('i16x8.sub_sat_s', 2),
  psllw: shift('shl', 'i16x8', 16),
  pslld: shift('shl', 'i32x4', 32),
  psllq: shift('shl', 'i64x2', 64),
  psrlw: shift('shr_u', 'i16x8', 16),
  psrld: shift('shr_u', 'i32x4', 32),
  psrlq: shift('shr_u', 'i64x2', 64),
  psraw: shift('shr_s', 'i16x8', 16),
  psrad: shift('shr_s', 'i32x4', 32),
  ptest,
} satisfies Descriptions;
