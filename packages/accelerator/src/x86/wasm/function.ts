import { Emitter, type Statement, type Statements } from './emitter.ts';
import { foldConstants, opposite } from './fold.ts';
import { Locals } from './locals.ts';
import { type Body, pushUnsigned, type Signature } from './module.ts';
import { memoryOperator, operator, VALUE_TYPE, type ValueType } from './opcodes.ts';
import { Schedule } from './schedule.ts';
import { constant32, constant64, Value, type Variable } from './value.ts';

export type { Value, Variable } from './value.ts';

/** Leaves an enclosing {@link FunctionWriter.block} or continues a {@link FunctionWriter.loop}. */
export interface Label {
  depth: number;
}

/** An instruction with an index. */
function pushOp(out: number[], opcode: number, index: number): void {
  out.push(opcode);
  pushUnsigned(out, index);
}

/** Opcodes of the structures that labels belong to. */
const BLOCK = 0x02;
const LOOP = 0x03;

/**
 * Builds one WebAssembly function. Calls append statements in order; values that nobody used are never emitted, so a
 * description of an instruction may compute more (flags, say) than its reader needs.
 */
export class FunctionWriter {
  readonly #signature: Signature;
  readonly #locals: Locals;
  readonly #schedule = new Schedule();
  readonly #values: Value[] = [];
  #statements: Statement[] = [];
  #depth = 0;
  /** The branch that is being written is one that hardly ever runs. */
  #rare = false;
  /** Notes what {@link late} turns out to set. */
  readonly #late: (() => void)[] = [];

  constructor(signature: Signature) {
    this.#signature = signature;
    this.#locals = new Locals(signature.params.length);
  }

