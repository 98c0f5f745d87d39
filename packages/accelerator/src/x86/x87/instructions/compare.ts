import { compare, examine, ORDER } from '../compare.ts';
import type { X87Cpu, X87Execute } from '../cpu.ts';
import { setZero } from '../float80.ts';
import type { X87 } from '../state.ts';
import { CONDITION_CODES, FSW } from '../status.ts';
import type { Source } from './arithmetic.ts';

function pop(fpu: X87, count: number): void {
  for (let n = 0; n < count; n++) fpu.pop();
}

/** Condition codes, or their counterparts in EFLAGS for FCOMI and its kin. */
function deliver(fpu: X87, cpu: X87Cpu, order: number, toEflags: boolean): void {
  if (!toEflags) {
    fpu.context.flags |= order;
    fpu.finish(CONDITION_CODES);
    return;
  }
  // C0, C2 and C3 lie eight bits above CF, PF and ZF (SDM vol. 1 table 8-6); OF, SF and AF become 0.
  cpu.eflags = (cpu.eflags & ~0x8d5) | (order >>> 8);
  fpu.finish();
}

function underflow(fpu: X87, cpu: X87Cpu, pops: number, toEflags: boolean): void {
  if (!fpu.stackFault(0)) return;
  deliver(fpu, cpu, ORDER.unordered, toEflags);
  pop(fpu, pops);
}

/** FCOM, FUCOM, FCOMI and FUCOMI with a register; `quietly` for the U forms. */
export const compareRegister =
  (quietly: boolean, pops: number, toEflags = false): X87Execute =>
  (fpu, cpu, i) => {
    const c = fpu.begin();
    if (fpu.isEmpty(0) || fpu.isEmpty(i)) {
      underflow(fpu, cpu, pops, toEflags);
      return true;
    }
    fpu.read(0, c.a);
    fpu.read(i, c.b);
    const order = compare(c, c.a, c.b, quietly);
    if (fpu.suppressed()) return true;
    deliver(fpu, cpu, order, toEflags);
    pop(fpu, pops);
    return true;
  };

/** FCOM and FICOM with memory. */
export const compareMemory =
  (source: Source, pops: number): X87Execute =>
  (fpu, cpu) => {
    if (!cpu.load(source.size)) return false;
    const c = fpu.begin();
    if (fpu.isEmpty(0)) {
      underflow(fpu, cpu, pops, false);
      return true;
    }
    fpu.read(0, c.a);
    const denormal = source.fetch(cpu, c.b);
    const order = compare(c, c.a, c.b, false);
    if (denormal && (c.flags & FSW.IE) === 0) c.flags |= FSW.DE;
    if (fpu.suppressed()) return true;
    deliver(fpu, cpu, order, false);
    pop(fpu, pops);
    return true;
  };

/** FTST: compares with +0. */
export const ftst: X87Execute = (fpu, cpu) => {
  const c = fpu.begin();
  if (fpu.isEmpty(0)) {
    underflow(fpu, cpu, 0, false);
    return true;
  }
  fpu.read(0, c.a);
  setZero(c.b, 0);
  const order = compare(c, c.a, c.b, false);
  if (fpu.suppressed()) return true;
  deliver(fpu, cpu, order, false);
  return true;
};

/** FXAM: an empty register shows its sign too. */
export const fxam: X87Execute = fpu => {
  const c = fpu.begin();
  fpu.read(0, c.a);
  c.flags = fpu.isEmpty(0) ? FSW.C3 | FSW.C0 | (examine(c.a) & FSW.C1) : examine(c.a);
  fpu.finish(CONDITION_CODES);
  return true;
};
