import type { ExactFunction } from '../semantics/ops.ts';
import { SEGMENT, STATE, TLB } from '../state.ts';
import { FunctionWriter, type Value } from '../wasm/function.ts';
import type { ModuleWriter, Signature } from '../wasm/module.ts';
import { ACCESS } from './access.ts';
import { DISPATCH, writeDispatch } from './dispatch-runtime.ts';
import { EXACT, EXACT_FUNCTIONS, type ExactRuntime, writeExact } from './exact-runtime.ts';
import {
  FLAT_SEGMENT,
  LOAD_DATA,
  RETURNS_FLAT,
  writeFlatCode,
  writeFlatStack,
  writeLoadData,
  writeReturnsFlat,
} from './level-runtime.ts';
import { LINK, RECORD, STOP } from './record.ts';
import { STRING_RUN, STRING_RUNS, type StringRuntime, stringRuntime, writeStringRun } from './string-runtime.ts';
import { tlbEntry } from './tlb-entry.ts';
import { writeX87, X87_FUNCTIONS, type X87Runtime, x87Runtime, x87Signature } from './x87-runtime.ts';

/** Functions that every handler can call, by index in the module. */
export interface Runtime {
  /** (record) → stop: goes on with a record. */
  readonly enter: number;
  /** (record) → stop: the same from a region, with flags of the kind `STATE.flagKind` in `flagResult` and `flagAux`. */
  readonly enterLazily: number;
  /** (linear i64, info i32, record) → offset where the access may be made, or 0 on a fault. */
  readonly miss: number;
  /** (linear i64, record) → the same as {@link miss} for a compiled access, whose record has the info in its field `a`. */
  readonly missAt: number;
  /** (linear i64, record) → the same, by way of the TLB, whose entry goes to `STATE.stackTag` and `stackAddend`. */
  readonly missStack: number;
  /** Passes on what was stored in the bounce buffer. */
  readonly commit: number;
  /** (record) → stop: carries an instruction out in TypeScript. */
  readonly escape: number;
  /** (segment register, offset, info) → linear address, or −1 on a fault. */
  readonly segment: number;
  /** (slot of a link) → stop: goes to `STATE.blockRip`, whose link is no offset. */
  readonly transfer: number;
  /** (kind, x, y): brings STATE's lazy flags up to date; see {@link FLAGS}. */
  readonly flags: number;
  /** Puts the time-stamp counter into `STATE.timestamp`. */
  readonly timestamp: number;
  /** Segments of system calls and returns, see `level-runtime.ts`. */
  readonly returnsFlat: number;
  readonly returnsFlat32: number;
  readonly loadData: number;
  readonly flatStack: number;
  readonly flatCode: number;
  readonly flatCode32: number;
  /** (rip) → stop: goes where the jump cache says. `STATE.blockRip` is set already. */
  readonly dispatch: number;
  /** Iterations of repeated string instructions, see `string-runtime.ts`. */
  readonly strings: StringRuntime;
  /** Arithmetic of the x87 unit, see `x87-runtime.ts`. */
  readonly x87: X87Runtime;
  /** Whether SSE arithmetic rounded, see `exact-runtime.ts`. */
  readonly exact: ExactRuntime;
}

/**
 * Flags that a compiled region has not worked out: a kind, and two 64-bit values. `raw`: the lazy result and aux words.
 * Else zero-extended operands, the kind counting the widths from 8 to 64 bits; of INC and DEC, the operand and CF.
 */
export const FLAGS = { raw: 0, add8: 1, sub8: 5, inc8: 9, dec8: 13 } as const;

const NO_VALUES = { params: [], results: [] } as const;
const MISS = { params: ['i64', 'i32', 'i32'], results: ['i32'] } as const;
const SEGMENT_LINEAR = { params: ['i32', 'i32', 'i32'], results: ['i64'] } as const;
const MISS_AT = { params: ['i64', 'i32'], results: ['i32'] } as const;
const FLAGS_SIGNATURE = { params: ['i32', 'i64', 'i64'], results: [] } as const;

/** Type of a handler in the interpreter's module: offset of its record → why it stopped. */
export const HANDLER_TYPE = 0;
const HANDLER = { params: ['i32'], results: ['i32'] } as const;

/**
 * The runtime in a module that imports of it what it uses: every import costs each region's instance. Not the table: V8 keeps every
 * instance that imports a table, with its machine code, for as long as the table.
 */
