import type { Width } from '../semantics/form.ts';
import { STATE } from '../state.ts';
import type { FunctionWriter, Value, Variable } from '../wasm/function.ts';

/** Flags as the last instruction that set them left them: operands, so that nothing is computed that nobody asks for. */
export type PendingFlags =
  /** In the region's two flag variables. */
  | { readonly kind: 'variables' }
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
      readonly kind: 'result';
      readonly w: Width;
      readonly result: Value;
      readonly others: { cf?: Value; of?: Value; af?: Value };
    };

/** Nothing is pending. */
export const VARIABLES: PendingFlags = { kind: 'variables' };

/** What the instructions of one region share: guest registers and flags in WebAssembly locals. */
export class RegionState {
  readonly f: FunctionWriter;
  readonly #gpr: (Variable | undefined)[] = new Array(16).fill(undefined);
  readonly #written = new Array<boolean>(16).fill(false);
  readonly flagResult: Variable;
  readonly flagAux: Variable;
  /** RIP at which the region's page starts. */
  readonly base: Variable;
  /** Instructions since the region was entered. */
  readonly spent: Variable;
  /** Not zero once a store has hit the region's own page: the code is to be looked up again. */
  readonly stale: Variable;
  readonly #isCurrent: () => Value;
  pending: PendingFlags = VARIABLES;

  /** @param isCurrent a condition: the region is still what its page holds */
  constructor(f: FunctionWriter, entry: number, isCurrent: () => Value) {
    this.f = f;
    this.#isCurrent = isCurrent;
    this.stale = f.variable('i32');
    this.flagResult = f.variable('i64', f.load('i64.load', f.i32(0), STATE.flagResult));
    this.flagAux = f.variable('i64', f.load('i64.load', f.i32(0), STATE.flagAux));
    this.base = f.variable('i64', f.op('i64.sub', f.load('i64.load', f.i32(0), STATE.blockRip), f.i64(entry)));
    this.spent = f.variable('i32');
    f.store('i64.store', f.i32(0), STATE.blockRip, f.get(this.base));
    this.reload();
  }

  /** Looks whether the page was written to, after what may have done so. */
  checkStale(): void {
    this.f.set(this.stale, this.f.op('i32.eqz', this.#isCurrent()));
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

  /** Takes over the registers that the region uses, whichever those turn out to be. */
  reload(): void {
    this.f.late(() =>
      this.#gpr.flatMap((variable, n) => (variable ? [{ load: variable, at: STATE.gpr + 8 * n }] : [])),
    );
  }

  /** Writes the registers that the region changes back. */
  spill(): void {
    this.f.late(() =>
      this.#gpr.flatMap((variable, n) =>
        variable && this.#written[n] ? [{ store: variable, at: STATE.gpr + 8 * n }] : [],
      ),
    );
  }
}
