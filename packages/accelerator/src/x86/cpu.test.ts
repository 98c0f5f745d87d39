import { expect, test } from '@jest/globals';
import { TestBench } from './test-bench.ts';

const MODES = [
  ['real', 6],
  ['v86', 6],
] as const;
test.each(MODES)('SDM vol. 2 §2.3: VEX is #UD in %s mode', (mode, vector) => {
  const bench = new TestBench()[mode]();
  expect(bench.run('c4e270f2c2')).toEqual({ vector, error: 0 });
  expect(bench.cpu.hasVex).toBe(false);
});
