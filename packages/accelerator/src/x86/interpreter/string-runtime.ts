import type { StringRun } from '../semantics/ops.ts';
import { TLB } from '../state.ts';
import type { FunctionWriter, Value } from '../wasm/function.ts';
import { tlbEntry } from './tlb-entry.ts';

export const STRING_RUNS = ['move', 'fill', 'skipEqual', 'skipOther', 'skipSame'] as const satisfies StringRun[];

/** (a, b, limit, log₂ of an element's bytes) → iterations done, 0 to the limit; see {@link StringRun}. */
export const STRING_RUN = { params: ['i64', 'i64', 'i32', 'i32'], results: ['i32'] } as const;

/** The functions' indices in the module. */
export type StringRuntime = Readonly<Record<StringRun, number>>;

export const stringRuntime = (index: (name: StringRun) => number): StringRuntime => ({
  move: index('move'),
  fill: index('fill'),
  skipEqual: index('skipEqual'),
  skipOther: index('skipOther'),
  skipSame: index('skipSame'),
});

/** Writes one of the functions. */
export function writeStringRun(f: FunctionWriter, name: StringRun): void {
  if (name === 'move') writeMove(f);
  else if (name === 'fill') writeFill(f);
  else if (name === 'skipSame') writeSkipSame(f);
  else writeScan(f, name === 'skipEqual');
}

const LIMIT = 2;
const SHIFT = 3;

/** Offset in the memory of a linear address whose page the TLB knows; without that, the function returns 0. */
function offsetOf(f: FunctionWriter, linear: Value, tag: number): Value {
  const entry = tlbEntry(f, linear);
  const page = f.op('i64.and', linear, f.i64(-4096));
  f.if(f.op('i64.ne', page, f.load('i64.load', entry, tag)), () => f.return(f.i32(0)));
  return f.op('i32.add', f.op('i32.wrap_i64', linear), f.load('i32.load', entry, TLB.addend));
}

const within = (f: FunctionWriter, linear: Value): Value => f.op('i32.and', f.op('i32.wrap_i64', linear), f.i32(0xfff));

const minimum = (f: FunctionWriter, a: Value, b: Value): Value => f.select(f.op('i32.lt_u', a, b), a, b);

/** How many elements may be done: those that end in their page. Without any, the function returns 0. */
function elements(f: FunctionWriter, ...linear: Value[]): Value {
  const limit = f.param(LIMIT);
  f.if(f.op('i32.le_s', limit, f.i32(0)), () => f.return(f.i32(0)));
  const rooms = linear.map(l => f.op('i32.shr_u', f.op('i32.sub', f.i32(4096), within(f, l)), f.param(SHIFT)));
  const count = rooms.reduce((least, room) => minimum(f, least, room), limit);
  f.if(f.op('i32.eqz', count), () => f.return(f.i32(0)));
  return count;
}

/**
 * Copies `length` bytes upwards, byte after byte: what lies before `to` is repeated where the areas overlap. Each turn
 * copies all that there is of the pattern, which has doubled since the last. `to` − `from` is not 0.
 */
function copyUpwards(f: FunctionWriter, to: Value, from: Value, length: Value): void {
  const target = f.variable('i32', to);
  const left = f.variable('i32', length);
  f.loop(again => {
    const count = minimum(f, f.get(left), f.op('i32.sub', f.get(target), from));
    f.copy(f.get(target), from, count);
    f.set(target, f.op('i32.add', f.get(target), count));
    f.set(left, f.op('i32.sub', f.get(left), count));
    f.branch(again, f.get(left));
  });
}

function writeMove(f: FunctionWriter): void {
  const [a, b] = [f.param(0), f.param(1)];
  const count = elements(f, a, b);
  const from = offsetOf(f, a, TLB.read);
  const to = offsetOf(f, b, TLB.write);
  // An element that overlaps itself is not a matter of bytes.
  const distance = f.op('i32.sub', to, from);
  f.if(f.op('i32.eqz', f.op('i32.shr_u', distance, f.param(SHIFT))), () => f.return(f.i32(0)));
  copyUpwards(f, to, from, f.op('i32.shl', count, f.param(SHIFT)));
  f.return(count);
}

