import { OPERAND_KIND, SEG } from '../decode/decoded.ts';
import { ADDRESSING, LINK, RECORD, STOP } from '../interpreter/record.ts';
import { RecordOps } from '../interpreter/record-ops.ts';
import { importRuntime } from '../interpreter/runtime.ts';
import { formOf, type Variant } from '../interpreter/variant.ts';
import type { Row } from '../isa/row.ts';
import { descriptionOf } from '../semantics/index.ts';
import { STATE } from '../state.ts';
import { FunctionWriter, type Label, type Value } from '../wasm/function.ts';
import { ModuleWriter } from '../wasm/module.ts';
import type { Region, RegionBlock, RegionInstruction } from './region.ts';
import { RegionOps } from './region-ops.ts';
import type { RegionRecords } from './region-records.ts';
import { RegionState, VARIABLES } from './region-state.ts';
import { structure } from './structure.ts';

/** What the compiler needs of the place it compiles for. */
export interface RegionPlace {
  readonly bits: 16 | 32 | 64;
  readonly stack: 16 | 32 | 64;
  /** DS, ES and SS are flat. */
  readonly flat: boolean;
  /** Links to places in the same page may be kept: the code segment has no limit to mind. */
  readonly keepsLinks: boolean;
  readonly records: RegionRecords;
}

/** Whether an instruction writes its memory operand: seen by describing it to nobody. */
function writesMemory(row: Row, variant: Variant): boolean {
  const module = new ModuleWriter();
  const ops = new RecordOps(
    new FunctionWriter(HANDLER),
    formOf(row, variant),
    variant.addressing,
    importRuntime(module),
  );
  descriptionOf(row.mnemonic)!.run(ops, formOf(row, variant));
  return ops.writesMemory;
}

const HANDLER = { params: ['i32'], results: ['i32'] } as const;

