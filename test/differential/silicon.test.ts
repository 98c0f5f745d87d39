/**
 * The processor under the test as the oracle: every row of the tables that can run in user mode runs in random cases
 * on silicon and on each tier of the software CPU, and all must end in the same state. README.md says how to run more.
 */
import { afterAll, describe, expect, test } from '@jest/globals';
import { hasFeature } from '../../packages/accelerator/src/x86/cpuid.ts';
import type { Feature, Row } from '../../packages/accelerator/src/x86/isa/row.ts';
import { userRows } from './rows.ts';
import { Runner, TIERS } from './runner.ts';
import { report } from './show.ts';
import { shrink } from './shrink.ts';
import { Silicon, siliconFeatures } from './silicon.ts';

const SEED = 1;
/** Rounds over all rows. */
const ROUNDS = 1;
/** Divergences to report in full. */
const SHOWN = 3;

const silicon = Silicon.build();

afterAll(() => {
  if (silicon instanceof Silicon) silicon.dispose();
});

describe.each([64, 32, 16] as const)('%i-bit instructions on silicon and in software', bits => {
  if (!(silicon instanceof Silicon)) {
    test.skip(`skipped: ${silicon.missing}`, () => {});
    return;
  }
  if (bits === 16 && !silicon.runs16Bit) {
    test.skip('skipped: the kernel has no 16-bit segments (CONFIG_X86_16BIT)', () => {});
    return;
  }
  const onSilicon = siliconFeatures();
  const has = (feature: Feature): boolean => onSilicon(feature) && hasFeature(feature);
  const rows = userRows(bits, has);
  const runner = new Runner(silicon, TIERS, rows, bits, has, SEED);

  test(`the same state in each tier, ${ROUNDS} sequences of each row`, () => {
    const found = Array.from({ length: ROUNDS }, () => runner.batch(1)).flat();
    const shown = found.slice(0, SHOWN).map(divergence => report(shrink(divergence, runner, has)));
    expect(shown.join('\n\n')).toBe('');
  }, 120_000);

  test(`all ${rows.length} rows had a case that came to its end`, () => {
    const missing = (): Row[] => rows.filter(row => !runner.executed.has(row));
    for (let round = 0; round < 10 && missing().length > 0; round++) runner.batch(10, missing());
    const without = missing();
    expect(without.map(({ opcode, mnemonic }) => `${opcode} ${mnemonic}`)).toEqual([]);
  }, 120_000);
});
