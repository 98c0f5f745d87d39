import type { Descriptions } from './description.ts';
import { x87Arithmetic } from './x87-arithmetic.ts';
import { x87Compare } from './x87-compare.ts';
import { x87Transfer } from './x87-transfer.ts';

/** Descriptions of the x87 instructions that programs spend time in; the others are escapes (`x87/`). */
export const x87 = {
  ...x87Transfer,
  ...x87Arithmetic,
  ...x87Compare,
} satisfies Descriptions;
