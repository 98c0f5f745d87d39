import { describe, expect, test } from '@jest/globals';
import { readOptions, Usage } from './options.ts';
import { PROGRAMS } from './programs.ts';

describe('options', () => {
  test('without any, everything', () => {
    expect(readOptions([])).toEqual({
      peers: ['soft', 'tcg', 'v86', 'native'],
      programs: PROGRAMS,
      workingSets: true,
      bits: [32, 64],
      runs: 3,
      limit: 120,
      json: undefined,
      write: false,
    });
  });
  test('filters keep the order of the table', () => {
    expect(readOptions(['--only', 'tcg,soft', '--programs', 'fib,md5', '--bits', '64', '--runs', '1'])).toMatchObject({
      peers: ['soft', 'tcg'],
      programs: [{ name: 'md5' }, { name: 'fib' }],
      workingSets: false,
      bits: [64],
      runs: 1,
    });
  });
  test.each([
    [['--only', 'bochs'], 'no contestant "bochs"'],
    [['--programs', 'fob'], 'no program "fob"'],
    [['--bits', '16'], 'no width "16"'],
    [['--runs', '0'], '--runs must be a whole number'],
    [['--fast'], '--fast'],
  ])('%j is a mistake', (args, sentence) => {
    expect(() => readOptions(args)).toThrow(Usage);
    expect(() => readOptions(args)).toThrow(sentence);
  });
});
