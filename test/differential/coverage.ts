import { hasFeature } from '../../packages/accelerator/src/x86/cpuid.ts';
import type { Row } from '../../packages/accelerator/src/x86/isa/row.ts';
import { ROWS } from '../../packages/accelerator/src/x86/isa/rows.ts';

export const nameOf = ({ opcode, mnemonic }: Row): string => `${opcode} ${mnemonic}`;

/** What covers the decode table. */
export interface Coverage {
  readonly lines: readonly string[];
  /** Rows of instructions that we have, which nothing executes. */
  readonly neither: readonly Row[];
}

/**
 * Puts together what executes each row.
 * @param differential rows that the tester executed: one that is only refused, for want of privilege, is not executed
 * @param directed indices of rows that directed tests execute
 */
export function coverageOf(differential: ReadonlySet<Row>, directed: ReadonlySet<number>): Coverage {
  const there = ROWS.filter(({ cpuid }) => cpuid === undefined || hasFeature(cpuid));
  const byTester = there.filter(row => differential.has(row) && row.privilege === undefined);
  const byTests = there.filter(({ index }) => directed.has(index));
  const privileged = there.filter(({ privilege }) => privilege !== undefined);
  const neither = there.filter(row => !byTester.includes(row) && !directed.has(row.index));
  const lines = [
    `${ROWS.length} rows in the tables; ${ROWS.length - there.length} of them of features that no model has`,
    `executed by the differential tester: ${byTester.length}`,
    `executed by directed tests: ${byTests.length}, among them ${privileged.filter(row => directed.has(row.index)).length} of the ${privileged.length} that ask for privilege`,
    `executed by neither: ${neither.length}${neither.length > 0 ? ` (${neither.map(nameOf).join(', ')})` : ''}`,
  ];
  return { lines, neither };
}
