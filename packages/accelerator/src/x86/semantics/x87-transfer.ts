import { EXCEPTIONS, FSW, RC } from '../x87/status.ts';
import type { Description, Descriptions } from './description.ts';
import type { Width } from './form.ts';
import type { Ops } from './ops.ts';
import { fetch, isRegisterForm, temporary } from './x87-operands.ts';
import { both, finish, isValid, register, st, usually } from './x87-stack.ts';

/** Pushes what `fill` puts into the register that is to be the top. @param fill returns a condition: it did */
function push<V>(o: Ops<V>, fill: (to: V) => V | undefined): void {
  usually(o, done => {
    const to = st(o, -1);
    const end = (): void => {
      finish(o, { pops: -1 });
      done();
    };
    o.if(o.compare('eq', 32, isValid(o, to), o.constant(32, 0)), () => {
      const filled = fill(to);
      if (filled === undefined) end();
      else o.if(filled, end);
    });
  });
}

const copy = <V>(o: Ops<V>, to: V, from: V): void => o.setX87(to, o.x87Significand(from), o.x87Exponent(from));

/** A condition: eighty bits at a linear address lie in one page. */
const inPage = <V>(o: Ops<V>, linear: V): V => {
  const within = o.binary('and', 32, o.truncate(64, 32, linear), o.constant(32, 0xfff));
  return o.compare('leU', 32, within, o.constant(32, 4096 - 10));
};
const behind = <V>(o: Ops<V>, linear: V): V => o.binary('add', 64, linear, o.constant(64, 8));

const constant = (exponent: number, significand: bigint): Description => ({
  run: o =>
    push(o, to => {
      o.setX87(to, o.constant(64, significand), o.constant(32, exponent));
      return undefined;
    }),
});

/** FST and FSTP: to memory, or to ST(i). */
const storeFloat = (pops: number): Description => ({
  hot: true,
  run: (o, f) =>
    usually(o, done => {
      const from = st(o, 0);
      const { size } = f.operands[0]!;
      const end = (flags?: ReturnType<typeof o.constant>): void => {
        finish(o, flags === undefined ? { pops } : { flags, pops });
        done();
      };
      o.if(isValid(o, from), () => {
        if (size !== 80) {
          const t = temporary(o);
          o.if(o.x87(size === 32 ? 'toF32' : 'toF64', t, from), () => {
            const bits = o.x87Significand(t);
            o.write(0, size === 32 ? o.truncate(64, 32, bits) : bits);
            end(o.x87Exponent(t));
          });
          return;
        }
        const linear = o.linear(0);
        o.if(inPage(o, linear), () => {
          o.store(64, linear, o.x87Significand(from));
          o.store(16, behind(o, linear), o.x87Exponent(from));
          end();
        });
      });
    }),
});

const storeToRegister = (pops: number): Description => ({
  run: o =>
    usually(o, done => {
      const [to, from] = [register(o, o.x87Index(0)), st(o, 0)];
      o.if(isValid(o, from), () => {
        copy(o, to, from);
        const bit = o.binary('shl', 32, o.constant(32, 1), to);
        o.setX87Word('tags', o.binary('or', 32, o.x87Word('tags'), bit));
        finish(o, { pops });
        done();
      });
    }),
});

const store = (pops: number): Description => {
  const [toMemory, toRegister] = [storeFloat(pops), storeToRegister(pops)];
  return { hot: true, run: (o, f) => (isRegisterForm(f) ? toRegister : toMemory).run(o, f) };
};

