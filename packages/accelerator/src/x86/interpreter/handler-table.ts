import type { Decoded } from '../decode/decoded.ts';
import type { Row } from '../isa/row.ts';
import { ROWS } from '../isa/rows.ts';
import { descriptionOf } from '../semantics/index.ts';
import type { Interpreter } from './generate.ts';
import type { Addressing } from './record.ts';
import { maskOf, pack, type Variant } from './variant.ts';

/** Escapes after which the next instruction is not the one that follows. */
const ENDING = new Set(['call far', 'jmp far', 'ret far', 'int', 'int1', 'int3', 'hlt', 'ud0', 'ud1', 'ud2', 'rsm']);

/** No instruction of the same block comes after one of this row. */
export const endsBlock = ({ mnemonic }: Row): boolean => descriptionOf(mnemonic)?.ends ?? ENDING.has(mnemonic);

/** Finds the interpreter's handler for a decoded instruction. */
export class HandlerTable {
  readonly #handlers = new Map<number, number>();
  readonly #writes: Uint8Array;
  readonly #mask: Int32Array;
  readonly #ends: Uint8Array;
  readonly #ignoresMemory: Uint8Array;
  readonly #variant: Variant = { opsize: 32, asize: 32, stack: 32, flat: true, long: false, rep: 0, addressing: 0 };

  constructor({ handlers, writes }: Interpreter) {
    for (let i = 0; i < handlers.length; i += 2) this.#handlers.set(handlers[i]!, handlers[i + 1]!);
    this.#writes = Uint8Array.from(writes);
    this.#mask = Int32Array.from(ROWS, maskOf);
    this.#ends = Uint8Array.from(ROWS, row => (endsBlock(row) ? 1 : 0));
    this.#ignoresMemory = Uint8Array.from(ROWS, ({ mnemonic, operands }) => {
      const ignores = descriptionOf(mnemonic)?.ignoresMemory ?? false;
      return (typeof ignores === 'function' ? ignores(operands) : ignores) ? 1 : 0;
    });
  }

  /** What of the processor's state and the prefixes the handler depends on, for {@link find}. */
  state(insn: Decoded, stack: 16 | 32 | 64, flat: boolean, long: boolean): number {
    const v = this.#variant;
    v.opsize = insn.opsize;
    v.asize = insn.asize;
    v.stack = stack;
    v.flat = flat;
    v.long = long;
    v.rep = insn.rep;
    return pack(v);
  }

  /** @returns index of the handler, −1 when there is none. */
  find(row: Row, state: number, addressing: Addressing): number {
    return this.#handlers.get((row.index << 13) | (state & this.#mask[row.index]!) | (addressing << 9)) ?? -1;
  }

  /** The handler writes its memory operand. */
  writesMemory(handler: number): boolean {
    return this.#writes[handler] === 1;
  }
  /** A memory operand of the row is an address only, or nothing at all. */
  ignoresMemory(row: Row): boolean {
    return this.#ignoresMemory[row.index] === 1;
  }
  /** No instruction of the same block comes after it. */
  ends(row: Row): boolean {
    return this.#ends[row.index] === 1;
  }
}
