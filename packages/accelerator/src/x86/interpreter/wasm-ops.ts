import { OPERAND_KIND } from '../decode/decoded.ts';
import { MXCSR } from '../mxcsr.ts';
import type { Width } from '../semantics/form.ts';
import type { Cell, ExactFunction, Lane, Ops, StringRun, X87Function, X87Word } from '../semantics/ops.ts';
import { SEGMENT, STATE } from '../state.ts';
import type { Value } from '../wasm/function.ts';
import { X87_LAYOUT } from '../x87/state.ts';
import { FSW } from '../x87/status.ts';
import { ACCESS } from './access.ts';
import { isRegister, STOP } from './record.ts';
import { WasmSystem } from './wasm-system.ts';
import { readExtended, writeExtended } from './x87-round.ts';

/**
 * Descriptions of instructions as WebAssembly: what the engines that make WebAssembly have in common. Here: control,
 * SSE, MMX and x87.
 */
export abstract class WasmOps extends WasmSystem implements Ops<Value> {
  /** Set once control has gone elsewhere: nothing follows. */
  ended = false;

  // ---------------------------------------------------------------- control

  if(condition: Value, yes: () => void, no?: () => void): void {
    const scoped = (body: () => void) => () => this.#scope(body);
    this.f.if(condition, scoped(yes), no && scoped(no));
  }

