import { type Decoded, OPERAND_KIND, SEG } from '../decode/decoded.ts';
import { jumpCachePair } from '../interpreter/dispatch-runtime.ts';
import { ADDRESSING, RECORD, STOP } from '../interpreter/record.ts';
import { importRuntime } from '../interpreter/runtime.ts';
import { formOf, pack, type Variant } from '../interpreter/variant.ts';
import type { Row } from '../isa/row.ts';
import { SEGREG } from '../registers.ts';
import type { Description } from '../semantics/description.ts';
import { type Effects, effectsOf } from '../semantics/effects.ts';
import type { Form } from '../semantics/form.ts';
import { descriptionOf } from '../semantics/index.ts';
import { JUMP_CACHE, SEGMENT, STATE, TLB } from '../state.ts';
import { FunctionWriter, type Label, type Value } from '../wasm/function.ts';
import { ModuleWriter } from '../wasm/module.ts';
import { pageOf, type Region, type RegionBlock } from './region.ts';
import { type Placed, RegionOps } from './region-ops.ts';
import type { RegionPlace } from './region-place.ts';
import { LAZY, RegionState } from './region-state.ts';
import { structure } from './structure.ts';

const HANDLER = { params: ['i32'], results: ['i32'] } as const;

/** An instruction without a description is one that TypeScript carries out. */
const ESCAPE: Description = { run: o => o.escape() };

interface Prepared {
  readonly description: Description;
  readonly form: Form;
  readonly effects: Effects;
}

/** May fault before anything else: #UD, #NM or #MF. */
const asksForUnit = ({ unit }: Row): boolean => unit === 'mmx' || (unit?.startsWith('sse') ?? false);

/** What is the same for all instructions of a row and variant, by both. */
const known = new Map<number, Prepared>();

function prepare({ row, opsize, asize, rep, seg, isMem, operands }: Decoded, place: RegionPlace): Prepared {
  const long = place.bits === 64;
  const override = seg >= SEG.fs || (!long && seg === SEG.cs);
  const memory = isMem || operands.some(({ kind }) => kind === OPERAND_KIND.moffs);
  const flat = place.flat && !override;
  const addressing = memory ? ADDRESSING.slot : ADDRESSING.none;
  const variant: Variant = { opsize, asize, stack: place.stack, flat, long, rep, addressing };
  const key = (row.index << 13) | pack(variant);
  let prepared = known.get(key);
  if (!prepared) {
    const form = formOf(row, variant);
    const description = descriptionOf(row.mnemonic) ?? ESCAPE;
    const effects = effectsOf(description, form);
    prepared = { description, form, effects: asksForUnit(row) ? { ...effects, exits: true } : effects };
    known.set(key, prepared);
  }
  return prepared;
}

/** Compiles a region to a module that exports `region`, a handler for the records at the region's entries. */
class RegionCompiler {
  readonly #place: RegionPlace;
  readonly #module = new ModuleWriter();
  readonly #runtime = importRuntime(this.#module);
  readonly #f = new FunctionWriter(HANDLER);
  readonly #state: RegionState;
  /** Node n + 1 is block n; node 0 decides where to enter. */
  readonly #blocks: readonly RegionBlock[];
  readonly #nodeAt: ReadonlyMap<number, number>;
  readonly #entries: readonly number[];
  readonly #shape: ReturnType<typeof structure>;
  readonly #prepared: readonly (readonly Prepared[])[];
  /** By block: somebody may see the flags that it begins with. */
  readonly #needsFlags: readonly boolean[];
  readonly #labels = new Map<number, Label>();
  readonly #loops = new Map<number, Label>();
  #dispatch!: Label;

