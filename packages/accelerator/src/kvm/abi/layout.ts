/** A C scalar. Its size is its alignment too, as on x86-64. */
export interface Scalar {
  readonly c: string;
  readonly size: 1 | 2 | 4 | 8;
}
export const u8: Scalar = { c: '__u8', size: 1 };
export const u16: Scalar = { c: '__u16', size: 2 };
export const u32: Scalar = { c: '__u32', size: 4 };
export const s32: Scalar = { c: '__s32', size: 4 };
export const u64: Scalar = { c: '__u64', size: 8 };
export const s64: Scalar = { c: '__s64', size: 8 };

/** A row of a layout: offset in bytes, type, and for an array its length (0 for a flexible array member). */
export type Row = readonly [offset: number, type: Scalar | Layout, count?: number];

export interface Field {
  readonly offset: number;
  readonly type: Scalar | Layout;
  readonly count: number;
  /** Bytes, all elements of an array together. */
  readonly size: number;
}

/** A C struct as data. Names are those of the header, dots for members of members (`io.port`). */
export interface Layout<Name extends string = string> {
  /** With its keyword: `struct kvm_regs`. */
  readonly c: string;
  readonly size: number;
  readonly fields: Readonly<Record<Name, Field>>;
}

/** Writes down a C struct. Nothing is computed: the header's probe in `abi.test.ts` compares every number. */
export const layout = <Name extends string>(c: string, size: number, rows: Record<Name, Row>): Layout<Name> => ({
  c,
  size,
  fields: Object.fromEntries(
    Object.entries<Row>(rows).map(([name, [offset, type, count = 1]]) => [
      name,
      { offset, type, count, size: type.size * count },
    ]),
  ) as Record<Name, Field>,
});

/** One C struct in memory of its own, to be filled in, passed to the kernel and read. */
export class Struct<Name extends string> {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #layout: Layout<Name>;

  /** @param trailing bytes for a flexible array member. */
  constructor(layout: Layout<Name>, trailing = 0) {
    this.#layout = layout;
    this.bytes = new Uint8Array(layout.size + trailing);
    this.view = new DataView(this.bytes.buffer);
  }

  /** @returns a field of at most 32 bits. */
  get(name: Name): number {
    const { offset, type } = this.#layout.fields[name];
    return type.size === 1
      ? this.view.getUint8(offset)
      : type.size === 2
        ? this.view.getUint16(offset, true)
        : this.view.getUint32(offset, true);
  }

  /** Sets a field of at most 32 bits. */
  set(name: Name, value: number): void {
    const { offset, type } = this.#layout.fields[name];
    if (type.size === 1) this.view.setUint8(offset, value);
    else if (type.size === 2) this.view.setUint16(offset, value, true);
    else this.view.setUint32(offset, value, true);
  }

  /** @returns a 64-bit field, or an element of an array of them. */
  get64(name: Name, index = 0): bigint {
    return this.view.getBigUint64(this.#layout.fields[name].offset + 8 * index, true);
  }

  set64(name: Name, value: bigint, index = 0): void {
    this.view.setBigUint64(this.#layout.fields[name].offset + 8 * index, value, true);
  }
}
