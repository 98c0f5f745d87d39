import type { Form, Width } from '../semantics/form.ts';
import { STATE } from '../state.ts';
import type { FunctionWriter, Value } from '../wasm/function.ts';
import { ADDRESSING, type Addressing, isRegister, LINK, RECORD, STOP } from './record.ts';
import { HANDLER_TYPE, type Runtime } from './runtime.ts';
import { LOAD, STORE } from './wasm-access.ts';
import { WasmOps } from './wasm-ops.ts';

/**
 * Descriptions of instructions as WebAssembly that interprets a {@link RECORD}: what the form leaves open (which
 * registers, which constants) is read from the record when the handler runs.
 */
export class RecordOps extends WasmOps {
  /** Offset of the record: the handler's parameter. */
  readonly #record: Value;
  readonly #addressing: Addressing;

  constructor(f: FunctionWriter, form: Form, addressing: Addressing, runtime: Runtime) {
    super(f, form, runtime);
    this.#addressing = addressing;
    this.#record = f.param(0);
  }

  // ---------------------------------------------------------------- operands

  /** Where in the record the n-th register operand's address is. */
  #registerField(operand: number): number {
    let registers = 0;
    for (let i = 0; i < operand; i++) if (isRegister(this.form.operands[i]!.kind)) registers++;
    // Without an operand in memory there is no base, and a third register may have its place.
    const fields = this.#addressing === ADDRESSING.none ? [RECORD.a, RECORD.b, RECORD.base] : [RECORD.a, RECORD.b];
    const field = fields[registers];
    if (field === undefined) throw new Error(`${this.form.mnemonic} has too many register operands`);
    return field;
  }

  /** Address of a register operand in the CPU state. */
  protected register(operand: number): Value {
    return this.f.load('i32.load16_u', this.#record, this.#registerField(operand));
  }

  #storeRegister(w: Width, address: Value, offset: number, value: Value): void {
    if (w === 32) this.f.store('i64.store', address, offset, this.f.op('i64.extend_i32_u', value));
    else this.f.store(STORE[w], address, offset, value);
  }

  /** What the record names as its base. */
  base(): Value {
    return this.f.load('i64.load', this.f.load('i32.load16_u', this.#record, RECORD.base));
  }

  /** base + index × scale, as wide as the form's addresses allow without wrapping early. */
  baseAndIndex(): Value {
    const f = this.f;
    const base = this.base();
    const index = f.load('i64.load', f.load('i32.load16_u', this.#record, RECORD.index));
    const scale = f.op('i64.extend_i32_u', f.load('i32.load8_u', this.#record, RECORD.scale));
    return f.op('i64.add', base, f.op('i64.shl', index, scale));
  }

  /** LEA's displacement lies in the immediate field, which a RIP-relative one may need whole. */
  offset(_operand: number): Value {
    const sum = this.f.op('i64.add', this.baseAndIndex(), this.f.load('i64.load', this.#record, RECORD.imm));
    return this.form.asize === 64 ? sum : this.truncate(64, this.form.asize, sum);
  }

  linear(_operand: number): Value {
    const f = this.f;
    if (this.linearAddress) return this.linearAddress;
    if (this.#addressing === ADDRESSING.slot) this.linearAddress = f.load('i64.load', this.zero, STATE.address);
    else {
      const sum = f.op('i64.add', this.baseAndIndex(), f.load('i64.load32_s', this.#record, RECORD.disp));
      this.linearAddress = this.#addressing === ADDRESSING.flat32 ? f.op('i64.and', sum, f.i64(0xffff_ffffn)) : sum;
    }
    return this.linearAddress;
  }

  // ---------------------------------------------------------------- implied registers

  gpr(w: Width, n: number): Value {
    return this.f.load(LOAD[w], this.zero, STATE.gpr + 8 * n);
  }

  setGpr(w: Width, n: number, value: Value): void {
    this.#storeRegister(w, this.zero, STATE.gpr + 8 * n, value);
  }

  ah(): Value {
    return this.f.load('i32.load8_u', this.zero, STATE.gpr + 1);
  }

  setAh(value: Value): void {
    this.f.store('i32.store8', this.zero, STATE.gpr + 1, value);
  }

  nextRip(w: Width): Value {
    const f = this.f;
    const length = f.load('i32.load8_u', this.#record, RECORD.length);
    const distance = f.op('i32.add', f.load('i32.load16_u', this.#record, RECORD.start), length);
    const rip = f.op('i64.add', f.load('i64.load', this.zero, STATE.blockRip), f.op('i64.extend_i32_u', distance));
    return w === 64 ? rip : this.truncate(64, w, rip);
  }

  // ---------------------------------------------------------------- memory

  protected exit(stop: number): void {
    this.f.store('i32.store', this.zero, STATE.record, this.#record);
    this.f.return(this.f.i32(stop));
  }

  protected readGpr(operand: number, w: Width): Value {
    return this.f.load(LOAD[w], this.register(operand));
  }
  protected writeGpr(operand: number, w: Width, value: Value): void {
    this.#storeRegister(w, this.register(operand), 0, value);
  }
  protected immediate(_operand: number, w: Width): Value {
    return this.f.load(LOAD[w], this.#record, RECORD.imm);
  }
  protected effectiveSegment(): Value {
    return this.f.load('i32.load16_u', this.#record, RECORD.segment);
  }
  protected get site(): Value {
    return this.#record;
  }

  protected flagResult(): Value {
    return this.f.load('i64.load', this.zero, STATE.flagResult);
  }
  protected flagAux(): Value {
    return this.f.load('i64.load', this.zero, STATE.flagAux);
  }
  protected storeFlags(result: Value, aux: Value): void {
    this.f.store('i64.store', this.zero, STATE.flagResult, result);
    this.f.store('i64.store', this.zero, STATE.flagAux, aux);
  }

  iteration(): void {
    const f = this.f;
    const budget = f.op('i32.sub', f.load('i32.load', this.zero, STATE.budget), f.i32(1));
    f.store('i32.store', this.zero, STATE.budget, budget);
    f.if(f.op('i32.lt_s', budget, this.zero), () => this.exit(STOP.restart));
  }

  x87Index(operand: number): Value {
    return this.register(operand);
  }

  x87Pointers(): void {
    const f = this.f;
    const start = f.op('i64.extend_i32_u', f.load('i32.load16_u', this.#record, RECORD.start));
    const rip = f.op('i64.add', f.load('i64.load', this.zero, STATE.blockRip), start);
    this.storeX87Pointers(f.load('i32.load16_u', this.#record, RECORD.opcode), rip);
    if (!this.linearAddress) return;
    let offset = this.linearAddress;
    if (this.#addressing === ADDRESSING.slot) {
      const base = f.load('i64.load', f.load('i32.load16_u', this.#record, RECORD.segmentBase));
      const narrower = f.op('i64.extend_i32_u', f.load('i32.load8_u', this.#record, RECORD.narrower));
      offset = f.op('i64.shr_u', f.op('i64.shl', f.op('i64.sub', offset, base), narrower), narrower);
    }
    this.storeX87DataPointer(offset);
  }

  protected budgetLeft(): Value {
    return this.f.load('i32.load', this.zero, STATE.budget);
  }

  protected spend(instructions: Value): void {
    this.f.store('i32.store', this.zero, STATE.budget, this.f.op('i32.sub', this.budgetLeft(), instructions));
  }

  protected leftAfter(): Value {
    const { f } = this;
    const count = f.op('i32.add', f.load('i32.load16_u', this.#record, RECORD.count), f.i32(1));
    return f.op('i32.sub', this.budgetLeft(), count);
  }

  /** Counts the block's instructions, this one included. @returns what is left of the budget. */
  #account(): Value {
    const left = this.leftAfter();
    this.f.store('i32.store', this.zero, STATE.budget, left);
    return left;
  }

  #wrapRip(rip: Value): Value {
    const { opsize, long } = this.form;
    if (long || opsize === 64) return rip;
    return this.f.op('i64.and', rip, this.f.i64(opsize === 16 ? 0xffffn : 0xffff_ffffn));
  }

  branch(condition?: Value): void {
    const f = this.f;
    const go = (distance: Value, slot: number, wrap: (rip: Value) => Value): void => {
      const rip = wrap(
        f.op('i64.add', f.load('i64.load', this.zero, STATE.blockRip), f.op('i64.extend_i32_s', distance)),
      );
      f.store('i64.store', this.zero, STATE.blockRip, rip);
      this.#follow(this.#account(), slot);
    };
    const taken = (): void =>
      go(f.load('i32.load', this.#record, RECORD.disp), RECORD.taken, rip => this.#wrapRip(rip));
    const on = (): void => {
      const length = f.load('i32.load8_u', this.#record, RECORD.length);
      go(f.op('i32.add', f.load('i32.load16_u', this.#record, RECORD.start), length), RECORD.fallthrough, rip => rip);
    };
    if (condition) {
      f.if(condition, taken, on);
      f.unreachable();
    } else taken();
    this.ended = true;
  }

  /** A block that does not end in a branch goes on behind its last instruction, which was counted into this record. */
  through(): void {
    const f = this.f;
    const slot = RECORD.taken;
    const distance = f.load('i32.load16_u', this.#record, RECORD.start);
    f.store(
      'i64.store',
      this.zero,
      STATE.blockRip,
      f.op('i64.add', f.load('i64.load', this.zero, STATE.blockRip), f.op('i64.extend_i32_u', distance)),
    );
    const left = f.op(
      'i32.sub',
      f.load('i32.load', this.zero, STATE.budget),
      f.load('i32.load16_u', this.#record, RECORD.count),
    );
    f.store('i32.store', this.zero, STATE.budget, left);
    this.#follow(left, slot);
  }

  #follow(left: Value, slot: number): void {
    const f = this.f;
    const link = f.load('i32.load', this.#record, slot);
    // Both rare cases in one test: the budget is used up, or the link is no offset.
    f.if(f.op('i32.and', f.op('i32.ge_s', left, this.zero), f.op('i32.gt_u', link, f.i32(LINK.dynamic))), () =>
      f.returnCallIndirect(HANDLER_TYPE, f.load('i32.load', link, RECORD.handler), link),
    );
    f.returnCall(this.runtime.transfer, f.op('i32.add', this.#record, f.i32(slot)));
  }

  jump(w: Width, target: Value): void {
    const f = this.f;
    const rip = w === 64 ? target : f.op('i64.extend_i32_u', target);
    f.store('i64.store', this.zero, STATE.blockRip, rip);
    this.#account();
    f.returnCall(this.runtime.dispatch, rip);
    this.ended = true;
  }

  escape(): void {
    const f = this.f;
    const stop = f.call(this.runtime.escape, 'i32', this.#record);
    f.if(stop, () => {
      f.store('i32.store', this.zero, STATE.record, this.#record);
      f.return(stop);
    });
  }

  /** Goes on with the next record. */
  next(): void {
    const f = this.f;
    const next = f.op('i32.add', this.#record, f.i32(RECORD.size));
    f.returnCallIndirect(HANDLER_TYPE, f.load('i32.load', this.#record, RECORD.size + RECORD.handler), next);
  }
}
