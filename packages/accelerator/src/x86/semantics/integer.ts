import { OPERAND_KIND, type OperandKind } from '../decode/decoded.ts';
import { GPR } from '../state.ts';
import type { Description, Descriptions } from './description.ts';
import type { Form, FormOperand, Width } from './form.ts';
import type { BinaryOperator, Ops } from './ops.ts';
import { loadSegment, low16 } from './segment.ts';

const size = (f: Form, operand = 0): Width => f.operands[operand]!.size as Width;
const signBit = <V>(o: Ops<V>, w: Width, a: V): V => o.binary('shr', w, a, o.constant(w, w - 1));
/** A value of any width as a 32-bit one, for counts and conditions. */
const low32 = <V>(o: Ops<V>, w: Width, a: V): V => (w === 64 ? o.truncate(64, 32, a) : a);
const asCondition = <V>(o: Ops<V>, w: Width, a: V): V => low32(o, w, a);

// ---------------------------------------------------------------- addition, subtraction, logic

const alu = (op: BinaryOperator, flags: 'flagsAdd' | 'flagsSub'): Description => ({
  hot: true,
  run(o, f) {
    const w = size(f);
    const b = o.read(1);
    o.modify(0, a => {
      const result = o.binary(op, w, a, b);
      o[flags](w, a, b, result);
      return result;
    });
  },
});

/** ADC and SBB: the carry counts as one more operand. */
const carried = (op: 'add' | 'sub', flags: 'flagsAdd' | 'flagsSub'): Description => ({
  hot: true,
  run(o, f) {
    const w = size(f);
    const b = o.read(1);
    o.modify(0, a => {
      const cf = o.flag('cf');
      const result = o.binary(op, w, o.binary(op, w, a, b), w === 64 ? o.zeroExtend(32, 64, cf) : cf);
      o[flags](w, a, b, result, true);
      return result;
    });
  },
});

const logic = (op: 'and' | 'or' | 'xor'): Description => ({
  hot: true,
  run(o, f) {
    const w = size(f);
    const b = o.read(1);
    o.modify(0, a => {
      const result = o.binary(op, w, a, b);
      o.flagsResult(w, result);
      return result;
    });
  },
});

const step = (op: 'add' | 'sub'): Description => ({
  hot: true,
  run(o, f) {
    const w = size(f);
    o.modify(0, a => {
      const result = o.binary(op, w, a, o.constant(w, 1));
      o.flagsStep(op, w, a, result);
      return result;
    });
  },
});

const compare: Description = {
  hot: true,
  run(o, f) {
    const w = size(f);
    const a = o.read(0);
    const b = o.read(1);
    o.flagsSub(w, a, b, o.binary('sub', w, a, b));
  },
};

const test: Description = {
  hot: true,
  run(o, f) {
    const w = size(f);
    o.flagsResult(w, o.binary('and', w, o.read(0), o.read(1)));
  },
};

// ---------------------------------------------------------------- shifts and rotates

/**
 * A shift or rotate by a count masked to 5 or 6 bits (SDM vol. 2 SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR). With a count of 0
 * nothing changes, not even flags; the destination is written all the same.
 */
const shift = (body: <V>(o: Ops<V>, w: Width, a: V, count: V) => { result: V; flags: () => void }): Description => ({
  hot: true,
  run(o, f) {
    const w = size(f);
    const count = o.binary('and', 32, low32(o, size(f, 1), o.read(1)), o.constant(32, w === 64 ? 63 : 31));
    o.modify(0, a => {
      const { result, flags } = body(o, w, a, count);
      o.if(o.compare('ne', 32, count, o.constant(32, 0)), flags);
      return result;
    });
  },
});

/** Shifts narrow values in 32 bits, where counts up to 31 need no care. */
const wide = (w: Width): Width => (w === 64 ? 64 : 32);
const bitOf = <V>(o: Ops<V>, w: Width, a: V, n: V): V =>
  asCondition(
    o,
    w,
    o.binary('and', w, o.binary('shr', w, a, w === 64 ? o.zeroExtend(32, 64, n) : n), o.constant(w, 1)),
  );