/** FIST, FISTP and, with `chop`, FISTTP. */
const storeInteger = (pops: number, chop = false): Description => ({
  hot: true,
  run: (o, f) =>
    usually(o, done => {
      const [from, t] = [st(o, 0), temporary(o)];
      const w = f.operands[0]!.size as Width;
      o.if(isValid(o, from), () => {
        const field = o.binary('shr', 32, o.x87Word('control'), o.constant(32, 10));
        const rounding = chop ? o.constant(32, RC.chop) : o.binary('and', 32, field, o.constant(32, 3));
        o.if(o.x87('toInteger', t, from, rounding), () => {
          const value = o.x87Significand(t);
          const narrow = o.truncate(64, w, value);
          const end = (): void => {
            o.write(0, narrow);
            finish(o, { flags: o.x87Exponent(t), pops });
            done();
          };
          if (w === 64) end();
          else o.if(o.compare('eq', 64, o.signExtend(w, 64, narrow), value), end);
        });
      });
    }),
});

/** FCMOVcc, by the condition's number (SDM vol. 1 appendix B). */
const move = (condition: number): Description => ({
  run: o =>
    usually(o, done => {
      const [to, from] = [st(o, 0), register(o, o.x87Index(1))];
      o.if(both(o, isValid(o, to), isValid(o, from)), () => {
        o.if(o.condition(condition), () => copy(o, to, from));
        finish(o, { clear: 0 });
        done();
      });
    }),
});

/** What the control instructions keep: FOP and the pointers. */
const control = (body: <V>(o: Ops<V>, done: () => void) => void): Description => ({
  run: o => usually(o, done => body(o, done)),
});

/** x87 data transfer and control instructions (SDM vol. 2). */
export const x87Transfer = {
  fld: {
    hot: true,
    run: (o, f) =>
      push(o, to => {
        if (isRegisterForm(f)) {
          const from = register(o, o.x87Index(0));
          const valid = isValid(o, from);
          o.if(valid, () => copy(o, to, from));
          return valid;
        }
        if (f.operands[0]!.size !== 80) return fetch(o, f, false, to);
        const linear = o.linear(0);
        const significand = o.load(64, linear);
        o.setX87(to, significand, o.load(16, behind(o, linear)));
        return undefined;
      }),
  },
  fild: { hot: true, run: (o, f) => push(o, to => fetch(o, f, true, to)) },
  fld1: constant(0x3fff, 1n << 63n),
  fldz: constant(0, 0n),
  fst: store(0),
  fstp: store(1),
  fist: storeInteger(0),
  fistp: storeInteger(1),
  fisttp: storeInteger(1, true),
  fxch: {
    run: o =>
      usually(o, done => {
        const [a, b] = [st(o, 0), register(o, o.x87Index(1))];
        o.if(both(o, isValid(o, a), isValid(o, b)), () => {
          const [significand, exponent] = [o.x87Significand(a), o.x87Exponent(a)];
          copy(o, a, b);
          o.setX87(b, significand, exponent);
          finish(o, {});
          done();
        });
      }),
  },
  fcmovb: move(2),
  fcmove: move(4),
  fcmovbe: move(6),
  fcmovu: move(10),
  fcmovnb: move(3),
  fcmovne: move(5),
  fcmovnbe: move(7),
  fcmovnu: move(11),
  fwait: control((_o, done) => done()),
  fnstsw: control((o, done) => {
    o.write(0, o.x87Word('status'));
    done();
  }),
  fnstcw: control((o, done) => {
    o.write(0, o.x87Word('control'));
    done();
  }),
  /** Unless it unmasks something. */
  fldcw: control((o, done) => {
    const value = o.read(0);
    const masks = o.constant(32, EXCEPTIONS);
    o.if(o.compare('eq', 32, o.binary('and', 32, value, masks), masks), () => {
      const writable = o.binary('and', 32, value, o.constant(32, 0x1f3f));
      o.setX87Word('control', o.binary('or', 32, writable, o.constant(32, 0x40))); // which always reads as one
      done();
    });
  }),
  fnclex: control((o, done) => {
    const kept = o.constant(32, 0xffff & ~(EXCEPTIONS | FSW.SF));
    o.setX87Word('status', o.binary('and', 32, o.x87Word('status'), kept));
    done();
  }),
} satisfies Descriptions;
