import { MODE } from '../mode.ts';
import { PRIVILEGE, tlbOf } from '../privilege.ts';
import { RIGHTS, SEGREG } from '../registers.ts';
import { FLAG, SEGMENT, STATE, TLB } from '../state.ts';
import type { FunctionWriter, Value } from '../wasm/function.ts';
import { tlbSlot } from './tlb-entry.ts';

/** (selector): see `Ops.flatStack` and `Ops.flatCode`. */
export const FLAT_SEGMENT = { params: ['i32'], results: [] } as const;
/** (CS, SS) → condition: see `Ops.returnsFlat`. */
export const RETURNS_FLAT = { params: ['i32', 'i32'], results: ['i32'] } as const;
/** (place of a segment register, selector) → condition: see `Ops.loadData`. */
export const LOAD_DATA = { params: ['i32', 'i32'], results: ['i32'] } as const;

/** Descriptors of the flat segments of level 0, and what a segment register has of them (SDM vol. 3 §3.4.5). */
const CODE = { descriptor: 0x00af_9b00_0000_ffffn, access: 1, rights: 0xa09b } as const;
const CODE32 = { descriptor: 0x00cf_9b00_0000_ffffn, access: 1, rights: 0xc09b } as const;
const DATA = { descriptor: 0x00cf_9300_0000_ffffn, access: 3, rights: 0xc093 } as const;
/** Bits of a descriptor's high word: of a data segment that is present, writable, not expand-down and was used; G. */
const USED_DATA = { mask: 0x9f00, value: 0x9300 } as const;
const GRANULARITY = 0x80_0000;
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

/** The descriptor of a selector in the GDT (i64); 0 where the TLB does not know it. */
function descriptorOf(f: FunctionWriter, selector: Value): Value {
  const zero = f.i32(0);
  const offset = f.op('i32.and', selector, f.i32(0xfff8));
  const linear = f.op('i64.add', f.load('i64.load', zero, STATE.gdtr), f.op('i64.extend_i32_u', offset));
  const entry = f.op('i32.add', f.load('i32.load', zero, STATE.guardedTlb), tlbSlot(f, linear));
  const last = f.op('i64.and', f.op('i64.add', linear, f.i64(7)), f.i64(-4096));
  const tableEnds = f.load('i32.load', zero, STATE.gdtr + 8);
  const inTable = f.op('i32.le_u', f.op('i32.add', offset, f.i32(7)), tableEnds);
  const known = f.op('i32.and', inTable, f.op('i64.eq', last, f.load('i64.load', entry, TLB.read)));
  const at = (): Value => f.op('i32.add', f.op('i32.wrap_i64', linear), f.load('i32.load', entry, TLB.addend));
  return f.choose(
    f.op('i32.and', known, f.op('i32.eqz', f.op('i32.and', selector, f.i32(4)))),
    'i64',
    () => f.load('i64.load', at()),
    () => f.i64(0),
  );
}

/** The GDT has just this descriptor for a selector of its own level, as far as the TLB knows. */
function isFlat(f: FunctionWriter, selector: Value, { descriptor }: { descriptor: bigint }): Value {
  const dpl = f.op('i64.extend_i32_u', f.op('i32.and', selector, f.i32(3)));
  const expected = f.op('i64.or', f.op('i64.shl', dpl, f.i64(DPL.descriptor)), f.i64(descriptor));
  return f.op('i64.eq', descriptorOf(f, selector), expected);
}

/** A data segment that a return to level 3 does not take away: it is none, or one of level 3. */
function staysAtLevel3(f: FunctionWriter, n: number): Value {
  const rights = f.load('i32.load', f.i32(0), placeOf(n) + SEGMENT.rights);
  const none = f.op('i32.shr_u', rights, f.i32(16));
  const level3 = f.op('i32.eq', f.op('i32.and', rights, f.i32(0x60)), f.i32(0x60));
  return f.op('i32.or', none, level3);
}