const countAs = <V>(o: Ops<V>, w: Width, count: V): V => (w === 64 ? o.zeroExtend(32, 64, count) : count);

const shl = shift((o, w, a, count) => {
  const W = wide(w);
  const shifted = o.binary('shl', W, a, countAs(o, W, count));
  const result = w < 32 ? o.truncate(32, w, shifted) : shifted;
  return {
    result,
    flags() {
      // The last bit shifted out: for narrow values bit w of the 32-bit result, which is 0 once the count passes w.
      const cf =
        w < 32
          ? bitOf(o, 32, shifted, o.constant(32, w))
          : bitOf(o, w, a, o.binary('sub', 32, o.constant(32, w), count));
      o.flagsResult(w, result, { cf, of: o.binary('xor', 32, cf, asCondition(o, w, signBit(o, w, result))) });
    },
  };
});

const shr = shift((o, w, a, count) => {
  const result = o.binary('shr', wide(w), a, countAs(o, w, count));
  return {
    result,
    flags() {
      const cf = bitOf(o, wide(w), a, o.binary('sub', 32, count, o.constant(32, 1)));
      const of = asCondition(o, w, signBit(o, w, a));
      o.flagsResult(w, result, { cf, of });
    },
  };
});

const sar = shift((o, w, a, count) => {
  const W = wide(w);
  const extended = w < 32 ? o.signExtend(w, 32, a) : a;
  const shifted = o.binary('sar', W, extended, countAs(o, W, count));
  const result = w < 32 ? o.truncate(32, w, shifted) : shifted;
  return {
    result,
    flags() {
      const before = o.binary('sar', W, extended, countAs(o, W, o.binary('sub', 32, count, o.constant(32, 1))));
      o.flagsResult(w, result, { cf: asCondition(o, W, o.binary('and', W, before, o.constant(W, 1))) });
    },
  };
});

const rotate = (direction: 'rotl' | 'rotr'): Description =>
  shift((o, w, a, count) => {
    let result: ReturnType<typeof o.constant>;
    if (w >= 32) result = o.binary(direction, w, a, countAs(o, w, count));
    else {
      // Two copies side by side (four for bytes) turn a narrow rotate into a wide one.
      const twice = o.binary('or', 32, a, o.binary('shl', 32, a, o.constant(32, w)));
      const filled = w === 8 ? o.binary('or', 32, twice, o.binary('shl', 32, twice, o.constant(32, 16))) : twice;
      result = o.truncate(32, w, o.binary(direction, 32, filled, count));
    }
    return {
      result,
      flags() {
        const msb = asCondition(o, w, signBit(o, w, result));
        if (direction === 'rotl') {
          const cf = asCondition(o, w, o.binary('and', w, result, o.constant(w, 1)));
          o.setFlags({ cf, of: o.binary('xor', 32, msb, cf) });
        } else {
          const next = asCondition(
            o,
            w,
            o.binary('and', w, o.binary('shr', w, result, o.constant(w, w - 2)), o.constant(w, 1)),
          );
          o.setFlags({ cf: msb, of: o.binary('xor', 32, msb, next) });
        }
      },
    };
  });

