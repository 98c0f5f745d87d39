import { GPR } from '../state.ts';
import type { Description, Descriptions } from './description.ts';
import type { Form } from './form.ts';
import { product } from './integer.ts';
import type { BinaryOperator, Ops } from './ops.ts';

/** BMI1, BMI2 and ADX (SDM vol. 1 §5.1.14 to §5.1.16, vol. 2). All are 32 or 64 bits wide. */

type Wide = 32 | 64;
const size = (f: Form, operand = 0): Wide => f.operands[operand]!.size as Wide;
const asWide = <V>(o: Ops<V>, w: Wide, a: V): V => (w === 64 ? o.zeroExtend(32, 64, a) : a);
/** A field of eight bits of a value, as a number of `w` bits. */
const byteOf = <V>(o: Ops<V>, w: Wide, a: V, from: number): V =>
  o.binary('and', w, from === 0 ? a : o.binary('shr', w, a, o.constant(w, from)), o.constant(w, 0xff));
/** The lowest `n` bits set; all of them from `n` = w on. */
const lowBits = <V>(o: Ops<V>, w: Wide, n: V): V => {
  const mask = o.binary('sub', w, o.binary('shl', w, o.constant(w, 1), n), o.constant(w, 1));
  return o.select(o.compare('ltU', w, n, o.constant(w, w)), w, mask, o.constant(w, -1));
};

const andn: Description = {
  run(o, f) {
    const w = size(f);
    const result = o.binary('and', w, o.unary('not', w, o.read(1)), o.read(2));
    o.write(0, result);
    o.flagsResult(w, result);
  },
};

const bextr: Description = {
  run(o, f) {
    const w = size(f);
    const source = o.read(1);
    const control = o.read(2);
    const start = byteOf(o, w, control, 0);
    const inside = o.compare('ltU', w, start, o.constant(w, w));
    const shifted = o.select(inside, w, o.binary('shr', w, source, start), o.constant(w, 0));
    const result = o.binary('and', w, shifted, lowBits(o, w, byteOf(o, w, control, 8)));
    o.write(0, result);
    o.flagsResult(w, result);
  },
};

/** BLSI, BLSMSK and BLSR. @param carry CF is set when the source is zero (`eq`), or when it is not */
const lowestBit = (carry: 'eq' | 'ne', combine: <V>(o: Ops<V>, w: Wide, a: V) => V): Description => ({
  run(o, f) {
    const w = size(f);
    const a = o.read(1);
    const result = combine(o, w, a);
    const cf = o.compare(carry, w, a, o.constant(w, 0));
    o.write(0, result);
    o.flagsResult(w, result, { cf });
  },
});
const less1 = <V>(o: Ops<V>, w: Wide, a: V): V => o.binary('sub', w, a, o.constant(w, 1));

const bzhi: Description = {
  run(o, f) {
    const w = size(f);
    const source = o.read(1);
    const index = byteOf(o, w, o.read(2), 0);
    const result = o.binary('and', w, source, lowBits(o, w, index));
    o.write(0, result);
    o.flagsResult(w, result, { cf: o.compare('gtU', w, index, o.constant(w, w - 1)) });
  },
};

/** PDEP and PEXT: the bits of the mask, lowest first, stand for those at the bottom of the packed number. */
const scatter = (deposit: boolean): Description => ({
  run(o, f) {
    const w = size(f);
    const source = o.read(1);
    const mask = o.cell(w, o.read(2));
    const place = o.cell(w, o.constant(w, 1));
    const result = o.cell(w, o.constant(w, 0));
    o.repeat(stop => {
      const left = mask.get();
      o.if(o.compare('eq', w, left, o.constant(w, 0)), stop);
      const lowest = o.binary('and', w, left, o.unary('neg', w, left));
      const packed = place.get();
      const [from, to] = deposit ? [packed, lowest] : [lowest, packed];
      const present = o.compare('ne', w, o.binary('and', w, source, from), o.constant(w, 0));
      result.set(o.binary('or', w, result.get(), o.select(present, w, to, o.constant(w, 0))));
      place.set(o.binary('shl', w, packed, o.constant(w, 1)));
      mask.set(o.binary('xor', w, left, lowest));
    });
    o.write(0, result.get());
  },
});

/** MULX: the upper half wins where both go to one register. */
const mulx: Description = {
  run(o, f) {
    const w = size(f);
    const { low, high } = product(o, w, o.gpr(w, GPR.rdx), o.read(2), false);
    o.write(1, low);
    o.write(0, high);
  },
};

/** Shifts by a register that leave the flags alone. */
const shiftX = (op: BinaryOperator): Description => ({
  run(o, f) {
    const w = size(f);
    const count = o.binary('and', w, o.read(2), o.constant(w, w - 1));
    o.write(0, o.binary(op, w, o.read(1), count));
  },
});

const rorx: Description = {
  run(o, f) {
    const w = size(f);
    const count = o.binary('and', 32, o.read(2), o.constant(32, w - 1));
    o.write(0, o.binary('rotr', w, o.read(1), asWide(o, w, count)));
  },
};

/** ADCX and ADOX: addition with one flag as carry in and out, the others untouched. */
const addWith = (flag: 'cf' | 'of'): Description => ({
  run(o, f) {
    const w = size(f);
    const b = o.read(1);
    const a = o.read(0);
    const sum = o.binary('add', w, a, b);
    const result = o.binary('add', w, sum, asWide(o, w, o.flag(flag)));
    const carry = o.binary('or', 32, o.compare('ltU', w, sum, a), o.compare('ltU', w, result, sum));
    o.write(0, result);
    o.setFlags({ [flag]: carry });
  },
});

export const bitManipulation = {
  andn,
  bextr,
  blsi: lowestBit('ne', (o, w, a) => o.binary('and', w, a, o.unary('neg', w, a))),
  blsmsk: lowestBit('eq', (o, w, a) => o.binary('xor', w, a, less1(o, w, a))),
  blsr: lowestBit('eq', (o, w, a) => o.binary('and', w, a, less1(o, w, a))),
  bzhi,
  pdep: scatter(true),
  pext: scatter(false),
  mulx,
  rorx,
  sarx: shiftX('sar'),
  shlx: shiftX('shl'),
  shrx: shiftX('shr'),
  adcx: addWith('cf'),
  adox: addWith('of'),
} satisfies Descriptions;
