import { compare, examine, ORDER } from '../compare.ts';
import type { X87Execute } from '../cpu.ts';
import { setZero } from '../float80.ts';
import type { X87 } from '../state.ts';
import { CONDITION_CODES, FSW, PRE_COMPUTATION } from '../status.ts';
import type { Source } from './arithmetic.ts';

const UNDERFLOW = FSW.IE | FSW.SF;

/**
 * Ends a comparison. An unmasked exception keeps it from popping.
 * DEVIATION SDM vol. 2 FCOM, FCOMI: as on AMD's processors, the outcome is delivered even then.
 */
function deliver(fpu: X87, order: number, pops: number): boolean {
  const c = fpu.context;
  c.flags |= order;
  fpu.finish();
  if ((c.flags & ~c.masks & PRE_COMPUTATION) === 0) for (let n = 0; n < pops; n++) fpu.pop();
  return true;
}

function order(fpu: X87, i: number, quietly: boolean): number {
  const c = fpu.context;
  if (fpu.isEmpty(0) || fpu.isEmpty(i)) {
    c.flags = UNDERFLOW;
    return ORDER.unordered;
  }
  fpu.read(0, c.a);
  fpu.read(i, c.b);
  return compare(c, c.a, c.b, quietly);
}

/** FCOM and FUCOM with a register; `quietly` for the U forms. */
export const compareRegister =
  (quietly: boolean, pops: number): X87Execute =>
  (fpu, _cpu, i) => {
    fpu.begin(CONDITION_CODES);
    return deliver(fpu, order(fpu, i, quietly), pops);
  };

/** FCOMI and FUCOMI. The condition codes stay, but for C1 after a stack fault. */
export const compareToEflags =
  (quietly: boolean, pops: number): X87Execute =>
  (fpu, cpu, i) => {
    const c = fpu.begin(0);
    const outcome = order(fpu, i, quietly);
    if ((c.flags & FSW.SF) !== 0) c.clear = FSW.C1;
    // C0, C2 and C3 lie eight bits above CF, PF and ZF (SDM vol. 1 table 8-6); OF, SF and AF become 0.
    cpu.eflags = (cpu.eflags & ~0x8d5) | (outcome >>> 8);
    return deliver(fpu, 0, pops);
  };

/** FCOM and FICOM with memory. */
export const compareMemory =
  (source: Source, pops: number): X87Execute =>
  (fpu, cpu) => {
    if (!cpu.load(source.size)) return false;
    const c = fpu.begin(CONDITION_CODES);
    if (fpu.isEmpty(0)) {
      c.flags = UNDERFLOW;
      return deliver(fpu, ORDER.unordered, pops);
    }
    fpu.read(0, c.a);
    const denormal = source.fetch(cpu, c.b);
    const outcome = compare(c, c.a, c.b, false);
    if (denormal && outcome !== ORDER.unordered) c.flags |= FSW.DE;
    return deliver(fpu, outcome, pops);
  };

/** FTST: compares with +0. */
export const ftst: X87Execute = fpu => {
  const c = fpu.begin(CONDITION_CODES);
  if (fpu.isEmpty(0)) {
    c.flags = UNDERFLOW;
    return deliver(fpu, ORDER.unordered, 0);
  }
  fpu.read(0, c.a);
  setZero(c.b, 0);
  return deliver(fpu, compare(c, c.a, c.b, false), 0);
};

/** FXAM: an empty register shows its sign too. */
export const fxam: X87Execute = fpu => {
  const c = fpu.begin(CONDITION_CODES);
  fpu.read(0, c.a);
  c.flags = fpu.isEmpty(0) ? FSW.C3 | FSW.C0 | (examine(c.a) & FSW.C1) : examine(c.a);
  fpu.finish();
  return true;
};
