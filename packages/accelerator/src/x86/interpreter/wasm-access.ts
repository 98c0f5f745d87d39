import { OPERAND_KIND } from '../decode/decoded.ts';
import type { AddressWidth, Form, Width } from '../semantics/form.ts';
import type { SegmentRole } from '../semantics/ops.ts';
import { SEGMENT, STATE, TLB } from '../state.ts';
import type { FunctionWriter, Value } from '../wasm/function.ts';
import { ACCESS } from './access.ts';
import { STOP } from './record.ts';
import type { Runtime } from './runtime.ts';
import { tlbEntry } from './tlb-entry.ts';
import { WasmFlags } from './wasm-flags.ts';

export const LOAD: Record<Width, string> = { 8: 'i32.load8_u', 16: 'i32.load16_u', 32: 'i32.load', 64: 'i64.load' };
export const STORE: Record<Width, string> = { 8: 'i32.store8', 16: 'i32.store16', 32: 'i32.store', 64: 'i64.store' };

/** Registers and memory. Where registers and constants are, each engine says itself. */
export abstract class WasmAccess extends WasmFlags {
  protected readonly form: Form;
  protected readonly runtime: Runtime;
  /** Of the memory operand, once it was worked out. */
  protected linearAddress: Value | undefined;
  /** Linear addresses that a description got from SS. */
  readonly #stackAddresses = new Set<Value>();
  /** Set once something wrote memory, the stack apart. */
  writesMemory = false;

  constructor(f: FunctionWriter, form: Form, runtime: Runtime) {
    super(f);
    this.form = form;
    this.runtime = runtime;
  }

  /** Address in the CPU state of a segment, control, MMX or XMM register operand. */
  protected abstract register(operand: number): Value;
  protected abstract readGpr(operand: number, w: Width): Value;
  protected abstract writeGpr(operand: number, w: Width, value: Value): void;
  protected abstract immediate(operand: number, w: Width): Value;
  /** Address in the CPU state of the memory operand's segment register. */
  protected abstract effectiveSegment(): Value;
  /** Offset of the record that stands for the instruction when something has to look it up. */
  protected abstract get site(): Value;
  /** Leaves the engine in the middle of the instruction: nothing of it is done. */
  protected abstract exit(stop: number): void;
  abstract offset(operand: number): Value;
  abstract linear(operand: number): Value;

  read(operand: number): Value {
    const { kind, size } = this.form.operands[operand]!;
    const w = size as Width;
    switch (kind) {
      case OPERAND_KIND.gpr:
        return this.readGpr(operand, w);
      case OPERAND_KIND.mm:
      case OPERAND_KIND.xmm:
      case OPERAND_KIND.cr:
        return this.f.load(LOAD[w], this.register(operand));
      case OPERAND_KIND.seg:
        return this.f.load('i32.load16_u', this.register(operand), SEGMENT.selector);
      case OPERAND_KIND.imm:
      case OPERAND_KIND.imm2:
        return this.immediate(operand, w);
      case OPERAND_KIND.one:
        return this.constant(w, 1);
      case OPERAND_KIND.mem:
      case OPERAND_KIND.moffs:
        return this.load(w, this.linear(operand));
      default:
        throw new Error(`${this.form.mnemonic} reads an operand of kind ${kind}`);
    }
  }

  write(operand: number, value: Value): void {
    const { kind, size } = this.form.operands[operand]!;
    const w = size as Width;
    if (kind === OPERAND_KIND.gpr) this.writeGpr(operand, w, value);
    else if (kind === OPERAND_KIND.mem || kind === OPERAND_KIND.moffs) this.store(w, this.linear(operand), value);
    else throw new Error(`${this.form.mnemonic} writes an operand of kind ${kind}`);
  }

  modify(operand: number, change: (old: Value) => Value): void {
    const { kind, size } = this.form.operands[operand]!;
    const w = size as Width;
    if (kind !== OPERAND_KIND.mem) {
      this.write(operand, change(this.read(operand)));
      return;
    }
    const address = this.access(ACCESS.modify, w / 8, this.linear(operand));
    const value = change(this.f.load(LOAD[w], address));
    this.f.store(STORE[w], address, 0, value);
    this.commit(address);
  }