export function importRuntime(module: ModuleWriter): Runtime {
  const signatures: Record<Exclude<keyof Runtime, 'strings' | 'x87' | 'exact'>, Signature> = {
    enter: HANDLER,
    enterLazily: HANDLER,
    commit: NO_VALUES,
    escape: HANDLER,
    miss: MISS,
    missAt: MISS_AT,
    missStack: MISS_AT,
    segment: SEGMENT_LINEAR,
    transfer: HANDLER,
    dispatch: DISPATCH,
    flags: FLAGS_SIGNATURE,
    timestamp: NO_VALUES,
    returnsFlat: RETURNS_FLAT,
    returnsFlat32: RETURNS_FLAT,
    loadData: LOAD_DATA,
    flatStack: FLAT_SEGMENT,
    flatCode: FLAT_SEGMENT,
    flatCode32: FLAT_SEGMENT,
  };
  const lazily = <T extends object>(into: T, name: string, signature: Signature): T =>
    Object.defineProperty(into, name, { get: () => module.import(name, signature) });
  const runtime = { strings: {}, x87: {}, exact: {} } as Runtime;
  for (const [name, signature] of Object.entries(signatures)) lazily(runtime, name, signature);
  for (const name of STRING_RUNS) lazily(runtime.strings, name, STRING_RUN);
  for (const name of X87_FUNCTIONS) lazily(runtime.x87, name, x87Signature(name));
  for (const name of EXACT_FUNCTIONS) lazily(runtime.exact, name, EXACT);
  return runtime;
}

