import { foldConstants } from './fold.ts';
import { Locals } from './locals.ts';
import { type Body, type BranchHint, pushUnsigned, type Signature } from './module.ts';
import { memoryOperator, operator, VALUE_TYPE, type ValueType } from './opcodes.ts';
import { constant32, constant64, Value, type Variable } from './value.ts';

export type { Value, Variable } from './value.ts';

/** Leaves an enclosing {@link FunctionWriter.block} or continues a {@link FunctionWriter.loop}. */
export interface Label {
  depth: number;
}

/** Opcodes of the structures that labels belong to. */
const BLOCK = 0x02;
const LOOP = 0x03;

type Statement = (out: number[]) => void;

/** What is nested in a structure. */
interface Statements {
  readonly list: readonly Statement[];
  readonly rare: boolean;
}

/**
 * Builds one WebAssembly function. Calls append statements in order; values that nobody used are never emitted, so a
 * description of an instruction may compute more (flags, say) than its reader needs.
 */
export class FunctionWriter {
  readonly #signature: Signature;
  readonly #locals: Locals;
  readonly #values: Value[] = [];
  #statements: Statement[] = [];
  #depth = 0;
  /** The branch that is being written is one that hardly ever runs. */
  #rare = false;
  readonly #hints: BranchHint[] = [];

  constructor(signature: Signature) {
    this.#signature = signature;
    this.#locals = new Locals(signature.params.length);
  }

