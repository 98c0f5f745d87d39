import { hex, MainboardError } from './errors.ts';

/** `rw`, read-only, write-only, or write-one-to-clear. */
export type Access = 'rw' | 'ro' | 'wo' | 'w1c';

/** Some neighbouring bits of a register. */
export interface Field {
  readonly shift: number;
  readonly width: number;
}
/** Bit `n`: a boolean in the behaviour. */
export const bit = <const N extends number>(n: N) => ({ shift: n, width: 1 }) as const;
/** Bits `high` down to `low`: a number in the behaviour. */
export const bits = (high: number, low: number): Field => ({ shift: low, width: high - low + 1 });

/** One row of a register table. */
export interface RegisterDeclaration {
  /** Offset in its window, in bytes. */
  readonly at: number;
  /** Bytes. */
  readonly size: 1 | 2 | 4;
  readonly access: Access;
  /** Value after reset; 0 unless told. */
  readonly reset?: number;
  /** Which bits the guest can change; all unless told. The others keep their value. */
  readonly writable?: number;
  readonly fields?: Readonly<Record<string, Field>>;
}
export type RegisterTable = Readonly<Record<string, RegisterDeclaration>>;

export const registerMask = (size: number): number => (size === 4 ? 0xffff_ffff : 2 ** (8 * size) - 1);

type FieldsOf<R extends RegisterDeclaration> = R extends { readonly fields: infer F }
  ? { -readonly [K in keyof F]: F[K] extends { readonly width: 1 } ? boolean : number }
  : unknown;
/** A register in the hands of its device: the whole value, and each field by name. Setting it has no side effect. */
export type RegisterOf<R extends RegisterDeclaration> = { value: number } & FieldsOf<R>;

/**
 * The stored values of a device's registers, in one array so that save, restore and reset are copies, and the
 * accessors that behaviours use. Field accessors sit on a prototype made once per register.
 */
export class RegisterFile {
  readonly names: readonly string[];
  readonly values: Uint32Array;
  /** `regs` of the device's context. */
  readonly accessors: Readonly<Record<string, { value: number }>>;
  readonly #resets: Uint32Array;
  readonly #masks: Uint32Array;

  constructor(table: RegisterTable) {
    const rows = Object.entries(table);
    this.names = rows.map(([name]) => name);
    this.#resets = Uint32Array.from(rows, ([, row]) => row.reset ?? 0);
    this.#masks = Uint32Array.from(rows, ([, row]) => registerMask(row.size));
    this.values = this.#resets.slice();
    const accessors: Record<string, { value: number }> = {};
    rows.forEach(([name, row], index) => {
      accessors[name] = this.#accessor(index, registerMask(row.size), row.fields ?? {});
    });
    this.accessors = Object.freeze(accessors);
  }

  /** Back to the declared values, except those in `kept`. */
  reset(kept: ReadonlySet<string>): void {
    for (let i = 0; i < this.values.length; i++) if (!kept.has(this.names[i]!)) this.values[i] = this.#resets[i]!;
  }

  save(): Record<string, number> {
    return Object.fromEntries(this.names.map((name, i) => [name, this.values[i]!]));
  }

  restore(saved: Readonly<Record<string, number>>): void {
    this.names.forEach((name, i) => {
      this.values[i] = (saved[name] ?? this.#resets[i]!) & this.#masks[i]!;
    });
  }

  #accessor(index: number, mask: number, fields: Readonly<Record<string, Field>>): { value: number } {
    const values = this.values;
    const accessor = Object.defineProperty({}, 'value', {
      enumerable: true,
      get: () => values[index]!,
      set: (value: number) => {
        values[index] = value & mask;
      },
    });
    for (const [field, { shift, width }] of Object.entries(fields)) {
      const ones = width === 32 ? 0xffff_ffff : 2 ** width - 1;
      const inPlace = (ones << shift) >>> 0;
      Object.defineProperty(accessor, field, {
        enumerable: true,
        get: width === 1 ? () => (values[index]! & inPlace) !== 0 : () => ((values[index]! >>> shift) & ones) >>> 0,
        set: (value: number | boolean) => {
          values[index] = (values[index]! & ~inPlace) | ((Number(value) << shift) & inPlace);
        },
      });
    }
    return Object.seal(accessor) as { value: number };
  }
}

/** Refuses tables in which two registers answer the same access, and fields beyond their register. */
export function checkRegisters(table: RegisterTable): void {
  const taken = new Map<string, string>();
  for (const [name, row] of Object.entries(table)) {
    for (const [field, { shift, width }] of Object.entries(row.fields ?? {})) {
      if (shift < 0 || width < 1 || shift + width > 8 * row.size) {
        throw new MainboardError(
          'bad-declaration',
          `Field ${name}.${field} lies outside its register of ${row.size} bytes.`,
          { register: name, field },
        );
      }
    }
    for (const direction of ['read', 'write'] as const) {
      if (row.access === (direction === 'read' ? 'wo' : 'ro')) continue;
      for (let at = row.at; at < row.at + row.size; at++) {
        const other = taken.get(`${direction}${at}`);
        if (other !== undefined) {
          throw new MainboardError(
            'overlap',
            `Registers ${other} and ${name} both answer a ${direction} at offset ${hex(at)}; make one read-only and the other write-only, or move one.`,
            { registers: [other, name], at },
          );
        }
        taken.set(`${direction}${at}`, name);
      }
    }
  }
}
