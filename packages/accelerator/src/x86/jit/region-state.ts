import { LINK, RECORD } from '../interpreter/record.ts';
import { FLAGS, type Runtime } from '../interpreter/runtime.ts';
import type { Width } from '../semantics/form.ts';
import { STATE } from '../state.ts';
import type { FunctionWriter, Label, Value, Variable } from '../wasm/function.ts';

/** Flags as the last instruction that set them left them: operands, so that nothing is computed that nobody asks for. */
export type PendingFlags =
  /** In the region's variables, by `FLAGS`, of whatever kind. */
  | { readonly kind: 'lazy' }
  /** In the variables, as `FLAGS.raw`. */
  | { readonly kind: 'raw' }
  | {
      readonly kind: 'add' | 'sub';
      readonly w: Width;
      readonly a: Value;
      readonly b: Value;
      readonly result: Value;
      /** A carry or borrow counted as well. */
      readonly carry: boolean;
    }
  | {
      /** INC or DEC. */
      readonly kind: 'step';
      readonly op: 'add' | 'sub';
      readonly w: Width;
      readonly a: Value;
      readonly result: Value;
      readonly cf: Value;
    }
  | {
      readonly kind: 'result';
      readonly w: Width;
      readonly result: Value;
      readonly others: { cf?: Value; of?: Value; af?: Value };
    };

export const LAZY: PendingFlags = { kind: 'lazy' };
export const RAW: PendingFlags = { kind: 'raw' };

/** What the instructions of one region share: guest registers and flags in WebAssembly locals, and the ways out. */
export class RegionState {
  readonly f: FunctionWriter;
  readonly runtime: Runtime;
  readonly #alive: number;
  readonly #long: boolean;
  readonly #gpr: (Variable | undefined)[] = new Array(16).fill(undefined);
  readonly #written = new Array<boolean>(16).fill(false);
  /** Kind and values of the flags; see `FLAGS`. */
  readonly flagKind: Variable;
  readonly flagX: Variable;
  readonly flagY: Variable;
  /** RIP of place 0. */
  readonly base: Variable;
  /** Instructions since the region was entered. */
  readonly spent: Variable;
  /** Not zero once a store has hit the region's own code: it is to be looked up again. */
  readonly stale: Variable;
  /** Number of the entry that comes next. */
  readonly entry: Variable;
  /** Offset of the TLB. */
  readonly tlb: Variable;
  /** The page of the last access to the stack, while it may be written: tag and addend of its TLB entry. */
  readonly stackTag: Variable;
  readonly stackAddend: Variable;
  /** On the way out: where an indirect branch goes; the record of where else. */
  readonly rip: Variable;
  readonly record: Variable;
  pending: PendingFlags = LAZY;
  /** SSE has been found usable in this block; MMX likewise. */
  sseChecked = false;
  mmxChecked = false;
  /** Stops at the instruction of {@link record}. */
  stopLabel!: Label;
  /** Goes to the place of {@link record}, outside the region. */
  leaveLabel!: Label;
  /** Goes to {@link rip}, wherever that is. */
  indirectLabel!: Label;

  /** @param alive offset of the word that tells whether the region is still good @param long in 64-bit mode */
  constructor(f: FunctionWriter, runtime: Runtime, alive: number, long: boolean) {
    this.#long = long;
    this.f = f;
    this.runtime = runtime;
    this.#alive = alive;
    this.flagKind = f.variable('i32');
    this.flagX = f.variable('i64');
    this.flagY = f.variable('i64');
    this.base = f.variable('i64');
    this.spent = f.variable('i32');
    this.stale = f.variable('i32');
    this.entry = f.variable('i32');
    this.tlb = f.variable('i32');
    this.stackTag = f.variable('i64');
    this.stackAddend = f.variable('i32');
    this.rip = f.variable('i64');
    this.record = f.variable('i32');
  }

