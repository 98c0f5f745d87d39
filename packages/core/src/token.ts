declare const serves: unique symbol;

/** A symbol that carries the type of what it stands for; every binding in a container uses one. */
export type Token<T> = symbol & { readonly [serves]: T };

/** Makes a token. `name` shows up in error messages only; two tokens of one name are still two. */
export const token = <T>(name: string): Token<T> => Symbol(name) as Token<T>;

/** The type that a token stands for. */
export type Served<K> = K extends { readonly [serves]: infer T } ? T : never;
