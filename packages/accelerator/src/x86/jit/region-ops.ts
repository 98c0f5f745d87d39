import { BASE_RIP, type Decoded, OPERAND_KIND } from '../decode/decoded.ts';
import { ACCESS } from '../interpreter/access.ts';
import type { Runtime } from '../interpreter/runtime.ts';
import { WasmOps } from '../interpreter/wasm-ops.ts';
import type { Form, Width } from '../semantics/form.ts';
import type { StatusFlag } from '../semantics/ops.ts';
import { SEGMENT, STATE } from '../state.ts';
import type { Value } from '../wasm/function.ts';
import { x87Opcode } from '../x87/opcode.ts';
import { type PendingFlags, type RegionState, VARIABLES } from './region-state.ts';

/** An instruction's place in its region. */
export interface Place {
  readonly insn: Decoded;
  /** Offset of the instruction in its page. */
  readonly at: number;
  /** Instructions of the block before this one. */
  readonly before: number;
  /** It writes its memory operand. */
  readonly writes: boolean;
  /** Offset of a record that stands for it. */
  site(): number;
}

/** Descriptions of instructions as part of a compiled region. */
export class RegionOps extends WasmOps {
  readonly #state: RegionState;
  readonly #insn: Decoded;
  readonly #at: number;
  readonly #before: number;
  readonly #place: Place;
  readonly #flow: Flow;

  constructor(state: RegionState, form: Form, runtime: Runtime, place: Place, flow: Flow) {
    super(state.f, form, runtime);
    this.#state = state;
    this.#insn = place.insn;
    this.#at = place.at;
    this.#before = place.before;
    this.#place = place;
    this.#flow = flow;
  }

  /** The form that the description is to see. */
  get own(): Form {
    return this.form;
  }

  // ---------------------------------------------------------------- operands

  protected register(operand: number): Value {
    const { kind, reg } = this.#insn.operands[operand as 0]!;
    if (kind === OPERAND_KIND.xmm) return this.f.i32(STATE.xmm + 16 * reg);
    if (kind === OPERAND_KIND.mm) return this.f.i32(STATE.x87 + 16 * reg);
    return this.f.i32(STATE.segments + SEGMENT.size * reg);
  }

