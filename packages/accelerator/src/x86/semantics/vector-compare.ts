import { MXCSR } from '../mxcsr.ts';
import type { Description, Descriptions } from './description.ts';
import {
  allOf,
  areNormal,
  each,
  FLOAT_TYPES,
  type FloatType,
  type HostConditions,
  isNan,
  isOrdinary,
  isSignaling,
  onHost,
} from './float-lanes.ts';
import type { Ops } from './ops.ts';

/**
 * Comparisons of floating-point numbers (SDM vol. 1 §11.4.1.3), on the fast path of `vector-float.ts`. Their invalid
 * operands, which the host does not tell, are looked for.
 */

/** When the host may compare: it has no flags of its own but those of denormals. */
const comparable = <V>(o: Ops<V>, { shape, element, scalar }: FloatType, a: V, b: V): HostConditions<V> => ({
  ordinary: () => allOf(o, ...[a, b].map(x => isOrdinary(o, shape, scalar ? o.vector(`${shape}.splat`, x) : x))),
  ...(scalar ? { quick: () => areNormal(o, element, [a, b]) } : {}),
});

/** MIN and MAX: the second operand unless the first is less (greater): so too for NaNs and two zeros. */
const extreme = (op: 'min' | 'max', t: FloatType): Description => ({
  hot: t.scalar,
  run(o) {
    const { element, shape } = t;
    const [a, b] = t.scalar ? [o.readLane(0, element), o.readLane(1, element)] : [o.readVector(0), o.readVector(1)];
    const fast = (): void => {
      const invalid = (condition: typeof a): void => o.if(condition, () => o.setFloatFlags(MXCSR.IE));
      if (t.scalar) {
        const first = o.vector(`${element}.${op === 'min' ? 'lt' : 'gt'}`, a, b);
        invalid(o.binary('or', 32, o.vector(`${element}.ne`, a, a), o.vector(`${element}.ne`, b, b)));
        o.writeLane(0, element, o.selectVector(first, a, b));
        return;
      }
      invalid(o.vector('v128.any_true', o.vector('v128.or', isNan(o, shape, a), isNan(o, shape, b))));
      o.writeVector(0, o.vector(`${shape}.p${op}`, b, a));
    };
    onHost(o, fast, comparable(o, t, a, b));
  },
});

// ---------------------------------------------------------------- comparison

/** CMP: eq, lt, le, unord by two bits of the immediate, the opposite by the third; lt and le mind quiet NaNs too. */
const compare = (t: FloatType): Description => ({
  hot: t.scalar,
  run(o) {
    const { element, shape } = t;
    const [a, b] = t.scalar ? [o.readLane(0, element), o.readLane(1, element)] : [o.readVector(0), o.readVector(1)];
    const fast = (): void => {
      const predicate = o.read(2);
      const bit = (n: number): typeof predicate => o.binary('and', 32, predicate, o.constant(32, n));
      const ordering = o.compare(
        'ne',
        32,
        o.binary('and', 32, o.binary('add', 32, predicate, o.constant(32, 1)), o.constant(32, 2)),
        o.constant(32, 0),
      );
      const vectors = (): [typeof a, typeof a] =>
        t.scalar ? [o.vector(`${shape}.splat`, a), o.vector(`${shape}.splat`, b)] : [a, b];
      const note = (unordered: typeof a): void =>
        o.if(unordered, () => {
          const [x, y] = vectors();
          const signaling = o.vector('v128.or', isSignaling(o, shape, x), isSignaling(o, shape, y));
          o.if(o.binary('or', 32, ordering, o.vector('v128.any_true', signaling)), () => o.setFloatFlags(MXCSR.IE));
        });
      if (t.scalar) {
        const unordered = o.binary('or', 32, o.vector(`${element}.ne`, a, a), o.vector(`${element}.ne`, b, b));
        note(unordered);
        const odd = o.select(bit(2), 32, unordered, o.vector(`${element}.lt`, a, b));
        const even = o.select(bit(2), 32, o.vector(`${element}.le`, a, b), o.vector(`${element}.eq`, a, b));
        const plain = o.select(bit(1), 32, odd, even);
        const result = o.binary('xor', 32, plain, o.binary('shr', 32, bit(4), o.constant(32, 2)));
        const mask = o.unary('neg', 32, result);
        o.writeLane(0, t.bits, t.bits === 'i64' ? o.signExtend(32, 64, mask) : mask);
        return;
      }
      const unordered = o.vector('v128.or', isNan(o, shape, a), isNan(o, shape, b));
      note(o.vector('v128.any_true', unordered));
      const odd = o.selectVector(bit(2), unordered, o.vector(`${shape}.lt`, a, b));
      const even = o.selectVector(bit(2), o.vector(`${shape}.le`, a, b), o.vector(`${shape}.eq`, a, b));
      const plain = o.selectVector(bit(1), odd, even);
      o.writeVector(0, o.selectVector(bit(4), o.vector('v128.not', plain), plain));
    };
    onHost(o, fast, comparable(o, t, a, b));
  },
});

/** COMIS and UCOMIS: to ZF, PF and CF (SDM vol. 2 COMISD); the latter minds signaling NaNs only. */
const compareToFlags = (t: FloatType, quiet: boolean): Description => ({
  hot: true,
  run(o) {
    const { element, shape } = t;
    const a = o.readLane(0, element);
    const b = o.readLane(1, element);
    const fast = (): void => {
      const is = (op: string): typeof a => o.vector(`${element}.${op}`, a, b);
      const not = (c: typeof a): typeof a => o.binary('xor', 32, c, o.constant(32, 1));
      const unordered = o.binary('or', 32, o.vector(`${element}.ne`, a, a), o.vector(`${element}.ne`, b, b));
      o.if(unordered, () => {
        if (!quiet) return o.setFloatFlags(MXCSR.IE);
        const signaling = (x: typeof a): typeof a => isSignaling(o, shape, o.vector(`${shape}.splat`, x));
        o.if(o.vector('v128.any_true', o.vector('v128.or', signaling(a), signaling(b))), () =>
          o.setFloatFlags(MXCSR.IE),
        );
      });
      const no = o.constant(32, 0);
      o.setFlags({
        zf: o.binary('or', 32, unordered, is('eq')),
        pf: unordered,
        cf: not(is('ge')),
        of: no,
        sf: no,
        af: no,
      });
    };
    onHost(o, fast, comparable(o, t, a, b));
  },
});

export const vectorCompare: Descriptions = {
  ...each('min', t => extreme('min', t)),
  ...each('max', t => extreme('max', t)),
  ...each('cmp', compare),
  comiss: compareToFlags(FLOAT_TYPES.ss, false),
  comisd: compareToFlags(FLOAT_TYPES.sd, false),
  ucomiss: compareToFlags(FLOAT_TYPES.ss, true),
  ucomisd: compareToFlags(FLOAT_TYPES.sd, true),
};