/** RCL and RCR rotate through CF: w + 1 bits, one at a time as the count says (modulo w + 1). */
const rotateCarry = (left: boolean): Description => ({
  run(o, f) {
    const w = size(f);
    const masked = o.binary('and', 32, low32(o, size(f, 1), o.read(1)), o.constant(32, w === 64 ? 63 : 31));
    const count = w < 32 ? o.binary('remU', 32, masked, o.constant(32, w + 1)) : masked;
    o.modify(0, a => {
      const value = o.cell(w, a);
      const carry = o.cell(32, o.flag('cf'));
      const left_ = o.cell(32, count);
      o.repeat(stop => {
        o.if(o.compare('eq', 32, left_.get(), o.constant(32, 0)), stop);
        left_.set(o.binary('sub', 32, left_.get(), o.constant(32, 1)));
        const old = value.get();
        const cf = countAs(o, w, carry.get());
        if (left) {
          carry.set(asCondition(o, w, signBit(o, w, old)));
          value.set(o.binary('or', w, o.binary('shl', w, old, o.constant(w, 1)), cf));
        } else {
          carry.set(asCondition(o, w, o.binary('and', w, old, o.constant(w, 1))));
          value.set(
            o.binary('or', w, o.binary('shr', w, old, o.constant(w, 1)), o.binary('shl', w, cf, o.constant(w, w - 1))),
          );
        }
      });
      const result = value.get();
      o.if(o.compare('ne', 32, count, o.constant(32, 0)), () => {
        const msb = asCondition(o, w, signBit(o, w, result));
        const second = left
          ? carry.get()
          : asCondition(o, w, o.binary('and', w, o.binary('shr', w, result, o.constant(w, w - 2)), o.constant(w, 1)));
        o.setFlags({ cf: carry.get(), of: o.binary('xor', 32, msb, second) });
      });
      return result;
    });
  },
});

/** SHLD and SHRD: `count` bits come in from the second operand. */
const doubleShift = (left: boolean): Description => ({
  run(o, f) {
    const w = size(f);
    const by = f.operands[2]!.kind === OPERAND_KIND.gpr ? o.gpr(8, GPR.rcx) : o.read(2);
    const count = o.binary('and', 32, by, o.constant(32, w === 64 ? 63 : 31));
    const b = o.read(1);
    o.modify(0, a => {
      const n = countAs(o, w, count);
      let shifted: typeof a;
      let cf: typeof a;
      if (w === 16) {
        // a:b:a in 64 bits covers counts above 16, whose result is undefined, as processors compute them.
        const [A, B] = [o.zeroExtend(16, 64, a), o.zeroExtend(16, 64, b)];
        const n64 = o.zeroExtend(32, 64, count);
        const at = (v: typeof a, s: number): typeof a => o.binary('shl', 64, v, o.constant(64, s));
        const all = o.binary('or', 64, o.binary('or', 64, at(A, 32), at(B, 16)), A);
        const moved = left
          ? o.binary('shl', 64, all, n64)
          : o.binary('shr', 64, o.binary('or', 64, o.binary('or', 64, at(A, 32), at(B, 16)), A), n64);
        if (left) {
          shifted = o.truncate(64, 16, o.binary('shr', 64, moved, o.constant(64, 32)));
          cf = o.truncate(
            64,
            32,
            o.binary('and', 64, o.binary('shr', 64, moved, o.constant(64, 48)), o.constant(64, 1)),
          );
        } else {
          shifted = o.truncate(64, 16, moved);
          const before = o.binary('shr', 64, all, o.binary('sub', 64, n64, o.constant(64, 1)));
          cf = o.truncate(64, 32, o.binary('and', 64, before, o.constant(64, 1)));
        }
      } else {
        const inverse = o.binary('sub', w, o.constant(w, w), n);
        shifted = left
          ? o.binary('or', w, o.binary('shl', w, a, n), o.binary('shr', w, b, inverse))
          : o.binary('or', w, o.binary('shr', w, a, n), o.binary('shl', w, b, inverse));
        cf = left
          ? bitOf(o, w, a, o.binary('sub', 32, o.constant(32, w), count))
          : bitOf(o, w, a, o.binary('sub', 32, count, o.constant(32, 1)));
      }
      const some = o.compare('ne', 32, count, o.constant(32, 0));
      const result = o.select(some, w, shifted, a);
      o.if(some, () =>
        o.flagsResult(w, result, { cf, of: asCondition(o, w, signBit(o, w, o.binary('xor', w, result, a))) }),
      );
      return result;
    });
  },
});

// ---------------------------------------------------------------- multiplication and division