  #get(w: Width, n: number, high: boolean): Value {
    const { f } = this;
    const whole = this.#state.gpr(n);
    if (w === 64) return whole;
    const low = f.op('i32.wrap_i64', whole);
    if (w === 32) return low;
    return f.op('i32.and', high ? f.op('i32.shr_u', low, f.i32(8)) : low, f.i32(w === 8 ? 0xff : 0xffff));
  }

  #set(w: Width, n: number, high: boolean, value: Value): void {
    const { f } = this;
    if (w === 64) {
      this.#state.setGpr(n, value);
      return;
    }
    const wide = f.op('i64.extend_i32_u', value);
    if (w === 32) {
      this.#state.setGpr(n, wide);
      return;
    }
    const mask = w === 16 ? 0xffffn : high ? 0xff00n : 0xffn;
    const rest = f.op('i64.and', this.#state.gpr(n), f.i64(~mask));
    this.#state.setGpr(n, f.op('i64.or', rest, high ? f.op('i64.shl', wide, f.i64(8)) : wide));
  }

  protected readGpr(operand: number, w: Width): Value {
    const { reg, high } = this.#insn.operands[operand as 0]!;
    return this.#get(w, reg, high);
  }
  protected writeGpr(operand: number, w: Width, value: Value): void {
    const { reg, high } = this.#insn.operands[operand as 0]!;
    this.#set(w, reg, high, value);
  }
  gpr(w: Width, n: number): Value {
    return this.#get(w, n, false);
  }
  setGpr(w: Width, n: number, value: Value): void {
    this.#set(w, n, false, value);
  }
  ah(): Value {
    return this.#get(8, 0, true);
  }
  setAh(value: Value): void {
    this.#set(8, 0, true, value);
  }

  protected immediate(operand: number, w: Width): Value {
    const { immLo, immHi, imm2, operands } = this.#insn;
    if (operands[operand as 0]!.kind === OPERAND_KIND.imm2) return this.constant(w, imm2);
    return this.constant(w, (BigInt(immHi) << 32n) | BigInt(immLo >>> 0));
  }

  protected effectiveSegment(): Value {
    return this.f.i32(STATE.segments + SEGMENT.size * Math.max(0, this.#insn.seg));
  }

  protected get site(): Value {
    return this.f.i32(this.#place.site());
  }

  #rip(offset: number): Value {
    const rip = this.f.op('i64.add', this.f.get(this.#state.base), this.f.i64(offset));
    return this.form.long ? rip : this.f.op('i64.and', rip, this.f.i64(0xffff_ffffn));
  }

  nextRip(w: Width): Value {
    const rip = this.#rip(this.#at + this.#insn.length);
    return w === 64 ? rip : this.truncate(64, w, rip);
  }

  /** base + index × scale + displacement, 64 bits wide. */
  #address(): Value {
    const { f } = this;
    const { base, index, scale, disp, isMem, immLo, immHi } = this.#insn;
    if (!isMem) return f.i64((BigInt(immHi) << 32n) | BigInt(immLo >>> 0)); // an absolute offset
    if (base === BASE_RIP) return this.#rip(this.#at + this.#insn.length + disp);
    let sum: Value | undefined = base >= 0 ? this.#state.gpr(base) : undefined;
    if (index >= 0) {
      const scaled = f.op('i64.shl', this.#state.gpr(index), f.i64(scale));
      sum = sum ? f.op('i64.add', sum, scaled) : scaled;
    }
    return sum ? f.op('i64.add', sum, f.i64(disp)) : f.i64(disp);
  }

  offset(_operand: number): Value {
    const { asize } = this.form;
    return asize === 64 ? this.#address() : this.truncate(64, asize, this.#address());
  }

  linear(operand: number): Value {
    if (this.linearAddress) return this.linearAddress;
    const { asize } = this.#insn;
    const offset = asize === 64 ? this.#address() : this.truncate(64, asize, this.#address());
    const bytes = Math.max(1, this.form.operands[operand]!.size >> 3);
    this.linearAddress = this.segment('effective', asize, offset, bytes, this.#place.writes);
    return this.linearAddress;
  }

  // ---------------------------------------------------------------- flags

  override flagsAdd(w: Width, a: Value, b: Value, result: Value, carry = false): void {
    this.#setPending({ kind: 'add', w, a, b, result, carry });
  }
  override flagsSub(w: Width, a: Value, b: Value, result: Value, borrow = false): void {
    this.#setPending({ kind: 'sub', w, a, b, result, carry: borrow });
  }
  override flagsResult(w: Width, result: Value, others: { cf?: Value; of?: Value; af?: Value } = {}): void {
    this.#setPending({ kind: 'result', w, result, others });
  }

  /** The instruction may have written to the region's page. */
  mayBeStale = false;

  protected override miss(linear: Value, info: number): Value {
    const found = super.miss(linear, info);
    if ((info & ~0xff & ~ACCESS.stack) !== ACCESS.read) {
      this.#state.checkStale();
      this.mayBeStale = true;
    }
    return found;
  }

  /** A store on two pages, or to a device that answers with one of its own, reaches the code only here. */
  protected override commit(address: Value): void {
    const { f } = this;
    f.if(f.op('i32.eq', address, f.i32(STATE.bounce)), () => {
      f.callVoid(this.runtime.commit);
      this.#state.checkStale();
    });
  }

  #depth = 0;
  /** In a branch, flags go to their variables at once: the other branch leaves them there too. */
  #setPending(pending: PendingFlags): void {
    this.#state.pending = pending;
    if (this.#depth > 0) this.settleFlags();
  }

  /** Result and aux of the pending flags, computed anew at each call, so that cold paths bear the cost themselves. */
  #lazy(): { result: Value; aux: Value } {
    const { pending } = this.#state;
    switch (pending.kind) {
      case 'variables':
        return { result: this.f.get(this.#state.flagResult), aux: this.f.get(this.#state.flagAux) };
      case 'result':
        return {
          result: this.signExtend(pending.w, 64, pending.result),
          aux: this.aux(pending.others.cf, pending.others.of, pending.others.af),
        };
      default:
        return {
          result: this.signExtend(pending.w, 64, pending.result),
          aux: this.carries(pending.kind, pending.w, pending.a, pending.b, pending.result),
        };
    }
  }

  /** Brings the flag variables up to date. */
  settleFlags(): void {
    const { f } = this;
    if (this.#state.pending.kind === 'variables') return;
    const { result, aux } = this.#lazy();
    f.set(this.#state.flagResult, result);
    f.set(this.#state.flagAux, aux);
    this.#state.pending = VARIABLES;
  }

  protected flagResult(): Value {
    return this.#lazy().result;
  }
  protected flagAux(): Value {
    return this.#lazy().aux;
  }
  protected storeFlags(result: Value, aux: Value): void {
    this.f.set(this.#state.flagResult, result);
    this.f.set(this.#state.flagAux, aux);
    this.#state.pending = VARIABLES;
  }

  override flag(name: StatusFlag): Value {
    const p = this.#state.pending;
    if (p.kind === 'sub' && !p.carry) {
      if (name === 'cf') return this.compare('ltU', p.w, p.a, p.b);
      if (name === 'zf') return this.compare('eq', p.w, p.a, p.b);
    }
    if (p.kind === 'add' && !p.carry && name === 'cf') return this.compare('ltU', p.w, p.result, p.a);
    if (p.kind !== 'variables' && name === 'zf') return this.compare('eq', p.w, p.result, this.constant(p.w, 0));
    if (p.kind === 'result') {
      if (name === 'cf') return p.others.cf ?? this.f.i32(0);
      if (name === 'of') return p.others.of ?? this.f.i32(0);
    }
    if (p.kind !== 'variables' && name === 'sf') return this.compare('ltS', p.w, p.result, this.constant(p.w, 0));
    return super.flag(name);
  }

  override condition(code: number): Value {
    const p = this.#state.pending;
    const inverse = (v: Value): Value => (code & 1 ? this.f.op('i32.eqz', v) : v);
    if (p.kind !== 'sub' || p.carry) return super.condition(code);
    if (code >> 1 === 3) return inverse(this.compare('leU', p.w, p.a, p.b));
    if (code >> 1 === 6) return inverse(this.compare('ltS', p.w, p.a, p.b));
    if (code >> 1 === 7) return inverse(this.f.op('i32.eqz', this.compare('ltS', p.w, p.b, p.a)));
    return super.condition(code);
  }

  // ---------------------------------------------------------------- control

  override if(condition: Value, yes: () => void, no?: () => void): void {
    const open = condition.constant === undefined;
    if (open) this.settleFlags();
    if (open) this.#depth++;
    super.if(condition, yes, no);
    if (open) this.#depth--;
  }

  override repeat(body: (stop: () => void) => void): void {
    this.settleFlags();
    this.#depth++;
    super.repeat(body);
    this.#depth--;
  }

  iteration(): void {
    throw new Error('repeated string instructions are not compiled');
  }

  x87Index(operand: number): Value {
    return this.f.i32(this.#insn.operands[operand as 0]!.reg);
  }

  x87Pointers(): void {
    this.storeX87Pointers(this.f.i32(x87Opcode(this.#insn)), this.#rip(this.#at));
    if (!this.#insn.isMem) return;
    const offset = this.offset(0);
    this.storeX87DataPointer(this.form.asize === 64 ? offset : this.zeroExtend(this.form.asize, 64, offset));
  }

  protected budgetLeft(): Value {
    const { f } = this;
    return f.op('i32.sub', f.load('i32.load', this.zero, STATE.budget), f.get(this.#state.spent));
  }

  protected spend(instructions: Value): void {
    this.f.set(this.#state.spent, this.f.op('i32.add', this.f.get(this.#state.spent), instructions));
  }

  /** Registers, flags and budget as the rest of the processor expects them; `count` instructions are done. */
  leave(count: number): void {
    const { f } = this;
    this.#state.spill();
    const { result, aux } = this.#lazy();
    f.store('i64.store', this.zero, STATE.flagResult, result);
    f.store('i64.store', this.zero, STATE.flagAux, aux);
    const done = f.op('i32.add', f.get(this.#state.spent), f.i32(count));
    f.store('i32.store', this.zero, STATE.budget, f.op('i32.sub', f.load('i32.load', this.zero, STATE.budget), done));
  }

  protected exit(stop: number): void {
    this.leave(this.#before);
    this.f.store('i32.store', this.zero, STATE.record, this.site);
    this.f.return(this.f.i32(stop));
  }

  branch(condition?: Value): void {
    this.#flow.branch(this, condition);
    this.ended = true;
  }

  jump(w: Width, target: Value): void {
    const { f } = this;
    const rip = w === 64 ? target : f.op('i64.extend_i32_u', target);
    this.leave(this.#before + 1);
    f.store('i64.store', this.zero, STATE.blockRip, rip);
    f.returnCall(this.runtime.dispatch, rip);
    this.ended = true;
  }

  /** Registers and flags go out and come back; the escape may have changed any of them. */
  escape(): void {
    const { f } = this;
    const state = this.#state;
    this.leave(this.#before);
    f.set(state.spent, f.i32(-this.#before)); // counted already
    const stop = f.call(this.runtime.escape, 'i32', this.site);
    f.if(stop, () => {
      f.store('i32.store', this.zero, STATE.record, this.site);
      f.return(stop);
    });
    state.reload();
    state.checkStale();
    this.mayBeStale = true;
    this.storeFlags(f.load('i64.load', this.zero, STATE.flagResult), f.load('i64.load', this.zero, STATE.flagAux));
  }

  /** RIP at an offset in the page, or near it, as a branch of this instruction makes it. */
  target(offset: number): Value {
    const rip = this.#rip(offset);
    const branches = this.#insn.operands[0].kind === OPERAND_KIND.rel && offset !== this.#at + this.#insn.length;
    return branches && this.form.opsize === 16 && !this.form.long ? this.f.op('i64.and', rip, this.f.i64(0xffff)) : rip;
  }
}

/** Carries the branch at the end of a block out. */
export interface Flow {
  branch(ops: RegionOps, condition: Value | undefined): void;
}
