import { PRIVILEGE, tlbOf } from '../privilege.ts';
import type { Width } from '../semantics/form.ts';
import type { StatusFlag, SystemFlag } from '../semantics/ops.ts';
import { FLAG, STATE } from '../state.ts';
import type { Value } from '../wasm/function.ts';
import { WasmIntegers } from './wasm-integers.ts';

/** CF, CF xor OF and AF in {@link STATE.flagAux}. */
const AUX = 0xc000_0000_0000_0008n;

/** The flags that are not lazy, RF and VM apart. */
const SYSTEM_FLAGS = 0x3c_7700;

/** Flags, kept lazily in two words, wherever an engine has those. */
export abstract class WasmFlags extends WasmIntegers {
  /** The two words of the lazy flags; see `STATE.flagResult` and `STATE.flagAux`. */
  protected abstract flagResult(): Value;
  protected abstract flagAux(): Value;
  protected abstract storeFlags(result: Value, aux: Value): void;

  /** The {@link AUX} bits after `a + b` or `a - b`, carry or borrow in included: bit n is what bit n carried out. */
  protected carries(op: 'add' | 'sub', w: Width, a: Value, b: Value, result: Value): Value {
    const f = this.f;
    const x = op === 'add' ? a : this.unary('not', w, a);
    const y = op === 'add' ? this.unary('not', w, result) : result;
    const both = this.binary('and', w, x, b);
    const carries = this.binary('or', w, both, this.binary('and', w, this.binary('or', w, x, b), y));
    if (w === 64) return f.op('i64.and', carries, f.i64(AUX));
    const wide = f.op('i64.extend_i32_u', carries);
    return f.op('i64.and', f.op('i64.or', f.op('i64.shl', wide, f.i64(64 - w)), wide), f.i64(AUX));
  }

  flagsAdd(w: Width, a: Value, b: Value, result: Value): void {
    this.storeFlags(this.signExtend(w, 64, result), this.carries('add', w, a, b, result));
  }

  flagsSub(w: Width, a: Value, b: Value, result: Value): void {
    this.storeFlags(this.signExtend(w, 64, result), this.carries('sub', w, a, b, result));
  }

  flagsStep(op: 'add' | 'sub', w: Width, a: Value, result: Value): void {
    const f = this.f;
    const low = w === 64 ? f.op('i32.wrap_i64', this.binary('xor', w, a, result)) : this.binary('xor', w, a, result);
    const af = f.op('i32.and', f.op('i32.shr_u', low, f.i32(4)), f.i32(1));
    this.flagsResult(w, result, { cf: this.flag('cf'), of: this.stepOverflows(op, w, result), af });
  }

  /** OF after INC or DEC: the result is the one beyond the edge. */
  protected stepOverflows(op: 'add' | 'sub', w: Width, result: Value): Value {
    const edge = 1n << BigInt(w - 1);
    return this.compare('eq', w, result, this.constant(w, op === 'add' ? edge : edge - 1n));
  }

  #bit(condition: Value, n: number): Value {
    return this.f.op('i64.shl', this.f.op('i64.extend_i32_u', condition), this.f.i64(n));
  }

  protected aux(cf: Value | undefined, of: Value | undefined, af: Value | undefined): Value {
    const f = this.f;
    let aux = f.i64(0);
    if (cf) aux = this.#bit(cf, 63);
    if (cf || of) aux = f.op('i64.or', aux, this.#bit(cf && of ? f.op('i32.xor', cf, of) : (cf ?? of)!, 62));
    if (af) aux = f.op('i64.or', aux, this.#bit(af, 3));
    return aux;
  }

  flagsResult(w: Width, result: Value, { cf, of, af }: { cf?: Value; of?: Value; af?: Value } = {}): void {
    this.storeFlags(this.signExtend(w, 64, result), this.aux(cf, of, af));
  }

  setFlags(flags: { [F in StatusFlag]?: Value }): void {
    const f = this.f;
    const value = (name: StatusFlag): Value => flags[name] ?? this.flag(name);
    const aux = this.aux(value('cf'), value('of'), value('af'));
    if (!flags.zf && !flags.sf && !flags.pf) {
      // Result and the two corrections stay as they are.
      const old = f.op('i64.and', this.flagAux(), f.i64(3));
      this.storeFlags(this.flagResult(), f.op('i64.or', aux, old));
      return;
    }
    // A result of 0 or 1 gives ZF; it implies SF = 0 and PF = ZF, which the corrections turn into what was asked for.
    const zf = value('zf');
    const corrections = f.op('i64.or', this.#bit(value('sf'), 1), this.#bit(f.op('i32.xor', value('pf'), zf), 0));
    this.storeFlags(f.op('i64.extend_i32_u', f.op('i32.eqz', zf)), f.op('i64.or', aux, corrections));
  }

  flag(name: StatusFlag): Value {
    const f = this.f;
    const aux = (): Value => this.flagAux();
    const result = (): Value => this.flagResult();
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
    const f = this.f;
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
    const f = this.f;
    const bit = f.op('i32.and', f.load('i32.load', this.zero, STATE.flagsSystem), f.i32(FLAG[name]));
    return f.op('i32.ne', bit, f.i32(0));
  }

  setSystemFlag(name: SystemFlag, condition: Value): void {
    const f = this.f;
    const rest = f.op('i32.and', f.load('i32.load', this.zero, STATE.flagsSystem), f.i32(~FLAG[name]));
    const bit = f.op('i32.shl', condition, f.i32(Math.log2(FLAG[name])));
    f.store('i32.store', this.zero, STATE.flagsSystem, f.op('i32.or', rest, bit));
  }

  rflags(): Value {
    const f = this.f;
    const system = f.op('i32.and', f.load('i32.load', this.zero, STATE.flagsSystem), f.i32(~(FLAG.rf | FLAG.vm)));
    return f.op('i32.or', f.op('i32.or', system, this.packFlags()), f.op('i32.shl', this.flag('of'), f.i32(11)));
  }

  setRflags(value: Value): void {
    const f = this.f;
    const bit = (name: StatusFlag): Value =>
      f.op('i32.and', f.op('i32.shr_u', value, f.i32(Math.log2(FLAG[name]))), f.i32(1));
    const system = f.op('i32.or', f.op('i32.and', value, f.i32(SYSTEM_FLAGS)), f.i32(2));
    f.store('i32.store', this.zero, STATE.flagsSystem, system);
    this.setFlags({ cf: bit('cf'), pf: bit('pf'), af: bit('af'), zf: bit('zf'), sf: bit('sf'), of: bit('of') });
  }

  mayChangeIf(): Value {
    return this.f.load('i32.load', this.zero, STATE.mayChangeIf);
  }

  atLevel0(): Value {
    return this.f.op('i32.eqz', this.f.load('i32.load', this.zero, STATE.cpl));
  }

  setUserAccess(condition: Value): void {
    const f = this.f;
    this.setSystemFlag('ac', condition);
    const guarded = f.load('i32.load', this.zero, STATE.guardedTlb);
    f.store('i32.store', this.zero, STATE.tlb, f.select(condition, f.i32(tlbOf(PRIVILEGE.supervisor)), guarded));
    f.store('i64.store', this.zero, STATE.stackTag, f.i64(-1));
  }

  packFlags(): Value {
    const f = this.f;
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
    const f = this.f;
    const bit = (n: number): Value => f.op('i32.and', f.op('i32.shr_u', value, f.i32(n)), f.i32(1));
    this.setFlags({ cf: bit(0), pf: bit(2), af: bit(4), zf: bit(6), sf: bit(7) });
  }
}
