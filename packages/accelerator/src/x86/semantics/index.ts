import { bitManipulation } from './bit-manipulation.ts';
import type { Description } from './description.ts';
import { flow } from './flow.ts';
import { integer } from './integer.ts';
import { strings } from './string.ts';
import { system } from './system.ts';
import { vectorCompare } from './vector-compare.ts';
import { vectorConvert } from './vector-convert.ts';
import { vectorCrypto } from './vector-crypto.ts';
import { vectorFloat } from './vector-float.ts';
import { vectorInteger } from './vector-integer.ts';
import { vectorMove } from './vector-move.ts';
import { vectorSha } from './vector-sha.ts';
import { vectorShuffle } from './vector-shuffle.ts';
import { vectorSse4 } from './vector-sse4.ts';
import { vectorString } from './vector-string.ts';
import { x87 } from './x87.ts';

const DESCRIPTIONS: Readonly<Record<string, Description>> = {
  ...integer,
  ...bitManipulation,
  ...flow,
  ...strings,
  ...system,
  ...vectorMove,
  ...vectorInteger,
  ...vectorShuffle,
  ...vectorFloat,
  ...vectorCompare,
  ...vectorConvert,
  ...vectorSse4,
  ...vectorCrypto,
  ...vectorSha,
  ...vectorString,
  ...x87,
};

/** Condition codes by the suffix of the mnemonic, in the order of their numbers (SDM vol. 1 appendix B). */
const CONDITIONS = ['o', 'no', 'b', 'nb', 'z', 'nz', 'be', 'nbe', 's', 'ns', 'p', 'np', 'l', 'nl', 'le', 'nle'];
const CONDITIONAL = /^(j|set|cmov)(n?[obzsplx]e?|n?be|n?le)$/;

/** The condition code in a mnemonic such as `jnz`; 0 in one without. */
export function conditionOf(mnemonic: string): number {
  const suffix = CONDITIONAL.exec(mnemonic)?.[2];
  return suffix === undefined ? 0 : Math.max(0, CONDITIONS.indexOf(suffix));
}

/**
 * The description of an instruction by its mnemonic. Instructions without one are *escapes*: the engine calls
 * TypeScript (`escapes/`) for them, since they are rare or work on state that code cannot keep in registers.
 */
export function descriptionOf(mnemonic: string): Description | undefined {
  const suffix = CONDITIONAL.exec(mnemonic);
  if (suffix && CONDITIONS.includes(suffix[2]!)) return DESCRIPTIONS[`${suffix[1]}cc`];
  return DESCRIPTIONS[mnemonic];
}