/** Upper half of a 64 × 64 → 128 bit product, from four 32-bit products. */
function upperProduct<V>(o: Ops<V>, a: V, b: V, signed: boolean): V {
  const mask = o.constant(64, 0xffff_ffffn);
  const n32 = o.constant(64, 32);
  const [aL, aH, bL, bH] = [
    o.binary('and', 64, a, mask),
    o.binary('shr', 64, a, n32),
    o.binary('and', 64, b, mask),
    o.binary('shr', 64, b, n32),
  ];
  const low = o.binary('mul', 64, aL, bL);
  const middle = o.binary('add', 64, o.binary('mul', 64, aH, bL), o.binary('shr', 64, low, n32));
  const middle2 = o.binary('add', 64, o.binary('mul', 64, aL, bH), o.binary('and', 64, middle, mask));
  const upper = o.binary(
    'add',
    64,
    o.binary('mul', 64, aH, bH),
    o.binary('add', 64, o.binary('shr', 64, middle, n32), o.binary('shr', 64, middle2, n32)),
  );
  if (!signed) return upper;
  const n63 = o.constant(64, 63);
  const correctA = o.binary('and', 64, o.binary('sar', 64, a, n63), b);
  const correctB = o.binary('and', 64, o.binary('sar', 64, b, n63), a);
  return o.binary('sub', 64, o.binary('sub', 64, upper, correctA), correctB);
}

/** Both halves of a product, and whether the upper half says more than the lower one's sign (or zero) extension. */
export function product<V>(o: Ops<V>, w: Width, a: V, b: V, signed: boolean): { low: V; high: V; overflow: V } {
  let low: V;
  let high: V;
  if (w === 64) {
    low = o.binary('mul', 64, a, b);
    high = upperProduct(o, a, b, signed);
  } else {
    const extend = (v: V): V => (signed ? o.signExtend(w, 64, v) : o.zeroExtend(w, 64, v));
    const full = o.binary('mul', 64, extend(a), extend(b));
    low = o.truncate(64, w, full);
    high = o.truncate(64, w, o.binary('shr', 64, full, o.constant(64, w)));
  }
  const expected = signed
    ? o.truncate(
        wide(w),
        w,
        o.binary('sar', wide(w), w < 32 ? o.signExtend(w, 32, low) : low, o.constant(wide(w), wide(w) - 1)),
      )
    : o.constant(w, 0);
  return { low, high, overflow: o.compare('ne', w, high, expected) };
}

const multiply = (signed: boolean): Description => ({
  run(o, f) {
    const w = size(f);
    const { low, high, overflow } = product(o, w, o.gpr(w, GPR.rax), o.read(0), signed);
    if (w === 8) o.setGpr(16, GPR.rax, o.binary('or', 32, low, o.binary('shl', 32, high, o.constant(32, 8))));
    else {
      o.setGpr(w, GPR.rax, low);
      o.setGpr(w, GPR.rdx, high);
    }
    o.flagsResult(w, low, { cf: overflow, of: overflow });
  },
});

const imul: Description = {
  hot: true,
  run(o, f) {
    if (f.operands.length === 1) return multiply(true).run(o, f);
    const w = size(f);
    const [a, b] = f.operands.length === 2 ? [o.read(0), o.read(1)] : [o.read(1), o.read(2)];
    const { low, overflow } = product(o, w, a, b, true);
    o.write(0, low);
    o.flagsResult(w, low, { cf: overflow, of: overflow });
  },
};

