import { expect, test } from '@jest/globals';
import { hasFeature } from '../cpuid.ts';
import { ROWS } from '../isa/rows.ts';
import { descriptionOf } from '../semantics/index.ts';
import { ESCAPES } from './index.ts';

const claimed = ROWS.filter(({ cpuid }) => cpuid === undefined || hasFeature(cpuid));

test('every instruction of the CPUID features we claim has a description or an escape', () => {
  const missing = claimed
    .map(({ mnemonic }) => mnemonic)
    .filter(name => !descriptionOf(name) && !Object.hasOwn(ESCAPES, name));
  expect([...new Set(missing)].sort()).toEqual([]);
});

test('every escape is an instruction of the tables', () => {
  const known = new Set<string>(ROWS.map(({ mnemonic }) => mnemonic));
  expect(Object.keys(ESCAPES).filter(name => !known.has(name))).toEqual([]);
});
