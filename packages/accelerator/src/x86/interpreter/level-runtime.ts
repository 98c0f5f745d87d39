import { PRIVILEGE, tlbOf } from '../privilege.ts';
import { SEGREG } from '../registers.ts';
import { FLAG, SEGMENT, STATE, TLB } from '../state.ts';
import type { FunctionWriter, Value } from '../wasm/function.ts';
import { tlbSlot } from './tlb-entry.ts';

/** (selector): see `Ops.flatStack` and `Ops.flatCode`. */
export const FLAT_SEGMENT = { params: ['i32'], results: [] } as const;
/** (CS, SS) → condition: see `Ops.returnsFlat`. */
export const RETURNS_FLAT = { params: ['i32', 'i32'], results: ['i32'] } as const;

/** Descriptors of the flat segments of level 0, and what a segment register has of them (SDM vol. 3 §3.4.5). */
const CODE = { descriptor: 0x00af_9b00_0000_ffffn, access: 1, rights: 0xa09b } as const;
const CODE32 = { access: 1, rights: 0xc09b } as const;
const DATA = { descriptor: 0x00cf_9300_0000_ffffn, access: 3, rights: 0xc093 } as const;
/** Place of DPL in a descriptor, and in the rights of a segment register. */
const DPL = { descriptor: 45, rights: 5 } as const;

const placeOf = (n: number): number => STATE.segments + n * SEGMENT.size;

/** `Registers.setSegment`, two words at a time. */
function writeSegment(f: FunctionWriter, n: number, selector: Value, flat: { access: number; rights: number }): void {
  const zero = f.i32(0);
  const store = (offset: number, value: Value): void => f.store('i64.store', zero, placeOf(n) + offset, value);
  const words = (low: Value, high: Value): Value =>
    f.op('i64.or', f.op('i64.extend_i32_u', low), f.op('i64.shl', f.op('i64.extend_i32_u', high), f.i64(32)));
  const dpl = f.op('i32.and', selector, f.i32(3));
  const rights = f.op('i32.or', f.op('i32.shl', dpl, f.i32(DPL.rights)), f.i32(flat.rights));
  store(SEGMENT.base, f.i64(0));
  store(SEGMENT.low, f.i64(0xffff_ffff_0000_0000n));
  store(SEGMENT.access, words(f.i32(flat.access), f.op('i32.and', selector, f.i32(0xffff))));
  store(SEGMENT.limit, words(f.i32(-1), rights));
}

export function writeFlatStack(f: FunctionWriter): void {
  writeSegment(f, SEGREG.ss, f.param(0), DATA);
}

/** As `setCode` and `Cpu.updateMode` between flat code of the same width. */
export function writeFlatCode(f: FunctionWriter, bits: 32 | 64): void {
  const selector = f.param(0);
  const zero = f.i32(0);
  writeSegment(f, SEGREG.cs, selector, bits === 64 ? CODE : CODE32);
  const level = f.op('i32.and', selector, f.i32(3));
  const flags = f.load('i32.load', zero, STATE.flagsSystem);
  const has = (mask: number): Value => f.op('i32.and', flags, f.i32(mask));
  const guarded = f.load('i32.load', zero, STATE.guardedTlb);
  const supervisor = f.select(has(FLAG.ac), f.i32(tlbOf(PRIVILEGE.supervisor)), guarded);
  f.store('i32.store', zero, STATE.cpl, level);
  f.store('i32.store', zero, STATE.tlb, f.select(level, f.i32(tlbOf(PRIVILEGE.user)), supervisor));
  const keys = (n: number): Value => f.load('i32.load', zero, (bits === 64 ? STATE.longKeys : STATE.flatKeys) + 4 * n);
  f.store('i32.store', zero, STATE.codeKey, f.select(level, keys(1), keys(0)));
  const iopl = f.op('i32.shr_u', has(FLAG.iopl), f.i32(Math.log2(FLAG.iopl & -FLAG.iopl)));
  f.store('i32.store', zero, STATE.mayChangeIf, f.op('i32.le_u', level, iopl));
  f.store('i64.store', zero, STATE.stackTag, f.i64(-1));
}

/** The GDT has just this descriptor for a selector of its own level, as far as the TLB knows. */
function isFlat(f: FunctionWriter, selector: Value, { descriptor }: typeof CODE | typeof DATA): Value {
  const zero = f.i32(0);
  const offset = f.op('i32.and', selector, f.i32(0xfff8));
  const linear = f.op('i64.add', f.load('i64.load', zero, STATE.gdtr), f.op('i64.extend_i32_u', offset));
  const entry = f.op('i32.add', f.load('i32.load', zero, STATE.guardedTlb), tlbSlot(f, linear));
  const last = f.op('i64.and', f.op('i64.add', linear, f.i64(7)), f.i64(-4096));
  const tableEnds = f.load('i32.load', zero, STATE.gdtr + 8);
  const inTable = f.op('i32.le_u', f.op('i32.add', offset, f.i32(7)), tableEnds);
  const known = f.op('i32.and', inTable, f.op('i64.eq', last, f.load('i64.load', entry, TLB.read)));
  const dpl = f.op('i64.extend_i32_u', f.op('i32.and', selector, f.i32(3)));
  const expected = f.op('i64.or', f.op('i64.shl', dpl, f.i64(DPL.descriptor)), f.i64(descriptor));
  const at = (): Value => f.op('i32.add', f.op('i32.wrap_i64', linear), f.load('i32.load', entry, TLB.addend));
  return f.choose(
    f.op('i32.and', known, f.op('i32.eqz', f.op('i32.and', selector, f.i32(4)))),
    'i32',
    () => f.op('i64.eq', f.load('i64.load', at()), expected),
    () => f.i32(0),
  );
}

/** A data segment that a return to level 3 does not take away: it is none, or one of level 3. */
function staysAtLevel3(f: FunctionWriter, n: number): Value {
  const rights = f.load('i32.load', f.i32(0), placeOf(n) + SEGMENT.rights);
  const none = f.op('i32.shr_u', rights, f.i32(16));
  const level3 = f.op('i32.eq', f.op('i32.and', rights, f.i32(0x60)), f.i32(0x60));
  return f.op('i32.or', none, level3);
}

export function writeReturnsFlat(f: FunctionWriter): void {
  const [cs, ss] = [f.param(0), f.param(1)];
  const no = (condition: Value): void => f.if(condition, () => f.return(f.i32(0)));
  const not = (condition: Value): Value => f.op('i32.eqz', condition);
  const level = f.op('i32.and', cs, f.i32(3));
  no(not(isFlat(f, cs, CODE)));
  // A gate to level 0 leaves a null selector in SS; what it interrupted at level 0 goes on with that.
  const current = f.load('i32.load16_u', f.i32(0), placeOf(SEGREG.ss) + SEGMENT.selector);
  f.if(f.op('i32.or', ss, f.op('i32.or', level, current)), () => {
    no(f.op('i32.ne', f.op('i32.and', ss, f.i32(3)), level));
    no(not(f.op('i32.and', ss, f.i32(0xfffc))));
    no(not(isFlat(f, ss, DATA)));
  });
  f.if(level, () => {
    no(f.op('i32.ne', level, f.i32(3)));
    for (const n of [SEGREG.es, SEGREG.ds, SEGREG.fs, SEGREG.gs]) no(not(staysAtLevel3(f, n)));
  });
  f.return(f.i32(1));
}