  constructor(region: Region, place: RegionPlace) {
    this.#place = place;
    this.#state = new RegionState(this.#f, this.#runtime, place.records.alive, place.bits === 64);
    this.#blocks = [...region.blocks.values()].sort((a, b) => a.at - b.at);
    this.#nodeAt = new Map(this.#blocks.map(({ at }, n) => [at, n + 1]));
    this.#prepared = this.#blocks.map(block => block.instructions.map(({ insn }) => prepare(insn, place)));
    const successors = this.#blocks.map(block => {
      const to: number[] = [];
      if (block.next && this.#nodeAt.has(block.end)) to.push(this.#nodeAt.get(block.end)!);
      if (block.taken !== undefined && this.#nodeAt.has(block.taken)) to.push(this.#nodeAt.get(block.taken)!);
      return to;
    });
    // What cannot be reached by structure is reached through node 0.
    const entries = region.entries.map(at => this.#nodeAt.get(at)!);
    for (;;) {
      this.#shape = structure([entries, ...successors]);
      const more = new Set([...this.#shape.irreducible].map(edge => edge % (successors.length + 1)));
      for (const node of entries) more.delete(node);
      if (more.size === 0) break;
      entries.push(...more);
    }
    this.#entries = entries;
    this.#needsFlags = this.#flagNeeds(successors);
  }

  /** Places of the entries, by their numbers. */
  get entries(): readonly number[] {
    return this.#entries.map(node => this.#blocks[node - 1]!.at);
  }

  #flagNeeds(successors: readonly (readonly number[])[]): boolean[] {
    const needs: boolean[] = this.#blocks.map(() => false);
    const atStart = (n: number): boolean => {
      for (const { effects: e } of this.#prepared[n]!) {
        if (e.readsFlags || e.exits) return true;
        if (e.setsFlags) return false;
      }
      const block = this.#blocks[n]!;
      const ways = (block.next ? 1 : 0) + (block.taken === undefined ? 0 : 1);
      return ways === 0 || successors[n]!.length < ways || successors[n]!.some(to => needs[to - 1]);
    };
    for (let changed = true; changed; ) {
      changed = false;
      for (let n = needs.length - 1; n >= 0; n--)
        if (!needs[n] && atStart(n)) {
          needs[n] = true;
          changed = true;
        }
    }
    return needs;
  }

  write(): Uint8Array {
    const f = this.#f;
    const state = this.#state;
    const zero = f.i32(0);
    const table = this.#place.records.table(this.entries);
    const placeOf = (entry: Value): Value => f.load('i64.load32_s', f.op('i32.shl', entry, f.i32(2)), table);
    const enter = (record: Value, rip: Value, spill: () => void): void => {
      f.set(state.entry, f.load('i32.load16_u', record, RECORD.entry));
      f.set(state.base, f.op('i64.sub', rip, placeOf(f.get(state.entry))));
      this.#checkSegment(record, rip, spill);
    };
    enter(f.param(0), f.load('i64.load', zero, STATE.blockRip), () => {});
    state.load(false);
    f.loop(dispatch => {
      this.#dispatch = dispatch;
      f.block(stop => {
        state.stopLabel = stop;
        f.block(leave => {
          state.leaveLabel = leave;
          f.block(indirect => {
            state.indirectLabel = indirect;
            this.#tree(0);
          });
          this.#writeIndirect(enter);
        });
        state.writeLeave();
      });
      state.writeStop();
    });
    f.unreachable();
    const index = this.#module.declare(HANDLER);
    this.#module.define(index, f.body());
    this.#module.export('region', index);
    return this.#module.bytes();
  }

  /** Where offsets may wrap in the middle of the page, or the segment begins or ends there, code is the interpreter's. */
  #checkSegment(record: Value, rip: Value, spill: () => void): void {
    const f = this.#f;
    const { bits, wholeCode } = this.#place;
    if (bits === 64 || (bits === 32 && wholeCode)) return;
    const highest = bits === 16 ? 0xf000 : 0xffff_f000;
    f.if(f.op('i64.gt_u', f.get(this.#state.base), f.i64(highest)), () => {
      spill();
      f.store('i64.store', f.i32(0), STATE.rip, rip);
      f.store('i32.store', f.i32(0), STATE.linkSlot, record);
      f.return(f.i32(STOP.unfit));
    });
  }

  /** Goes to `state.rip` by the jump cache: to an entry of this region without leaving it. */
  #writeIndirect(enter: (record: Value, rip: Value, spill: () => void) => void): void {
    const f = this.#f;
    const state = this.#state;
    const { records } = this.#place;
    const zero = f.i32(0);
    const rip = f.get(state.rip);
    const slot = jumpCachePair(f, rip);
    const sameRip = f.op('i64.eq', f.load('i64.load', slot, JUMP_CACHE.base + JUMP_CACHE.rip), rip);
    const key = f.load('i32.load', slot, JUMP_CACHE.base + JUMP_CACHE.key);
    const sameKey = f.op('i32.eq', key, f.load('i32.load', zero, STATE.codeKey));
    const inTime = f.op('i32.ge_s', state.left(), zero);
    const known = f.op('i32.and', f.op('i32.and', sameRip, sameKey), inTime);
    const record = f.load('i32.load', slot, JUMP_CACHE.base + JUMP_CACHE.block);
    f.if(known, () => {
      const handler = f.load('i32.load', record, RECORD.handler);
      f.if(f.op('i32.eq', handler, f.i32(records.handler)), () => {
        enter(record, rip, () => state.spill());
        f.branch(this.#dispatch);
      });
    });
    state.spill(true);
    f.store('i64.store', zero, STATE.blockRip, rip);
    f.if(known, () => f.returnCall(this.#runtime.enterLazily, record));
    state.storeFlags();
    f.returnCall(this.#runtime.dispatch, rip);
  }

  // ---------------------------------------------------------------- between blocks

  /** Leaves the region where that is not the code's own doing. */
  #leaveEarly(ops: RegionOps, target: number, count: number): void {
    this.#f.rare();
    this.#leave(ops, target, count);
  }

  /** Leaves the region; `count` instructions of the block are done. */
  #leave(ops: RegionOps, target: number, count: number): void {
    const samePage = pageOf(target) === pageOf(ops.place.at);
    if (this.#place.wholeCode && samePage) ops.leave(this.#place.records.exit(target, count));
    else ops.goElsewhere(target, count);
  }

  /** Leaves unless the page of a place is mapped, for execution, to where it was when the region was compiled. */
  #checkPage(ops: RegionOps, number: number, instead: () => void): void {
    const f = this.#f;
    let page: Value = f.op('i64.add', f.get(this.#state.base), f.i64(4096 * number));
    if (this.#place.bits !== 64) {
      const base = f.load('i64.load', f.i32(0), STATE.segments + SEGREG.cs * SEGMENT.size + SEGMENT.base);
      page = f.op('i64.and', f.op('i64.add', page, base), f.i64(0xffff_ffffn));
    }
    const { entry, offset } = ops.tlbPlace(page);
    const at = f.op('i32.add', f.op('i32.wrap_i64', page), f.load('i32.load', entry, offset + TLB.addend));
    const same = f.op(
      'i32.and',
      f.op('i64.eq', f.load('i64.load', entry, offset + TLB.execute), page),
      f.op('i32.eq', at, f.i32(this.#place.page(number))),
    );
    f.if(f.op('i32.eqz', same), instead);
  }

  /** Ends the run before a place if the budget is used up. */
  #checkBudget(ops: RegionOps, target: number): void {
    const f = this.#f;
    f.if(f.op('i32.lt_s', this.#state.left(), f.i32(0)), () => this.#leaveEarly(ops, target, 0));
  }

  #go(ops: RegionOps, from: number, target: number): void {
    const f = this.#f;
    const state = this.#state;
    const shape = this.#shape;
    const count = this.#blocks[from - 1]!.instructions.length;
    const to = this.#nodeAt.get(target);
    const { pending } = state;
    if (to === undefined) this.#leave(ops, target, count);
    else {
      const block = this.#blocks[to - 1]!;
      if (pageOf(target) !== pageOf(this.#blocks[from - 1]!.at))
        this.#checkPage(ops, pageOf(target), () => this.#leaveEarly(ops, target, count));
      if (block.straddles) this.#checkPage(ops, pageOf(target) + 1, () => this.#leaveEarly(ops, target, count));
      const settle = (): void => {
        if (this.#needsFlags[to - 1]) ops.settleFlags();
      };
      state.spend(f.i32(count));
      if (shape.irreducible.has(from * (this.#blocks.length + 1) + to)) {
        this.#checkBudget(ops, target);
        settle();
        f.set(state.entry, f.i32(this.#entries.indexOf(to)));
        f.branch(this.#dispatch);
      } else if (shape.position[to]! <= shape.position[from]!) {
        this.#checkBudget(ops, target);
        settle();
        f.branch(this.#loops.get(to)!);
      } else if (this.#isMerge(to)) {
        settle();
        f.branch(this.#labels.get(to)!);
      } else {
        if (shape.isLoop[to]) settle();
        this.#tree(to);
      }
    }
    state.pending = pending;
  }

  #isMerge(node: number): boolean {
    return this.#shape.isMerge[node]! || this.#entries.includes(node);
  }

  #emit(node: number): void {
    const f = this.#f;
    const state = this.#state;
    if (node === 0) {
      f.branchTable(f.get(state.entry), [
        ...this.#entries.map(entry => this.#labels.get(entry)!),
        this.#labels.get(this.#entries[0]!)!,
      ]);
      return;
    }
    const block = this.#blocks[node - 1]!;
    state.sseChecked = false;
    state.mmxChecked = false;
    let ops: RegionOps | undefined;
    for (const [before, { at, insn }] of block.instructions.entries()) {
      const { description, form, effects } = this.#prepared[node - 1]![before]!;
      const placed: Placed = { insn, form, effects, at, before };
      ops = new RegionOps(state, placed, this.#place, (branching, condition) =>
        this.#branch(branching, node, condition),
      );
      const usesMm = insn.operands.some((o, n) => n < insn.count && o.kind === OPERAND_KIND.mm);
      const mmx = insn.row.unit === 'mmx' || (insn.row.unit === 'sse+mmx' && usesMm);
      if (insn.row.unit?.startsWith('sse') && !state.sseChecked) {
        ops.checkUnit(STATE.sseFault);
        state.sseChecked = true;
      }
      if (mmx && !state.mmxChecked) {
        ops.checkUnit(STATE.mmxFault);
        state.mmxChecked = true;
      }
      description.run(ops, form);
      if (!ops.ended && usesMm) ops.enterMmx();
      if (ops.mayBeStale && !ops.ended)
        f.if(f.get(state.stale), () => this.#leaveEarly(ops!, at + insn.length, before + 1));
    }
    if (!ops!.ended) this.#go(ops!, node, block.end);
  }

  #branch(ops: RegionOps, node: number, condition: Value | undefined): void {
    const block = this.#blocks[node - 1]!;
    const taken = (): void => this.#go(ops, node, block.taken!);
    if (condition === undefined) {
      // A call may have written its return address over the region's code.
      if (ops.mayBeStale)
        this.#f.if(this.#f.get(this.#state.stale), () =>
          this.#leaveEarly(ops, block.taken!, block.instructions.length),
        );
      taken();
    } else this.#f.if(condition, taken, () => this.#go(ops, node, block.end));
  }

  /** A node with all that it dominates (Ramsey's doTree). */
  #tree(node: number): void {
    const f = this.#f;
    const merges = this.#shape.children[node]!.filter(child => this.#isMerge(child));
    const within = (rest: readonly number[]): void => {
      const [first, ...others] = rest;
      if (first === undefined) {
        this.#emit(node);
        return;
      }
      f.block(label => {
        this.#labels.set(first, label);
        within(others);
      });
      this.#state.pending = LAZY;
      this.#tree(first);
    };
    if (this.#shape.isLoop[node])
      f.loop(label => {
        this.#loops.set(node, label);
        this.#state.pending = LAZY;
        within(merges);
      });
    else within(merges);
  }
}

/** A compiled region: its module, and the places of its entries by number. */
export interface CompiledRegion {
  readonly bytes: Uint8Array;
  readonly entries: readonly number[];
}

export function compileRegion(region: Region, place: RegionPlace): CompiledRegion {
  const compiler = new RegionCompiler(region, place);
  return { bytes: compiler.write(), entries: compiler.entries };
}
