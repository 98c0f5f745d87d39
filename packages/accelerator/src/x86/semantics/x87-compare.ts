import { CONDITION_CODES, FSW } from '../x87/status.ts';
import type { Description, Descriptions } from './description.ts';
import type { Ops } from './ops.ts';
import { fetch, temporary } from './x87-operands.ts';
import { both, finish, isValid, register, st, usually } from './x87-stack.ts';

/** Compares two registers, and goes on unless that is unusual. */
function ordered<V>(o: Ops<V>, a: V, b: V, then: (order: V) => void): void {
  const order = o.x87('compare', a, b);
  const unusual = o.binary('and', 32, order, o.constant(32, FSW.C2));
  o.if(o.compare('eq', 32, unusual, o.constant(32, 0)), () => then(order));
}

/** FCOM, FUCOM and FICOM: NaNs, which tell them apart, are the escape's. */
const compare = (pops: number, integer = false): Description => ({
  run: (o, f) =>
    usually(o, done => {
      const a = st(o, 0);
      const memory = f.operands.length === 1;
      const b = memory ? temporary(o) : f.operands.length === 2 ? register(o, o.x87Index(1)) : st(o, 1);
      const usable = memory ? fetch(o, f, integer, b) : isValid(o, b);
      o.if(both(o, usable, isValid(o, a)), () =>
        ordered(o, a, b, flags => {
          finish(o, { clear: CONDITION_CODES, flags, pops });
          done();
        }),
      );
    }),
});

/** FCOMI and FUCOMI: the condition codes stay. */
const compareToFlags = (pops: number): Description => ({
  run: o =>
    usually(o, done => {
      const [a, b] = [st(o, 0), register(o, o.x87Index(1))];
      o.if(both(o, isValid(o, a), isValid(o, b)), () =>
        ordered(o, a, b, order => {
          const is = (code: number): ReturnType<typeof o.constant> => o.compare('eq', 32, order, o.constant(32, code));
          const no = o.constant(32, 0);
          o.setFlags({ cf: is(FSW.C0), zf: is(FSW.C3), pf: no, of: no, sf: no, af: no });
          finish(o, { clear: 0, pops });
          done();
        }),
      );
    }),
});

/** x87 comparisons (SDM vol. 2). */
export const x87Compare = {
  fcom: compare(0),
  fcomp: compare(1),
  fcompp: compare(2),
  fucom: compare(0),
  fucomp: compare(1),
  fucompp: compare(2),
  ficom: compare(0, true),
  ficomp: compare(1, true),
  fcomi: compareToFlags(0),
  fcomip: compareToFlags(1),
  fucomi: compareToFlags(0),
  fucomip: compareToFlags(1),
  ftst: {
    run: o =>
      usually(o, done => {
        const [a, zero] = [st(o, 0), temporary(o)];
        o.setX87(zero, o.constant(64, 0), o.constant(32, 0));
        o.if(isValid(o, a), () =>
          ordered(o, a, zero, flags => {
            finish(o, { clear: CONDITION_CODES, flags });
            done();
          }),
        );
      }),
  },
  fxam: {
    run: o =>
      usually(o, done => {
        const a = st(o, 0);
        o.if(isValid(o, a), () =>
          ordered(o, a, a, () => {
            const zero = o.compare('eq', 64, o.x87Significand(a), o.constant(64, 0));
            const kind = o.select(zero, 32, o.constant(32, FSW.C3), o.constant(32, FSW.C2));
            const sign = o.binary('shr', 32, o.x87Exponent(a), o.constant(32, 15));
            const c1 = o.binary('shl', 32, sign, o.constant(32, 9));
            finish(o, { clear: CONDITION_CODES, flags: o.binary('or', 32, kind, c1) });
            done();
          }),
        );
      }),
  },
} satisfies Descriptions;