/** #DE when the divisor is 0 or the quotient does not fit (SDM vol. 2 DIV, IDIV). */
const divide = (signed: boolean): Description => ({
  run(o, f) {
    const w = size(f);
    const divisor = o.read(0);
    const fail = (condition: typeof divisor): void => o.if(condition, () => o.raise(0));
    fail(o.compare('eq', w, divisor, o.constant(w, 0)));
    if (w === 64) {
      // The usual case: the dividend is a 64-bit number, extended. Anything else needs 128 bits.
      const low = o.gpr(64, GPR.rax);
      const high = o.gpr(64, GPR.rdx);
      const extension = signed ? o.binary('sar', 64, low, o.constant(64, 63)) : o.constant(64, 0);
      const simple = o.compare('eq', 64, high, extension);
      const minimum = signed
        ? o.binary(
            'and',
            32,
            o.compare('eq', 64, low, o.constant(64, -(1n << 63n))),
            o.compare('eq', 64, divisor, o.constant(64, -1)),
          )
        : undefined;
      o.if(
        minimum ? o.binary('and', 32, simple, o.compare('eq', 32, minimum, o.constant(32, 0))) : simple,
        () => {
          o.setGpr(64, GPR.rax, o.binary(signed ? 'divS' : 'divU', 64, low, divisor));
          o.setGpr(64, GPR.rdx, o.binary(signed ? 'remS' : 'remU', 64, low, divisor));
        },
        () => o.escape(),
      );
      return;
    }
    const extend = (v: typeof divisor, from: Width): typeof divisor =>
      signed ? o.signExtend(from, 64, v) : o.zeroExtend(from, 64, v);
    let dividend: typeof divisor;
    if (w === 8) dividend = extend(o.gpr(16, GPR.rax), 16);
    else {
      const high = o.binary('shl', 64, o.zeroExtend(w, 64, o.gpr(w, GPR.rdx)), o.constant(64, w));
      const both = o.binary('or', 64, high, o.zeroExtend(w, 64, o.gpr(w, GPR.rax)));
      dividend = w === 32 ? both : extend(o.truncate(64, 32, both), 32);
    }
    const d = extend(divisor, w);
    if (signed && w === 32)
      fail(
        o.binary(
          'and',
          32,
          o.compare('eq', 64, dividend, o.constant(64, -(1n << 63n))),
          o.compare('eq', 64, d, o.constant(64, -1)),
        ),
      );
    const quotient = o.binary(signed ? 'divS' : 'divU', 64, dividend, d);
    const narrow = o.truncate(64, w, quotient);
    fail(o.compare('ne', 64, quotient, extend(narrow, w)));
    const remainder = o.truncate(64, w, o.binary(signed ? 'remS' : 'remU', 64, dividend, d));
    if (w === 8) o.setGpr(16, GPR.rax, o.binary('or', 32, narrow, o.binary('shl', 32, remainder, o.constant(32, 8))));
    else {
      o.setGpr(w, GPR.rax, narrow);
      o.setGpr(w, GPR.rdx, remainder);
    }
  },
});

// ---------------------------------------------------------------- exchange

const xchg: Description = {
  hot: true,
  run(o) {
    const other = o.read(1);
    o.modify(0, old => {
      o.write(1, old);
      return other;
    });
  },
};

const xadd: Description = {
  run(o, f) {
    const w = size(f);
    const b = o.read(1);
    o.modify(0, a => {
      const sum = o.binary('add', w, a, b);
      o.flagsAdd(w, a, b, sum);
      o.write(1, a);
      return sum;
    });
  },
};

const cmpxchg: Description = {
  hot: true,
  run(o, f) {
    const w = size(f);
    const source = o.read(1);
    const accumulator = o.gpr(w, GPR.rax);
    const compareWith = (old: typeof source): typeof source => {
      o.flagsSub(w, accumulator, old, o.binary('sub', w, accumulator, old));
      return o.compare('eq', w, accumulator, old);
    };
    // One of destination and accumulator is written: with 32 bits the upper half of the other survives.
    const loadAccumulator = (old: typeof source): void => o.setGpr(w, GPR.rax, old);
    if (f.operands[0]!.kind === OPERAND_KIND.gpr) {
      const old = o.read(0);
      o.if(
        compareWith(old),
        () => o.write(0, source),
        () => loadAccumulator(old),
      );
    } else
      o.modify(0, old => {
        const equal = compareWith(old);
        o.if(
          equal,
          () => {},
          () => loadAccumulator(old),
        );
        return o.select(equal, w, source, old); // memory sees a write either way
      });
  },
};

