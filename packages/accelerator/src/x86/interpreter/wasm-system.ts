import { FLAT_MODE, MODE } from '../mode.ts';
import { MSR_WORD } from '../msr.ts';
import { CR4, EFER, SEGREG } from '../registers.ts';
import type { Width } from '../semantics/form.ts';
import type { FrequentMsr } from '../semantics/ops.ts';
import { crPlace, SEGMENT, STATE } from '../state.ts';
import type { Value } from '../wasm/function.ts';
import { WasmAccess } from './wasm-access.ts';

const basePlace = (n: 'cs' | 'fs' | 'gs'): number => STATE.segments + SEGREG[n] * SEGMENT.size + SEGMENT.base;
const KERNEL_GS_BASE = STATE.msrs + 4 * MSR_WORD.kernelGsBase;

/** Levels, and events between instructions. */
export abstract class WasmSystem extends WasmAccess {
  /** What is left of the budget after this instruction. */
  protected abstract leftAfter(): Value;

  uninterrupted(): Value {
    const { f } = this;
    const calm = f.op('i32.eqz', f.load('i32.load', this.zero, STATE.attention));
    return f.op('i32.and', calm, f.op('i32.ge_s', this.leftAfter(), this.zero));
  }

  holdInterrupts(): void {
    const { f } = this;
    f.store('i32.store', this.zero, STATE.shadow, f.i32(1));
    f.store('i64.store', this.zero, STATE.shadowRip, this.nextRip(64));
  }
  abstract nextRip(w: Width): Value;

  systemCallsEnabled(): Value {
    const { f } = this;
    return f.op('i32.and', f.load('i32.load', this.zero, STATE.efer), f.i32(EFER.sce));
  }

  mayReadTimestamp(): Value {
    const { f } = this;
    const restricted = f.op('i32.and', f.load('i32.load', this.zero, crPlace(4)), f.i32(CR4.tsd));
    return f.op('i32.or', f.op('i32.eqz', restricted), this.atLevel0());
  }

  timestamp(): Value {
    const { f } = this;
    f.callVoid(this.runtime.timestamp);
    return f.load('i64.load', this.zero, STATE.timestamp);
  }

  msr(name: FrequentMsr): Value {
    return this.f.load('i64.load', this.zero, STATE.msrs + 4 * MSR_WORD[name]);
  }

  mayUseBases(): Value {
    const { f } = this;
    return f.op('i32.and', f.load('i32.load', this.zero, crPlace(4)), f.i32(CR4.fsgsbase));
  }
  segmentBase(n: 'fs' | 'gs'): Value {
    return this.f.load('i64.load', this.zero, basePlace(n));
  }
  setSegmentBase(n: 'fs' | 'gs', value: Value): void {
    this.f.store('i64.store', this.zero, basePlace(n), value);
  }

  swapGs(): void {
    const { f } = this;
    const base = this.segmentBase('gs');
    const other = f.load('i64.load', this.zero, KERNEL_GS_BASE);
    this.setSegmentBase('gs', other);
    f.store('i64.store', this.zero, KERNEL_GS_BASE, base);
  }

  returnsFlat(cs: Value, ss: Value, bits: 32 | 64): Value {
    return this.f.call(bits === 64 ? this.runtime.returnsFlat : this.runtime.returnsFlat32, 'i32', cs, ss);
  }
  loadData(operand: number, selector: Value): Value {
    return this.f.call(this.runtime.loadData, 'i32', this.register(operand), selector);
  }
  flatStack(selector: Value): void {
    this.f.callVoid(this.runtime.flatStack, selector);
  }
  flatCode(selector: Value, bits: 32 | 64 = 64): void {
    this.f.callVoid(bits === 64 ? this.runtime.flatCode : this.runtime.flatCode32, selector);
  }

  inFlatMode(): Value {
    const { f } = this;
    const mode = f.op('i32.and', f.load('i32.load', this.zero, STATE.codeKey), f.i32((MODE.count - 1) & ~MODE.user));
    const long = f.op('i32.and', f.load('i32.load', this.zero, STATE.efer), f.i32(EFER.lma));
    const odd = f.op('i32.or', f.op('i32.xor', mode, f.i32(FLAT_MODE)), long);
    return f.op(
      'i64.eqz',
      f.op('i64.or', f.op('i64.extend_i32_u', odd), f.load('i64.load', this.zero, basePlace('cs'))),
    );
  }
}
