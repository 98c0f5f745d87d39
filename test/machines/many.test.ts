import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, jest, test } from '@jest/globals';
import { kvm } from '../support/ways.ts';

jest.setTimeout(120_000);

const MACHINES = 10;
const ROUNDS = 8;
/**
 * What a round of ten machines may leave behind, as the median of the rounds: the host's compiler takes its memory at
 * once, at a time of its own, while a leak is there in every round. One machine touches some megabytes.
 */
const MEGABYTES = 2;

interface Count {
  readonly descriptors: number;
  readonly threads: number;
  readonly timers: number;
  readonly vcpuMaps: number;
  readonly guestMaps: number;
  readonly megabytes: number;
}
interface Counted {
  readonly start: Count;
  readonly rounds: readonly { readonly answers: readonly number[]; readonly running: Count; readonly after: Count }[];
}

/** Lets ten machines at a time come and go in a process of their own, where nobody else opens or maps anything. */
async function counted(ways: string): Promise<Counted> {
  const fixture = fileURLToPath(new URL('counting.fixture.mjs', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--no-warnings',
    '--expose-gc',
    fixture,
    ways,
    String(ROUNDS),
  ]);
  return JSON.parse(stdout) as Counted;
}

const HOST = process.platform === 'linux' ? undefined : 'descriptors and maps are counted in /proc';

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;

describe.each([
  ['soft', HOST],
  ['kvm', HOST ?? kvm.missing],
  ['soft,kvm,kvm-chips', HOST ?? kvm.missing],
])('ten machines at once in one process: %s', (ways, missing) => {
  const title = 'each answers for itself; disposing them gives back descriptors, threads, timers, maps and memory';
  if (missing !== undefined) {
    test.skip(`${title} (${missing})`, () => {});
    return;
  }
  test(title, async () => {
    const { start, rounds } = await counted(ways);
    expect(rounds.length).toBe(ROUNDS);
    const onKvm = Array.from({ length: MACHINES }, (_, i) => ways.split(',')[i % ways.split(',').length]).filter(
      way => way !== 'soft',
    ).length;
    // The first round starts threads of Node's pool that stay; from then on nothing is left behind.
    const { descriptors, threads } = rounds[0]!.after;
    for (const { answers, running, after } of rounds) {
      expect(answers).toEqual(Array.from({ length: MACHINES }, (_, number) => number));
      expect(running.timers).toBe(onKvm);
      expect(running.vcpuMaps).toBe(onKvm);
      expect(running.guestMaps).toBeGreaterThanOrEqual(MACHINES);
      expect(running.descriptors).toBeGreaterThanOrEqual(descriptors + 3 * onKvm);
      expect(after).toMatchObject({ descriptors, threads, timers: 0, vcpuMaps: 0, guestMaps: start.guestMaps });
    }
    const growth = rounds.slice(1).map(({ after }, n) => after.megabytes - rounds[n]!.after.megabytes);
    expect(median(growth)).toBeLessThanOrEqual(MEGABYTES);
  });
});