/** Compiles a region to a module that exports `region`, a handler for the record at the region's entry. */
export function compileRegion(region: Region, place: RegionPlace): Uint8Array {
  const module = new ModuleWriter();
  const runtime = importRuntime(module);
  const index = module.declare(HANDLER);
  const f = new FunctionWriter(HANDLER);
  const long = place.bits === 64;

  // Nodes: the region's blocks, entry first.
  const starts = [region.entry, ...[...region.blocks.keys()].filter(at => at !== region.entry).sort((a, b) => a - b)];
  const numberOf = new Map(starts.map((at, n) => [at, n]));
  const blocks = starts.map(at => region.blocks.get(at)!);
  const graph = blocks.map(block => {
    const to: number[] = [];
    if (block.next && numberOf.has(block.end)) to.push(numberOf.get(block.end)!);
    if (block.taken !== undefined && numberOf.has(block.taken)) to.push(numberOf.get(block.taken)!);
    return to;
  });
  const shape = structure(graph);
  const isCurrent = (): Value =>
    f.op('i32.eq', f.load('i32.load', f.i32(place.records.entry), RECORD.handler), f.i32(place.records.handler));
  const state = new RegionState(f, region.entry, isCurrent);
  const labels = new Map<number, Label>();
  const loops = new Map<number, Label>();

  const opsFor = ({ at, insn }: RegionInstruction, before: number): RegionOps => {
    const memory = insn.isMem || insn.operands.some(o => o.kind === OPERAND_KIND.moffs);
    const override = insn.seg >= SEG.fs || (!long && insn.seg === SEG.cs);
    const variant: Variant = {
      opsize: insn.opsize,
      asize: insn.asize,
      stack: place.stack,
      flat: place.flat && !override,
      long,
      rep: insn.rep,
      addressing: memory ? ADDRESSING.slot : ADDRESSING.none,
    };
    const writes = memory && !variant.flat && !long && writesMemory(insn.row, variant);
    return new RegionOps(
      state,
      formOf(insn.row, variant),
      runtime,
      { insn, at, before, writes, site: () => place.records.site(at, insn) },
      flow,
    );
  };

  /** Leaves the region for an address in (or near) its page; `count` instructions of the block are done. */
  const leaveTo = (ops: RegionOps, target: number, count: number): void => {
    ops.leave(count);
    const zero = f.i32(0);
    f.store('i64.store', zero, STATE.blockRip, ops.target(target));
    const record = f.i32(place.records.exit(target, place.keepsLinks));
    const left = f.load('i32.load', zero, STATE.budget);
    const link = f.load('i32.load', record, RECORD.taken);
    f.if(f.op('i32.and', f.op('i32.ge_s', left, zero), f.op('i32.gt_u', link, f.i32(LINK.dynamic))), () =>
      f.returnCallIndirect(runtime.handlerType, f.load('i32.load', link, RECORD.handler), link),
    );
    f.returnCall(runtime.transfer, f.op('i32.add', record, f.i32(RECORD.taken)));
  };

  let current = 0;
  const go = (ops: RegionOps, from: number, target: number): void => {
    const count = blocks[from]!.instructions.length;
    const to = numberOf.get(target);
    if (to === undefined || shape.irreducible.has(from * blocks.length + to)) {
      leaveTo(ops, target, count);
      return;
    }
    const pending = state.pending;
    if (shape.position[to]! <= shape.position[from]!) {
      // A back edge: the place where a run may end.
      const spent = f.op('i32.add', f.get(state.spent), f.i32(count));
      const left = f.op('i32.sub', f.load('i32.load', f.i32(0), STATE.budget), spent);
      f.if(f.op('i32.lt_s', left, f.i32(0)), () => {
        ops.leave(count);
        f.store('i64.store', f.i32(0), STATE.rip, ops.target(target));
        f.return(f.i32(STOP.slice));
      });
      f.set(state.spent, spent);
      ops.settleFlags();
      f.branch(loops.get(to)!);
    } else {
      f.set(state.spent, f.op('i32.add', f.get(state.spent), f.i32(count)));
      if (shape.isMerge[to] || shape.isLoop[to]) ops.settleFlags();
      if (shape.isMerge[to]) f.branch(labels.get(to)!);
      else tree(to);
    }
    state.pending = pending;
  };

  const flow = {
    branch(ops: RegionOps, condition: Value | undefined): void {
      const from = current;
      const block = blocks[from]!;
      if (condition === undefined) {
        // CALL's return address may lie on what it calls.
        if (ops.mayBeStale) f.if(f.get(state.stale), () => leaveTo(ops, block.taken!, block.instructions.length));
        go(ops, from, block.taken!);
      } else
        f.if(
          condition,
          () => go(ops, from, block.taken!),
          () => go(ops, from, block.end),
        );
    },
  };

  const emit = (node: number): void => {
    current = node;
    const block: RegionBlock = blocks[node]!;
    let ops: RegionOps | undefined;
    for (const [before, instruction] of block.instructions.entries()) {
      const { insn } = instruction;
      ops = opsFor(instruction, before);
      if (insn.row.unit === 'sse' || insn.row.unit === 'sse+mmx') ops.checkUnit(STATE.sseFault);
      const usesMm = insn.operands.some((o, n) => n < insn.count && o.kind === OPERAND_KIND.mm);
      if (insn.row.unit === 'mmx' || (insn.row.unit === 'sse+mmx' && usesMm)) ops.checkUnit(STATE.mmxFault);
      descriptionOf(insn.row.mnemonic)!.run(ops, ops.own);
      if (!ops.ended && usesMm) ops.enterMmx();
      if (ops.mayBeStale && !ops.ended)
        f.if(f.get(state.stale), () => leaveTo(ops!, instruction.at + insn.length, before + 1));
    }
    if (!ops!.ended) go(ops!, node, block.end);
  };

  /** A node with all that it dominates (Ramsey's doTree). */
  const tree = (node: number): void => {
    const merges = shape.children[node]!.filter(child => shape.isMerge[child]);
    const within = (rest: readonly number[]): void => {
      const [first, ...others] = rest;
      if (first === undefined) {
        emit(node);
        return;
      }
      f.block(label => {
        labels.set(first, label);
        within(others);
      });
      state.pending = VARIABLES;
      tree(first);
    };
    if (shape.isLoop[node])
      f.loop(label => {
        loops.set(node, label);
        state.pending = VARIABLES;
        within(merges);
      });
    else within(merges);
  };
  // Where offsets may wrap in the middle of the page, or the segment begins there, it is the interpreter's.
  if (place.bits === 16 || !place.keepsLinks) {
    const highest = place.bits === 16 ? 0xf000 : 0xffff_f000;
    f.if(f.op('i64.gt_u', f.get(state.base), f.i64(highest)), () => {
      f.store('i64.store', f.i32(0), STATE.blockRip, f.op('i64.add', f.get(state.base), f.i64(region.entry)));
      f.returnCallIndirect(runtime.handlerType, f.i32(place.records.interpreted), f.param(0));
    });
  }
  tree(0);
  f.unreachable();
  module.define(index, f.body());
  module.export('region', index);
  return module.bytes();
}
