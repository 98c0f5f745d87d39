import { FSW } from '../x87/status.ts';
import type { Description, Descriptions } from './description.ts';
import type { X87Function } from './ops.ts';
import { fetch, temporary } from './x87-operands.ts';
import { both, finish, isValid, register, st, usually } from './x87-stack.ts';

type Operation = X87Function & ('add' | 'sub' | 'mul' | 'div');

/** `ST(a) = ST(a) ∘ ST(b)`, or with the operands exchanged. */
const withRegister =
  (operation: Operation, reversed: boolean, pop: boolean): Description['run'] =>
  (o, _f) =>
    usually(o, done => {
      const [to, from] = [register(o, o.x87Index(0)), register(o, o.x87Index(1))];
      o.if(both(o, isValid(o, to), isValid(o, from)), () => {
        const [a, b] = reversed ? [from, to] : [to, from];
        o.if(o.x87(operation, to, a, b), () => {
          // The function has set the status word.
          finish(o, { clear: 0, pops: pop ? 1 : 0 });
          done();
        });
      });
    });

/** `ST(0) = ST(0) ∘ memory` */
const withMemory =
  (operation: Operation, reversed: boolean, integer: boolean): Description['run'] =>
  (o, f) =>
    usually(o, done => {
      const [to, from] = [st(o, 0), temporary(o)];
      const usual = fetch(o, f, integer, from);
      o.if(both(o, usual, isValid(o, to)), () => {
        const [a, b] = reversed ? [from, to] : [to, from];
        o.if(o.x87(operation, to, a, b), () => {
          finish(o, { clear: 0 });
          done();
        });
      });
    });

const arithmetic = (operation: Operation, reversed = false): Description => ({
  hot: true,
  run: (o, f) =>
    (f.operands.length === 2 ? withRegister(operation, reversed, false) : withMemory(operation, reversed, false))(o, f),
});
const popping = (operation: Operation, reversed = false): Description => ({
  run: withRegister(operation, reversed, true),
});
const integer = (operation: Operation, reversed = false): Description => ({
  run: withMemory(operation, reversed, true),
});

/** FCHS and FABS: the sign alone. */
const sign = (operator: 'xor' | 'and', mask: number): Description => ({
  run: o =>
    usually(o, done => {
      const r = st(o, 0);
      o.if(isValid(o, r), () => {
        const exponent = o.binary(operator, 32, o.x87Exponent(r), o.constant(32, mask));
        o.setX87(r, o.x87Significand(r), exponent);
        finish(o, {});
        done();
      });
    }),
});

/** x87 arithmetic (SDM vol. 2). */
export const x87Arithmetic = {
  fadd: arithmetic('add'),
  fmul: arithmetic('mul'),
  fsub: arithmetic('sub'),
  fsubr: arithmetic('sub', true),
  fdiv: arithmetic('div'),
  fdivr: arithmetic('div', true),
  faddp: popping('add'),
  fmulp: popping('mul'),
  fsubp: popping('sub'),
  fsubrp: popping('sub', true),
  fdivp: popping('div'),
  fdivrp: popping('div', true),
  fiadd: integer('add'),
  fimul: integer('mul'),
  fisub: integer('sub'),
  fisubr: integer('sub', true),
  fidiv: integer('div'),
  fidivr: integer('div', true),
  fchs: sign('xor', 0x8000),
  fabs: sign('and', 0x7fff),
  /** To an integer below 2⁶³, by way of one. */
  frndint: {
    run: o =>
      usually(o, done => {
        const [r, t] = [st(o, 0), temporary(o)];
        o.if(isValid(o, r), () => {
          const rounding = o.binary('shr', 32, o.x87Word('control'), o.constant(32, 10));
          o.if(o.x87('toInteger', t, r, o.binary('and', 32, rounding, o.constant(32, 3))), () => {
            const value = o.x87Significand(t);
            const flags = o.x87Exponent(t);
            const negative = o.binary('and', 32, o.x87Exponent(r), o.constant(32, 0x8000));
            o.x87('fromInteger', r, value);
            // A zero keeps the sign of what it came from.
            const zero = o.compare('eq', 64, value, o.constant(64, 0));
            o.setX87(
              r,
              o.x87Significand(r),
              o.binary('or', 32, o.x87Exponent(r), o.select(zero, 32, negative, o.constant(32, 0))),
            );
            finish(o, { clear: FSW.C1, flags });
            done();
          });
        });
      }),
  },
} satisfies Descriptions;
