import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, jest, test } from '@jest/globals';

jest.setTimeout(120_000);

const ROUNDS = 6;
const REGIONS = 150;
/** Rounds after which the host has compiled what it compiles of the interpreter. */
const WARM = 2;
/** Stretches that may come to be otherwise. */
const SLACK = 40;

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

const linuxTest = process.platform === 'linux' ? test : test.skip; // executable memory is counted in /proc

linuxTest('compiled code that was given up goes back to the host', async () => {
  const loader = new URL('../differential/typescript.mjs', import.meta.url).href;
  const flags = ['--no-warnings', '--expose-gc', '--conditions=source', '--import', loader];
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...flags,
    here('compiled-code.fixture.mjs'),
    String(ROUNDS),
    String(REGIONS),
  ]);
  const rounds = JSON.parse(stdout) as { compiled: number; before: number; after: number }[];
  expect(rounds.map(({ compiled }) => compiled)).toEqual(new Array(ROUNDS).fill(REGIONS));
  expect(rounds[0]!.before).toBeGreaterThan(REGIONS / 2); // what is counted is what regions take
  expect(rounds.at(-1)!.after - rounds[WARM - 1]!.after).toBeLessThan(SLACK);
});