  /** Takes everything over from the processor's state. @param raw the flags are of that kind */
  load(raw: boolean): void {
    const { f } = this;
    this.loadFlags();
    if (!raw) {
      f.set(this.flagKind, f.load('i32.load', f.i32(0), STATE.flagKind));
      this.pending = LAZY;
    }
    this.loadTlb();
    f.late(() => this.#gpr.flatMap((variable, n) => (variable ? [{ load: variable, at: STATE.gpr + 8 * n }] : [])));
  }

  loadFlags(): void {
    const { f } = this;
    f.set(this.flagKind, f.i32(FLAGS.raw));
    f.set(this.flagX, f.load('i64.load', f.i32(0), STATE.flagResult));
    f.set(this.flagY, f.load('i64.load', f.i32(0), STATE.flagAux));
    this.pending = RAW;
  }

  /** Works the flags out, into the processor's state. */
  storeFlags(): void {
    const { f } = this;
    f.callVoid(this.runtime.flags, f.get(this.flagKind), f.get(this.flagX), f.get(this.flagY));
  }

  /** Gives registers, flags and budget back. Flags are in their variables. @param lazily another region is next */
  spill(lazily = false): void {
    const { f } = this;
    f.late(() =>
      this.#gpr.flatMap((variable, n) =>
        variable && this.#written[n] ? [{ store: variable, at: STATE.gpr + 8 * n }] : [],
      ),
    );
    if (lazily) {
      f.store('i32.store', f.i32(0), STATE.flagKind, f.get(this.flagKind));
      f.store('i64.store', f.i32(0), STATE.flagResult, f.get(this.flagX));
      f.store('i64.store', f.i32(0), STATE.flagAux, f.get(this.flagY));
    } else this.storeFlags();
    f.store('i32.store', f.i32(0), STATE.budget, this.left());
  }

  /** What is left of the budget. */
  left(): Value {
    const { f } = this;
    return f.op('i32.sub', f.load('i32.load', f.i32(0), STATE.budget), f.get(this.spent));
  }

  /** Counts instructions. */
  spend(count: Value): void {
    const { f } = this;
    f.set(this.spent, f.op('i32.add', f.get(this.spent), count));
  }

  loadTlb(): void {
    const { f } = this;
    f.set(this.tlb, f.load('i32.load', f.i32(0), STATE.tlb));
    this.loadStack();
  }

  /** Takes over what `missStack` found. */
  loadStack(): void {
    const { f } = this;
    f.set(this.stackTag, f.load('i64.load', f.i32(0), STATE.stackTag));
    f.set(this.stackAddend, f.load('i32.load', f.i32(0), STATE.stackAddend));
  }

  /** The processor may have been changed from outside, the memory's map included. */
  forgetStack(): void {
    this.f.set(this.stackTag, this.f.i64(-1));
  }

  /** Looks whether the region's code was written to, after what may have done so. */
  checkStale(): void {
    const { f } = this;
    f.set(this.stale, f.op('i32.eqz', f.load('i32.load', f.i32(0), this.#alive)));
  }

  #variable(n: number): Variable {
    this.#gpr[n] ??= this.f.variable('i64');
    return this.#gpr[n];
  }

  gpr(n: number): Value {
    return this.f.get(this.#variable(n));
  }

  setGpr(n: number, value: Value): void {
    this.#written[n] = true;
    this.f.set(this.#variable(n), value);
  }

  // ---------------------------------------------------------------- ways out

  /** RIP of the place of {@link record}. */
  #recordRip(): Value {
    const { f } = this;
    const rip = f.op('i64.add', f.get(this.base), f.load('i64.load32_s', f.get(this.record), RECORD.disp));
    return this.#long ? rip : f.op('i64.and', rip, f.i64(0xffff_ffffn));
  }

  /** After {@link record} is set: an instruction that faults or is to be resumed. The run loop counts those before it. */
  writeStop(): void {
    const { f } = this;
    const zero = f.i32(0);
    this.spill();
    f.store('i64.store', zero, STATE.blockRip, this.#recordRip());
    f.store('i32.store', zero, STATE.record, f.get(this.record));
    f.return(f.load('i32.load16_u', f.get(this.record), RECORD.b));
  }

  /** After {@link record} is set: goes to its place, or ends the run there if the budget is used up. */
  writeLeave(): void {
    const { f, runtime } = this;
    const record = f.get(this.record);
    f.set(this.spent, f.op('i32.add', f.get(this.spent), f.load('i32.load16_u', record, RECORD.count)));
    this.spill(true);
    f.store('i64.store', f.i32(0), STATE.blockRip, this.#recordRip());
    const left = f.load('i32.load', f.i32(0), STATE.budget);
    const link = f.load('i32.load', record, RECORD.taken);
    // Both rare cases in one test: the budget is used up, or the link is no offset.
    f.if(f.op('i32.and', f.op('i32.ge_s', left, f.i32(0)), f.op('i32.gt_u', link, f.i32(LINK.dynamic))), () =>
      f.returnCall(runtime.enterLazily, link),
    );
    this.storeFlags();
    f.returnCall(runtime.transfer, f.op('i32.add', record, f.i32(RECORD.taken)));
  }
}