/** CMPXCHG8B and CMPXCHG16B: `half` is the width of one of the two registers. */
const cmpxchgPair = (half: 32 | 64): Description => ({
  run(o) {
    const address = o.linear(0);
    const above = o.binary('add', 64, address, o.constant(64, half / 8));
    if (half === 64)
      o.if(o.compare('ne', 64, o.binary('and', 64, address, o.constant(64, 15)), o.constant(64, 0)), () =>
        o.raise(13, 0),
      );
    o.probeWrite(half / 4, address);
    const low = o.load(half, address);
    const high = o.load(half, above);
    const equal = o.binary(
      'and',
      32,
      o.compare('eq', half, low, o.gpr(half, GPR.rax)),
      o.compare('eq', half, high, o.gpr(half, GPR.rdx)),
    );
    o.if(
      equal,
      () => {
        o.store(half, address, o.gpr(half, GPR.rbx));
        o.store(half, above, o.gpr(half, GPR.rcx));
      },
      () => {
        // The write cycle happens either way.
        o.store(half, address, low);
        o.store(half, above, high);
        o.setGpr(half, GPR.rax, low);
        o.setGpr(half, GPR.rdx, high);
      },
    );
    o.setFlags({ zf: equal });
  },
});

// ---------------------------------------------------------------- bits

/** BT, BTS, BTR, BTC: with memory and a register, the bit offset reaches beyond the operand (SDM vol. 2 BT). */
const bitTest = (change: (<V>(o: Ops<V>, w: Width, a: V, mask: V) => V) | undefined): Description => ({
  dimensions: ['asize', 'flat', 'long'],
  ignoresMemory: ([, index]) => index!.addressing === 'G',
  run(o, f) {
    const w = size(f);
    const index = o.read(1);
    const far = f.operands[0]!.kind === OPERAND_KIND.mem && f.operands[1]!.kind === OPERAND_KIND.gpr;
    const bit = o.binary('and', w, w === size(f, 1) ? index : o.zeroExtend(8, w, index), o.constant(w, w - 1));
    const mask = o.binary('shl', wide(w), o.constant(wide(w), 1), bit);
    const test = (a: typeof index): void =>
      o.setFlags({ cf: asCondition(o, w, o.binary('and', w, o.binary('shr', wide(w), a, bit), o.constant(w, 1))) });
    if (far) {
      const signed = w === 64 ? index : o.signExtend(w, 64, index);
      const bytes = o.binary(
        'shl',
        64,
        o.binary('sar', 64, signed, o.constant(64, Math.log2(w))),
        o.constant(64, Math.log2(w / 8)),
      );
      const offset = o.binary('add', f.asize, o.offset(0), f.asize === 64 ? bytes : o.truncate(64, f.asize, bytes));
      const address = o.segment('effective', f.asize, offset, w / 8, change !== undefined);
      if (change) o.probeWrite(w / 8, address);
      const a = o.load(w, address);
      if (change) o.store(w, address, change(o, w, a, mask));
      test(a);
    } else if (change)
      o.modify(0, a => {
        test(a);
        return change(o, w, a, mask);
      });
    else test(o.read(0));
  },
});

/** BSF and BSR leave the destination alone when the source is 0, as Intel and AMD processors do. */
const bitScan = (reverse: boolean): Description => ({
  run(o, f) {
    const w = size(f);
    const W = wide(w);
    const a = o.read(1);
    const zero = o.compare('eq', w, a, o.constant(w, 0));
    o.if(
      zero,
      () => {},
      () => {
        const n = reverse ? o.binary('sub', W, o.constant(W, W - 1), o.unary('clz', W, a)) : o.unary('ctz', W, a);
        o.write(0, n);
      },
    );
    o.flagsResult(w, a);
  },
});

const countZeros = (trailing: boolean): Description => ({
  run(o, f) {
    const w = size(f);
    const W = wide(w);
    const a = o.read(1);
    const zero = o.compare('eq', w, a, o.constant(w, 0));
    let n = o.unary(trailing ? 'ctz' : 'clz', W, a);
    if (w === 16) n = trailing ? o.select(zero, 32, o.constant(32, 16), n) : o.binary('sub', 32, n, o.constant(32, 16));
    o.flagsResult(w, n, { cf: zero });
    o.write(0, n);
  },
});

