import { type Body, pushSigned, pushSigned64, pushUnsigned, type Signature } from './module.ts';
import { memoryOperator, operator, VALUE_TYPE, type ValueType } from './opcodes.ts';

/**
 * A value in a function under construction. Pure values form trees; one that is used more than once, or whose place
 * in the order of effects matters (a load, a call), is computed where it was made and kept in a local.
 */
export class Value {
  readonly type: ValueType;
  /** Emits the instructions that push the value. */
  readonly push: (out: number[]) => void;
  readonly args: readonly Value[];
  /** Set when the value is a constant. */
  readonly constant: number | bigint | undefined;
  uses = 0;
  local = -1;
  /** Computed even when nobody uses it. */
  kept = false;
  /** While code is emitted: uses of {@link local} that are still to come, and the loop it belongs to. */
  left = 0;
  loop = 0;

  constructor(type: ValueType, args: readonly Value[], push: (out: number[]) => void, constant?: number | bigint) {
    this.type = type;
    this.args = args;
    this.push = push;
    this.constant = constant;
    for (const arg of args) arg.uses++;
  }
}

/** A mutable local. */
export interface Variable {
  readonly type: ValueType;
  readonly local: number;
}

/** Leaves an enclosing {@link FunctionWriter.block} or continues a {@link FunctionWriter.loop}. */
export interface Label {
  depth: number;
}

/** Opcodes of the structures that labels belong to. */
const BLOCK = 0x02;
const LOOP = 0x03;

type Statement = (out: number[]) => void;

/**
 * Builds one WebAssembly function. Calls append statements in order; values that nobody used are never emitted, so a
 * description of an instruction may compute more (flags, say) than its reader needs.
 */
export class FunctionWriter {
  readonly #signature: Signature;
  readonly #locals: ValueType[] = [];
  readonly #values: Value[] = [];
  #statements: Statement[] = [];
  #depth = 0;
  /** Locals that no value needs any more, by type. */
  readonly #free = new Map<ValueType, number[]>();
  /** Number of the loop whose code is being emitted, 0 outside of all; what becomes free in it at its end. */
  #loop = 0;
  #loops = 0;
  #freeAfterLoop: Value[] = [];

  constructor(signature: Signature) {
    this.#signature = signature;
  }