  /** A linear address worked out in a branch or loop is not known outside of it. */
  #scope(body: () => void): void {
    const linear = this.linearAddress;
    body();
    this.linearAddress = linear;
  }

  cell(w: Width, initial: Value): Cell<Value> {
    const variable = this.f.variable(this.typeOf(w), initial);
    return { get: () => this.f.get(variable), set: value => this.f.set(variable, value) };
  }

  repeat(body: (stop: () => void) => void): void {
    const f = this.f;
    f.block(done =>
      f.loop(again => {
        this.#scope(() => body(() => f.branch(done)));
        f.branch(again);
      }),
    );
  }

  /** Instructions left until an interrupt has to be let in. */
  protected abstract budgetLeft(): Value;
  /** Takes instructions from the budget. */
  protected abstract spend(instructions: Value): void;

  iterations(run: StringRun, w: Width, limit: Value, a: Value, b: Value): Value {
    const f = this.f;
    const left = this.budgetLeft();
    const most = f.select(f.op('i32.lt_s', left, limit), left, limit);
    const done = f.call(this.runtime.strings[run], 'i32', a, b, most, f.i32(Math.log2(w / 8)));
    this.spend(done);
    return done;
  }

  raise(vector: number, error = 0): void {
    const f = this.f;
    f.store('i32.store', this.zero, STATE.faultVector, f.i32(vector));
    f.store('i32.store', this.zero, STATE.faultError, f.i32(error));
    this.exit(STOP.fault);
  }

  // ---------------------------------------------------------------- SSE and MMX

  /** #UD or #NM (or #MF, for MMX) when the unit may not be used now. */
  checkUnit(slot: number): void {
    const f = this.f;
    const vector = f.load('i32.load', this.zero, slot);
    f.if(vector, () => {
      f.store('i32.store', this.zero, STATE.faultVector, vector);
      f.store('i32.store', this.zero, STATE.faultError, this.zero);
      this.exit(STOP.fault);
    });
  }

  /** What every MMX instruction does besides: TOP becomes 0 and all registers valid (SDM vol. 1 §9.5.1). */
  enterMmx(): void {
    const f = this.f;
    const status = f.op('i32.and', f.load('i32.load16_u', this.zero, STATE.x87 + X87_LAYOUT.status), f.i32(~FSW.TOP));
    f.store('i32.store16', this.zero, STATE.x87 + X87_LAYOUT.status, status);
    f.store('i32.store8', this.zero, STATE.x87 + X87_LAYOUT.tags, f.i32(0xff));
  }

  floatState(): Value {
    return this.f.load('i32.load', this.zero, STATE.floatState);
  }

  denormalsNoted(): Value {
    const f = this.f;
    const { DE, UE, DAZ, FTZ } = MXCSR;
    const all = f.op('i32.and', f.load('i32.load', this.zero, STATE.mxcsr), f.i32(DE | UE | DAZ | FTZ));
    return f.op('i32.eq', all, f.i32(DE | UE));
  }

  exact(what: ExactFunction, x: Value, y: Value, r: Value): Value {
    return this.f.call(this.runtime.exact[what], 'i32', x, y, r);
  }

  #alignment(linear: Value): void {
    const f = this.f;
    f.if(f.op('i32.and', f.op('i32.wrap_i64', linear), f.i32(15)), () => this.raise(13));
  }

  setFloatFlags(flags: number): void {
    const f = this.f;
    const old = f.load('i32.load', this.zero, STATE.mxcsr);
    f.store('i32.store', this.zero, STATE.mxcsr, f.op('i32.or', old, f.i32(flags)));
  }

  /** Offset in the memory of a memory operand that is about to be read. */
  #memory(operand: number, bytes: number): Value {
    const linear = this.linear(operand);
    if (bytes === 16 && this.form.aligned) this.#alignment(linear);
    return this.access(ACCESS.read, bytes, linear);
  }

  readVector(operand: number): Value {
    const f = this.f;
    const { kind, size } = this.form.operands[operand]!;
    if (kind === OPERAND_KIND.xmm) return f.load('v128.load', this.register(operand));
    if (kind === OPERAND_KIND.mm) return f.load('v128.load64_zero', this.register(operand));
    const address = this.#memory(operand, size / 8);
    if (size === 16)
      return f.lane('i32x4.replace_lane', 0, f.v128(new Array<number>(16).fill(0)), f.load('i32.load16_u', address));
    return f.load(size === 128 ? 'v128.load' : size === 64 ? 'v128.load64_zero' : 'v128.load32_zero', address);
  }

  writeVector(operand: number, value: Value): void {
    const f = this.f;
    const { kind, size } = this.form.operands[operand]!;
    if (kind === OPERAND_KIND.xmm) {
      f.store('v128.store', this.register(operand), 0, value);
      return;
    }
    if (kind === OPERAND_KIND.mm) {
      f.store('i64.store', this.register(operand), 0, f.lane('i64x2.extract_lane', 0, value));
      // As an x87 register it is a NaN now (SDM vol. 1 §9.2).
      f.store('i32.store16', this.register(operand), 8, f.i32(0xffff));
      return;
    }
    if (size !== 128) {
      this.write(operand, f.lane(size === 64 ? 'i64x2.extract_lane' : 'i32x4.extract_lane', 0, value));
      return;
    }
    const linear = this.linear(operand);
    if (this.form.aligned) this.#alignment(linear);
    this.storeAt('v128.store', 16, linear, value);
  }

  readLane(operand: number, lane: Lane): Value {
    const { kind } = this.form.operands[operand]!;
    const bytes = lane === 'i32' || lane === 'f32' ? 4 : 8;
    return this.f.load(`${lane}.load`, isRegister(kind) ? this.register(operand) : this.#memory(operand, bytes));
  }

  writeLane(operand: number, lane: Lane, value: Value): void {
    this.f.store(`${lane}.store`, this.register(operand), 0, value);
  }

  selectVector(condition: Value, yes: Value, no: Value): Value {
    return this.f.select(condition, yes, no);
  }

  xmm(n: number): Value {
    return this.f.load('v128.load', this.zero, STATE.xmm + 16 * n);
  }

  setXmm(n: number, value: Value): void {
    this.f.store('v128.store', this.zero, STATE.xmm + 16 * n, value);
  }

  vectorConstant(bytes: readonly number[]): Value {
    return this.f.v128(bytes);
  }

  vector(op: string, ...args: Value[]): Value {
    return this.f.op(op, ...args);
  }

  lane(op: string, lane: number, ...args: Value[]): Value {
    return this.f.lane(op, lane, ...args);
  }

  shuffle(a: Value, b: Value, lanes: readonly number[]): Value {
    return this.f.shuffle(a, b, lanes);
  }

  // ---------------------------------------------------------------- x87

  x87Ready(): Value {
    return this.f.op('i32.eqz', this.f.load('i32.load', this.zero, STATE.x87Unusual));
  }
  x87Word(name: X87Word): Value {
    return this.f.load(name === 'tags' ? 'i32.load8_u' : 'i32.load16_u', this.zero, STATE.x87 + X87_LAYOUT[name]);
  }
  setX87Word(name: X87Word, value: Value): void {
    this.f.store(name === 'tags' ? 'i32.store8' : 'i32.store16', this.zero, STATE.x87 + X87_LAYOUT[name], value);
  }
  x87Significand(register: Value): Value {
    return readExtended(this.f, register).significand;
  }
  x87Exponent(register: Value): Value {
    return readExtended(this.f, register).signExponent;
  }
  setX87(register: Value, significand: Value, exponent: Value): void {
    writeExtended(this.f, register, significand, exponent);
  }
  x87(name: X87Function, ...args: Value[]): Value {
    return this.f.call(this.runtime.x87[name], 'i32', ...args);
  }

  protected storeX87Pointers(opcode: Value, rip: Value): void {
    const f = this.f;
    const selector = f.load('i32.load16_u', this.zero, STATE.segments + SEGMENT.size + SEGMENT.selector); // of CS
    f.store('i32.store16', this.zero, STATE.x87 + X87_LAYOUT.opcode, opcode);
    f.store('i64.store', this.zero, STATE.x87 + X87_LAYOUT.instructionPointer, rip);
    f.store('i32.store16', this.zero, STATE.x87 + X87_LAYOUT.instructionSelector, selector);
  }
  protected storeX87DataPointer(offset: Value): void {
    const f = this.f;
    const selector = f.load('i32.load16_u', this.effectiveSegment(), SEGMENT.selector);
    f.store('i64.store', this.zero, STATE.x87 + X87_LAYOUT.dataPointer, offset);
    f.store('i32.store16', this.zero, STATE.x87 + X87_LAYOUT.dataSelector, selector);
  }

  abstract gpr(w: Width, n: number): Value;
  abstract setGpr(w: Width, n: number, value: Value): void;
  abstract ah(): Value;
  abstract setAh(value: Value): void;
  abstract iteration(): void;
  abstract branch(condition?: Value): void;
  abstract jump(w: Width, target: Value): void;
  abstract x87Index(operand: number): Value;
  abstract x87Pointers(): void;
  abstract escape(): void;
}
