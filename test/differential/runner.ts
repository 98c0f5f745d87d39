import type { Feature, Row } from '../../packages/accelerator/src/x86/isa/row.ts';
import type { JitMode } from '../../packages/accelerator/src/x86/jit/jit-mode.ts';
import { type Bits, type Outcome, TIMEOUT } from './case.ts';
import { type Difference, differences } from './compare.ts';
import { GOES } from './encoder.ts';
import { formOf, kindOf } from './form.ts';
import { type Generated, Generator } from './generate.ts';
import { Random } from './random.ts';
import { alwaysFaults } from './rows.ts';
import { Seen } from './seen.ts';
import type { Silicon } from './silicon.ts';
import { Software } from './software.ts';

/** Tiers of the software CPU: the interpreter alone, and everything compiled at first sight. */
export type Tier = Extract<JitMode, 'off' | 'eager'>;
export const TIERS: readonly Tier[] = ['off', 'eager'];

/** Cases of the same code: decoding, and above all compiling, costs more than they do. */
const STARTS = 8;
/** Sequences that are kept, since they did what none had done before. */
const MAX_KEPT = 8192;

/** A case on which the two processors disagree. */
export interface Divergence {
  readonly case: Generated;
  readonly tier: Tier;
  readonly silicon: Outcome;
  readonly software: Outcome;
  readonly differences: readonly Difference[];
}

/** Makes cases about rows, runs them on silicon and on each tier, and keeps what differs. */
export class Runner {
  readonly silicon: Silicon;
  readonly #tiers: readonly (readonly [Tier, Software])[];
  readonly #generator: Generator;
  readonly #random: Random;
  /** Rows with at least one case that ended without an exception, or that always raise one. */
  readonly executed = new Set<Row>();
  /** Forms of instructions with what came of them. */
  readonly #seen = new Seen();
  readonly #kept: Generated[] = [];
  sequences = 0;
  cases = 0;
  /** Cases that ended in an exception. */
  faults = 0;

  constructor(
    silicon: Silicon,
    tiers: readonly Tier[],
    rows: readonly Row[],
    bits: Bits,
    has: (feature: Feature) => boolean,
    seed: number,
  ) {
    this.silicon = silicon;
    this.#tiers = tiers.map(tier => [tier, new Software(tier)]);
    this.#random = new Random(seed);
    this.#generator = new Generator(rows, bits, has, this.#random);
  }

  /** Combinations of form and outcome that have come up. */
  get combinations(): number {
    return this.#seen.size;
  }

  /** Runs sequences of every row, and as many again made out of those that did something new. */
  batch(perRow: number, rows: readonly Row[] = this.#generator.rows): Divergence[] {
    const cases: Generated[] = [];
    const add = (made: Generated[]): void => {
      if (made.length > 0) this.sequences++;
      cases.push(...made);
    };
    for (const row of rows)
      for (let n = 0; n < perRow; n++) {
        add(this.#generator.next(row, STARTS));
        if (this.#kept.length > 0)
          add(this.#generator.mutate(this.#random.pick(this.#kept), this.#random.pick(this.#kept), STARTS));
      }
    const found: Divergence[] = [];
    for (const [n, silicon] of this.silicon.run(cases).entries()) {
      const made = cases[n]!;
      this.#note(made, silicon);
      found.push(...this.#compare(made, silicon));
    }
    return found;
  }

  #note(made: Generated, silicon: Outcome): void {
    this.cases++;
    if (silicon.vector !== 3) this.faults++;
    const goes = made.parts.some(({ insn }) => GOES.test(insn.row.mnemonic));
    if (silicon.vector === 3 && !goes) for (const { insn } of made.parts) this.executed.add(insn.row);
    else if (silicon.vector === 3 || alwaysFaults(made.row)) this.executed.add(made.row);
    const kind = kindOf(silicon);
    const combination = `${formOf(made.parts[made.main]!.insn)} ${kind}`;
    if (!this.#seen.add(combination)) return;
    if (silicon.vector === TIMEOUT) return;
    if (this.#kept.length < MAX_KEPT) this.#kept.push(made);
    else this.#kept[this.#random.below(MAX_KEPT)] = made;
  }

  #compare(made: Generated, silicon: Outcome): Divergence[] {
    const found: Divergence[] = [];
    for (const [tier, software] of this.#tiers) {
      const outcome = software.run(made);
      // A loop whose count an instruction before it changed: silicon may come to its end in time.
      const loops = made.parts.some(({ insn }) => GOES.test(insn.row.mnemonic));
      if (outcome.vector === TIMEOUT && loops) continue;
      const differing = differences(silicon, outcome, made.leftOpen);
      if (differing.length > 0) found.push({ case: made, tier, silicon, software: outcome, differences: differing });
    }
    return found;
  }

  /** Those of some cases in which a tier still differs in the same thing. @param end when to give up */
  differing(cases: readonly Generated[], tier: Tier, what: string, end: number): (Divergence | undefined)[] {
    return this.silicon
      .run(cases)
      .map((silicon, n) =>
        Date.now() > end
          ? undefined
          : this.#compare(cases[n]!, silicon).find(d => d.tier === tier && d.differences[0]!.what === what),
      );
  }
}
