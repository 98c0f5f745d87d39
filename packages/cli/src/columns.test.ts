import { expect, test } from '@jest/globals';
import { columns } from './columns.ts';

test('columns are as wide as their widest cell; lines have no blanks at their end', () => {
  expect(
    columns([
      ['a', 'long', ''],
      ['bcd', 'x', 'y'],
    ]),
  ).toBe('  a    long\n  bcd  x     y\n');
});

test('rows may be short, or none', () => {
  expect(columns([['a'], ['bc', 'd']], '')).toBe('a\nbc  d\n');
  expect(columns([])).toBe('');
});
