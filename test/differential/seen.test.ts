import { expect, test } from '@jest/globals';
import { Seen } from './seen.ts';

test('a text is new once', () => {
  const seen = new Seen();
  expect([seen.add('a'), seen.add('b'), seen.add('a')]).toEqual([true, true, false]);
  expect(seen.size).toBe(2);
});

test('of many texts that differ little, hardly any is taken for another', () => {
  const seen = new Seen();
  for (let n = 0; n < 100_000; n++) seen.add(`417 64 64 0 [bi3d8] 3  ${n}`);
  expect(seen.size).toBeGreaterThan(99_000);
});
