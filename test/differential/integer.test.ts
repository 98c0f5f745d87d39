/**
 * The processor under the test as the oracle: every row of the integer tables that can run in user mode runs in
 * random cases on silicon and on the software CPU, and both must end in the same state. README.md says how to run more.
 */
import { afterAll, describe, expect, test } from '@jest/globals';
import { hasFeature } from '../../packages/accelerator/src/x86/cpuid.ts';
import type { Feature } from '../../packages/accelerator/src/x86/isa/row.ts';
import { integerRows } from './rows.ts';
import { Runner } from './runner.ts';
import { report } from './show.ts';
import { shrink } from './shrink.ts';
import { Silicon, siliconFeatures } from './silicon.ts';
import { Software } from './software.ts';

const SEED = 1;
const CASES_PER_ROW = 30;
/** Divergences to report in full. */
const SHOWN = 5;

const silicon = Silicon.build();

afterAll(() => {
  if (silicon instanceof Silicon) silicon.dispose();
});

describe.each([64, 32, 16] as const)('%i-bit integer instructions on silicon and in software', bits => {
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
  const rows = integerRows(bits, has);
  const runner = new Runner(silicon, new Software(), rows, bits, has, SEED);

  test(`the same state after ${CASES_PER_ROW} cases of each row`, () => {
    const found = runner.batch(CASES_PER_ROW);
    const shown = found.slice(0, SHOWN).map(divergence => report(shrink(divergence, runner, has)));
    expect(shown.join('\n\n')).toBe('');
  }, 60_000);

  test(`all ${rows.length} rows had a case that came to its end`, () => {
    const without = rows.filter(row => !runner.executed.has(row));
    expect(without.map(({ opcode, mnemonic }) => `${opcode} ${mnemonic}`)).toEqual([]);
  });
});
