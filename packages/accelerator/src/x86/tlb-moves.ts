import type { WasmMemory } from '@mainboard/core';
import { CONTEXTS, TLB } from './state.ts';
import { compileModule } from './wasm/compile-module.ts';
import { FunctionWriter, type Value } from './wasm/function.ts';
import { ModuleWriter } from './wasm/module.ts';

/** What happens to many entries of the TLB at once, in WebAssembly, which moves an entry as two vectors. */
export interface TlbMoves {
  /** Makes all entries match no address. */
  clear(): void;
  /**
   * Clears the entries that are listed in `CONTEXTS.list`, but for those of global pages.
   * @param count how many are listed
   * @param area where they are put meanwhile
   * @param most how many of them are put there; 0: none
   * @returns how many were
   */
  putAside(count: number, area: number, most: number): number;
  /** Puts so many entries of an area back, and lists them. Nothing is listed before. */
  putBack(area: number, count: number): void;
}

const { entrySize } = TLB;
const { entries: AREA } = CONTEXTS;

/** Calls `body` with each offset of a list of so many bytes. */
function forEach(f: FunctionWriter, list: Value, bytes: Value, body: (entry: Value, at: Value) => void): void {
  const from = f.variable('i32', f.i32(0));
  f.block(done =>
    f.loop(again => {
      const at = f.get(from);
      f.branch(done, f.op('i32.eq', at, bytes));
      body(f.load('i32.load', f.op('i32.add', list, at)), at);
      f.set(from, f.op('i32.add', at, f.i32(4)));
      f.branch(again);
    }),
  );
}

function writeClear(f: FunctionWriter): void {
  f.fill(f.i32(TLB.base), f.i32(0xff), f.i32(TLB.count * TLB.size));
}

function writePutAside(f: FunctionWriter): void {
  const [count, area, most] = [f.param(0), f.param(1), f.param(2)];
  const nothing = f.op('i64x2.splat', f.i64(-1));
  const put = f.variable('i32', f.i32(0));
  forEach(f, f.i32(CONTEXTS.list), f.op('i32.shl', count, f.i32(2)), entry => {
    // Empty ones have the bit as well.
    const global = f.op('i32.and', f.load('i32.load', entry, TLB.page), f.i32(TLB.global));
    f.if(f.op('i32.eqz', global), () => {
      f.if(f.op('i32.lt_u', f.get(put), most), () => {
        f.store('i32.store', f.op('i32.add', area, f.op('i32.shl', f.get(put), f.i32(2))), 0, entry);
        const to = f.op('i32.add', area, f.op('i32.mul', f.get(put), f.i32(entrySize)));
        for (let at = 0; at < entrySize; at += 16) f.store('v128.store', to, AREA + at, f.load('v128.load', entry, at));
        f.set(put, f.op('i32.add', f.get(put), f.i32(1)));
      });
      for (let at = 0; at < entrySize; at += 16) f.store('v128.store', entry, at, nothing);
    });
  });
  f.return(f.get(put));
}

function writePutBack(f: FunctionWriter): void {
  const [area, count] = [f.param(0), f.param(1)];
  const bytes = f.op('i32.shl', count, f.i32(2));
  forEach(f, area, bytes, (entry, at) => {
    const from = f.op('i32.add', area, f.op('i32.mul', at, f.i32(entrySize / 4)));
    for (let word = 0; word < entrySize; word += 16)
      f.store('v128.store', entry, word, f.load('v128.load', from, AREA + word));
  });
  f.copy(f.i32(CONTEXTS.list), area, bytes);
}

const FUNCTIONS = {
  clear: { signature: { params: [], results: [] }, write: writeClear },
  putAside: { signature: { params: ['i32', 'i32', 'i32'], results: ['i32'] }, write: writePutAside },
  putBack: { signature: { params: ['i32', 'i32'], results: [] }, write: writePutBack },
} as const;

/** The same for all machines. */
let compiled: WebAssembly.Module | undefined;

function compile(): WebAssembly.Module {
  const module = new ModuleWriter();
  for (const [name, { signature, write }] of Object.entries(FUNCTIONS)) {
    const f = new FunctionWriter(signature);
    write(f);
    const index = module.declare(signature);
    module.define(index, f.body());
    module.export(name, index);
  }
  return compileModule(module.bytes());
}

/** @param memory the guest memory that the TLB lies in */
export function loadTlbMoves(memory: WasmMemory): TlbMoves {
  compiled ??= compile();
  return new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as TlbMoves;
}
