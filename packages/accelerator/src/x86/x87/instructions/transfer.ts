import { fromBcd, toBcd, writeBcdIndefinite } from '../bcd.ts';
import type { Context } from '../context.ts';
import { toF32, toF64 } from '../convert.ts';
import type { X87Cpu, X87Execute } from '../cpu.ts';
import { readFloat80, writeFloat80 } from '../environment.ts';
import { type Float80, INTEGER_BIT, KIND, kind, QUIET_BIT, setIndefinite } from '../float80.ts';
import { toInteger } from '../integer.ts';
import type { X87 } from '../state.ts';
import { FSW, RC } from '../status.ts';
import type { Source } from './arithmetic.ts';

/** FLD m32fp, FLD m64fp and FILD: signaling NaNs and denormals of the narrow formats are exceptions. */
export const load =
  (source: Source): X87Execute =>
  (fpu, cpu) => {
    if (!cpu.load(source.size)) return false;
    const c = fpu.begin();
    if (!fpu.isEmpty(7)) {
      fpu.overflow();
      return true;
    }
    const denormal = source.fetch(cpu, c.result);
    if (kind(c.result) === KIND.signaling) {
      c.flags |= FSW.IE;
      c.result.hi |= QUIET_BIT;
    }
    if (fpu.suppressed()) return true;
    // DEVIATION SDM vol. 1 §8.5.2: as on AMD's processors, an unmasked #D does not suppress a load.
    if (denormal) c.flags |= FSW.DE;
    fpu.push(c.result);
    fpu.finish();
    return true;
  };

/** FLD m80fp and FBLD: no exception but a stack overflow. */
const loadExact =
  (read: (bytes: DataView, out: Float80) => void): X87Execute =>
  (fpu, cpu) => {
    if (!cpu.load(10)) return false;
    const c = fpu.begin();
    if (!fpu.isEmpty(7)) {
      fpu.overflow();
      return true;
    }
    read(cpu.operand, c.result);
    fpu.push(c.result);
    fpu.finish();
    return true;
  };
export const fldM80: X87Execute = loadExact((bytes, out) => readFloat80(bytes, 0, out));
export const fbld: X87Execute = loadExact(fromBcd);

/** FLD ST(i). */
export const fldRegister: X87Execute = (fpu, _cpu, i) => {
  const c = fpu.begin();
  if (fpu.isEmpty(i)) {
    if (fpu.stackFault(0)) {
      setIndefinite(c.result);
      fpu.push(c.result);
    }
  } else if (!fpu.isEmpty(7)) fpu.overflow();
  else {
    fpu.read(i, c.result);
    fpu.push(c.result);
    fpu.finish();
  }
  return true;
};

/** A constant of 64 bits, and how the exact value lies to it: the control word rounds it (SDM vol. 2, FLD1/…). */
export const constant =
  (se: number, hi: number, lo: number, exact: 'equal' | 'above' | 'below'): X87Execute =>
  fpu => {
    const c = fpu.begin();
    if (!fpu.isEmpty(7)) {
      fpu.overflow();
      return true;
    }
    const down = exact === 'below' && (c.rounding === RC.down || c.rounding === RC.chop);
    const up = exact === 'above' && c.rounding === RC.up;
    c.result.set(se, hi | 0, (lo + (up ? 1 : down ? -1 : 0)) | 0);
    fpu.push(c.result);
    fpu.finish();
    return true;
  };

/** FST ST(i) and FSTP ST(i): any encoding, no exception but a stack underflow. */
export const storeRegister =
  (pop: boolean): X87Execute =>
  (fpu, _cpu, i) => {
    const c = fpu.begin();
    if (fpu.isEmpty(0)) {
      fpu.underflow(i, pop);
      return true;
    }
    fpu.read(0, c.a);
    fpu.write(i, c.a);
    if (pop) fpu.pop();
    fpu.finish();
    return true;
  };

/** FSTP1 (D9 D8): an alias of FSTP ST(i) that pops an empty register silently. */
export const fstp1: X87Execute = (fpu, cpu, i) => {
  if (!fpu.isEmpty(0)) return storeRegister(true)(fpu, cpu, i);
  fpu.begin();
  fpu.pop();
  fpu.finish();
  return true;
};

/** How a store makes its bytes: converts `a` into `operand`, or writes the format's indefinite. */
interface Destination {
  readonly size: number;
  convert(c: Context, a: Float80, operand: DataView): void;
  indefinite(operand: DataView): void;
}