const popcnt: Description = {
  run(o, f) {
    const w = size(f);
    const a = o.read(1);
    const n = o.unary('popcnt', wide(w), a);
    o.write(0, n);
    // All flags but ZF are cleared; a result of 0 or 1 gives ZF without SF or PF of the count.
    o.setFlags({
      cf: o.constant(32, 0),
      of: o.constant(32, 0),
      af: o.constant(32, 0),
      sf: o.constant(32, 0),
      pf: o.constant(32, 0),
      zf: o.compare('eq', w, a, o.constant(w, 0)),
    });
  },
};

const bswap: Description = {
  run(o, f) {
    const w = size(f);
    o.modify(0, a => {
      if (w === 16) return o.constant(16, 0); // undefined by the manual; processors give 0
      const swap32 = (v: typeof a): typeof a => {
        const byte = (n: number): typeof a =>
          o.binary('and', 32, o.binary('shr', 32, v, o.constant(32, n)), o.constant(32, 0xff));
        const at = (b: typeof a, n: number): typeof a => o.binary('shl', 32, b, o.constant(32, n));
        return o.binary(
          'or',
          32,
          o.binary('or', 32, at(byte(0), 24), at(byte(8), 16)),
          o.binary('or', 32, at(byte(16), 8), byte(24)),
        );
      };
      if (w === 32) return swap32(a);
      const low = swap32(o.truncate(64, 32, a));
      const high = swap32(o.truncate(64, 32, o.binary('shr', 64, a, o.constant(64, 32))));
      return o.binary(
        'or',
        64,
        o.binary('shl', 64, o.zeroExtend(32, 64, low), o.constant(64, 32)),
        o.zeroExtend(32, 64, high),
      );
    });
  },
};

const movbe: Description = {
  run(o, f) {
    const w = size(f);
    const a = o.read(1);
    const byteAt = (n: number): typeof a =>
      o.binary('and', w, o.binary('shr', wide(w), a, o.constant(w, n)), o.constant(w, 0xff));
    let result = o.constant(w, 0);
    for (let n = 0; n < w; n += 8)
      result = o.binary('or', w, result, o.binary('shl', w, byteAt(n), o.constant(w, w - 8 - n)));
    o.write(0, result);
  },
};

// ---------------------------------------------------------------- moves and conversions

const mov: Description = {
  hot: true,
  run(o, f) {
    const [to, from] = f.operands as [FormOperand, FormOperand];
    const move = (): void =>
      o.write(0, to.size > from.size ? o.zeroExtend(from.size as Width, to.size as Width, o.read(1)) : o.read(1));
    if (from.kind === OPERAND_KIND.cr) return o.if(o.atLevel0(), move, () => o.escape());
    if (to.kind === OPERAND_KIND.seg) return loadSegment(o, low16(o, from.size as Width, o.read(1)));
    if (!isPlain(to.kind) || (from.kind !== OPERAND_KIND.seg && !isPlain(from.kind))) return o.escape(); // system registers
    move();
  },
};
const isPlain = (kind: OperandKind): boolean =>
  kind === OPERAND_KIND.gpr || kind === OPERAND_KIND.mem || kind === OPERAND_KIND.moffs || kind === OPERAND_KIND.imm;

const movExtended = (extend: 'zeroExtend' | 'signExtend'): Description => ({
  hot: true,
  run(o, f) {
    const [to, from] = [size(f), size(f, 1)];
    const a = o.read(1);
    o.write(0, to > from ? o[extend](from, to, a) : a);
  },
});

/** CBW, CWDE, CDQE. */
const cbw: Description = {
  dimensions: ['opsize'],
  run(o, f) {
    const half = (f.opsize / 2) as Width;
    o.setGpr(f.opsize, GPR.rax, o.signExtend(half, f.opsize, o.gpr(half, GPR.rax)));
  },
};

/** CWD, CDQ, CQO. */
const cwd: Description = {
  dimensions: ['opsize'],
  run(o, f) {
    const w = f.opsize;
    const W = wide(w);
    const a = w === 16 ? o.signExtend(16, 32, o.gpr(16, GPR.rax)) : o.gpr(w, GPR.rax);
    const sign = o.binary('sar', W, a, o.constant(W, W - 1));
    o.setGpr(w, GPR.rdx, w === 16 ? o.truncate(32, 16, sign) : sign);
  },
};

