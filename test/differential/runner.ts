import type { Feature, Row } from '../../packages/accelerator/src/x86/isa/row.ts';
import { type Bits, type Outcome, TIMEOUT } from './case.ts';
import { type Difference, differences } from './compare.ts';
import { type Generated, Generator } from './generate.ts';
import { Random } from './random.ts';
import { alwaysFaults } from './rows.ts';
import type { Silicon } from './silicon.ts';
import type { Software } from './software.ts';

/** A case on which the two processors disagree. */
export interface Divergence {
  readonly case: Generated;
  readonly silicon: Outcome;
  readonly software: Outcome;
  readonly differences: readonly Difference[];
}

/** Makes cases about rows, runs them on both processors, and keeps what differs. */
export class Runner {
  readonly silicon: Silicon;
  readonly software: Software;
  readonly #generator: Generator;
  readonly #random: Random;
  /** Rows with at least one case that ended without an exception, or that always raise one. */
  readonly executed = new Set<Row>();
  cases = 0;
  /** Cases that ended in an exception. */
  faults = 0;

  constructor(
    silicon: Silicon,
    software: Software,
    rows: readonly Row[],
    bits: Bits,
    has: (feature: Feature) => boolean,
    seed: number,
  ) {
    this.silicon = silicon;
    this.software = software;
    this.#random = new Random(seed);
    this.#generator = new Generator(rows, bits, has, this.#random);
  }

  /** Runs `perRow` cases of every row. */
  batch(perRow: number): Divergence[] {
    const cases: Generated[] = [];
    for (const row of this.#generator.rows)
      for (let n = 0; n < perRow; n++) {
        const made = this.#generator.next(row);
        if (made) cases.push(made);
      }
    return this.run(cases);
  }

  run(cases: readonly Generated[]): Divergence[] {
    const found: Divergence[] = [];
    for (const [n, silicon] of this.silicon.run(cases).entries()) {
      const made = cases[n]!;
      const software = this.software.run(made);
      this.cases++;
      if (silicon.vector === 3 || alwaysFaults(made.row)) this.executed.add(made.row);
      else this.faults++;
      // A loop whose count an instruction before it changed: silicon may come to its end in time.
      if (software.vector === TIMEOUT && made.row.mnemonic.startsWith('loop')) continue;
      const differing = differences(silicon, software, made.undefinedFlags);
      if (differing.length > 0) found.push({ case: made, silicon, software, differences: differing });
    }
    return found;
  }
}
