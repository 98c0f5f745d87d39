import { describe, expect, test } from '@jest/globals';
import { costOf, RegionCache } from './region-cache.ts';

const WASM = 5000;

function full(regions: number, limits: { regions: number; bytes: number }) {
  const cache = new RegionCache<{ handler: number }>(limits);
  const all = Array.from({ length: regions }, (_, handler) => ({ handler }));
  for (const region of all) cache.add(region, WASM);
  return { cache, all };
}

describe('what goes before a region is added', () => {
  test('nothing as long as number and bytes are within their limits', () => {
    const { cache } = full(3, { regions: 4, bytes: 4 * costOf(WASM) });
    expect(cache.excess(WASM)).toEqual([]);
  });

  test('one at the limit of regions: the first', () => {
    const { cache, all } = full(4, { regions: 4, bytes: Number.POSITIVE_INFINITY });
    expect(cache.excess(WASM)).toEqual([all[0]]);
  });

  test('as many as make room at the limit of bytes', () => {
    const { cache, all } = full(4, { regions: 100, bytes: 4 * costOf(WASM) });
    expect(cache.excess(1)).toEqual([all[0]]);
    expect(cache.excess(WASM + 1)).toEqual([all[0], all[1]]);
  });

  test('all, if the new one alone is more than the limit', () => {
    const { cache, all } = full(4, { regions: 100, bytes: 4 * costOf(WASM) });
    expect(cache.excess(10 * costOf(WASM))).toEqual(all);
  });

  test('not what was seen running since', () => {
    const { cache, all } = full(4, { regions: 4, bytes: Number.POSITIVE_INFINITY });
    cache.seen(0);
    cache.seen(7); // nobody's
    expect(cache.excess(WASM)).toEqual([all[1]]);
    expect(cache.all).toEqual([all[1], all[2], all[3], all[0]]);
  });
});

test('what is deleted costs nothing, and is deleted once, also if its handler has become another region’s', () => {
  const { cache, all } = full(2, { regions: 4, bytes: 4 * costOf(WASM) });
  expect(cache.bytes).toBe(2 * costOf(WASM));
  expect(cache.delete(all[0]!)).toBe(true);
  expect(cache.delete(all[0]!)).toBe(false);
  expect([cache.size, cache.bytes]).toEqual([1, costOf(WASM)]);
  const other = { handler: 0 };
  cache.add(other, WASM);
  expect(cache.delete(all[0]!)).toBe(false);
  expect(cache.get(0)).toBe(other);
});