const lea: Description = {
  hot: true,
  ignoresMemory: true,
  dimensions: ['asize'],
  run(o, f) {
    const w = size(f);
    const a = o.offset(1);
    o.write(0, f.asize > w ? o.truncate(f.asize, w, a) : f.asize < w ? o.zeroExtend(f.asize, w, a) : a);
  },
};

const not: Description = {
  hot: true,
  run: (o, f) => o.modify(0, a => o.unary('not', size(f), a)),
};

const neg: Description = {
  hot: true,
  run(o, f) {
    const w = size(f);
    o.modify(0, a => {
      const zero = o.constant(w, 0);
      const result = o.binary('sub', w, zero, a);
      o.flagsSub(w, zero, a, result);
      return result;
    });
  },
};

const cmov: Description = {
  hot: true,
  run(o, f) {
    const w = size(f);
    const source = o.read(1); // read, and faulted on, whatever the condition
    // Written either way: a 32-bit destination loses its upper half even when the condition fails.
    o.write(0, o.select(o.condition(f.condition), w, source, o.read(0)));
  },
};

// ---------------------------------------------------------------- flags

const flagTo = (name: 'cf', value: 0 | 1): Description => ({ run: o => o.setFlags({ [name]: o.constant(32, value) }) });
const systemFlagTo = (name: 'df', value: 0 | 1): Description => ({
  run: o => o.setSystemFlag(name, o.constant(32, value)),
});

export const integer = {
  add: alu('add', 'flagsAdd'),
  sub: alu('sub', 'flagsSub'),
  adc: carried('add', 'flagsAdd'),
  sbb: carried('sub', 'flagsSub'),
  and: logic('and'),
  or: logic('or'),
  xor: logic('xor'),
  cmp: compare,
  test,
  inc: step('add'),
  dec: step('sub'),
  not,
  neg,
  shl,
  sal: shl,
  shr,
  sar,
  rol: rotate('rotl'),
  ror: rotate('rotr'),
  rcl: rotateCarry(true),
  rcr: rotateCarry(false),
  shld: doubleShift(true),
  shrd: doubleShift(false),
  mul: multiply(false),
  imul,
  div: divide(false),
  idiv: divide(true),
  xchg,
  xadd,
  cmpxchg,
  cmpxchg8b: cmpxchgPair(32),
  cmpxchg16b: cmpxchgPair(64),
  bt: bitTest(undefined),
  bts: bitTest((o, w, a, mask) => o.binary('or', w, a, mask)),
  btr: bitTest((o, w, a, mask) => o.binary('and', w, a, o.unary('not', wide(w), mask))),
  btc: bitTest((o, w, a, mask) => o.binary('xor', w, a, mask)),
  bsf: bitScan(false),
  bsr: bitScan(true),
  tzcnt: countZeros(true),
  lzcnt: countZeros(false),
  popcnt,
  bswap,
  movbe,
  mov,
  movzx: movExtended('zeroExtend'),
  movsx: movExtended('signExtend'),
  movsxd: movExtended('signExtend'),
  movnti: mov,
  cbw,
  cwd,
  lea,
  cmovcc: cmov,
  setcc: { hot: true, run: (o, f) => o.write(0, o.condition(f.condition)) },
  clc: flagTo('cf', 0),
  stc: flagTo('cf', 1),
  cmc: { run: o => o.setFlags({ cf: o.binary('xor', 32, o.flag('cf'), o.constant(32, 1)) }) },
  cld: systemFlagTo('df', 0),
  std: systemFlagTo('df', 1),
  lahf: { run: o => o.setAh(o.packFlags()) },
  sahf: { run: o => o.unpackFlags(o.ah()) },
  salc: { run: o => o.setGpr(8, GPR.rax, o.select(o.flag('cf'), 32, o.constant(32, 0xff), o.constant(32, 0))) },
  nop: { ignoresMemory: true, run: () => {} },
  pause: { run: () => {} },
} satisfies Descriptions;