/** Writes the runtime's functions into a module, and exports them for regions, which are modules of their own. */
export function writeRuntime(module: ModuleWriter): Runtime {
  if (module.type(HANDLER) !== HANDLER_TYPE) throw new Error('the runtime comes first in its module');
  const translate = module.import('translate', { params: ['i32', 'i32', 'i32'], results: ['i32'] });
  const commitImport = module.import('commit', NO_VALUES);
  const escapeImport = module.import('escape', HANDLER);
  const timestampImport = module.import('timestamp', NO_VALUES);
  const segmentFault = module.import('segmentFault', { params: ['i32'], results: [] });
  const runtime: Runtime = {
    enter: module.declare(HANDLER),
    enterLazily: module.declare(HANDLER),
    commit: module.declare(NO_VALUES),
    escape: module.declare(HANDLER),
    miss: module.declare(MISS),
    missAt: module.declare(MISS_AT),
    missStack: module.declare(MISS_AT),
    segment: module.declare(SEGMENT_LINEAR),
    transfer: module.declare(HANDLER),
    dispatch: module.declare(DISPATCH),
    flags: module.declare(FLAGS_SIGNATURE),
    timestamp: module.declare(NO_VALUES),
    returnsFlat: module.declare(RETURNS_FLAT),
    returnsFlat32: module.declare(RETURNS_FLAT),
    loadData: module.declare(LOAD_DATA),
    flatStack: module.declare(FLAT_SEGMENT),
    flatCode: module.declare(FLAT_SEGMENT),
    flatCode32: module.declare(FLAT_SEGMENT),
    strings: stringRuntime(() => module.declare(STRING_RUN)),
    x87: x87Runtime((_name, signature) => module.declare(signature)),
    exact: Object.fromEntries(EXACT_FUNCTIONS.map(name => [name, module.declare(EXACT)])) as Record<
      ExactFunction,
      number
    >,
  };

  const define = (
    index: number,
    params: ('i32' | 'i64')[],
    result: 'i32' | 'i64',
    write: (f: FunctionWriter) => void,
  ): void => {
    const f = new FunctionWriter({ params, results: [result] });
    write(f);
    module.define(index, f.body());
  };
  const enter = (f: FunctionWriter, record: Value): void =>
    f.returnCallIndirect(HANDLER_TYPE, f.load('i32.load', record, RECORD.handler), record);
  define(runtime.enter, ['i32'], 'i32', f => enter(f, f.param(0)));
  define(runtime.escape, ['i32'], 'i32', f => f.return(f.call(escapeImport, 'i32', f.param(0))));
  const passOn = (index: number, imported: number): void => {
    const f = new FunctionWriter(NO_VALUES);
    f.callVoid(imported);
    module.define(index, f.body());
  };
  passOn(runtime.commit, commitImport);
  passOn(runtime.timestamp, timestampImport);

  const translated = (f: FunctionWriter, linear: Value, info: Value): void => {
    const high = f.op('i32.wrap_i64', f.op('i64.shr_u', linear, f.i64(32)));
    f.return(f.call(translate, 'i32', f.op('i32.wrap_i64', linear), high, info));
  };
  define(runtime.miss, ['i64', 'i32', 'i32'], 'i32', f => {
    const [linear, info, record] = [f.param(0), f.param(1), f.param(2)];
    const ss = f.op('i32.eq', f.load('i32.load16_u', record, RECORD.segment), f.i32(STATE.segments + 2 * SEGMENT.size));
    const stack = f.op('i32.mul', ss, f.i32(ACCESS.stack));
    translated(f, linear, f.op('i32.or', info, stack));
  });

  define(runtime.missAt, ['i64', 'i32'], 'i32', f =>
    translated(f, f.param(0), f.load('i32.load16_u', f.param(1), RECORD.a)),
  );
  define(runtime.missStack, ['i64', 'i32'], 'i32', f => {
    const zero = f.i32(0);
    const [linear, record] = [f.param(0), f.param(1)];
    const info = f.load('i32.load16_u', record, RECORD.a);
    const entry = tlbEntry(f, linear);
    const addend = f.load('i32.load', entry, TLB.addend);
    const writable = f.load('i64.load', entry, TLB.write);
    f.store('i64.store', zero, STATE.stackTag, writable);
    f.store('i32.store', zero, STATE.stackAddend, addend);
    const reads = f.op('i32.eqz', f.op('i32.and', info, f.i32(ACCESS.write | ACCESS.modify | ACCESS.execute)));
    const tag = f.select(reads, f.load('i64.load', entry, TLB.read), writable);
    const bytes = f.op('i64.extend_i32_u', f.op('i32.and', info, f.i32(0xff)));
    const last = f.op('i64.sub', f.op('i64.add', linear, bytes), f.i64(1));
    f.if(f.op('i64.eq', f.op('i64.and', last, f.i64(-4096)), tag), () =>
      f.return(f.op('i32.add', f.op('i32.wrap_i64', linear), addend)),
    );
    translated(f, linear, info);
  });

  define(runtime.segment, ['i32', 'i32', 'i32'], 'i64', f => {
    const [segment, offset, info] = [f.param(0), f.param(1), f.param(2)];
    const last = f.op('i32.add', offset, f.op('i32.sub', f.op('i32.and', info, f.i32(0xff)), f.i32(1)));
    const outside = f.op(
      'i32.or',
      f.op(
        'i32.or',
        f.op('i32.lt_u', offset, f.load('i32.load', segment, SEGMENT.low)),
        f.op('i32.gt_u', last, f.load('i32.load', segment, SEGMENT.high)),
      ),
      f.op('i32.lt_u', last, offset),
    );
    const needed = f.select(f.op('i32.and', info, f.i32(ACCESS.write)), f.i32(2), f.i32(1));
    const denied = f.op('i32.eqz', f.op('i32.and', f.load('i32.load', segment, SEGMENT.access), needed));
    f.if(f.op('i32.or', outside, denied), () => {
      f.callVoid(segmentFault, segment);
      f.return(f.i64(-1));
    });
    const linear = f.op('i64.add', f.op('i64.extend_i32_u', offset), f.load('i64.load', segment, SEGMENT.base));
    f.return(f.op('i64.and', linear, f.i64(0xffff_ffffn)));
  });

  define(runtime.transfer, ['i32'], 'i32', f => {
    const slot = f.param(0);
    const zero = f.i32(0);
    const rip = f.load('i64.load', zero, STATE.blockRip);
    f.if(f.op('i32.eq', f.load('i32.load', slot), f.i32(LINK.unknown)), () => {
      f.store('i64.store', zero, STATE.rip, rip);
      f.if(f.op('i32.lt_s', f.load('i32.load', zero, STATE.budget), zero), () => f.return(f.i32(STOP.slice)));
      f.store('i32.store', zero, STATE.linkSlot, slot);
      f.return(f.i32(STOP.link));
    });
    f.returnCall(runtime.dispatch, rip);
  });

  define(runtime.dispatch, ['i64'], 'i32', f => writeDispatch(f, record => enter(f, record)));

  const defineAs = (index: number, signature: Signature, write: (f: FunctionWriter) => void): void => {
    const f = new FunctionWriter(signature);
    write(f);
    module.define(index, f.body());
  };
  defineAs(runtime.flags, FLAGS_SIGNATURE, writeFlags);
  defineAs(runtime.returnsFlat, RETURNS_FLAT, f => writeReturnsFlat(f, 64));
  defineAs(runtime.returnsFlat32, RETURNS_FLAT, f => writeReturnsFlat(f, 32));
  defineAs(runtime.loadData, LOAD_DATA, writeLoadData);
  defineAs(runtime.flatStack, FLAT_SEGMENT, writeFlatStack);
  defineAs(runtime.flatCode, FLAT_SEGMENT, f => writeFlatCode(f, 64));
  defineAs(runtime.flatCode32, FLAT_SEGMENT, f => writeFlatCode(f, 32));
  for (const name of STRING_RUNS) defineAs(runtime.strings[name], STRING_RUN, f => writeStringRun(f, name));
  writeX87(runtime.x87, defineAs);
  for (const name of EXACT_FUNCTIONS) defineAs(runtime.exact[name], EXACT, f => writeExact(f, name));
  const { strings, x87, exact, ...others } = runtime;
  for (const [name, index] of Object.entries({ ...others, ...strings, ...x87, ...exact })) module.export(name, index);
  return runtime;
}

