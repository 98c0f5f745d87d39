import { parseArgs } from 'node:util';
import { type Bits, PROGRAMS, type Program } from './programs.ts';
import { PEERS, type PeerName } from './results.ts';

export const USAGE = `usage: npm run bench -- [options]
  --only NAMES      contestants, of ${PEERS.join(',')}
  --programs NAMES  of ${PROGRAMS.map(({ name }) => name).join(',')},
                    working-sets; all unless told
  --bits 32|64      both unless told
  --runs N          runs of each program, and boots (3)
  --limit SECONDS   that a program may take (120)
  --json FILE       the results as JSON too
  --write           the tables to docs/benchmarks.md too`;

export const WORKING_SETS_NAME = 'working-sets';

export interface Options {
  readonly peers: readonly PeerName[];
  readonly programs: readonly Program[];
  readonly workingSets: boolean;
  readonly bits: readonly Bits[];
  readonly runs: number;
  /** Seconds. */
  readonly limit: number;
  readonly json: string | undefined;
  readonly write: boolean;
}

/** A mistake in the arguments, in a sentence. */
export class Usage extends Error {}

function names<T extends string>(given: string | undefined, known: readonly T[], what: string): readonly T[] {
  if (given === undefined) return known;
  const list = given.split(',');
  const wrong = list.find(name => !known.includes(name as T));
  if (wrong !== undefined) throw new Usage(`there is no ${what} "${wrong}"; there are ${known.join(', ')}`);
  return known.filter(name => list.includes(name));
}

function positive(given: string, option: string): number {
  const value = Number(given);
  if (!Number.isInteger(value) || value < 1)
    throw new Usage(`--${option} must be a whole number from 1, not "${given}"`);
  return value;
}

/** @throws {Usage} */
export function readOptions(args: readonly string[]): Options | 'help' {
  let values: Record<string, string | boolean | undefined>;
  try {
    const text = { type: 'string' } as const;
    const flag = { type: 'boolean' } as const;
    ({ values } = parseArgs({
      args: [...args],
      options: { only: text, programs: text, bits: text, runs: text, limit: text, json: text, write: flag, help: flag },
    }));
  } catch (error) {
    throw new Usage((error as Error).message);
  }
  if (values.help) return 'help';
  const { only, programs, bits, runs = '3', limit = '120', json, write } = values as Record<string, string | undefined>;
  const wanted = names(programs, [...PROGRAMS.map(({ name }) => name), WORKING_SETS_NAME], 'program');
  return {
    peers: names(only, PEERS, 'contestant'),
    programs: PROGRAMS.filter(({ name }) => wanted.includes(name)),
    workingSets: wanted.includes(WORKING_SETS_NAME),
    bits: names(bits, ['32', '64'], 'width').map(width => Number(width) as Bits),
    runs: positive(runs, 'runs'),
    limit: positive(limit, 'limit'),
    json,
    write: write !== undefined,
  };
}
