import { hex, MainboardError } from './errors.ts';
import {
  checkRegisters,
  type RegisterDeclaration,
  type RegisterFile,
  type RegisterTable,
  registerMask,
} from './register.ts';
import { TRACE, type Trace } from './trace.ts';

/**
 * A stretch of a device that the processor can address. Offsets count from its start; sizes are 1, 2 or 4 bytes;
 * values are unsigned. No access throws or allocates.
 */
export interface Window {
  readonly kind: 'window';
  /** `device.window`. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Reads without any side effect, for debuggers. */
  peek(offset: number, size: number): number;
  read(offset: number, size: number): number;
  write(offset: number, size: number, value: number): void;
}

export interface WindowOptions {
  /** Bytes; up to the end of the last register unless told. */
  readonly size?: number;
  /**
   * What an access does that is no register's exact offset and size. `split` (the default): it is taken apart into
   * bytes or wider parts that fit, as the ISA bus does. `exact`: reads all ones, swallows writes.
   */
  readonly access?: 'split' | 'exact';
}

/** A window of registers. */
export interface RegisterWindow<M extends RegisterTable = RegisterTable> {
  readonly kind: 'registers';
  readonly registers: M;
  readonly size: number;
  readonly access: 'split' | 'exact';
}
/** A window whose contents are no registers (a frame buffer, PCI configuration space); the behaviour answers it. */
export interface HandlerWindow {
  readonly kind: 'handlers';
  readonly size: number;
}
export type WindowDeclaration = RegisterWindow | HandlerWindow;

/** Declares a window by its register table. @throws MainboardError `overlap`, `bad-declaration` */
export const registers = <const M extends RegisterTable>(table: M, options: WindowOptions = {}): RegisterWindow<M> => {
  checkRegisters(table);
  const end = Math.max(0, ...Object.values(table).map(row => row.at + row.size));
  const size = options.size ?? end;
  if (size < end)
    throw new MainboardError(
      'bad-declaration',
      `A window of ${size} bytes cannot hold registers up to offset ${hex(end)}.`,
      { size, end },
    );
  return { kind: 'registers', registers: table, size, access: options.access ?? 'split' };
};
/** Declares a window of `size` bytes that the behaviour answers under `windows`. Prefer {@link registers}. */
export const handlers = (size: number): HandlerWindow => ({ kind: 'handlers', size });

/** What a behaviour supplies for a register; each part is optional. */
export interface RegisterBehaviour {
  /** The value that a read gives, free of side effects; the stored value unless told. */
  value?(): number;
  /** The side effect of a guest's read; runs after the value was taken. */
  onRead?(): void;
  /**
   * The side effect of a guest's write; the stored value is up to date.
   * @param value what was written, parts of wider registers merged; for `w1c` the bits to clear.
   * @param previous the stored value before.
   */
  onWrite?(value: number, previous: number): void;
}
/** What a behaviour supplies for a window of handlers. Sizes are 1, 2 or 4 and lie inside the window. */
export interface HandlerBehaviour {
  /** Free of side effects. */
  peek(offset: number, size: number): number;
  /** {@link peek} unless told. */
  read?(offset: number, size: number): number;
  write?(offset: number, size: number, value: number): void;
}

/** A register as an access meets it: everything looked up beforehand. */
class Cell {
  readonly name: string;
  readonly at: number;
  readonly size: number;
  readonly end: number;
  readonly mask: number;
  readonly #values: Uint32Array;
  readonly #index: number;
  readonly #clears: boolean;
  readonly #writable: number;
  readonly #value: (() => number) | undefined;
  readonly #onRead: (() => void) | undefined;
  readonly #onWrite: ((value: number, previous: number) => void) | undefined;

  constructor(
    name: string,
    row: RegisterDeclaration,
    values: Uint32Array,
    index: number,
    behaviour: RegisterBehaviour,
  ) {
    this.name = name;
    this.at = row.at;
    this.size = row.size;
    this.end = row.at + row.size;
    this.mask = registerMask(row.size);
    this.#values = values;
    this.#index = index;
    this.#clears = row.access === 'w1c';
    this.#writable = row.writable ?? this.mask;
    this.#value = behaviour.value?.bind(behaviour);
    this.#onRead = behaviour.onRead?.bind(behaviour);
    this.#onWrite = behaviour.onWrite?.bind(behaviour);
  }

  peek(): number {
    return this.#value === undefined ? this.#values[this.#index]! : (this.#value() & this.mask) >>> 0;
  }

