import { BASE_RIP, type Decoded, OPERAND_KIND, SEG } from '../decode/decoded.ts';
import { ACCESS } from '../interpreter/access.ts';
import { STOP } from '../interpreter/record.ts';
import { tlbSlot } from '../interpreter/tlb-entry.ts';
import { PRIVILEGE, tlbOf } from '../privilege.ts';
import type { Effects } from '../semantics/effects.ts';
import type { Form, Width } from '../semantics/form.ts';
import { crPlace, GPR, SEGMENT, STATE } from '../state.ts';
import type { Value } from '../wasm/function.ts';
import { x87Opcode } from '../x87/opcode.ts';
import { RegionFlags } from './region-flags.ts';
import type { RegionPlace } from './region-place.ts';
import type { RegionRecords } from './region-records.ts';
import type { RegionState } from './region-state.ts';

/** An instruction in its region. */
export interface Placed {
  readonly insn: Decoded;
  readonly form: Form;
  readonly effects: Effects;
  /** Its place, relative to the page of the region's entry. */
  readonly at: number;
  /** Instructions of the block before this one. */
  readonly before: number;
}

/** Carries the branch at the end of a block out. */
export type Branch = (ops: RegionOps, condition: Value | undefined) => void;

/** Descriptions of instructions as part of a compiled region. */
export class RegionOps extends RegionFlags {
  readonly #placed: Placed;
  readonly #insn: Decoded;
  readonly #at: number;
  readonly #records: RegionRecords;
  readonly #user: boolean;
  readonly #branch: Branch;

  constructor(state: RegionState, placed: Placed, { records, user }: RegionPlace, branch: Branch) {
    super(state, placed.form, placed.effects);
    this.#placed = placed;
    this.#insn = placed.insn;
    this.#at = placed.at;
    this.#records = records;
    this.#user = user;
    this.#branch = branch;
  }

  get place(): Placed {
    return this.#placed;
  }

  // ---------------------------------------------------------------- operands

  protected register(operand: number): Value {
    const { kind, reg } = this.#insn.operands[operand as 0]!;
    if (kind === OPERAND_KIND.xmm) return this.f.i32(STATE.xmm + 16 * reg);
    if (kind === OPERAND_KIND.mm) return this.f.i32(STATE.x87 + 16 * reg);
    if (kind === OPERAND_KIND.cr) return this.f.i32(crPlace(reg));
    return this.f.i32(STATE.segments + SEGMENT.size * reg);
  }

