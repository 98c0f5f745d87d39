import { FLAGS } from '../interpreter/runtime.ts';
import { WasmOps } from '../interpreter/wasm-ops.ts';
import type { Effects } from '../semantics/effects.ts';
import type { Form, Width } from '../semantics/form.ts';
import type { StatusFlag } from '../semantics/ops.ts';
import type { Value } from '../wasm/function.ts';
import { LAZY, type PendingFlags, RAW, type RegionState } from './region-state.ts';

/** The flags of a region's instruction: operands, until somebody asks for more. */
export abstract class RegionFlags extends WasmOps {
  protected readonly state: RegionState;
  readonly #effects: Effects;

  constructor(state: RegionState, form: Form, effects: Effects) {
    super(state.f, form, state.runtime);
    this.state = state;
    this.#effects = effects;
  }

  override flagsAdd(w: Width, a: Value, b: Value, result: Value, carry = false): void {
    this.#setPending({ kind: 'add', w, a, b, result, carry });
  }
  override flagsSub(w: Width, a: Value, b: Value, result: Value, borrow = false): void {
    this.#setPending({ kind: 'sub', w, a, b, result, carry: borrow });
  }
  override flagsStep(op: 'add' | 'sub', w: Width, a: Value, result: Value): void {
    this.#setPending({ kind: 'step', op, w, a, result, cf: this.flag('cf') });
  }
  override flagsResult(w: Width, result: Value, others: { cf?: Value; of?: Value; af?: Value } = {}): void {
    this.#setPending({ kind: 'result', w, result, others });
  }

  protected depth = 0;
  #setPending(pending: PendingFlags): void {
    this.state.pending = pending;
    if (this.depth > 0) this.settleFlags();
  }

  /** Puts pending flags into their variables. */
  settleFlags(): void {
    this.settle();
    if (this.state.pending !== RAW) this.state.pending = LAZY;
  }

  /** The same on a way out: what is pending stays so for those who go on. */
  protected settle(): void {
    const { f } = this;
    const { pending, flagKind, flagX, flagY } = this.state;
    const wide = (w: Width, v: Value): Value => (w === 64 ? v : f.op('i64.extend_i32_u', v));
    if (pending.kind === 'lazy' || pending.kind === 'raw') return;
    if (pending.kind === 'step') {
      const first = pending.op === 'add' ? FLAGS.inc8 : FLAGS.dec8;
      f.set(flagKind, f.i32(first + Math.log2(pending.w / 8)));
      f.set(flagX, wide(pending.w, pending.a));
      f.set(flagY, f.op('i64.extend_i32_u', pending.cf));
      return;
    }
    if (pending.kind !== 'result' && !pending.carry) {
      const first = pending.kind === 'add' ? FLAGS.add8 : FLAGS.sub8;
      f.set(flagKind, f.i32(first + Math.log2(pending.w / 8)));
      f.set(flagX, wide(pending.w, pending.a));
      f.set(flagY, wide(pending.w, pending.b));
      return;
    }
    const { result, aux } = this.#words();
    f.set(flagKind, f.i32(FLAGS.raw));
    f.set(flagX, result);
    f.set(flagY, aux);
  }

  /** The lazy flags' two words. */
  #words(): { result: Value; aux: Value } {
    const { f } = this;
    const state = this.state;
    const { pending } = state;
    switch (pending.kind) {
      case 'lazy':
        state.storeFlags();
        state.loadFlags();
        return { result: f.get(state.flagX), aux: f.get(state.flagY) };
      case 'raw':
        return { result: f.get(state.flagX), aux: f.get(state.flagY) };
      case 'result': {
        const { cf, of, af } = pending.others;
        return { result: this.signExtend(pending.w, 64, pending.result), aux: this.aux(cf, of, af) };
      }
      case 'step': {
        const { op, w, a, result, cf } = pending;
        const carries = this.carries(op, w, a, this.constant(w, 1), result);
        const half = f.op('i64.and', carries, f.i64(8));
        return {
          result: this.signExtend(w, 64, result),
          aux: f.op('i64.or', this.aux(cf, this.stepOverflows(op, w, result), undefined), half),
        };
      }
      default: {
        const { kind, w, a, b, result } = pending;
        return { result: this.signExtend(w, 64, result), aux: this.carries(kind, w, a, b, result) };
      }
    }
  }

  protected flagResult(): Value {
    return this.#words().result;
  }
  protected flagAux(): Value {
    return this.#words().aux;
  }
  protected storeFlags(result: Value, aux: Value): void {
    const { f } = this;
    const state = this.state;
    f.set(state.flagKind, f.i32(FLAGS.raw));
    f.set(state.flagX, result);
    f.set(state.flagY, aux);
    state.pending = this.depth > 0 ? LAZY : RAW;
  }

  override flag(name: StatusFlag): Value {
    const p = this.state.pending;
    if (p.kind === 'lazy' || p.kind === 'raw') return super.flag(name);
    if (p.kind === 'sub' && !p.carry) {
      if (name === 'cf') return this.compare('ltU', p.w, p.a, p.b);
      if (name === 'zf') return this.compare('eq', p.w, p.a, p.b);
    }
    if (p.kind === 'step') {
      if (name === 'cf') return p.cf;
      if (name === 'of') return this.stepOverflows(p.op, p.w, p.result);
    }
    if (p.kind === 'add' && !p.carry && name === 'cf') return this.compare('ltU', p.w, p.result, p.a);
    if (name === 'zf') return this.compare('eq', p.w, p.result, this.constant(p.w, 0));
    if (name === 'sf') return this.compare('ltS', p.w, p.result, this.constant(p.w, 0));
    if (p.kind === 'result') {
      if (name === 'cf') return p.others.cf ?? this.f.i32(0);
      if (name === 'of') return p.others.of ?? this.f.i32(0);
    }
    return super.flag(name);
  }

  override condition(code: number): Value {
    const p = this.state.pending;
    const inverse = (v: Value): Value => (code & 1 ? this.f.op('i32.eqz', v) : v);
    if (p.kind !== 'sub' || p.carry) return super.condition(code);
    if (code >> 1 === 3) return inverse(this.compare('leU', p.w, p.a, p.b));
    if (code >> 1 === 6) return inverse(this.compare('ltS', p.w, p.a, p.b));
    if (code >> 1 === 7) return inverse(this.f.op('i32.eqz', this.compare('ltS', p.w, p.b, p.a)));
    return super.condition(code);
  }

  override if(condition: Value, yes: () => void, no?: () => void): void {
    if (condition.constant !== undefined) {
      super.if(condition, yes, no);
      return;
    }
    this.#nested(scoped => super.if(condition, scoped(yes), no && scoped(no)));
  }

  override repeat(body: (stop: () => void) => void): void {
    this.#nested(scoped => super.repeat(stop => scoped(() => body(stop))()));
  }

  /** In a branch, flags go to their variables at once: the other way leaves them there too. */
  #nested(write: (scoped: (body: () => void) => () => void) => void): void {
    const state = this.state;
    if (this.#effects.branchesSetFlags) {
      this.settleFlags();
      state.pending = LAZY;
    }
    const before = state.pending;
    this.depth++;
    write(body => () => {
      body();
      state.pending = before;
    });
    this.depth--;
  }
}
