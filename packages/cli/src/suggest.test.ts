import { expect, test } from '@jest/globals';
import { suggest } from './suggest.ts';

const NAMES = ['bare', 'microvm', 'memory', 'run'];

test.each([
  ['micovm', ' Did you mean microvm?'],
  ['memroy', ' Did you mean memory?'],
  ['rnu', ' Did you mean run?'],
  ['Bare', ' Did you mean bare?'],
  ['q35', ''],
  ['xyzzy', ''],
])('%s', (given, suggestion) => {
  expect(suggest(given, NAMES)).toBe(suggestion);
});

test('nothing to choose from', () => {
  expect(suggest('x', [])).toBe('');
});
