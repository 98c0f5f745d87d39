import { expect, test } from '@jest/globals';
import { STATE } from './state.ts';

test('no two fields of the state have one place', () => {
  const offsets = Object.values(STATE);
  expect(offsets.filter((at, n) => offsets.indexOf(at) !== n)).toEqual([]);
});
