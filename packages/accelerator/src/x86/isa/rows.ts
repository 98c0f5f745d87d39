import { MMX } from './mmx.ts';
import { ONE_BYTE } from './one-byte.ts';
import type { Row } from './row.ts';
import { SSE_FLOAT } from './sse-float.ts';
import { SSE_INTEGER } from './sse-integer.ts';
import { THREE_BYTE } from './three-byte.ts';
import { TWO_BYTE } from './two-byte.ts';
import { X87 } from './x87.ts';

const TABLES = [...ONE_BYTE, ...TWO_BYTE, ...X87, ...MMX, ...SSE_FLOAT, ...SSE_INTEGER, ...THREE_BYTE] as const;

/** Every mnemonic of the tables. `Record<Mnemonic, …>` makes a missing semantics a compile error. */
export type Mnemonic = (typeof TABLES)[number]['mnemonic'];

/** Every instruction form, numbered. */
export const ROWS: readonly Row<Mnemonic>[] = TABLES.map((row, index) => ({ ...row, index }));