  #get(w: Width, n: number, high: boolean): Value {
    const { f } = this;
    const whole = this.state.gpr(n);
    if (w === 64) return whole;
    const low = f.op('i32.wrap_i64', whole);
    if (w === 32) return low;
    return f.op('i32.and', high ? f.op('i32.shr_u', low, f.i32(8)) : low, f.i32(w === 8 ? 0xff : 0xffff));
  }

  #set(w: Width, n: number, high: boolean, value: Value): void {
    const { f } = this;
    if (w === 64) {
      this.state.setGpr(n, value);
      return;
    }
    const wide = f.op('i64.extend_i32_u', value);
    if (w === 32) {
      this.state.setGpr(n, wide);
      return;
    }
    const mask = w === 16 ? 0xffffn : high ? 0xff00n : 0xffn;
    const rest = f.op('i64.and', this.state.gpr(n), f.i64(~mask));
    this.state.setGpr(n, f.op('i64.or', rest, high ? f.op('i64.shl', wide, f.i64(8)) : wide));
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

  /** Of the instruction, for those who only want its segment. */
  protected get site(): Value {
    return this.f.i32(this.#site(0, STOP.fault));
  }

  #site(info: number, stop: number): number {
    return this.#records.site(this.#at, this.#insn, this.#placed.before, info, stop);
  }

  #rip(offset: number): Value {
    const rip = this.f.op('i64.add', this.f.get(this.state.base), this.f.i64(offset));
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
    let sum: Value | undefined = base >= 0 ? this.state.gpr(base) : undefined;
    if (index >= 0) {
      const scaled = f.op('i64.shl', this.state.gpr(index), f.i64(scale));
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
    this.linearAddress = this.segment('effective', asize, offset, bytes, this.#placed.effects.writesMemory);
    return this.linearAddress;
  }

  // ---------------------------------------------------------------- memory

  override tlbPlace(linear: Value): { entry: Value; offset: number } {
    const { f } = this;
    const slot = tlbSlot(f, linear);
    if (this.#user) return { entry: slot, offset: tlbOf(PRIVILEGE.user) };
    return { entry: f.op('i32.add', f.get(this.state.tlb), slot), offset: 0 };
  }

  override setUserAccess(condition: Value): void {
    super.setUserAccess(condition);
    this.state.loadTlb();
  }

  /** Who comes back to this region at the same level finds another TLB if EFLAGS.AC has changed. */
  override flatCode(selector: Value, bits: 32 | 64 = 64): void {
    super.flatCode(selector, bits);
    this.state.loadTlb();
  }

  /** The memory operand's base is the stack pointer. */
  get #onStack(): boolean {
    return this.#insn.isMem && this.#insn.base === GPR.rsp && this.#insn.index < 0;
  }

  #isHandy(linear: Value): boolean {
    return this.isStack(linear) || (this.#onStack && linear === this.linearAddress);
  }

  /**
   * The stack is mostly one page: its TLB entry is kept at hand. Read-only pages are not, so that one tag will do.
   */
  protected override probe(kind: number, bytes: number, linear: Value): { known: Value; address: () => Value } {
    if (!this.#isHandy(linear)) return super.probe(kind, bytes, linear);
    const { f } = this;
    const page = f.get(this.state.stackTag);
    // What is aligned stays on its page. Doubles of 32-bit code mostly are not, nor are vectors: they have two ends to look at.
    const aligned = bytes <= (this.form.long ? 8 : 4);
    const other = (at: Value): Value => f.op('i64.xor', at, page);
    const outside = (): Value => f.op('i64.or', other(linear), other(f.op('i64.add', linear, f.i64(bytes - 1))));
    return {
      known: aligned
        ? f.op('i64.eq', f.op('i64.and', linear, f.i64(-4096 | (bytes - 1))), page)
        : f.op('i64.eqz', f.op('i64.and', outside(), f.i64(-4096))),
      address: () => f.op('i32.add', f.op('i32.wrap_i64', linear), f.get(this.state.stackAddend)),
    };
  }

  /** The instruction may have written to the region's code. */
  mayBeStale = false;

  protected override ask(kind: number, bytes: number, linear: Value): Value {
    const { f } = this;
    const state = this.state;
    // Also where a description moved the operand's address on, as those of BT m,r and FLD m80fp do.
    const onStack = this.isStack(linear) || this.#insn.seg === SEG.ss;
    f.rare();
    const info = kind | bytes | (onStack ? ACCESS.stack : 0);
    const handy = this.#isHandy(linear) && kind !== ACCESS.probe;
    const record = f.i32(this.#site(info, STOP.fault));
    const found = f.call(handy ? this.runtime.missStack : this.runtime.missAt, 'i32', linear, record);
    // Nothing is set for those who go on: what they find in variables would have two origins from here on.
    f.if(f.op('i32.eqz', found), () => {
      f.rare();
      f.set(state.record, record);
      this.settle();
      f.branch(state.stopLabel);
    });
    if (handy) state.loadStack();
    if (kind !== ACCESS.read) {
      state.checkStale();
      this.mayBeStale = true;
    }
    return found;
  }

  protected override commit(address: Value): void {
    const { f } = this;
    f.if(f.op('i32.eq', address, f.i32(STATE.bounce)), () => {
      f.rare();
      f.callVoid(this.runtime.commit);
      this.state.forgetStack(); // a device may have changed what is mapped where
      this.state.checkStale();
    });
  }

  // ---------------------------------------------------------------- control

  iteration(): void {
    this.spend(this.f.i32(1));
    this.f.if(this.f.op('i32.lt_s', this.budgetLeft(), this.zero), () => this.exit(STOP.restart));
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
    return this.f.op('i32.sub', this.state.left(), this.f.i32(this.#placed.before));
  }

  protected leftAfter(): Value {
    return this.f.op('i32.sub', this.budgetLeft(), this.f.i32(1));
  }

  protected spend(instructions: Value): void {
    this.state.spend(instructions);
  }

  protected exit(stop: number): void {
    const { f } = this;
    f.rare();
    f.set(this.state.record, f.i32(this.#site(0, stop)));
    this.settle();
    f.branch(this.state.stopLabel);
  }

  /** Leaves the region for the place of a record. */
  leave(record: number): void {
    const { f } = this;
    f.set(this.state.record, f.i32(record));
    this.settle();
    f.branch(this.state.leaveLabel);
  }

  /** Goes to a place on another page, wherever that is mapped now. @param count instructions of the block that are done */
  goElsewhere(target: number, count: number): void {
    const { f } = this;
    this.state.spend(f.i32(count));
    f.set(this.state.rip, this.#rip(target));
    this.settle();
    f.branch(this.state.indirectLabel);
  }

  branch(condition?: Value): void {
    this.#branch(this, condition);
    this.ended = true;
  }

  jump(w: Width, target: Value): void {
    const { f } = this;
    const state = this.state;
    state.spend(f.i32(this.#placed.before + 1));
    f.set(state.rip, w === 64 ? target : f.op('i64.extend_i32_u', target));
    this.settle();
    f.branch(state.indirectLabel);
    this.ended = true;
  }

  /** Registers and flags go out and come back; the escape may have changed any of them. */
  escape(): void {
    const { f } = this;
    const state = this.state;
    if (this.depth > 0) f.rare();
    const record = f.i32(this.#records.escape(this.#at, this.#insn, this.#placed.before));
    this.settle();
    state.spill();
    f.set(state.spent, this.zero);
    f.store('i64.store', this.zero, STATE.blockRip, this.#rip(this.#at));
    const stop = f.call(this.runtime.escape, 'i32', record);
    f.if(stop, () => {
      f.rare();
      f.store('i32.store', this.zero, STATE.record, record);
      f.return(stop);
    });
    state.load(true);
    state.checkStale();
    state.sseChecked = false;
    state.mmxChecked = false;
    this.mayBeStale = true;
  }
}
