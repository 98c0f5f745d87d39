/** What run.mjs runs. */
import { parseArgs } from 'node:util';
import { hasFeature } from '../../packages/accelerator/src/x86/cpuid.ts';
import type { Feature, Row } from '../../packages/accelerator/src/x86/isa/row.ts';
import type { Bits } from './case.ts';
import { differences } from './compare.ts';
import { integerRows } from './rows.ts';
import { type Divergence, Runner } from './runner.ts';
import { disassemble, parseCase, report } from './show.ts';
import { shrink } from './shrink.ts';
import { Silicon, siliconFeatures } from './silicon.ts';
import { Software } from './software.ts';

const USAGE = `usage: run.mjs [--bits 16|32|64] [--seconds N] [--seed N] [--rows TEXT] [--shown N]   random cases; TEXT as in 'shl' or '0f ac'
       run.mjs --case 'code=… rax=… …'                              one case, as a report has it`;
/** Cases of each row between two looks at the clock. */
const BATCH = 20;

interface Options {
  readonly bits: Bits;
  readonly seconds: number;
  readonly seed: number;
  readonly rows: string;
  readonly shown: number;
}

/** @returns the exit status. */
function one(text: string, silicon: Silicon): number {
  const c = parseCase(text);
  console.log(disassemble(c).join('\n'));
  const [there] = silicon.run([c]);
  const here = new Software().run(c);
  const found = differences(there!, here, 0);
  console.log(`silicon ended with vector ${there!.vector} at ${there!.rip.toString(16)}`);
  for (const d of found) console.log(`${d.what}: silicon ${d.silicon}, software ${d.software}`);
  if (found.length === 0) console.log('no difference');
  return found.length === 0 ? 0 : 1;
}

function many({ bits, seconds, seed, rows: wanted, shown }: Options, silicon: Silicon): number {
  const onSilicon = siliconFeatures();
  const has = (feature: Feature): boolean => onSilicon(feature) && hasFeature(feature);
  const isWanted = ({ opcode, mnemonic }: Row): boolean => wanted === '' || mnemonic === wanted || opcode === wanted;
  const rows = integerRows(bits, has).filter(isWanted);
  const runner = new Runner(silicon, new Software(), rows, bits, has, seed);
  /** One of each kind: what differs, on which instruction. */
  const kinds = new Map<string, Divergence>();
  const end = Date.now() + seconds * 1000;
  let divergences = 0;
  do {
    for (const divergence of runner.batch(BATCH)) {
      divergences++;
      const kind = `${divergence.case.row.mnemonic} ${divergence.differences[0]!.what}`;
      if (!kinds.has(kind)) kinds.set(kind, divergence);
    }
  } while (Date.now() < end);
  const { cases, faults } = runner;
  for (const divergence of [...kinds.values()].slice(0, shown))
    console.log(`${report(shrink(divergence, runner, has))}\n`);
  const missed = rows.filter(row => !runner.executed.has(row));
  console.log(
    `seed ${seed}: ${cases} cases, ${faults} of them faults, ${divergences} divergences of ${kinds.size} kinds`,
  );
  console.log(`rows executed: ${runner.executed.size} of ${rows.length}`);
  if (missed.length > 0)
    console.log(`not: ${missed.map(({ opcode, mnemonic }) => `${opcode} ${mnemonic}`).join(', ')}`);
  return divergences === 0 ? 0 : 1;
}

const { values } = parseArgs({
  options: {
    bits: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    rows: { type: 'string', default: '' },
    shown: { type: 'string', default: '5' },
    case: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const silicon = Silicon.build();
if (values.help) console.log(USAGE);
else if (!(silicon instanceof Silicon)) {
  console.error(`There is no oracle: ${silicon.missing}.`);
  process.exitCode = 2;
} else {
  try {
    const { rows } = values;
    const bits = values.bits === '32' ? 32 : values.bits === '16' ? 16 : 64;
    const options: Options = {
      bits,
      seconds: Number(values.seconds),
      seed: Number(values.seed),
      rows,
      shown: Number(values.shown),
    };
    process.exitCode = values.case === undefined ? many(options, silicon) : one(values.case, silicon);
  } finally {
    silicon.dispose();
  }
}