function writeFill(f: FunctionWriter): void {
  const [a, value, shift] = [f.param(0), f.param(1), f.param(SHIFT)];
  const count = elements(f, a);
  const to = offsetOf(f, a, TLB.write);
  const length = f.op('i32.shl', count, shift);
  const pattern = f.variable('i64', value);
  for (const [wide, bits] of [8, 16, 32].entries())
    f.if(f.op('i32.le_u', shift, f.i32(wide)), () =>
      f.set(pattern, f.op('i64.or', f.get(pattern), f.op('i64.shl', f.get(pattern), f.i64(bits)))),
    );
  const eight = f.get(pattern);
  f.if(f.op('i64.eq', eight, f.op('i64.rotl', eight, f.i64(8))), () => {
    f.fill(to, f.op('i32.wrap_i64', eight), length);
    f.return(count);
  });
  f.if(f.op('i32.le_u', length, f.i32(8)), () => f.return(f.i32(0)));
  f.store('i64.store', to, 0, eight);
  copyUpwards(f, f.op('i32.add', to, f.i32(8)), to, f.op('i32.sub', length, f.i32(8)));
  f.return(count);
}

/**
 * Looks at `length` bytes, sixteen at a time as long as there are so many.
 * @param differs a condition: what lies `i` bytes on ends the run, by its bits or as a single byte
 */
function search(
  f: FunctionWriter,
  length: Value,
  sixteen: (i: Value) => Value,
  differs: (i: Value) => Value,
  found: (i: Value) => void,
): void {
  const at = f.variable('i32', f.i32(0));
  f.block(done =>
    f.loop(again => {
      const i = f.get(at);
      f.branch(done, f.op('i32.lt_u', f.op('i32.sub', length, i), f.i32(16)));
      const mask = sixteen(i);
      f.if(mask, () => found(f.op('i32.add', i, f.op('i32.ctz', mask))));
      f.set(at, f.op('i32.add', i, f.i32(16)));
      f.branch(again);
    }),
  );
  f.block(done =>
    f.loop(again => {
      const i = f.get(at);
      f.branch(done, f.op('i32.ge_u', i, length));
      f.if(differs(i), () => found(i));
      f.set(at, f.op('i32.add', i, f.i32(1)));
      f.branch(again);
    }),
  );
}

function writeScan(f: FunctionWriter, equal: boolean): void {
  const [a, b] = [f.param(0), f.param(1)];
  const count = elements(f, a);
  const offset = offsetOf(f, a, TLB.read);
  const byte = f.op('i32.wrap_i64', b);
  const all = f.op('i8x16.splat', byte);
  const at = (i: Value): Value => f.op('i32.add', offset, i);
  search(
    f,
    count,
    i => f.op('i8x16.bitmask', f.op(equal ? 'i8x16.ne' : 'i8x16.eq', f.load('v128.load', at(i)), all)),
    i => f.op(equal ? 'i32.ne' : 'i32.eq', f.load('i32.load8_u', at(i)), byte),
    i => f.return(i),
  );
  f.return(count);
}

function writeSkipSame(f: FunctionWriter): void {
  const [a, b, shift] = [f.param(0), f.param(1), f.param(SHIFT)];
  const count = elements(f, a, b);
  const left = offsetOf(f, a, TLB.read);
  const right = offsetOf(f, b, TLB.read);
  const pair = (load: string, i: Value): [Value, Value] => [
    f.load(load, f.op('i32.add', left, i)),
    f.load(load, f.op('i32.add', right, i)),
  ];
  search(
    f,
    f.op('i32.shl', count, shift),
    i => f.op('i8x16.bitmask', f.op('i8x16.ne', ...pair('v128.load', i))),
    i => f.op('i32.ne', ...pair('i32.load8_u', i)),
    i => f.return(f.op('i32.shr_u', i, shift)),
  );
  f.return(count);
}
