import { VALUE_TYPE, type ValueType } from './opcodes.ts';

/** Unsigned LEB128 of a number below 2^32. */
export function pushUnsigned(out: number[], value: number): void {
  let n = value >>> 0;
  while (n >= 0x80) {
    out.push((n & 0x7f) | 0x80);
    n >>>= 7;
  }
  out.push(n);
}

/** Signed LEB128 of a 32-bit number. */
export function pushSigned(out: number[], value: number): void {
  let n = value | 0;
  for (;;) {
    const byte = n & 0x7f;
    n >>= 7;
    if ((n === 0 && !(byte & 0x40)) || (n === -1 && byte & 0x40)) {
      out.push(byte);
      return;
    }
    out.push(byte | 0x80);
  }
}

/** Signed LEB128 of a 64-bit number. */
export function pushSigned64(out: number[], value: bigint): void {
  let n = BigInt.asIntN(64, value);
  for (;;) {
    const byte = Number(n & 0x7fn);
    n >>= 7n;
    if ((n === 0n && !(byte & 0x40)) || (n === -1n && byte & 0x40)) {
      out.push(byte);
      return;
    }
    out.push(byte | 0x80);
  }
}

export interface Signature {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** A function's code as the code section holds it: locals (after the parameters) and instructions, without `end`. */
export interface Body {
  readonly locals: readonly ValueType[];
  readonly code: readonly number[];
  /** In the order of the code. */
  readonly hints: readonly BranchHint[];
}

/** Which way an `if` mostly goes (WebAssembly branch hinting proposal). */
export interface BranchHint {
  /** Place of its opcode in the code. */
  readonly at: number;
  readonly taken: boolean;
}

interface Import {
  readonly name: string;
  readonly type: number;
}

/** Locals as a body begins with them: runs of one type. */
function runsOf(locals: readonly ValueType[]): number[] {
  const runs: [number, ValueType][] = [];
  for (const type of locals) {
    const last = runs.at(-1);
    if (last && last[1] === type) last[0]++;
    else runs.push([1, type]);
  }
  const bytes: number[] = [];
  pushUnsigned(bytes, runs.length);
  for (const [count, type] of runs) {
    pushUnsigned(bytes, count);
    bytes.push(VALUE_TYPE[type]);
  }
  return bytes;
}

/**
 * Writes a WebAssembly module with one imported memory (`env.memory`, shared), imported functions (module `env`) and
 * an exported table, if it is given functions. Binary format: WebAssembly core specification §5.5.
 */
export class ModuleWriter {
  readonly #types: Signature[] = [];
  readonly #imports: Import[] = [];
  readonly #functions: { type: number; body: Body | undefined }[] = [];
  readonly #exports: { name: string; index: number }[] = [];
  #table: readonly number[] = [];

  /** Index of a signature in the type section. */
  type(signature: Signature): number {
    const key = JSON.stringify(signature);
    const found = this.#types.findIndex(other => JSON.stringify(other) === key);
    return found >= 0 ? found : this.#types.push(signature) - 1;
  }

  /** Declares an imported function, once; all of them come before the first {@link declare}. @returns its index. */
  import(name: string, signature: Signature): number {
    const known = this.#imports.findIndex(other => other.name === name);
    if (known >= 0) return known;
    if (this.#functions.length > 0) throw new Error(`import '${name}' comes after the first function`);
    return this.#imports.push({ name, type: this.type(signature) }) - 1;
  }

  /** Reserves a function's index, so that functions can call each other. */
  declare(signature: Signature): number {
    return this.#imports.length + this.#functions.push({ type: this.type(signature), body: undefined }) - 1;
  }

  define(index: number, body: Body): void {
    this.#functions[index - this.#imports.length]!.body = body;
  }

  export(name: string, index: number): void {
    this.#exports.push({ name, index });
  }

  /** Functions of the table, which is exported as `table`. */
  table(functions: readonly number[]): void {
    this.#table = functions;
  }

  /** The module's bytes. */
  bytes(): Uint8Array {
    const out: number[] = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
    const section = (id: number, fill: (bytes: number[]) => void): void => {
      const bytes: number[] = [];
      fill(bytes);
      out.push(id);
      pushUnsigned(out, bytes.length);
      for (const byte of bytes) out.push(byte);
    };
    const name = (bytes: number[], text: string): void => {
      pushUnsigned(bytes, text.length);
      for (let i = 0; i < text.length; i++) bytes.push(text.charCodeAt(i));
    };
    section(1, bytes => {
      pushUnsigned(bytes, this.#types.length);
      for (const { params, results } of this.#types) {
        bytes.push(0x60);
        for (const list of [params, results]) {
          pushUnsigned(bytes, list.length);
          for (const type of list) bytes.push(VALUE_TYPE[type]);
        }
      }
    });
    section(2, bytes => {
      pushUnsigned(bytes, this.#imports.length + 1);
      for (const { name: field, type } of this.#imports) {
        name(bytes, 'env');
        name(bytes, field);
        bytes.push(0);
        pushUnsigned(bytes, type);
      }
      name(bytes, 'env');
      name(bytes, 'memory');
      bytes.push(2, 3); // memory, shared with a maximum: the largest that any GuestMemory may have
      pushUnsigned(bytes, 1);
      pushUnsigned(bytes, 65_536);
    });
    section(3, bytes => {
      pushUnsigned(bytes, this.#functions.length);
      for (const { type } of this.#functions) pushUnsigned(bytes, type);
    });
    if (this.#table.length > 0)
      section(4, bytes => {
        bytes.push(1, 0x70, 0);
        pushUnsigned(bytes, this.#table.length);
      });
    section(7, bytes => {
      pushUnsigned(bytes, this.#exports.length + (this.#table.length > 0 ? 1 : 0));
      for (const { name: field, index } of this.#exports) {
        name(bytes, field);
        bytes.push(0);
        pushUnsigned(bytes, index);
      }
      if (this.#table.length === 0) return;
      name(bytes, 'table');
      bytes.push(1, 0);
    });
    if (this.#table.length > 0)
      section(9, bytes => {
        bytes.push(1, 0, 0x41, 0, 0x0b);
        pushUnsigned(bytes, this.#table.length);
        for (const index of this.#table) pushUnsigned(bytes, index);
      });
    const bodies = this.#functions.map(({ body }) => {
      if (!body) throw new Error('a declared function has no body');
      return { ...body, locals: runsOf(body.locals) };
    });
    const hinted = [...bodies.entries()].filter(([, { hints }]) => hints.length > 0);
    if (hinted.length > 0)
      section(0, bytes => {
        name(bytes, 'metadata.code.branch_hint');
        pushUnsigned(bytes, hinted.length);
        for (const [n, { locals, hints }] of hinted) {
          pushUnsigned(bytes, this.#imports.length + n);
          pushUnsigned(bytes, hints.length);
          for (const { at, taken } of hints) {
            pushUnsigned(bytes, locals.length + at);
            bytes.push(1, taken ? 1 : 0);
          }
        }
      });
    section(10, bytes => {
      pushUnsigned(bytes, bodies.length);
      for (const { locals, code } of bodies) {
        pushUnsigned(bytes, locals.length + code.length + 1);
        for (const byte of locals) bytes.push(byte);
        for (const byte of code) bytes.push(byte);
        bytes.push(0x0b);
      }
    });
    return Uint8Array.from(out);
  }
}
