/** What run.mjs runs. */
import { parseArgs } from 'node:util';
import { hasFeature } from '../../packages/accelerator/src/x86/cpuid.ts';
import type { Feature, Row } from '../../packages/accelerator/src/x86/isa/row.ts';
import type { Bits } from './case.ts';
import { differences } from './compare.ts';
import { coverageOf, nameOf } from './coverage.ts';
import { directedRows } from './directed.ts';
import { userRows } from './rows.ts';
import { type Divergence, Runner, TIERS, type Tier } from './runner.ts';
import { disassemble, formatOutcome, parseCase, report } from './show.ts';
import { shrink } from './shrink.ts';
import { Silicon, siliconFeatures } from './silicon.ts';
import { Software } from './software.ts';

const USAGE = `usage: npm run differential -- [--seconds N] [--seed N] [--bits 16|32|64|all] [--tiers off,eager] [--rows TEXT] [--shown N] [--directed]
         random cases; TEXT is a mnemonic or an opcode as in the tables: 'shl', '0f ac'; --directed also runs the
         directed tests, and says which rows of the tables are executed by either
       npm run differential -- [--tiers …] --case 'code=… rax=… …'
         one case, as a report has it`;
/** Sequences of each row between two looks at the clock. */
const BATCH = 1;

interface Options {
  readonly bits: readonly Bits[];
  readonly tiers: readonly Tier[];
  readonly seconds: number;
  readonly seed: number;
  readonly rows: string;
  readonly shown: number;
  readonly directed: boolean;
}

/** @returns the exit status. */
function one(text: string, tiers: readonly Tier[], silicon: Silicon): number {
  const c = parseCase(text);
  console.log(disassemble(c).join('\n'));
  const [there] = silicon.run([c]);
  console.log(`silicon: ${formatOutcome(there!)}`);
  let status = 0;
  for (const tier of tiers) {
    const found = differences(there!, new Software(tier).run(c));
    for (const d of found) console.log(`${tier}: ${d.what}: silicon ${d.silicon}, software ${d.software}`);
    if (found.length === 0) console.log(`${tier}: no difference`);
    else status = 1;
  }
  return status;
}

function many({ bits, tiers, seconds, seed, rows: wanted, shown, directed }: Options, silicon: Silicon): number {
  const onSilicon = siliconFeatures();
  const has = (feature: Feature): boolean => onSilicon(feature) && hasFeature(feature);
  const isWanted = ({ opcode, mnemonic }: Row): boolean => wanted === '' || mnemonic === wanted || opcode === wanted;
  const runners = bits.map(width => {
    const rows = userRows(width, has).filter(isWanted);
    return { width, rows, runner: new Runner(silicon, tiers, rows, width, has, seed) };
  });
  /** One of each kind: what differs, on which instruction, in which tier. */
  const kinds = new Map<string, readonly [Divergence, Runner]>();
  const begin = Date.now();
  let divergences = 0;
  do {
    for (const { runner } of runners) {
      for (const divergence of runner.batch(BATCH)) {
        divergences++;
        const kind = `${divergence.case.row.mnemonic} ${divergence.differences[0]!.what} ${divergence.tier}`;
        if (!kinds.has(kind)) kinds.set(kind, [divergence, runner]);
      }
    }
  } while (Date.now() < begin + seconds * 1000);
  const took = (Date.now() - begin) / 1000;
  for (const [divergence, runner] of [...kinds.values()].slice(0, shown))
    console.log(`${report(shrink(divergence, runner, has))}\n`);
  for (const [kind] of [...kinds].slice(shown)) console.log(`also: ${kind}`);
  const sum = (of: (runner: Runner) => number): number => runners.reduce((n, { runner }) => n + of(runner), 0);
  const cases = sum(runner => runner.cases);
  console.log(
    `seed ${seed}, tiers ${tiers.join(' and ')}: ${sum(runner => runner.sequences)} sequences, ${cases} cases in ${took.toFixed(0)} s (${Math.round(cases / took)} a second), ${sum(runner => runner.faults)} of them faults`,
  );
  console.log(`${divergences} divergences of ${kinds.size} kinds`);
  for (const { width, rows, runner } of runners) {
    console.log(
      `${width}-bit code: ${runner.executed.size} of ${rows.length} rows executed, ${runner.combinations} combinations of form and outcome`,
    );
    const missed = rows.filter(row => !runner.executed.has(row));
    if (missed.length > 0) console.log(`  not: ${missed.map(nameOf).join(', ')}`);
  }
  if (!directed) return divergences === 0 ? 0 : 1;
  const { lines, neither } = coverageOf(new Set(runners.flatMap(({ runner }) => [...runner.executed])), directedRows());
  console.log(lines.join('\n'));
  return divergences + neither.length === 0 ? 0 : 1;
}

const { values } = parseArgs({
  options: {
    bits: { type: 'string', default: 'all' },
    tiers: { type: 'string', default: TIERS.join() },
    seconds: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    rows: { type: 'string', default: '' },
    shown: { type: 'string', default: '5' },
    directed: { type: 'boolean', default: false },
    case: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const WIDTHS: Readonly<Record<string, readonly Bits[]>> = { 16: [16], 32: [32], 64: [64], all: [64, 32, 16] };
const bits = WIDTHS[values.bits];
const tiers = TIERS.filter(tier => values.tiers.split(',').includes(tier));
const silicon = Silicon.build();
if (values.help || !bits || tiers.length === 0) {
  console.log(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else if (!(silicon instanceof Silicon)) {
  console.error(`There is no oracle: ${silicon.missing}.`);
  process.exitCode = 2;
} else {
  try {
    const { rows, directed } = values;
    const [seconds, seed, shown] = [Number(values.seconds), Number(values.seed), Number(values.shown)];
    process.exitCode =
      values.case === undefined
        ? many({ bits, tiers, seconds, seed, rows, shown, directed }, silicon)
        : one(values.case, tiers, silicon);
  } finally {
    silicon.dispose();
  }
}