  /** Marks the place where a value is computed if it turns out to be needed in a local of its own. */
  #place(value: Value, reads?: Variable | 'memory'): Value {
    this.#values.push(value);
    value.reads = reads;
    value.made = this.#schedule.step();
    this.#statements.push(code => {
      if (value.uses === 0 || value.inline || value.local >= 0) return;
      code.compute(value);
      code.keep(value);
    });
    return value;
  }

  /** Marks the place where something happens, whether or not somebody looks at the result. */
  #always(value: Value, made: number): Value {
    this.#values.push(value);
    value.kept = true;
    value.made = made;
    this.#statements.push(code => {
      code.compute(value);
      code.keep(value);
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
    const folded = foldConstants(name, args);
    if (folded) return folded;
    if (name === 'i32.eqz') {
      const inverse = opposite(args[0]!.operator);
      if (inverse) return this.op(inverse, ...args[0]!.args);
    }
    const { bytes, result } = operator(name);
    const value = new Value(result, args, out => out.push(...bytes));
    value.operator = name;
    return this.#place(value);
  }

  /** An operator with a lane immediate, such as `i32x4.extract_lane`. */
  lane(name: string, lane: number, ...args: Value[]): Value {
    const { bytes, result } = operator(name);
    return this.#place(new Value(result, args, out => out.push(...bytes, lane)));
  }

  /** `i8x16.shuffle` with its sixteen lane numbers (0–31). */
  shuffle(a: Value, b: Value, lanes: readonly number[]): Value {
    return this.#place(new Value('v128', [a, b], out => out.push(0xfd, 13, ...lanes)));
  }

  select(condition: Value, yes: Value, no: Value): Value {
    if (condition.constant !== undefined) return condition.constant ? yes : no;
    return this.#place(
      new Value(yes.type, [yes, no, condition], out =>
        out.push(...(yes.type === 'v128' ? [0x1c, 1, VALUE_TYPE.v128] : [0x1b])),
      ),
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
      'memory',
    );
  }

  store(name: string, address: Value, offset: number, value: Value): void {
    const { bytes } = memoryOperator(name);
    this.#effect([address, value], out => {
      out.push(...bytes, 0);
      pushUnsigned(out, offset);
    });
    this.#schedule.write();
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
    const step = this.#schedule.step();
    this.#schedule.write();
    this.#late.push(() => {
      for (const move of moves()) if ('load' in move) this.#schedule.set(move.load, step);
    });
    this.#statements.push(({ out }) => {
      for (const move of moves()) {
        out.push(0x41, 0);
        if ('load' in move) {
          out.push(0x29, 3);
          pushUnsigned(out, move.at);
          pushOp(out, 0x21, move.load.local);
        } else {
          pushOp(out, 0x20, move.store.local);
          out.push(0x37, 3);
          pushUnsigned(out, move.at);
        }
      }
    });
  }

  #effect(args: readonly Value[], push: (out: number[]) => void): void {
    const step = this.#schedule.step();
    for (const arg of args) {
      arg.uses++;
      arg.usedAt(step);
    }
    this.#statements.push(code => {
      for (const arg of args) code.push(arg);
      push(code.out);
    });
  }

  /** `memory.copy`: the areas may overlap. */
  copy(to: Value, from: Value, count: Value): void {
    this.#effect([to, from, count], out => out.push(0xfc, 10, 0, 0));
    this.#schedule.write();
  }

  /** `memory.fill`. */
  fill(to: Value, byte: Value, count: Value): void {
    this.#effect([to, byte, count], out => out.push(0xfc, 11, 0));
    this.#schedule.write();
  }

  /** Calls a function that returns a value. */
  call(index: number, result: ValueType, ...args: Value[]): Value {
    const value = new Value(result, args, out => pushOp(out, 0x10, index));
    const step = this.#schedule.step();
    this.#schedule.write();
    return this.#always(value, step);
  }

  /** Calls a function that returns nothing. */
  callVoid(index: number, ...args: Value[]): void {
    this.#effect(args, out => pushOp(out, 0x10, index));
    this.#schedule.write();
  }

  variable(type: ValueType, initial?: Value): Variable {
    const variable = { type, local: this.#locals.add(type) };
    if (initial) this.set(variable, initial);
    return variable;
  }

  /** The variable's value at this point. */
  get(variable: Variable): Value {
    const { type, local } = variable;
    return this.#place(new Value(type, [], out => pushOp(out, 0x20, local)), variable);
  }

  set(variable: Variable, value: Value): void {
    this.#effect([value], out => pushOp(out, 0x21, variable.local));
    this.#schedule.set(variable);
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

  // Emission walks the statements in program order, so that a value's local is known before a later use.
  if(condition: Value, yes: () => void, no?: () => void): void {
    if (condition.constant !== undefined) {
      if (condition.constant) yes();
      else no?.();
      return;
    }
    if (condition.operator === 'i32.eqz' && condition.args[0]!.operator === 'i32.eqz') {
      this.if(condition.args[0]!.args[0]!, yes, no);
      return;
    }
    condition.uses++;
    condition.usedAt(this.#schedule.step());
    const whenTrue = this.#nested(yes);
    const whenFalse = no && this.#nested(no);
    this.#statements.push(code => {
      code.push(condition);
      code.if(0x40, whenTrue, whenFalse);
    });
  }

  /** A value that two branches compute, each in its own way. */
  choose(condition: Value, type: ValueType, yes: () => Value, no: () => Value): Value {
    const step = this.#schedule.step();
    condition.uses++;
    condition.usedAt(step);
    const branch = (body: () => Value): { branch: Statements; value: Value } => {
      let value!: Value;
      const branch = this.#nested(() => {
        value = body();
        value.uses++;
        value.usedAt(this.#schedule.step());
      });
      return { branch, value };
    };
    const [whenTrue, whenFalse] = [branch(yes), branch(no)];
    return this.#always(
      new Value(type, [], (_out, code) => {
        code.push(condition);
        code.if(VALUE_TYPE[type], whenTrue.branch, whenFalse.branch, whenTrue.value, whenFalse.value);
      }),
      step,
    );
  }

  #structure(opcode: number, body: (label: Label) => void): void {
    const label = { depth: this.#depth + 1 };
    let statements!: readonly Statement[];
    const nested = (): void => {
      statements = this.#nested(() => body(label)).list;
    };
    if (opcode === LOOP) this.#schedule.loop(nested);
    else nested();
    this.#statements.push(code => {
      const emit = (): void => {
        for (const statement of statements) statement(code);
      };
      code.out.push(opcode, 0x40);
      if (opcode === LOOP) this.#locals.inLoop(emit);
      else emit();
      code.out.push(0x0b);
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
    this.#effect(args, out => pushOp(out, 0x12, index));
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

  /** Where a value is to be computed, all uses of it being known. */
  #settle(value: Value): void {
    const { reads, made, last, uses } = value;
    if (reads === undefined) value.inline = uses === 1;
    else if (reads === 'memory') value.inline = uses === 1 && this.#schedule.keepsMemory(made, last);
    else if (this.#schedule.keeps(reads, made, last)) {
      value.local = reads.local;
      value.left = Number.POSITIVE_INFINITY;
    }
  }

  body(): Body {
    for (const note of this.#late) note();
    // Users come after what they use. A value that only dead values use is dead too.
    for (let i = this.#values.length - 1; i >= 0; i--) {
      const value = this.#values[i]!;
      if (value.uses === 0 && !value.kept) for (const arg of value.args) arg.uses--;
      else {
        if (!value.kept) this.#settle(value);
        for (const arg of value.args) arg.usedAt(value.inline ? value.last : value.made);
      }
    }
    const code = new Emitter(this.#locals);
    for (const statement of this.#statements) statement(code);
    return { locals: this.#locals.types, code: code.out, hints: code.hints };
  }
}
