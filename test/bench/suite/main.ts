/** What run.mjs runs. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { ARCHITECTURE, type Guest, kernelVersion, makeGuest } from './guest.ts';
import { measurePrograms, measureWorkingSets, type Plan } from './measure.ts';
import { type Options, readOptions, USAGE, Usage } from './options.ts';
import { makePeer, type Peer } from './peers.ts';
import { markdown, text } from './report.ts';
import type { Results } from './results.ts';
import { summary } from './summary.ts';
import { firstLine, Missing } from './tools.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const cache = fileURLToPath(new URL('../../../.cache/bench', import.meta.url));

function commit(): string {
  const git = (...args: string[]): string =>
    spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout?.trim() ?? '';
  const short = git('rev-parse', '--short=10', 'HEAD');
  if (short === '') return 'unknown';
  return git('status', '--porcelain', '--untracked-files=no') === '' ? short : `${short} and changes`;
}

/** @returns those that can take part; the results say why others cannot. */
function findPeers({ peers }: Options, version: string, results: Results): Peer[] {
  return peers.flatMap(name => {
    try {
      const peer = makePeer(name, version, cache);
      if (peer.version !== '') results.versions[name] = peer.version;
      return [peer];
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      results.missing[name] = error.message;
      return [];
    }
  });
}

async function findGuests({ bits }: Options, results: Results): Promise<Guest[]> {
  const guests: Guest[] = [];
  for (const width of bits)
    try {
      const guest = await makeGuest(width, cache);
      results.versions[`Linux ${ARCHITECTURE[width]}`] = kernelVersion(guest.kernel);
      guests.push(guest);
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      results.missing[`the ${width}-bit guest`] = error.message;
    }
  return guests;
}

/** @returns the exit status: 1 where a program gave a wrong result. */
async function bench(options: Options): Promise<number> {
  const results: Results = {
    machine: { cpu: cpus()[0]?.model ?? '?', cores: cpus().length, memory: totalmem() / 2 ** 20 },
    versions: { node: process.version },
    missing: {},
    runs: options.runs,
    limit: options.limit,
    boots: [],
    programs: [],
    memory: [],
    workingSets: [],
  };
  const guests = await findGuests(options, results);
  if (guests.length > 0) results.versions.gcc = firstLine('gcc', '-dumpfullversion');
  const peers = findPeers(options, commit(), results);
  const plan: Plan = { runs: options.runs, limit: options.limit * 1000, say: what => console.error(what) };
  for (const guest of guests) {
    if (options.programs.length > 0) await measurePrograms(guest, peers, options.programs, results, plan);
    if (options.workingSets && guest.bits === 64) await measureWorkingSets(guest, peers, results, plan);
  }
  console.log(text(results));
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ ...results, summary: summary(results) }, undefined, 2)}\n`);
  if (options.write)
    writeFileSync(fileURLToPath(new URL('../../../docs/benchmarks.md', import.meta.url)), markdown(results));
  const troubles = results.programs.flatMap(({ cells }) => Object.values(cells).map(({ trouble }) => trouble?.kind));
  return troubles.includes('wrong') ? 1 : 0;
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') console.log(USAGE);
  else process.exitCode = await bench(options);
} catch (error) {
  if (!(error instanceof Usage)) throw error;
  console.error(`bench: ${error.message}.\n${USAGE}`);
  process.exitCode = 2;
}