  read(): number {
    const value = this.peek();
    if (this.#onRead !== undefined) this.#onRead();
    return value;
  }

  write(given: number): void {
    const value = (given & this.mask) >>> 0;
    const previous = this.#values[this.#index]!;
    const changed = this.#clears ? previous & ~value : value;
    this.#values[this.#index] = (previous & ~this.#writable) | (changed & this.#writable);
    if (this.#onWrite !== undefined) this.#onWrite(value, previous);
  }

  /** Writes `size` bytes of the register from byte `part` on; the others keep what they hold. */
  writePart(part: number, size: number, value: number): void {
    const shift = 8 * part;
    const mask = (registerMask(size) << shift) >>> 0;
    const kept = this.#clears ? 0 : this.#values[this.#index]! & ~mask;
    this.write(kept | ((value << shift) & mask));
  }
}

/** A window of registers, compiled to two tables of cells by offset. */
export class CompiledWindow implements Window {
  readonly kind = 'window';
  readonly name: string;
  readonly size: number;
  readonly #split: boolean;
  readonly #readers: readonly (Cell | undefined)[];
  readonly #writers: readonly (Cell | undefined)[];
  readonly #trace: Trace;

  constructor(
    name: string,
    declaration: RegisterWindow,
    file: RegisterFile,
    behaviours: Readonly<Record<string, RegisterBehaviour | undefined>>,
    trace: Trace,
  ) {
    this.name = name;
    this.size = declaration.size;
    this.#split = declaration.access === 'split';
    this.#trace = trace;
    const readers = new Array<Cell | undefined>(declaration.size).fill(undefined);
    const writers = new Array<Cell | undefined>(declaration.size).fill(undefined);
    for (const [register, row] of Object.entries(declaration.registers)) {
      const cell = new Cell(register, row, file.values, file.names.indexOf(register), behaviours[register] ?? {});
      for (let at = row.at; at < row.at + row.size; at++) {
        if (row.access !== 'wo') readers[at] = cell;
        if (row.access !== 'ro') writers[at] = cell;
      }
    }
    this.#readers = readers;
    this.#writers = writers;
  }

  peek(offset: number, size: number): number {
    return this.#get(offset, size, false);
  }

  read(offset: number, size: number): number {
    const cell = this.#readers[offset];
    const value =
      cell !== undefined && cell.at === offset && cell.size === size ? cell.read() : this.#get(offset, size, true);
    if (this.#trace.mask !== 0) this.#traced('reads', cell, offset, size, value);
    return value;
  }

  write(offset: number, size: number, value: number): void {
    const cell = this.#writers[offset];
    if (this.#trace.mask !== 0) this.#traced('writes', cell, offset, size, value);
    if (cell !== undefined && cell.at === offset && cell.size === size) cell.write(value);
    else if (this.#split) this.#put(offset, size, value);
  }

  /** A read register by register; what no register answers reads as ones. */
  #get(offset: number, size: number, effects: boolean): number {
    const exact = this.#readers[offset];
    if (!this.#split && (exact === undefined || exact.at !== offset || exact.size !== size)) return registerMask(size);
    let result = 0;
    for (let done = 0; done < size; ) {
      const at = offset + done;
      const cell = this.#readers[at];
      const count = cell === undefined ? 1 : Math.min(cell.end - at, size - done);
      const value = cell === undefined ? 0xff : effects ? cell.read() : cell.peek();
      const part = cell === undefined ? 0xff : (value >>> (8 * (at - cell.at))) & registerMask(count);
      result |= part << (8 * done);
      done += count;
    }
    return result >>> 0;
  }

  #put(offset: number, size: number, value: number): void {
    for (let done = 0; done < size; ) {
      const at = offset + done;
      const cell = this.#writers[at];
      const count = cell === undefined ? 1 : Math.min(cell.end - at, size - done);
      if (cell !== undefined) {
        const part = ((value >>> (8 * done)) & registerMask(count)) >>> 0;
        if (count === cell.size) cell.write(part);
        else cell.writePart(at - cell.at, count, part);
      }
      done += count;
    }
  }

  #traced(verb: string, cell: Cell | undefined, offset: number, size: number, value: number): void {
    if ((this.#trace.mask & TRACE.register) === 0) return;
    this.#trace.emit(
      'register',
      this.name,
      `${verb} ${cell?.name ?? `offset ${hex(offset)}`}${cell !== undefined && cell.size !== size ? ` (${size} bytes)` : ''} ${hex(value)}`,
    );
  }
}

/** A window that the behaviour answers itself. */
export class HandledWindow implements Window {
  readonly kind = 'window';
  readonly name: string;
  readonly size: number;
  readonly #behaviour: HandlerBehaviour;

  constructor(name: string, declaration: HandlerWindow, behaviour: HandlerBehaviour) {
    this.name = name;
    this.size = declaration.size;
    this.#behaviour = behaviour;
  }

  peek(offset: number, size: number): number {
    return (this.#behaviour.peek(offset, size) & registerMask(size)) >>> 0;
  }

  read(offset: number, size: number): number {
    const { read } = this.#behaviour;
    return read === undefined
      ? this.peek(offset, size)
      : (this.#behaviour.read!(offset, size) & registerMask(size)) >>> 0;
  }

  write(offset: number, size: number, value: number): void {
    this.#behaviour.write?.(offset, size, (value & registerMask(size)) >>> 0);
  }
}