export function writeReturnsFlat(f: FunctionWriter, bits: 32 | 64): void {
  const [cs, ss] = [f.param(0), f.param(1)];
  const no = (condition: Value): void => f.if(condition, () => f.return(f.i32(0)));
  const not = (condition: Value): Value => f.op('i32.eqz', condition);
  const level = f.op('i32.and', cs, f.i32(3));
  no(not(isFlat(f, cs, bits === 64 ? CODE : CODE32)));
  // A gate to level 0 leaves a null selector in SS; what it interrupted at level 0 goes on with that.
  const current = f.load('i32.load16_u', f.i32(0), placeOf(SEGREG.ss) + SEGMENT.selector);
  f.if(bits === 64 ? f.op('i32.or', ss, f.op('i32.or', level, current)) : level, () => {
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

/** As `loadSegment`. The mode hangs on DS and ES, unless it is 64-bit mode: there, what is flat has to stay flat. */
export function writeLoadData(f: FunctionWriter): void {
  const zero = f.i32(0);
  const [place, selector] = [f.param(0), f.param(1)];
  const and = (a: Value, mask: number): Value => f.op('i32.and', a, f.i32(mask));
  const or = (a: Value, b: Value): Value => f.op('i32.or', a, b);
  const shr = (a: Value, by: number): Value => f.op('i32.shr_u', a, f.i32(by));
  const no = (condition: Value): void => f.if(condition, () => f.return(zero));
  const store = (offset: number, value: Value): void => f.store('i32.store', place, offset, value);
  const fill = (base: Value, limit: Value, rights: Value): void => {
    f.store('i64.store', place, SEGMENT.base, f.op('i64.extend_i32_u', base));
    f.store('i32.store16', place, SEGMENT.selector, selector);
    store(SEGMENT.limit, limit);
    store(SEGMENT.rights, rights);
    f.return(f.i32(1));
  };

  const mode = f.load('i32.load', zero, STATE.codeKey);
  no(f.op('i32.eqz', and(mode, MODE.vex)));
  no(f.op('i32.lt_u', f.op('i32.sub', place, f.i32(placeOf(SEGREG.cs))), f.i32(2 * SEGMENT.size))); // CS, SS
  const inMode = f.op('i32.lt_u', place, f.i32(placeOf(SEGREG.fs)));
  const bound = f.op('i32.and', inMode, f.op('i32.ne', and(mode, MODE.code), f.i32(2)));
  f.if(f.op('i32.eqz', and(selector, 0xfffc)), () => {
    no(bound);
    store(SEGMENT.low, f.i32(1));
    store(SEGMENT.high, zero);
    store(SEGMENT.access, zero);
    fill(zero, zero, f.i32(RIGHTS.unusable));
  });

  const descriptor = descriptorOf(f, selector);
  const low = f.op('i32.wrap_i64', descriptor);
  const high = f.op('i32.wrap_i64', f.op('i64.shr_u', descriptor, f.i64(32)));
  const dpl = and(shr(high, 13), 3);
  no(f.op('i32.ne', and(high, USED_DATA.mask), f.i32(USED_DATA.value)));
  no(f.op('i32.lt_u', dpl, and(selector, 3)));
  no(f.op('i32.lt_u', dpl, f.load('i32.load', zero, STATE.cpl)));
  const base = or(or(shr(low, 16), f.op('i32.shl', and(high, 0xff), f.i32(16))), and(high, 0xff00_0000 | 0));
  const units = or(and(low, 0xffff), and(high, 0xf_0000));
  const pages = or(f.op('i32.shl', units, f.i32(12)), f.i32(0xfff));
  const limit = f.select(and(high, GRANULARITY), pages, units);
  f.if(bound, () => {
    no(f.op('i32.eqz', and(mode, MODE.flat)));
    no(or(base, f.op('i32.xor', limit, f.i32(-1))));
  });
  store(SEGMENT.low, zero);
  store(SEGMENT.high, limit);
  store(SEGMENT.access, f.i32(DATA.access));
  fill(base, limit, and(shr(high, 8), 0xf0ff));
}
