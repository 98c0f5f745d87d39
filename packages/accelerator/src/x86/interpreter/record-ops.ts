import { OPERAND_KIND } from '../decode/decoded.ts';
import type { AddressWidth, Form, Width } from '../semantics/form.ts';
import type {
  BinaryOperator,
  Cell,
  Comparison,
  Lane,
  Ops,
  SegmentRole,
  StatusFlag,
  SystemFlag,
  UnaryOperator,
} from '../semantics/ops.ts';
import { FLAG, SEGMENT, STATE, TLB } from '../state.ts';
import type { FunctionWriter, Value } from '../wasm/function.ts';
import { X87_LAYOUT } from '../x87/state.ts';
import { FSW } from '../x87/status.ts';
import { ACCESS } from './access.ts';
import { ADDRESSING, type Addressing, LINK, RECORD, STOP } from './record.ts';
import type { Runtime } from './runtime.ts';

const BINARY: Record<BinaryOperator, string> = {
  add: 'add',
  sub: 'sub',
  mul: 'mul',
  and: 'and',
  or: 'or',
  xor: 'xor',
  shl: 'shl',
  shr: 'shr_u',
  sar: 'shr_s',
  rotl: 'rotl',
  rotr: 'rotr',
  divU: 'div_u',
  divS: 'div_s',
  remU: 'rem_u',
  remS: 'rem_s',
};
const COMPARE: Record<Comparison, string> = {
  eq: 'eq',
  ne: 'ne',
  ltU: 'lt_u',
  ltS: 'lt_s',
  gtU: 'gt_u',
  geU: 'ge_u',
  geS: 'ge_s',
  leU: 'le_u',
};
const LOAD: Record<Width, string> = { 8: 'i32.load8_u', 16: 'i32.load16_u', 32: 'i32.load', 64: 'i64.load' };
const STORE: Record<Width, string> = { 8: 'i32.store8', 16: 'i32.store16', 32: 'i32.store', 64: 'i64.store' };

/** CF, CF xor OF and AF in {@link STATE.flagAux}. */
const AUX = 0xc000_0000_0000_0008n;

/**
 * Descriptions of instructions as WebAssembly that interprets a {@link RECORD}: what the form leaves open (which
 * registers, which constants) is read from the record when the handler runs.
 */
export class RecordOps implements Ops<Value> {
  readonly #f: FunctionWriter;
  readonly #form: Form;
  readonly #addressing: Addressing;
  readonly #runtime: Runtime;
  /** Offset of the record: the handler's parameter. */
  readonly #record: Value;
  readonly #zero: Value;
  #linear: Value | undefined;
  /** Linear addresses that a description got from SS. */
  readonly #stackAddresses = new Set<Value>();
  /** Set once control has gone elsewhere: nothing follows. */
  ended = false;
  /** Set once something wrote memory, the stack apart. */
  writesMemory = false;

  constructor(f: FunctionWriter, form: Form, addressing: Addressing, runtime: Runtime) {
    this.#f = f;
    this.#form = form;
    this.#addressing = addressing;
    this.#runtime = runtime;
    this.#record = f.param(0);
    this.#zero = f.i32(0);
  }

  // ---------------------------------------------------------------- integers

  constant(w: Width, n: number | bigint): Value {
    if (w === 64) return this.#f.i64(n);
    return this.#f.i32(w === 32 ? Number(BigInt.asIntN(32, BigInt(n))) : Number(BigInt.asUintN(w, BigInt(n))));
  }