  segment(role: SegmentRole, aw: AddressWidth, offset: Value, bytes: number, write: boolean): Value {
    const f = this.f;
    const { long, flat } = this.form;
    const wide = aw === 64 ? offset : f.op('i64.extend_i32_u', offset);
    if (role === 'ss') this.#stackAddresses.add(wide);
    const segment = (): Value =>
      role === 'effective' ? this.effectiveSegment() : f.i32(STATE.segments + SEGMENT.size * (role === 'ss' ? 2 : 0));
    if (long || aw === 64) {
      // Only FS and GS have a base in 64-bit mode, and only the effective segment can be one of them.
      return flat || role !== 'effective' ? wide : f.op('i64.add', wide, f.load('i64.load', segment(), SEGMENT.base));
    }
    if (flat) return wide;
    const linear = f.call(this.runtime.segment, 'i64', segment(), offset, f.i32(bytes | (write ? ACCESS.write : 0)));
    f.if(f.op('i64.eq', linear, f.i64(-1)), () => this.exit(STOP.fault));
    if (role === 'ss') this.#stackAddresses.add(linear);
    return linear;
  }

  /** Where `bytes` at a linear address may be read or written without asking the MMU, if the TLB says so. */
  protected probe(kind: number, bytes: number, linear: Value): { known: Value; address: () => Value } {
    const f = this.f;
    const { entry, offset } = this.tlbPlace(linear);
    const tag = f.load('i64.load', entry, offset + (kind === ACCESS.read ? TLB.read : TLB.write));
    const last = bytes === 1 ? linear : f.op('i64.add', linear, f.i64(bytes - 1));
    return {
      known: f.op('i64.eq', f.op('i64.and', last, f.i64(-4096)), tag),
      address: () => f.op('i32.add', f.op('i32.wrap_i64', linear), f.load('i32.load', entry, offset + TLB.addend)),
    };
  }

  /** The same from the MMU. Leaves the engine on a fault. */
  protected ask(kind: number, bytes: number, linear: Value): Value {
    const f = this.f;
    f.rare();
    const stack = this.isStack(linear) ? ACCESS.stack : 0;
    const found = f.call(this.runtime.miss, 'i32', linear, f.i32(kind | bytes | stack), this.site);
    f.if(f.op('i32.eqz', found), () => this.exit(STOP.fault));
    return found;
  }

  #notes(kind: number, linear: Value): void {
    if (kind !== ACCESS.read && !this.isStack(linear)) this.writesMemory = true;
  }

  /** Offset in the memory where `bytes` at a linear address may be read or written now. Leaves the engine on a fault. */
  protected access(kind: number, bytes: number, linear: Value): Value {
    this.#notes(kind, linear);
    const { known, address } = this.probe(kind, bytes, linear);
    return this.f.choose(known, 'i32', address, () => this.ask(kind, bytes, linear));
  }

  /** The linear address was formed from SS by the description. */
  protected isStack(linear: Value): boolean {
    return this.#stackAddresses.has(linear);
  }

  /** The place in the TLB where a linear address would be found: a base and an offset. */
  tlbPlace(linear: Value): { entry: Value; offset: number } {
    return { entry: tlbEntry(this.f, linear), offset: 0 };
  }

  /** After a store: passes on what went to the bounce buffer. */
  protected commit(address: Value): void {
    const f = this.f;
    f.if(f.op('i32.eq', address, f.i32(STATE.bounce)), () => {
      f.rare();
      f.callVoid(this.runtime.commit);
    });
  }

  /** Writes a value whose type the store instruction names. */
  protected storeAt(name: string, bytes: number, linear: Value, value: Value): void {
    const f = this.f;
    this.#notes(ACCESS.write, linear);
    const { known, address } = this.probe(ACCESS.write, bytes, linear);
    f.if(
      known,
      () => f.store(name, address(), 0, value),
      () => {
        const found = this.ask(ACCESS.write, bytes, linear);
        f.store(name, found, 0, value);
        this.commit(found);
      },
    );
  }

  load(w: Width, linear: Value): Value {
    return this.f.load(LOAD[w], this.access(ACCESS.read, w / 8, linear));
  }

  store(w: Width, linear: Value, value: Value): void {
    this.storeAt(STORE[w], w / 8, linear, value);
  }

  probeWrite(bytes: number, linear: Value): void {
    this.ask(ACCESS.probe, bytes, linear);
  }
}
