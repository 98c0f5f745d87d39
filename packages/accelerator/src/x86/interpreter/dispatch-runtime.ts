import { MODE } from '../mode.ts';
import { PRIVILEGE, tlbOf } from '../privilege.ts';
import { JUMP_CACHE, STATE, TLB } from '../state.ts';
import type { FunctionWriter, Value } from '../wasm/function.ts';
import { STOP } from './record.ts';
import { tlbSlot } from './tlb-entry.ts';

/** (rip) → stop: see `Runtime.dispatch`. */
export const DISPATCH = { params: ['i64'], results: ['i32'] } as const;

const FIRST = JUMP_CACHE.base;
const SECOND = JUMP_CACHE.base + JUMP_CACHE.entrySize;

/** Distance, from the start of the jump cache, of the pair of entries that may have an address. */
export function jumpCachePair(f: FunctionWriter, rip: Value): Value {
  const low = f.op('i32.wrap_i64', rip);
  const hash = f.op('i32.xor', low, f.op('i32.shr_u', low, f.i32(12)));
  return f.op('i32.shl', f.op('i32.and', hash, f.i32(JUMP_CACHE.entries - 2)), f.i32(Math.log2(JUMP_CACHE.entrySize)));
}

/** The jump cache's part of `JumpCache.find`, and what it takes to go on with user code after a load of CR3. */
export function writeDispatch(f: FunctionWriter, enter: (record: Value) => void): void {
  const rip = f.param(0);
  const zero = f.i32(0);
  f.store('i64.store', zero, STATE.rip, rip);
  f.if(f.op('i32.lt_s', f.load('i32.load', zero, STATE.budget), zero), () => f.return(f.i32(STOP.slice)));
  const pair = jumpCachePair(f, rip);
  const key = f.load('i32.load', zero, STATE.codeKey);
  const keyOf = (entry: number): Value => f.load('i32.load', pair, entry + JUMP_CACHE.key);
  const block = (entry: number): Value => f.load('i32.load', pair, entry + JUMP_CACHE.block);
  const sameRip = (entry: number): Value => f.op('i64.eq', f.load('i64.load', pair, entry + JUMP_CACHE.rip), rip);
  const ifKnown = (entry: number, then: () => void): void =>
    f.if(f.op('i32.and', sameRip(entry), f.op('i32.eq', keyOf(entry), key)), then);

  ifKnown(FIRST, () => enter(block(FIRST)));
  ifKnown(SECOND, () => {
    const found = block(SECOND);
    exchange(f, pair);
    enter(found);
  });
  // User code of another generation, at the same place in the memory: as it was, if the TLB says so.
  f.if(f.op('i32.and', key, f.i32(MODE.user)), () => {
    const tlb = tlbSlot(f, rip);
    const at = tlbOf(PRIVILEGE.user);
    const page = f.op('i64.and', rip, f.i64(-4096));
    f.if(f.op('i64.eq', f.load('i64.load', tlb, at + TLB.execute), page), () => {
      const addend = f.load('i32.load', tlb, at + TLB.addend);
      for (const entry of [FIRST, SECOND]) {
        const otherMode = f.op('i32.and', f.op('i32.xor', keyOf(entry), key), f.i32(MODE.count - 1));
        const sameMode = f.op('i32.eqz', otherMode);
        const samePlace = f.op('i32.eq', f.load('i32.load', pair, entry + JUMP_CACHE.addend), addend);
        f.if(f.op('i32.and', f.op('i32.and', sameRip(entry), sameMode), samePlace), () => {
          f.store('i32.store', pair, entry + JUMP_CACHE.key, key);
          enter(block(entry));
        });
      }
    });
  });
  f.return(f.i32(STOP.lookup));
}

/** Compiled code looks at the first entry only, so that has to be the one that was used last. */
function exchange(f: FunctionWriter, pair: Value): void {
  for (let word = 0; word < JUMP_CACHE.entrySize; word += 8) {
    const first = f.load('i64.load', pair, FIRST + word);
    const second = f.load('i64.load', pair, SECOND + word);
    f.store('i64.store', pair, FIRST + word, second);
    f.store('i64.store', pair, SECOND + word, first);
  }
}