  #type(w: Width): 'i32' | 'i64' {
    return w === 64 ? 'i64' : 'i32';
  }

  #mask(w: Width, value: Value): Value {
    return w < 32 ? this.#f.op('i32.and', value, this.#f.i32(w === 8 ? 0xff : 0xffff)) : value;
  }

  binary(op: BinaryOperator, w: Width, a: Value, b: Value): Value {
    const result = this.#f.op(`${this.#type(w)}.${BINARY[op]}`, a, b);
    // Operators that cannot carry out of a zero-extended value need no mask.
    return op === 'and' || op === 'or' || op === 'xor' || op === 'shr' || op === 'divU' || op === 'remU'
      ? result
      : this.#mask(w, result);
  }

  unary(op: UnaryOperator, w: Width, a: Value): Value {
    const f = this.#f;
    if (op === 'not') return this.#mask(w, w === 64 ? f.op('i64.xor', a, f.i64(-1)) : f.op('i32.xor', a, f.i32(-1)));
    if (op === 'neg') return this.binary('sub', w, this.constant(w, 0), a);
    return f.op(`${this.#type(w)}.${op}`, a);
  }

  compare(op: Comparison, w: Width, a: Value, b: Value): Value {
    const f = this.#f;
    if (op === 'eq' && (b.constant === 0 || b.constant === 0n)) return f.op(`${this.#type(w)}.eqz`, a);
    const signed = op === 'ltS' || op === 'geS';
    const wide = (v: Value): Value => (signed && w < 32 ? this.signExtend(w, 32, v) : v);
    return f.op(`${this.#type(w)}.${COMPARE[op]}`, wide(a), wide(b));
  }

  select(condition: Value, _w: Width, yes: Value, no: Value): Value {
    return this.#f.select(condition, yes, no);
  }

  zeroExtend(_from: Width, to: Width, a: Value): Value {
    return to === 64 && a.type === 'i32' ? this.#f.op('i64.extend_i32_u', a) : a;
  }

  signExtend(from: Width, to: Width, a: Value): Value {
    const f = this.#f;
    const wide = from === 8 ? f.op('i32.extend8_s', a) : from === 16 ? f.op('i32.extend16_s', a) : a;
    if (to === 64) return a.type === 'i64' ? a : f.op('i64.extend_i32_s', wide);
    return this.#mask(to, wide);
  }

  truncate(from: Width, to: Width, a: Value): Value {
    return this.#mask(to, from === 64 && to !== 64 ? this.#f.op('i32.wrap_i64', a) : a);
  }

  // ---------------------------------------------------------------- operands

  /** Where in the record the n-th register operand's address is. */
  #registerField(operand: number): number {
    let registers = 0;
    for (let i = 0; i < operand; i++) if (isRegister(this.#form.operands[i]!.kind)) registers++;
    if (registers > 1) throw new Error(`${this.#form.mnemonic} has more than two register operands`);
    return registers === 0 ? RECORD.a : RECORD.b;
  }

  /** Address of a register operand in the CPU state. */
  #register(operand: number): Value {
    return this.#f.load('i32.load16_u', this.#record, this.#registerField(operand));
  }

  read(operand: number): Value {
    const { kind, size } = this.#form.operands[operand]!;
    const w = size as Width;
    switch (kind) {
      case OPERAND_KIND.gpr:
        return this.#f.load(LOAD[w], this.#register(operand));
      case OPERAND_KIND.mm:
      case OPERAND_KIND.xmm:
        return this.#f.load(LOAD[w], this.#register(operand));
      case OPERAND_KIND.seg:
        return this.#f.load('i32.load16_u', this.#register(operand), SEGMENT.selector);
      case OPERAND_KIND.imm:
      case OPERAND_KIND.imm2:
        return this.#f.load(LOAD[w], this.#record, RECORD.imm);
      case OPERAND_KIND.one:
        return this.constant(w, 1);
      case OPERAND_KIND.mem:
      case OPERAND_KIND.moffs:
        return this.load(w, this.linear(operand));
      default:
        throw new Error(`${this.#form.mnemonic} reads an operand of kind ${kind}`);
    }
  }

  #storeRegister(w: Width, address: Value, offset: number, value: Value): void {
    if (w === 32) this.#f.store('i64.store', address, offset, this.#f.op('i64.extend_i32_u', value));
    else this.#f.store(STORE[w], address, offset, value);
  }

  write(operand: number, value: Value): void {
    const { kind, size } = this.#form.operands[operand]!;
    const w = size as Width;
    if (kind === OPERAND_KIND.gpr) this.#storeRegister(w, this.#register(operand), 0, value);
    else if (kind === OPERAND_KIND.mem || kind === OPERAND_KIND.moffs) this.store(w, this.linear(operand), value);
    else throw new Error(`${this.#form.mnemonic} writes an operand of kind ${kind}`);
  }

  modify(operand: number, change: (old: Value) => Value): void {
    const { kind, size } = this.#form.operands[operand]!;
    const w = size as Width;
    if (kind !== OPERAND_KIND.mem) {
      this.write(operand, change(this.read(operand)));
      return;
    }
    const address = this.#access(ACCESS.modify, w / 8, this.linear(operand));
    const value = change(this.#f.load(LOAD[w], address));
    this.#f.store(STORE[w], address, 0, value);
    this.#commit(address);
  }

  /** What the record names as its base. */
  base(): Value {
    return this.#f.load('i64.load', this.#f.load('i32.load16_u', this.#record, RECORD.base));
  }

  /** base + index × scale, as wide as the form's addresses allow without wrapping early. */
  baseAndIndex(): Value {
    const f = this.#f;
    const base = this.base();
    const index = f.load('i64.load', f.load('i32.load16_u', this.#record, RECORD.index));
    const scale = f.op('i64.extend_i32_u', f.load('i32.load8_u', this.#record, RECORD.scale));
    return f.op('i64.add', base, f.op('i64.shl', index, scale));
  }

  /** LEA's displacement lies in the immediate field, which a RIP-relative one may need whole. */
  offset(_operand: number): Value {
    const sum = this.#f.op('i64.add', this.baseAndIndex(), this.#f.load('i64.load', this.#record, RECORD.imm));
    return this.#form.asize === 64 ? sum : this.truncate(64, this.#form.asize, sum);
  }

  linear(_operand: number): Value {
    const f = this.#f;
    if (this.#linear) return this.#linear;
    if (this.#addressing === ADDRESSING.slot) this.#linear = f.load('i64.load', this.#zero, STATE.address);
    else {
      const sum = f.op('i64.add', this.baseAndIndex(), f.load('i64.load32_s', this.#record, RECORD.disp));
      this.#linear = this.#addressing === ADDRESSING.flat32 ? f.op('i64.and', sum, f.i64(0xffff_ffffn)) : sum;
    }
    return this.#linear;
  }

  // ---------------------------------------------------------------- implied registers

  gpr(w: Width, n: number): Value {
    return this.#f.load(LOAD[w], this.#zero, STATE.gpr + 8 * n);
  }

  setGpr(w: Width, n: number, value: Value): void {
    this.#storeRegister(w, this.#zero, STATE.gpr + 8 * n, value);
  }

  ah(): Value {
    return this.#f.load('i32.load8_u', this.#zero, STATE.gpr + 1);
  }

  setAh(value: Value): void {
    this.#f.store('i32.store8', this.#zero, STATE.gpr + 1, value);
  }

  nextRip(w: Width): Value {
    const f = this.#f;
    const length = f.load('i32.load8_u', this.#record, RECORD.length);
    const distance = f.op('i32.add', f.load('i32.load16_u', this.#record, RECORD.start), length);
    const rip = f.op('i64.add', f.load('i64.load', this.#zero, STATE.blockRip), f.op('i64.extend_i32_u', distance));
    return w === 64 ? rip : this.truncate(64, w, rip);
  }

  // ---------------------------------------------------------------- memory

  #exit(stop: number): void {
    this.#f.store('i32.store', this.#zero, STATE.record, this.#record);
    this.#f.return(this.#f.i32(stop));
  }

  segment(role: SegmentRole, aw: AddressWidth, offset: Value, bytes: number, write: boolean): Value {
    const f = this.#f;
    const { long, flat } = this.#form;
    const wide = aw === 64 ? offset : f.op('i64.extend_i32_u', offset);
    if (role === 'ss') this.#stackAddresses.add(wide);
    const segment = (): Value =>
      role === 'effective'
        ? f.load('i32.load16_u', this.#record, RECORD.segment)
        : f.i32(STATE.segments + SEGMENT.size * (role === 'ss' ? 2 : 0));
    if (long || aw === 64) {
      // Only FS and GS have a base in 64-bit mode, and only the effective segment can be one of them.
      return flat || role !== 'effective' ? wide : f.op('i64.add', wide, f.load('i64.load', segment(), SEGMENT.base));
    }
    if (flat) return wide;
    const linear = f.call(this.#runtime.segment, 'i64', segment(), offset, f.i32(bytes | (write ? ACCESS.write : 0)));
    f.if(f.op('i64.eq', linear, f.i64(-1)), () => this.#exit(STOP.fault));
    if (role === 'ss') this.#stackAddresses.add(linear);
    return linear;
  }

  /** Offset in the memory where `bytes` at a linear address may be read or written now. Leaves the handler on a fault. */
  #access(kind: number, bytes: number, linear: Value): Value {
    const f = this.#f;
    if (kind !== ACCESS.read && !this.#stackAddresses.has(linear)) this.writesMemory = true;
    const address = f.variable('i32');
    const entry = this.tlbEntry(linear);
    const tag = f.load('i64.load', entry, kind === ACCESS.read ? TLB.read : TLB.write);
    const last = bytes === 1 ? linear : f.op('i64.add', linear, f.i64(bytes - 1));
    f.if(
      f.op('i64.eq', f.op('i64.and', last, f.i64(-4096)), tag),
      () => f.set(address, f.op('i32.add', f.op('i32.wrap_i64', linear), f.load('i32.load', entry, TLB.addend))),
      () => {
        const found = this.#miss(linear, kind | bytes);
        f.if(f.op('i32.eqz', found), () => this.#exit(STOP.fault));
        f.set(address, found);
      },
    );
    return f.get(address);
  }

  /** The place in the TLB where a linear address would be found. */
  tlbEntry(linear: Value): Value {
    const f = this.#f;
    const slot = f.op(
      'i32.and',
      f.op('i32.wrap_i64', f.op('i64.shr_u', linear, f.i64(Math.log2(4096 / TLB.entrySize)))),
      f.i32((TLB.entries - 1) * TLB.entrySize),
    );
    return f.op('i32.add', f.load('i32.load', this.#zero, STATE.tlb), slot);
  }

  #miss(linear: Value, info: number): Value {
    const f = this.#f;
    const stack = this.#stackAddresses.has(linear) ? ACCESS.stack : 0;
    return f.call(this.#runtime.miss, 'i32', linear, f.i32(info | stack), this.#record);
  }

  /** After a store: passes on what went to the bounce buffer. */
  #commit(address: Value): void {
    const f = this.#f;
    f.if(f.op('i32.eq', address, f.i32(STATE.bounce)), () => f.callVoid(this.#runtime.commit));
  }

  load(w: Width, linear: Value): Value {
    return this.#f.load(LOAD[w], this.#access(ACCESS.read, w / 8, linear));
  }

  store(w: Width, linear: Value, value: Value): void {
    const address = this.#access(ACCESS.write, w / 8, linear);
    this.#f.store(STORE[w], address, 0, value);
    this.#commit(address);
  }

  probeWrite(bytes: number, linear: Value): void {
    const f = this.#f;
    const found = this.#miss(linear, ACCESS.probe | bytes);
    f.if(f.op('i32.eqz', found), () => this.#exit(STOP.fault));
  }

  // ---------------------------------------------------------------- flags

  #setLazy(w: Width, result: Value, aux: Value): void {
    const f = this.#f;
    f.store('i64.store', this.#zero, STATE.flagResult, this.signExtend(w, 64, result));
    f.store('i64.store', this.#zero, STATE.flagAux, aux);
  }

  /** {@link AUX} bits from a vector of carries: bit n is what bit n of the operation carried out. */
  #carries(w: Width, carries: Value): Value {
    const f = this.#f;
    if (w === 64) return f.op('i64.and', carries, f.i64(AUX));
    const wide = f.op('i64.extend_i32_u', carries);
    return f.op('i64.and', f.op('i64.or', f.op('i64.shl', wide, f.i64(64 - w)), wide), f.i64(AUX));
  }

  flagsAdd(w: Width, a: Value, b: Value, result: Value): void {
    const both = this.binary('and', w, a, b);
    const either = this.binary('and', w, this.binary('or', w, a, b), this.unary('not', w, result));
    this.#setLazy(w, result, this.#carries(w, this.binary('or', w, both, either)));
  }

  flagsSub(w: Width, a: Value, b: Value, result: Value): void {
    const notA = this.unary('not', w, a);
    const both = this.binary('and', w, notA, b);
    const either = this.binary('and', w, this.binary('or', w, notA, b), result);
    this.#setLazy(w, result, this.#carries(w, this.binary('or', w, both, either)));
  }

  #bit(condition: Value, n: number): Value {
    return this.#f.op('i64.shl', this.#f.op('i64.extend_i32_u', condition), this.#f.i64(n));
  }

  #aux(cf: Value | undefined, of: Value | undefined, af: Value | undefined): Value {
    const f = this.#f;
    let aux = f.i64(0);
    if (cf) aux = this.#bit(cf, 63);
    if (cf || of) aux = f.op('i64.or', aux, this.#bit(cf && of ? f.op('i32.xor', cf, of) : (cf ?? of)!, 62));
    if (af) aux = f.op('i64.or', aux, this.#bit(af, 3));
    return aux;
  }

  flagsResult(w: Width, result: Value, { cf, of, af }: { cf?: Value; of?: Value; af?: Value } = {}): void {
    this.#setLazy(w, result, this.#aux(cf, of, af));
  }

  setFlags(flags: { [F in StatusFlag]?: Value }): void {
    const f = this.#f;
    const value = (name: StatusFlag): Value => flags[name] ?? this.flag(name);
    const aux = this.#aux(value('cf'), value('of'), value('af'));
    if (!flags.zf && !flags.sf && !flags.pf) {
      // Result and the two corrections stay as they are.
      const old = f.op('i64.and', f.load('i64.load', this.#zero, STATE.flagAux), f.i64(3));
      f.store('i64.store', this.#zero, STATE.flagAux, f.op('i64.or', aux, old));
      return;
    }
    // A result of 0 or 1 gives ZF; it implies SF = 0 and PF = ZF, which the corrections turn into what was asked for.
    const zf = value('zf');
    const corrections = f.op('i64.or', this.#bit(value('sf'), 1), this.#bit(f.op('i32.xor', value('pf'), zf), 0));
    f.store('i64.store', this.#zero, STATE.flagAux, f.op('i64.or', aux, corrections));
    f.store('i64.store', this.#zero, STATE.flagResult, f.op('i64.extend_i32_u', f.op('i32.eqz', zf)));
  }

  flag(name: StatusFlag): Value {
    const f = this.#f;
    const aux = (): Value => f.load('i64.load', this.#zero, STATE.flagAux);
    const result = (): Value => f.load('i64.load', this.#zero, STATE.flagResult);
    const top = (v: Value): Value => f.op('i32.wrap_i64', f.op('i64.shr_u', v, f.i64(63)));
    switch (name) {
      case 'cf':
        return top(aux());
      case 'of': {
        const a = aux();
        return top(f.op('i64.xor', a, f.op('i64.shl', a, f.i64(1))));
      }
      case 'zf':
        return f.op('i64.eqz', result());
      case 'sf':
        // bit 1 of aux, moved to bit 63
        return top(f.op('i64.xor', result(), f.op('i64.shl', aux(), f.i64(62))));
      case 'pf': {
        const parity = f.op('i32.popcnt', f.op('i32.and', f.op('i32.wrap_i64', result()), f.i32(0xff)));
        const odd = f.op('i32.xor', parity, f.op('i32.wrap_i64', aux()));
        return f.op('i32.and', f.op('i32.xor', odd, f.i32(1)), f.i32(1));
      }
      case 'af':
        return f.op('i32.and', f.op('i32.shr_u', f.op('i32.wrap_i64', aux()), f.i32(3)), f.i32(1));
    }
  }

  condition(code: number): Value {
    const f = this.#f;
    const or = (a: Value, b: Value): Value => f.op('i32.or', a, b);
    const less = (): Value => f.op('i32.xor', this.flag('sf'), this.flag('of'));
    const base = [
      () => this.flag('of'),
      () => this.flag('cf'),
      () => this.flag('zf'),
      () => or(this.flag('cf'), this.flag('zf')),
      () => this.flag('sf'),
      () => this.flag('pf'),
      () => less(),
      () => or(this.flag('zf'), less()),
    ][code >> 1]!();
    return code & 1 ? f.op('i32.eqz', base) : base;
  }

  systemFlag(name: SystemFlag): Value {
    const f = this.#f;
    const bit = f.op('i32.and', f.load('i32.load', this.#zero, STATE.flagsSystem), f.i32(FLAG[name]));
    return f.op('i32.ne', bit, f.i32(0));
  }

  setSystemFlag(name: SystemFlag, condition: Value): void {
    const f = this.#f;
    const rest = f.op('i32.and', f.load('i32.load', this.#zero, STATE.flagsSystem), f.i32(~FLAG[name]));
    const bit = f.op('i32.shl', condition, f.i32(Math.log2(FLAG[name])));
    f.store('i32.store', this.#zero, STATE.flagsSystem, f.op('i32.or', rest, bit));
  }

  rflags(): Value {
    const f = this.#f;
    const system = f.op('i32.and', f.load('i32.load', this.#zero, STATE.flagsSystem), f.i32(~(FLAG.rf | FLAG.vm)));
    return f.op('i32.or', f.op('i32.or', system, this.packFlags()), f.op('i32.shl', this.flag('of'), f.i32(11)));
  }

  mayChangeIf(): Value {
    return this.#f.load('i32.load', this.#zero, STATE.mayChangeIf);
  }

  packFlags(): Value {
    const f = this.#f;
    let packed = f.op('i32.or', this.flag('cf'), f.i32(2));
    for (const [name, bit] of [
      ['pf', 2],
      ['af', 4],
      ['zf', 6],
      ['sf', 7],
    ] as const)
      packed = f.op('i32.or', packed, f.op('i32.shl', this.flag(name), f.i32(bit)));
    return packed;
  }

  unpackFlags(value: Value): void {
    const f = this.#f;
    const bit = (n: number): Value => f.op('i32.and', f.op('i32.shr_u', value, f.i32(n)), f.i32(1));
    this.setFlags({ cf: bit(0), pf: bit(2), af: bit(4), zf: bit(6), sf: bit(7) });
  }

  // ---------------------------------------------------------------- control

  if(condition: Value, yes: () => void, no?: () => void): void {
    const scoped = (body: () => void) => () => this.#scope(body);
    this.#f.if(condition, scoped(yes), no && scoped(no));
  }

  /** A linear address worked out in a branch or loop is not known outside of it. */
  #scope(body: () => void): void {
    const linear = this.#linear;
    body();
    this.#linear = linear;
  }

  cell(w: Width, initial: Value): Cell<Value> {
    const variable = this.#f.variable(this.#type(w), initial);
    return { get: () => this.#f.get(variable), set: value => this.#f.set(variable, value) };
  }

  repeat(body: (stop: () => void) => void): void {
    const f = this.#f;
    f.block(done =>
      f.loop(again => {
        this.#scope(() => body(() => f.branch(done)));
        f.branch(again);
      }),
    );
  }

  iteration(): void {
    const f = this.#f;
    const budget = f.op('i32.sub', f.load('i32.load', this.#zero, STATE.budget), f.i32(1));
    f.store('i32.store', this.#zero, STATE.budget, budget);
    f.if(f.op('i32.lt_s', budget, this.#zero), () => this.#exit(STOP.restart));
  }

  /** Counts the block's instructions, this one included. @returns what is left of the budget. */
  #account(): Value {
    const f = this.#f;
    const count = f.op('i32.add', f.load('i32.load16_u', this.#record, RECORD.count), f.i32(1));
    const left = f.op('i32.sub', f.load('i32.load', this.#zero, STATE.budget), count);
    f.store('i32.store', this.#zero, STATE.budget, left);
    return left;
  }

  #wrapRip(rip: Value): Value {
    const { opsize, long } = this.#form;
    if (long || opsize === 64) return rip;
    return this.#f.op('i64.and', rip, this.#f.i64(opsize === 16 ? 0xffffn : 0xffff_ffffn));
  }

  branch(condition?: Value): void {
    const f = this.#f;
    const go = (distance: Value, slot: number, wrap: (rip: Value) => Value): void => {
      const rip = wrap(
        f.op('i64.add', f.load('i64.load', this.#zero, STATE.blockRip), f.op('i64.extend_i32_s', distance)),
      );
      f.store('i64.store', this.#zero, STATE.blockRip, rip);
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
    const f = this.#f;
    const slot = RECORD.taken;
    const distance = f.load('i32.load16_u', this.#record, RECORD.start);
    f.store(
      'i64.store',
      this.#zero,
      STATE.blockRip,
      f.op('i64.add', f.load('i64.load', this.#zero, STATE.blockRip), f.op('i64.extend_i32_u', distance)),
    );
    const left = f.op(
      'i32.sub',
      f.load('i32.load', this.#zero, STATE.budget),
      f.load('i32.load16_u', this.#record, RECORD.count),
    );
    f.store('i32.store', this.#zero, STATE.budget, left);
    this.#follow(left, slot);
  }

  #follow(left: Value, slot: number): void {
    const f = this.#f;
    const link = f.load('i32.load', this.#record, slot);
    // Both rare cases in one test: the budget is used up, or the link is no offset.
    f.if(f.op('i32.and', f.op('i32.ge_s', left, this.#zero), f.op('i32.gt_u', link, f.i32(LINK.dynamic))), () =>
      f.returnCallIndirect(this.#runtime.handlerType, f.load('i32.load', link, RECORD.handler), link),
    );
    f.returnCall(this.#runtime.transfer, f.op('i32.add', this.#record, f.i32(slot)));
  }

  jump(w: Width, target: Value): void {
    const f = this.#f;
    const rip = w === 64 ? target : f.op('i64.extend_i32_u', target);
    f.store('i64.store', this.#zero, STATE.blockRip, rip);
    this.#account();
    f.returnCall(this.#runtime.dispatch, rip);
    this.ended = true;
  }

  raise(vector: number, error = 0): void {
    const f = this.#f;
    f.store('i32.store', this.#zero, STATE.faultVector, f.i32(vector));
    f.store('i32.store', this.#zero, STATE.faultError, f.i32(error));
    this.#exit(STOP.fault);
  }

  escape(): void {
    const f = this.#f;
    const stop = f.call(this.#runtime.escape, 'i32', this.#record);
    f.if(stop, () => {
      f.store('i32.store', this.#zero, STATE.record, this.#record);
      f.return(stop);
    });
  }

  /** Goes on with the next record. */
  next(): void {
    const f = this.#f;
    const next = f.op('i32.add', this.#record, f.i32(RECORD.size));
    f.returnCallIndirect(
      this.#runtime.handlerType,
      f.load('i32.load', this.#record, RECORD.size + RECORD.handler),
      next,
    );
  }

  // ---------------------------------------------------------------- SSE and MMX

  /** #UD or #NM (or #MF, for MMX) when the unit may not be used now. */
  checkUnit(slot: number): void {
    const f = this.#f;
    const vector = f.load('i32.load', this.#zero, slot);
    f.if(vector, () => {
      f.store('i32.store', this.#zero, STATE.faultVector, vector);
      f.store('i32.store', this.#zero, STATE.faultError, this.#zero);
      this.#exit(STOP.fault);
    });
  }

  /** What every MMX instruction does besides: TOP becomes 0 and all registers valid (SDM vol. 1 §9.5.1). */
  enterMmx(): void {
    const f = this.#f;
    const status = f.op('i32.and', f.load('i32.load16_u', this.#zero, STATE.x87 + X87_LAYOUT.status), f.i32(~FSW.TOP));
    f.store('i32.store16', this.#zero, STATE.x87 + X87_LAYOUT.status, status);
    f.store('i32.store8', this.#zero, STATE.x87 + X87_LAYOUT.tags, f.i32(0xff));
  }

  hostRounding(): Value {
    return this.#f.op('i32.eqz', this.#f.load('i32.load', this.#zero, STATE.sseExact));
  }

  flushesDenormals(): Value {
    const f = this.#f;
    return f.op('i32.eq', f.load('i32.load', this.#zero, STATE.sseExact), f.i32(1));
  }

  #alignment(linear: Value): void {
    const f = this.#f;
    f.if(f.op('i32.and', f.op('i32.wrap_i64', linear), f.i32(15)), () => this.raise(13));
  }

  setFloatFlags(flags: number): void {
    const f = this.#f;
    const old = f.load('i32.load', this.#zero, STATE.mxcsr);
    f.store('i32.store', this.#zero, STATE.mxcsr, f.op('i32.or', old, f.i32(flags)));
  }

  /** Offset in the memory of a memory operand that is about to be read. */
  #memory(operand: number, bytes: number): Value {
    const linear = this.linear(operand);
    if (bytes === 16 && this.#form.aligned) this.#alignment(linear);
    return this.#access(ACCESS.read, bytes, linear);
  }

  readVector(operand: number): Value {
    const f = this.#f;
    const { kind, size } = this.#form.operands[operand]!;
    if (kind === OPERAND_KIND.xmm) return f.load('v128.load', this.#register(operand));
    if (kind === OPERAND_KIND.mm) return f.load('v128.load64_zero', this.#register(operand));
    const address = this.#memory(operand, size / 8);
    if (size === 16)
      return f.lane('i32x4.replace_lane', 0, f.v128(new Array<number>(16).fill(0)), f.load('i32.load16_u', address));
    return f.load(size === 128 ? 'v128.load' : size === 64 ? 'v128.load64_zero' : 'v128.load32_zero', address);
  }

  writeVector(operand: number, value: Value): void {
    const f = this.#f;
    const { kind, size } = this.#form.operands[operand]!;
    if (kind === OPERAND_KIND.xmm) {
      f.store('v128.store', this.#register(operand), 0, value);
      return;
    }
    if (kind === OPERAND_KIND.mm) {
      f.store('i64.store', this.#register(operand), 0, f.lane('i64x2.extract_lane', 0, value));
      // As an x87 register it is a NaN now (SDM vol. 1 §9.2).
      f.store('i32.store16', this.#register(operand), 8, f.i32(0xffff));
      return;
    }
    if (size !== 128) {
      this.write(operand, f.lane(size === 64 ? 'i64x2.extract_lane' : 'i32x4.extract_lane', 0, value));
      return;
    }
    const linear = this.linear(operand);
    if (this.#form.aligned) this.#alignment(linear);
    const address = this.#access(ACCESS.write, 16, linear);
    f.store('v128.store', address, 0, value);
    this.#commit(address);
  }

  readLane(operand: number, lane: Lane): Value {
    const { kind } = this.#form.operands[operand]!;
    const bytes = lane === 'i32' || lane === 'f32' ? 4 : 8;
    return this.#f.load(`${lane}.load`, isRegister(kind) ? this.#register(operand) : this.#memory(operand, bytes));
  }

  writeLane(operand: number, lane: Lane, value: Value): void {
    this.#f.store(`${lane}.store`, this.#register(operand), 0, value);
  }

  selectVector(condition: Value, yes: Value, no: Value): Value {
    return this.#f.select(condition, yes, no);
  }

  xmm(n: number): Value {
    return this.#f.load('v128.load', this.#zero, STATE.xmm + 16 * n);
  }

  setXmm(n: number, value: Value): void {
    this.#f.store('v128.store', this.#zero, STATE.xmm + 16 * n, value);
  }

  vectorConstant(bytes: readonly number[]): Value {
    return this.#f.v128(bytes);
  }

  vector(op: string, ...args: Value[]): Value {
    return this.#f.op(op, ...args);
  }

  lane(op: string, lane: number, ...args: Value[]): Value {
    return this.#f.lane(op, lane, ...args);
  }

  shuffle(a: Value, b: Value, lanes: readonly number[]): Value {
    return this.#f.shuffle(a, b, lanes);
  }
}

/** Kinds whose address goes into field `a` or `b` of a record. */
export function isRegister(kind: number): boolean {
  return (
    kind === OPERAND_KIND.gpr || kind === OPERAND_KIND.seg || kind === OPERAND_KIND.mm || kind === OPERAND_KIND.xmm
  );
}