  #emit(value: Value, out: number[]): void {
    if (value.local >= 0) {
      out.push(0x20);
      pushUnsigned(out, value.local);
      this.#locals.used(value);
      return;
    }
    for (const arg of value.args) this.#emit(arg, out);
    value.push(out);
  }

  /** Keeps what is on the stack in a local. */
  #keep(value: Value, out: number[]): void {
    out.push(0x21);
    pushUnsigned(out, this.#locals.keep(value));
  }

  /** Marks the place where a value is computed if it turns out to be needed in a local. */
  #place(value: Value, ordered: boolean): Value {
    this.#values.push(value);
    this.#statements.push(out => {
      if (value.uses === 0 || (!ordered && value.uses === 1)) return;
      this.#emit(value, out);
      this.#keep(value, out);
    });
    return value;
  }

  /** Marks the place where something happens, whether or not somebody looks at the result. */
  #always(value: Value): Value {
    this.#values.push(value);
    value.kept = true;
    this.#statements.push(out => {
      for (const arg of value.args) this.#emit(arg, out);
      value.push(out);
      this.#keep(value, out);
    });
    return value;
  }

  i32(n: number): Value {
    return constant32(n);
  }

  i64(n: bigint | number): Value {
    return constant64(n);
  }

  /** A vector constant from its sixteen bytes. */
  v128(bytes: readonly number[]): Value {
    return new Value('v128', [], out => out.push(0xfd, 12, ...bytes));
  }

  /** The n-th parameter. */
  param(n: number): Value {
    const value = new Value(this.#signature.params[n]!, [], () => {});
    value.local = n;
    value.left = Number.POSITIVE_INFINITY;
    return value;
  }

  /** A pure operator by its name in the text format, such as `i32.add` or `i8x16.eq`. */
  op(name: string, ...args: Value[]): Value {
    return (
      foldConstants(name, args) ??
      this.#place(new Value(operator(name).result, args, out => out.push(...operator(name).bytes)), false)
    );
  }

  /** An operator with a lane immediate, such as `i32x4.extract_lane`. */
  lane(name: string, lane: number, ...args: Value[]): Value {
    const { bytes, result } = operator(name);
    return this.#place(new Value(result, args, out => out.push(...bytes, lane)), false);
  }

  /** `i8x16.shuffle` with its sixteen lane numbers (0–31). */
  shuffle(a: Value, b: Value, lanes: readonly number[]): Value {
    return this.#place(new Value('v128', [a, b], out => out.push(0xfd, 13, ...lanes)), false);
  }

  select(condition: Value, yes: Value, no: Value): Value {
    if (condition.constant !== undefined) return condition.constant ? yes : no;
    return this.#place(
      new Value(yes.type, [yes, no, condition], out =>
        out.push(...(yes.type === 'v128' ? [0x1c, 1, VALUE_TYPE.v128] : [0x1b])),
      ),
      false,
    );
  }

  /** Reads memory at `address + offset`, here and now. */
  load(name: string, address: Value, offset = 0): Value {
    const { bytes, type } = memoryOperator(name);
    return this.#place(
      new Value(type, [address], out => {
        out.push(...bytes, 0);
        pushUnsigned(out, offset);
      }),
      true,
    );
  }

  store(name: string, address: Value, offset: number, value: Value): void {
    const { bytes } = memoryOperator(name);
    address.uses++;
    value.uses++;
    this.#statements.push(out => {
      this.#emit(address, out);
      this.#emit(value, out);
      out.push(...bytes, 0);
      pushUnsigned(out, offset);
    });
  }

  /**
   * Loads locals from memory, or stores them there: which, is asked for when the function is complete. For what is not
   * known before all of it is written, such as the registers that a region turns out to use.
   */
  late(
    moves: () => readonly (
      | { readonly load: Variable; readonly at: number }
      | { readonly store: Variable; readonly at: number }
    )[],
  ): void {
    this.#statements.push(out => {
      for (const move of moves()) {
        out.push(0x41, 0);
        if ('load' in move) {
          out.push(0x29, 3);
          pushUnsigned(out, move.at);
          out.push(0x21);
          pushUnsigned(out, move.load.local);
        } else {
          out.push(0x20);
          pushUnsigned(out, move.store.local);
          out.push(0x37, 3);
          pushUnsigned(out, move.at);
        }
      }
    });
  }

  #effect(args: readonly Value[], push: (out: number[]) => void): void {
    for (const arg of args) arg.uses++;
    this.#statements.push(out => {
      for (const arg of args) this.#emit(arg, out);
      push(out);
    });
  }

  /** `memory.copy`: the areas may overlap. */
  copy(to: Value, from: Value, count: Value): void {
    this.#effect([to, from, count], out => out.push(0xfc, 10, 0, 0));
  }

  /** `memory.fill`. */
  fill(to: Value, byte: Value, count: Value): void {
    this.#effect([to, byte, count], out => out.push(0xfc, 11, 0));
  }

  /** Calls a function that returns a value. */
  call(index: number, result: ValueType, ...args: Value[]): Value {
    const value = new Value(result, args, out => {
      out.push(0x10);
      pushUnsigned(out, index);
    });
    return this.#always(value);
  }

  /** Calls a function that returns nothing. */
  callVoid(index: number, ...args: Value[]): void {
    this.#effect(args, out => {
      out.push(0x10);
      pushUnsigned(out, index);
    });
  }

  variable(type: ValueType, initial?: Value): Variable {
    const variable = { type, local: this.#locals.add(type) };
    if (initial) this.set(variable, initial);
    return variable;
  }

  /** The variable's value at this point. */
  get({ type, local }: Variable): Value {
    return this.#place(
      new Value(type, [], out => {
        out.push(0x20);
        pushUnsigned(out, local);
      }),
      true,
    );
  }

  set({ local }: Variable, value: Value): void {
    this.#effect([value], out => {
      out.push(0x21);
      pushUnsigned(out, local);
    });
  }

  #nested(body: () => void): Statements {
    const outer = { list: this.#statements, rare: this.#rare };
    this.#statements = [];
    this.#rare = false;
    this.#depth++;
    body();
    this.#depth--;
    const inner = { list: this.#statements, rare: this.#rare };
    this.#statements = outer.list;
    this.#rare = outer.rare;
    return inner;
  }

  /** Says of the branch of an `if` that is being written that it hardly ever runs: the engine puts it out of the way. */
  rare(): void {
    this.#rare = true;
  }

  /** Notes which way the conditional branch mostly goes that comes next. */
  #hint(yes: Statements, no: Statements | undefined, out: readonly number[]): void {
    const noRare = no?.rare ?? false;
    if (yes.rare !== noRare) this.#hints.push({ at: out.length, taken: noRare });
  }

  // Emission walks the statements in program order, so that a value's local is known before a later use.
  if(condition: Value, yes: () => void, no?: () => void): void {
    if (condition.constant !== undefined) {
      if (condition.constant) yes();
      else no?.();
      return;
    }
    condition.uses++;
    const whenTrue = this.#nested(yes);
    const whenFalse = no && this.#nested(no);
    this.#statements.push(out => {
      this.#emit(condition, out);
      this.#hint(whenTrue, whenFalse, out);
      out.push(0x04, 0x40);
      for (const statement of whenTrue.list) statement(out);
      if (whenFalse && whenFalse.list.length > 0) {
        out.push(0x05);
        for (const statement of whenFalse.list) statement(out);
      }
      out.push(0x0b);
    });
  }

  /** A value that two branches compute, each in its own way. */
  choose(condition: Value, type: ValueType, yes: () => Value, no: () => Value): Value {
    condition.uses++;
    const branch = (body: () => Value): { statements: Statements; value: Value } => {
      let value!: Value;
      const statements = this.#nested(() => {
        value = body();
        value.uses++;
      });
      return { statements, value };
    };
    const [whenTrue, whenFalse] = [branch(yes), branch(no)];
    return this.#always(
      new Value(type, [], out => {
        this.#emit(condition, out);
        this.#hint(whenTrue.statements, whenFalse.statements, out);
        out.push(0x04, VALUE_TYPE[type]);
        for (const statement of whenTrue.statements.list) statement(out);
        this.#emit(whenTrue.value, out);
        out.push(0x05);
        for (const statement of whenFalse.statements.list) statement(out);
        this.#emit(whenFalse.value, out);
        out.push(0x0b);
      }),
    );
  }

  #structure(opcode: number, body: (label: Label) => void): void {
    const label = { depth: this.#depth + 1 };
    const { list: statements } = this.#nested(() => body(label));
    this.#statements.push(out => {
      const emit = (): void => {
        for (const statement of statements) statement(out);
      };
      out.push(opcode, 0x40);
      if (opcode === LOOP) this.#locals.inLoop(emit);
      else emit();
      out.push(0x0b);
    });
  }

  /** `branch` to the label leaves the block. */
  block(body: (label: Label) => void): void {
    this.#structure(BLOCK, body);
  }

  /** `branch` to the label starts the body again. */
  loop(body: (label: Label) => void): void {
    this.#structure(LOOP, body);
  }

  branch(label: Label, condition?: Value): void {
    const relative = this.#depth - label.depth;
    this.#effect(condition ? [condition] : [], out => {
      out.push(condition ? 0x0d : 0x0c);
      pushUnsigned(out, relative);
    });
  }

  /** Branches to the label that the index names, to the last one if there is none. */
  branchTable(index: Value, labels: readonly Label[]): void {
    const depths = labels.map(({ depth }) => this.#depth - depth);
    this.#effect([index], out => {
      out.push(0x0e);
      pushUnsigned(out, depths.length - 1);
      for (const depth of depths) pushUnsigned(out, depth);
    });
  }

  return(value?: Value): void {
    this.#effect(value ? [value] : [], out => out.push(0x0f));
  }

  /** A tail call to a function of this module. */
  returnCall(index: number, ...args: Value[]): void {
    this.#effect(args, out => {
      out.push(0x12);
      pushUnsigned(out, index);
    });
  }

  /** A tail call through table 0. */
  returnCallIndirect(type: number, slot: Value, ...args: Value[]): void {
    this.#effect([...args, slot], out => {
      out.push(0x13);
      pushUnsigned(out, type);
      out.push(0);
    });
  }

  unreachable(): void {
    this.#effect([], out => out.push(0x00));
  }

  body(): Body {
    // A value that only dead values use is dead too; users come after what they use.
    for (let i = this.#values.length - 1; i >= 0; i--) {
      const value = this.#values[i]!;
      if (value.uses === 0 && !value.kept) for (const arg of value.args) arg.uses--;
    }
    const code: number[] = [];
    for (const statement of this.#statements) statement(code);
    return { locals: this.#locals.types, code, hints: this.#hints };
  }
}
