import { listed, MainboardError } from './errors.ts';

/** A setting of a device or a machine: its default, what values it takes, and how a command line spells them. */
export interface Property<T> {
  /** What kind of value, for help texts: `number`, `size`, `text`, `flag`, `file`, or the alternatives. */
  readonly type: string;
  readonly default: T;
  /** One line for people. */
  readonly description: string;
  /** @returns what is wrong with the value, as the end of a sentence; undefined when nothing is. */
  check(value: unknown): string | undefined;
  /** Reads a value from text; {@link check} judges it. @returns undefined when the text is no such thing. */
  parse(text: string): T | undefined;
  /** The same property with a description. */
  about(description: string): Property<T>;
}
export type PropertyTable = Readonly<Record<string, Property<unknown>>>;
/** The values that a table of properties describes. */
export type ValuesOf<P> = { readonly [K in keyof P]: P[K] extends Property<infer T> ? T : never };

type Rules<T> = Omit<Property<T>, 'about' | 'description'>;
const property = <T>(rules: Rules<T>, description = ''): Property<T> => ({
  ...rules,
  description,
  about: text => property(rules, text),
});

export interface NumberLimits {
  readonly min?: number;
  readonly max?: number;
}

const inLimits = (value: unknown, { min = 0, max = 0xffff_ffff }: NumberLimits): string | undefined =>
  Number.isInteger(value) && (value as number) >= min && (value as number) <= max
    ? undefined
    : `must be a whole number from ${min} to ${max}`;

/** A whole number of 32 bits, unsigned; `0x` for hexadecimal. */
export const u32 = (byDefault: number, limits: NumberLimits = {}): Property<number> =>
  property({
    type: 'number',
    default: byDefault,
    check: value => inLimits(value, limits),
    parse: text => (/^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : undefined),
  });

/** One of some words; the first is the default. */
export const oneOf = <const T extends string>(byDefault: T, ...others: T[]): Property<T> => {
  const words: readonly string[] = [byDefault, ...others];
  return property<T>({
    type: words.join('|'),
    default: byDefault,
    check: value => (words.includes(value as string) ? undefined : `must be one of ${listed(words)}`),
    parse: text => text as T,
  });
};

/** Yes or no. */
export const flag = (byDefault = false): Property<boolean> =>
  property({
    type: 'flag',
    default: byDefault,
    check: value => (typeof value === 'boolean' ? undefined : 'must be on or off'),
    parse: text => (/^(on|yes|true|1)$/i.test(text) ? true : /^(off|no|false|0)$/i.test(text) ? false : undefined),
  });

/** Any text. */
export const text = (byDefault = ''): Property<string> =>
  property({
    type: 'text',
    default: byDefault,
    check: value => (typeof value === 'string' ? undefined : 'must be text'),
    parse: given => given,
  });

export interface SizeLimits extends NumberLimits {
  /** The size must be a multiple of this many bytes. */
  readonly align?: number;
}
const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** Bytes of `256M`, `64K`, `4096` (K, M, G, T are powers of 1024). @returns undefined for anything else. */
export const parseSize = (given: string): number | undefined => {
  const [, digits, unit] = /^(\d+)([KMGT]?)(?:i?B)?$/i.exec(given.trim()) ?? [];
  return digits === undefined ? undefined : Number(digits) * UNITS[unit!.toUpperCase()]!;
};

/** Bytes as people write them: `256M`. */
export const formatSize = (bytes: number): string => {
  for (const unit of ['T', 'G', 'M', 'K'])
    if (bytes >= UNITS[unit]! && bytes % UNITS[unit]! === 0) return `${bytes / UNITS[unit]!}${unit}`;
  return `${bytes}`;
};

/** A number of bytes, such as `256M`. */
export const size = (
  byDefault: string | number,
  { min = 0, max = Number.MAX_SAFE_INTEGER, align = 1 }: SizeLimits = {},
): Property<number> =>
  property({
    type: 'size',
    default: typeof byDefault === 'number' ? byDefault : parseSize(byDefault)!,
    check: value =>
      Number.isInteger(value) && (value as number) >= min && (value as number) <= max && (value as number) % align === 0
        ? undefined
        : `must be a size from ${formatSize(min)} to ${formatSize(max)}${align > 1 ? ` in steps of ${formatSize(align)}` : ''}, such as 256M`,
    parse: parseSize,
  });

/** A file of the host's, read: core and devices open no files, whoever takes the option reads it. */
export interface FileContents {
  /** As given, for messages. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The contents of a file, or undefined. On a command line it is a path, and the command reads it. */
export const file = (): Property<FileContents | undefined> =>
  property<FileContents | undefined>({
    type: 'file',
    default: undefined,
    check: value =>
      value === undefined || (value as Partial<FileContents> | null)?.bytes instanceof Uint8Array
        ? undefined
        : 'must be the name and the bytes of a file',
    parse: () => undefined,
  });

/** The same property, but it may also be absent, and is unless given. */
export const optional = <T>(of: Property<T>): Property<T | undefined> =>
  property<T | undefined>(
    {
      type: of.type,
      default: undefined,
      check: value => (value === undefined ? undefined : of.check(value)),
      parse: of.parse,
    },
    of.description,
  );

/**
 * Fills in defaults and checks what is given.
 * @param owner what the messages call the owner, such as `device com1`.
 * @throws MainboardError `unknown-property`, `bad-property`
 */
export function resolveProperties(
  owner: string,
  table: PropertyTable,
  given: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(table, name)) {
      throw new MainboardError(
        'unknown-property',
        `${owner} has no property "${name}"; it has ${listed(Object.keys(table))}.`,
        { owner, property: name },
      );
    }
  }
  return Object.fromEntries(
    Object.entries(table).map(([name, declared]) => {
      const value = given[name] === undefined ? declared.default : given[name];
      const wrong = declared.check(value);
      if (wrong !== undefined) {
        throw new MainboardError('bad-property', `${owner}: ${name} ${wrong}, not ${JSON.stringify(value) ?? value}.`, {
          owner,
          property: name,
          value,
        });
      }
      return [name, value];
    }),
  );
}

/** Reads one property from text, as on a command line. @throws MainboardError `unknown-property`, `bad-property` */
export function parseProperty(owner: string, table: PropertyTable, name: string, given: string): unknown {
  const declared = Object.hasOwn(table, name) ? table[name]! : undefined;
  if (declared === undefined) {
    throw new MainboardError(
      'unknown-property',
      `${owner} has no property "${name}"; it has ${listed(Object.keys(table))}.`,
      { owner, property: name },
    );
  }
  const value = declared.parse(given);
  const wrong = value === undefined ? (declared.check(Number.NaN) ?? 'cannot be given as text') : declared.check(value);
  if (wrong !== undefined)
    throw new MainboardError('bad-property', `${owner}: ${name} ${wrong}, not "${given}".`, {
      owner,
      property: name,
      value: given,
    });
  return value;
}
