import { expect, test } from '@jest/globals';
import { ROWS } from '../../packages/accelerator/src/x86/isa/rows.ts';
import { coverageOf } from './coverage.ts';

const lgdt = ROWS.find(({ mnemonic }) => mnemonic === 'lgdt')!;
const others = ROWS.filter(row => row !== lgdt);
const indices = (rows: typeof others): Set<number> => new Set(rows.map(({ index }) => index));

test('a privileged row that the tester saw refused is executed by directed tests or by neither', () => {
  expect(coverageOf(new Set(ROWS), indices(others)).neither).toEqual([lgdt]);
  expect(coverageOf(new Set(), indices([...ROWS])).neither).toEqual([]);
});

test('rows of features that no model has are not asked for', () => {
  const { neither } = coverageOf(new Set(), new Set());
  expect(neither.some(({ mnemonic }) => mnemonic === 'rdrand')).toBe(false);
  expect(neither.some(({ mnemonic }) => mnemonic === 'add')).toBe(true);
});
