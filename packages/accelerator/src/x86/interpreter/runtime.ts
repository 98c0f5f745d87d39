import { JUMP_CACHE, SEGMENT, STATE } from '../state.ts';
import { FunctionWriter, type Value } from '../wasm/function.ts';
import type { ModuleWriter, Signature } from '../wasm/module.ts';
import { ACCESS } from './access.ts';
import { LINK, RECORD, STOP } from './record.ts';
import { STRING_RUN, STRING_RUNS, type StringRuntime, stringRuntime, writeStringRun } from './string-runtime.ts';
import { writeX87, X87_FUNCTIONS, type X87Runtime, x87Runtime } from './x87-runtime.ts';

/** Functions that every handler can call, by index in the module. */
export interface Runtime {
  /** Type of a handler: offset of its record → why it stopped. */
  readonly handlerType: number;
  /** (linear i64, info i32, record) → offset where the access may be made, or 0 on a fault. */
  readonly miss: number;
  /** Passes on what was stored in the bounce buffer. */
  readonly commit: number;
  /** (record) → stop: carries an instruction out in TypeScript. */
  readonly escape: number;
  /** (segment register, offset, info) → linear address, or −1 on a fault. */
  readonly segment: number;
  /** (slot of a link) → stop: goes to `STATE.blockRip`, whose link is no offset. */
  readonly transfer: number;
  /** (rip) → stop: goes where the jump cache says. `STATE.blockRip` is set already. */
  readonly dispatch: number;
  /** Iterations of repeated string instructions, see `string-runtime.ts`. */
  readonly strings: StringRuntime;
  /** Arithmetic of the x87 unit, see `x87-runtime.ts`. */
  readonly x87: X87Runtime;
}

const HANDLER = { params: ['i32'], results: ['i32'] } as const;

/** The runtime in a module that imports it from the interpreter. */
export function importRuntime(module: ModuleWriter): Runtime {
  module.importTable();
  return {
    handlerType: module.type(HANDLER),
    commit: module.import('commit', { params: [], results: [] }),
    escape: module.import('escape', HANDLER),
    miss: module.import('miss', { params: ['i64', 'i32', 'i32'], results: ['i32'] }),
    segment: module.import('segment', { params: ['i32', 'i32', 'i32'], results: ['i64'] }),
    transfer: module.import('transfer', HANDLER),
    dispatch: module.import('dispatch', { params: ['i64'], results: ['i32'] }),
    strings: stringRuntime(name => module.import(name, STRING_RUN)),
    x87: x87Runtime((name, signature) => module.import(name, signature)),
  };
}

/** Writes the runtime's functions into a module, and exports `run` (record → stop). */
export function writeRuntime(module: ModuleWriter): Runtime {
  const translate = module.import('translate', { params: ['i32', 'i32', 'i32'], results: ['i32'] });
  const commit = module.import('commit', { params: [], results: [] });
  const escapeImport = module.import('escape', HANDLER);
  const segmentFault = module.import('segmentFault', { params: ['i32'], results: [] });
  const runtime: Runtime = {
    handlerType: module.type(HANDLER),
    commit,
    escape: escapeImport,
    miss: module.declare({ params: ['i64', 'i32', 'i32'], results: ['i32'] }),
    segment: module.declare({ params: ['i32', 'i32', 'i32'], results: ['i64'] }),
    transfer: module.declare(HANDLER),
    dispatch: module.declare({ params: ['i64'], results: ['i32'] }),
    strings: stringRuntime(() => module.declare(STRING_RUN)),
    x87: x87Runtime((_name, signature) => module.declare(signature)),
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
    f.returnCallIndirect(runtime.handlerType, f.load('i32.load', record, RECORD.handler), record);

  define(runtime.miss, ['i64', 'i32', 'i32'], 'i32', f => {
    const [linear, info, record] = [f.param(0), f.param(1), f.param(2)];
    const high = f.op('i32.wrap_i64', f.op('i64.shr_u', linear, f.i64(32)));
    const ss = f.op('i32.eq', f.load('i32.load16_u', record, RECORD.segment), f.i32(STATE.segments + 2 * SEGMENT.size));
    const stack = f.op('i32.mul', ss, f.i32(ACCESS.stack));
    f.return(f.call(translate, 'i32', f.op('i32.wrap_i64', linear), high, f.op('i32.or', info, stack)));
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

  define(runtime.dispatch, ['i64'], 'i32', f => {
    const rip = f.param(0);
    const zero = f.i32(0);
    f.store('i64.store', zero, STATE.rip, rip);
    f.if(f.op('i32.lt_s', f.load('i32.load', zero, STATE.budget), zero), () => f.return(f.i32(STOP.slice)));
    const low = f.op('i32.wrap_i64', rip);
    const hash = f.op(
      'i32.and',
      f.op('i32.xor', low, f.op('i32.shr_u', low, f.i32(12))),
      f.i32(JUMP_CACHE.entries - 1),
    );
    const entry = f.op('i32.shl', hash, f.i32(Math.log2(JUMP_CACHE.entrySize)));
    const known = f.op(
      'i32.and',
      f.op('i64.eq', f.load('i64.load', entry, JUMP_CACHE.base + JUMP_CACHE.rip), rip),
      f.op(
        'i32.eq',
        f.load('i32.load', entry, JUMP_CACHE.base + JUMP_CACHE.key),
        f.load('i32.load', zero, STATE.codeKey),
      ),
    );
    f.if(known, () => enter(f, f.load('i32.load', entry, JUMP_CACHE.base + JUMP_CACHE.block)));
    f.return(f.i32(STOP.lookup));
  });

  const run = module.declare(HANDLER);
  define(run, ['i32'], 'i32', f => enter(f, f.param(0)));
  module.export('run', run);
  // For regions, which are modules of their own.
  for (const name of ['miss', 'segment', 'transfer', 'dispatch'] as const) module.export(name, runtime[name]);
  const defineAs = (index: number, signature: Signature, write: (f: FunctionWriter) => void): void => {
    const f = new FunctionWriter(signature);
    write(f);
    module.define(index, f.body());
  };
  for (const name of STRING_RUNS) {
    defineAs(runtime.strings[name], STRING_RUN, f => writeStringRun(f, name));
    module.export(name, runtime.strings[name]);
  }
  writeX87(runtime.x87, defineAs);
  for (const name of X87_FUNCTIONS) module.export(name, runtime.x87[name]);
  return runtime;
}
