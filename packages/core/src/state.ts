/** What a device may keep in `state`: plain values, typed arrays of fixed length, and lists of numbers (FIFOs). */
export type StateValue = number | boolean | string | StateArray | readonly number[];
export type StateArray = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;
export type StateTable = Readonly<Record<string, StateValue>>;

/** `count` bytes, zero after reset. */
export const bytes = (count: number): Uint8Array => new Uint8Array(count);
/** `count` unsigned numbers of 32 bits, zero after reset. */
export const words = (count: number): Uint32Array => new Uint32Array(count);
/** `count` numbers of any kind (times in nanoseconds), zero after reset. */
export const numbers = (count: number): Float64Array => new Float64Array(count);

type Widened<V> = V extends boolean
  ? boolean
  : V extends number
    ? number
    : V extends string
      ? string
      : V extends StateArray
        ? V
        : number[];
/** State in the hands of its device: arrays keep their identity over reset and restore, their contents change. */
export type StateOf<T> = {
  -readonly [K in keyof T as T[K] extends StateArray | readonly unknown[] ? never : K]: Widened<T[K]>;
} & { readonly [K in keyof T as T[K] extends StateArray | readonly unknown[] ? K : never]: Widened<T[K]> };

type Stored = Record<string, number | boolean | string | StateArray | number[]>;

const copied = (value: StateValue): Stored[string] =>
  typeof value === 'object' ? (value.slice() as StateArray | number[]) : value;

/** Deep copy of declared or live state. */
export const copyState = (from: StateTable): Stored =>
  Object.fromEntries(Object.entries(from).map(([name, value]) => [name, copied(value)]));

/** Copies `from` into `into`, except the names in `kept`; arrays in place. */
export function assignState(into: Stored, from: StateTable, kept: ReadonlySet<string>): void {
  for (const name of Object.keys(into)) {
    const value = from[name];
    if (value === undefined || kept.has(name)) continue;
    const target = into[name]!;
    if (Array.isArray(target)) target.splice(0, target.length, ...(value as readonly number[]));
    else if (typeof target === 'object') target.set((value as StateArray).subarray(0, target.length));
    else into[name] = value as number | boolean | string;
  }
}