/**
 * Writes `enterLazily`: only regions know what to do with flags that are not worked out.
 * @param handlers in the table before those of regions
 */
export function writeEnterLazily(module: ModuleWriter, runtime: Runtime, handlers: number): void {
  const f = new FunctionWriter(HANDLER);
  const zero = f.i32(0);
  const record = f.param(0);
  const handler = f.load('i32.load', record, RECORD.handler);
  const kind = f.load('i32.load', zero, STATE.flagKind);
  f.if(f.op('i32.and', f.op('i32.lt_u', handler, f.i32(handlers)), f.op('i32.ne', kind, f.i32(FLAGS.raw))), () => {
    const [x, y] = [f.load('i64.load', zero, STATE.flagResult), f.load('i64.load', zero, STATE.flagAux)];
    f.callVoid(runtime.flags, kind, x, y);
  });
  f.returnCallIndirect(HANDLER_TYPE, handler, record);
  module.define(runtime.enterLazily, f.body());
}

/** Result and aux words of {@link FLAGS}; operands are moved to the top, so that all widths are one. */
function writeFlags(f: FunctionWriter): void {
  const [kind, x, y] = [f.param(0), f.param(1), f.param(2)];
  const zero = f.i32(0);
  const done = (result: Value, aux: Value): void => {
    f.store('i64.store', zero, STATE.flagResult, result);
    f.store('i64.store', zero, STATE.flagAux, aux);
    f.store('i32.store', zero, STATE.flagKind, f.i32(FLAGS.raw));
  };
  f.if(f.op('i32.eqz', kind), () => {
    done(x, y);
    f.return();
  });
  const number = f.op('i32.sub', kind, f.i32(1)); // two bits of width, one of the operation, one of whether CF stays
  const steps = f.op('i32.ge_u', kind, f.i32(FLAGS.inc8));
  const subtracts = f.op('i32.and', f.op('i32.shr_u', number, f.i32(2)), f.i32(1));
  const width = f.op('i32.shl', f.i32(8), f.op('i32.and', number, f.i32(3)));
  const shift = f.op('i64.extend_i32_u', f.op('i32.sub', f.i32(64), width));
  const second = f.select(steps, f.i64(1), y);
  const [a, b] = [f.op('i64.shl', x, shift), f.op('i64.shl', second, shift)];
  const result = f.select(subtracts, f.op('i64.sub', a, b), f.op('i64.add', a, b));
  const invert = f.op('i64.extend_i32_s', f.op('i32.sub', zero, subtracts));
  // Carries of an addition: where both are set, or either is and the result is not. Of a subtraction: with ~a for a,
  // and the result's complement the other way about.
  const p = f.op('i64.xor', a, invert);
  const q = f.op('i64.xor', f.op('i64.xor', result, f.i64(-1)), invert);
  const carries = f.op('i64.or', f.op('i64.and', p, b), f.op('i64.and', f.op('i64.or', p, b), q));
  const low = f.op('i64.shr_u', result, shift);
  const half = f.op('i64.shr_u', f.op('i64.xor', f.op('i64.xor', x, second), low), f.i64(1));
  // The two bits are CF and CF ^ OF: another CF turns both over.
  const other = f.op('i64.and', f.op('i64.xor', f.op('i64.shr_u', carries, f.i64(63)), y), f.i64(1));
  const turn = f.op('i64.mul', other, f.i64(0xc000_0000_0000_0000n));
  const kept = f.op('i64.xor', carries, f.select(steps, turn, f.i64(0)));
  const aux = f.op('i64.or', f.op('i64.and', kept, f.i64(0xc000_0000_0000_0000n)), f.op('i64.and', half, f.i64(8)));
  done(f.op('i64.shr_s', result, shift), aux);
}