/** FST, FIST and FBSTP: the value is computed, then written, then popped; a fault leaves everything as it was. */
export const store = (destination: Destination, pop: boolean): X87Execute => {
  // A range exception cannot be delivered with an adjusted exponent here: unmasked, it suppresses the store (§8.5.4).
  const suppressing = FSW.IE | FSW.OE | FSW.UE;
  return (fpu: X87, cpu: X87Cpu) => {
    const c = fpu.begin();
    if (fpu.isEmpty(0)) {
      c.flags = FSW.IE | FSW.SF;
      destination.indefinite(cpu.operand);
    } else {
      fpu.read(0, c.a);
      destination.convert(c, c.a, cpu.operand);
    }
    if ((c.flags & ~c.masks & suppressing) === 0) {
      if (!cpu.store(destination.size)) return false;
      if (pop) fpu.pop();
    } else {
      // A fault of the memory comes first, though nothing would be stored.
      if (!cpu.probeStore(destination.size)) return false;
      c.flags &= ~(FSW.PE | FSW.C1);
    }
    fpu.finish();
    return true;
  };
};

export const TO_M32FP: Destination = {
  size: 4,
  convert: (c, a, operand) => operand.setInt32(0, toF32(c, a), true),
  indefinite: operand => operand.setUint32(0, 0xffc00000, true),
};
export const TO_M64FP: Destination = {
  size: 8,
  convert: (c, a, operand) => {
    toF64(c, a);
    operand.setInt32(0, c.lo, true);
    operand.setInt32(4, c.hi, true);
  },
  indefinite: operand => {
    operand.setUint32(0, 0, true);
    operand.setUint32(4, 0xfff80000, true);
  },
};
export const TO_M80FP: Destination = {
  size: 10,
  convert: (_c, a, operand) => writeFloat80(operand, 0, a),
  indefinite: operand => {
    operand.setInt32(0, 0, true);
    operand.setInt32(4, INTEGER_BIT | QUIET_BIT, true);
    operand.setUint16(8, 0xffff, true);
  },
};
export const TO_BCD: Destination = {
  size: 10,
  convert: (c, a, operand) => toBcd(c, a, operand),
  indefinite: writeBcdIndefinite,
};
const toInt = (bits: 16 | 32 | 64, chop: boolean): Destination => ({
  size: bits / 8,
  convert: (c, a, operand) => {
    toInteger(c, a, bits, chop ? RC.chop : c.rounding);
    operand.setInt32(0, c.lo, true);
    operand.setInt32(4, c.hi, true);
  },
  indefinite: operand => {
    operand.setInt32(0, bits === 64 ? 0 : bits === 32 ? INTEGER_BIT : -0x8000, true);
    operand.setInt32(4, INTEGER_BIT, true);
  },
});
export const TO_M16INT: Destination = toInt(16, false);
export const TO_M32INT: Destination = toInt(32, false);
export const TO_M64INT: Destination = toInt(64, false);
/** FISTTP's destinations. */
export const CHOP_M16INT: Destination = toInt(16, true);
export const CHOP_M32INT: Destination = toInt(32, true);
export const CHOP_M64INT: Destination = toInt(64, true);

/** FXCH: an empty register counts as the indefinite when the fault is masked. */
export const fxch: X87Execute = (fpu, _cpu, i) => {
  const c = fpu.begin();
  const empty0 = fpu.isEmpty(0);
  const emptyI = fpu.isEmpty(i);
  if ((empty0 || emptyI) && !fpu.stackFault(0)) return true;
  fpu.read(0, c.a);
  fpu.read(i, c.b);
  if (empty0) setIndefinite(c.a);
  if (emptyI) setIndefinite(c.b);
  fpu.write(0, c.b);
  fpu.write(i, c.a);
  if (!empty0 && !emptyI) fpu.finish();
  return true;
};

const CF = 1;
const PF = 4;
const ZF = 0x40;
/** FCMOVcc: by EFLAGS CF (B), ZF (E), either (BE) or PF (U). */
const move =
  (mask: number, when: boolean): X87Execute =>
  (fpu, cpu, i) => {
    const { a } = fpu.begin();
    if (fpu.isEmpty(0) || fpu.isEmpty(i)) {
      fpu.underflow(0, false);
      return true;
    }
    if (((cpu.eflags & mask) !== 0) === when) {
      fpu.read(i, a);
      fpu.write(0, a);
    }
    return true;
  };
export const fcmovb: X87Execute = move(CF, true);
export const fcmove: X87Execute = move(ZF, true);
export const fcmovbe: X87Execute = move(CF | ZF, true);
export const fcmovu: X87Execute = move(PF, true);
export const fcmovnb: X87Execute = move(CF, false);
export const fcmovne: X87Execute = move(ZF, false);
export const fcmovnbe: X87Execute = move(CF | ZF, false);
export const fcmovnu: X87Execute = move(PF, false);