  #newLocal(type: ValueType): number {
    return this.#signature.params.length + this.#locals.push(type) - 1;
  }

  #emit(value: Value, out: number[]): void {
    if (value.local >= 0) {
      out.push(0x20);
      pushUnsigned(out, value.local);
      if (--value.left === 0) this.#release(value);
      return;
    }
    for (const arg of value.args) this.#emit(arg, out);
    value.push(out);
  }

  /**
   * Keeps what is on the stack in a local. Locals are used again, since the host's compilers take time for each; but
   * what comes from outside a loop is needed in its next round too.
   */
  #keep(value: Value, out: number[]): void {
    value.local = this.#free.get(value.type)?.pop() ?? this.#newLocal(value.type);
    value.left = value.uses;
    value.loop = this.#loop;
    out.push(0x21);
    pushUnsigned(out, value.local);
    if (value.left === 0) this.#release(value); // a call for its effect
  }

  #release(value: Value): void {
    if (value.loop !== this.#loop) {
      this.#freeAfterLoop.push(value);
      return;
    }
    const free = this.#free.get(value.type);
    if (free) free.push(value.local);
    else this.#free.set(value.type, [value.local]);
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
    const push = (out: number[]): void => {
      out.push(0x41);
      pushSigned(out, n);
    };
    return new Value('i32', [], push, n | 0);
  }

  i64(n: bigint | number): Value {
    const value = BigInt.asIntN(64, BigInt(n));
    const push = (out: number[]): void => {
      out.push(0x42);
      pushSigned64(out, value);
    };
    return new Value('i64', [], push, value);
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
      fold(this, name, args) ??
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
    const variable = { type, local: this.#newLocal(type) };
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

  #nested(body: () => void): Statement[] {
    const outer = this.#statements;
    this.#statements = [];
    this.#depth++;
    body();
    this.#depth--;
    const inner = this.#statements;
    this.#statements = outer;
    return inner;
  }

  // Emission walks the statements in program order, so that a value's local is known before a later use.
  if(condition: Value, yes: () => void, no?: () => void): void {
    if (condition.constant !== undefined) {
      if (condition.constant) yes();
      else no?.();
      return;
    }
    condition.uses++;
    const yesStatements = this.#nested(yes);
    const noStatements = no ? this.#nested(no) : [];
    this.#statements.push(out => {
      this.#emit(condition, out);
      out.push(0x04, 0x40);
      for (const statement of yesStatements) statement(out);
      if (noStatements.length > 0) {
        out.push(0x05);
        for (const statement of noStatements) statement(out);
      }
      out.push(0x0b);
    });
  }

  /** A value that two branches compute, each in its own way. */
  choose(condition: Value, type: ValueType, yes: () => Value, no: () => Value): Value {
    condition.uses++;
    const branch = (body: () => Value): { statements: Statement[]; value: Value } => {
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
        out.push(0x04, VALUE_TYPE[type]);
        for (const statement of whenTrue.statements) statement(out);
        this.#emit(whenTrue.value, out);
        out.push(0x05);
        for (const statement of whenFalse.statements) statement(out);
        this.#emit(whenFalse.value, out);
        out.push(0x0b);
      }),
    );
  }

  #structure(opcode: number, body: (label: Label) => void): void {
    const label = { depth: this.#depth + 1 };
    const statements = this.#nested(() => body(label));
    this.#statements.push(out => {
      out.push(opcode, 0x40);
      const outer = this.#loop;
      const outerFree = this.#freeAfterLoop;
      if (opcode === LOOP) {
        this.#loop = ++this.#loops;
        this.#freeAfterLoop = [];
      }
      for (const statement of statements) statement(out);
      out.push(0x0b);
      if (opcode !== LOOP) return;
      const free = this.#freeAfterLoop;
      this.#loop = outer;
      this.#freeAfterLoop = outerFree;
      for (const value of free) this.#release(value);
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
    return { locals: this.#locals, code };
  }
}

/** The constant folds that descriptions of instructions make likely; anything else is the host compiler's business. */
function fold(f: FunctionWriter, name: string, [a, b]: Value[]): Value | undefined {
  const x = a?.constant;
  const y = b?.constant;
  if (typeof x === 'number' && (b === undefined || typeof y === 'number')) {
    const n = (y ?? 0) as number;
    switch (name) {
      case 'i32.add':
        return f.i32(x + n);
      case 'i32.sub':
        return f.i32(x - n);
      case 'i32.and':
        return f.i32(x & n);
      case 'i32.or':
        return f.i32(x | n);
      case 'i32.xor':
        return f.i32(x ^ n);
      case 'i32.shl':
        return f.i32(x << n);
      case 'i32.shr_u':
        return f.i32(x >>> n);
      case 'i32.eqz':
        return f.i32(x === 0 ? 1 : 0);
      case 'i32.eq':
        return f.i32(x === n ? 1 : 0);
      case 'i32.ne':
        return f.i32(x === n ? 0 : 1);
      case 'i64.extend_i32_u':
        return f.i64(x >>> 0);
      case 'i64.extend_i32_s':
        return f.i64(x);
    }
  }
  if (y === 0 || y === 0n)
    switch (name.slice(4)) {
      case 'add':
      case 'sub':
      case 'or':
      case 'xor':
      case 'shl':
      case 'shr_u':
      case 'shr_s':
        return a;
    }
  if (typeof x === 'bigint' && name === 'i32.wrap_i64') return f.i32(Number(BigInt.asIntN(32, x)));
  return undefined;
}
