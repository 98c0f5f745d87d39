/** What follows from the results: ratios, their geometric means, and which targets are met. */
import type { Cell, PeerName, ProgramRow, Results } from './results.ts';
import { geometricMean, median } from './statistics.ts';

/** Upper bounds. */
export const TARGETS = {
  tcgMean: 0.5,
  v86Mean: 0.35,
  tcgWorst: 1.25,
  boot: 1,
  /** MiB; 250 MB. */
  memory: 250e6 / 2 ** 20,
  /** What reading a word in order costs over the largest working set, of the smallest. */
  scan: 1.25,
} as const;

export interface Ratio {
  readonly value: number;
  /** The time limit stands for the time: it is more than that, or less where the other timed out. */
  readonly bound: '' | '>' | '<';
}

export interface Target {
  readonly what: string;
  readonly goal: number;
  /** Undefined: this run did not measure it. */
  readonly found: number | undefined;
  readonly unit: string;
  /** What found refers to, such as the slowest program. */
  readonly note: string;
  /** A program of ours did not come to its end, or to a right one: the target is missed whatever was found. */
  readonly isSpoilt?: boolean;
}

export const isMet = ({ goal, found, isSpoilt = false }: Target): boolean | undefined =>
  isSpoilt ? false : found === undefined ? undefined : found <= goal;

/** Milliseconds of a cell, a timeout as the limit; undefined where there is nothing to compare. */
function time(cell: Cell | undefined, limit: number): { readonly ms: number; readonly isLimit: boolean } | undefined {
  if (!cell) return undefined;
  if (cell.trouble) return cell.trouble.kind === 'timeout' ? { ms: limit * 1000, isLimit: true } : undefined;
  return cell.ms.length > 0 ? { ms: median(cell.ms), isLimit: false } : undefined;
}

/** Time of one contestant over that of another. */
export function ratio(row: ProgramRow, of: PeerName, to: PeerName, limit: number): Ratio | undefined {
  const above = time(row.cells[of], limit);
  const below = time(row.cells[to], limit);
  if (!above || !below || (above.isLimit && below.isLimit)) return undefined;
  return { value: above.ms / below.ms, bound: above.isLimit ? '>' : below.isLimit ? '<' : '' };
}

export interface Comparison {
  readonly of: PeerName;
  readonly to: PeerName;
  /** Geometric mean. */
  readonly mean: number;
  /** Whether a timeout is in it, so that the mean is a bound only. */
  readonly isBound: boolean;
  readonly count: number;
  readonly worst: { readonly row: ProgramRow; readonly ratio: Ratio };
}

export function compare(
  rows: readonly ProgramRow[],
  of: PeerName,
  to: PeerName,
  limit: number,
): Comparison | undefined {
  const found = rows.flatMap(row => {
    const value = ratio(row, of, to, limit);
    return value ? [{ row, ratio: value }] : [];
  });
  if (found.length === 0) return undefined;
  return {
    of,
    to,
    mean: geometricMean(found.map(({ ratio }) => ratio.value)),
    isBound: found.some(({ ratio }) => ratio.bound !== ''),
    count: found.length,
    worst: found.reduce((a, b) => (b.ratio.value > a.ratio.value ? b : a)),
  };
}

export function targets(results: Results): Target[] {
  const { programs, limit, boots, memory, workingSets } = results;
  const tcg = compare(programs, 'soft', 'tcg', limit);
  const v86 = compare(programs, 'soft', 'v86', limit);
  const boot = boots.find(({ bits }) => bits === 64)?.ms;
  const above = memory.filter(row => row.peer === 'soft' && row.guest !== undefined);
  /** Programs of ours that came to no right end, among those that another contestant has. */
  const spoilt = (peer: PeerName): number =>
    programs.filter(({ cells }) => cells[peer] && cells.soft?.trouble !== undefined).length;
  const mean = (what: string, goal: number, peer: PeerName, c: Comparison | undefined): Target => ({
    what,
    goal,
    found: c?.mean,
    unit: '×',
    isSpoilt: spoilt(peer) > 0,
    note: `programs: ${c?.count ?? 0} compared, ${spoilt(peer)} of ours without a result`,
  });
  return [
    mean('time, mean of soft / tcg', TARGETS.tcgMean, 'tcg', tcg),
    mean('time, mean of soft / v86', TARGETS.v86Mean, 'v86', v86),
    {
      what: 'slowest program, soft / tcg',
      goal: TARGETS.tcgWorst,
      found: tcg?.worst.ratio.value,
      unit: '×',
      isSpoilt: spoilt('tcg') > 0,
      note: tcg ? `${tcg.worst.row.name}, ${tcg.worst.row.bits}-bit` : '',
    },
    {
      what: 'boot of the amd64 kernel, soft / tcg',
      goal: TARGETS.boot,
      found: boot?.soft?.length && boot.tcg?.length ? median(boot.soft) / median(boot.tcg) : undefined,
      unit: '×',
      note: '',
    },
    {
      what: 'memory above resident guest RAM',
      goal: TARGETS.memory,
      found: above.length > 0 ? Math.max(...above.map(({ total, guest }) => total - guest!)) : undefined,
      unit: 'MiB',
      note: 'the larger of the two runs',
    },
    {
      what: 'reading in order, 1 GiB / 1 MiB',
      goal: TARGETS.scan,
      found: growth(workingSets),
      unit: '×',
      note: "soft, less what the host's caches cost",
    },
  ];
}

/**
 * What reading a word in order costs over the largest working set, of the smallest. What it costs the host itself more
 * is the doing of its caches, and taken off.
 */
function growth(rows: Results['workingSets']): number | undefined {
  const scans = rows.filter(({ walk }) => walk === 'scan');
  const [first, last] = [scans[0]?.ns, scans.at(-1)?.ns];
  if (!first?.native?.length || !first.soft?.length || !last?.native?.length || !last.soft?.length) return undefined;
  const caches = Math.max(0, median(last.native) - median(first.native));
  return (median(last.soft) - caches) / median(first.soft);
}

/** For `--json`: what the tables compute from the results. */
export function summary(results: Results) {
  const { programs, limit } = results;
  return {
    comparisons: [compare(programs, 'soft', 'tcg', limit), compare(programs, 'soft', 'v86', limit)].flatMap(c =>
      c
        ? [
            {
              of: c.of,
              to: c.to,
              mean: c.mean,
              isBound: c.isBound,
              count: c.count,
              worst: name(c),
              worstRatio: c.worst.ratio.value,
            },
          ]
        : [],
    ),
    targets: targets(results).map(target => ({ ...target, met: isMet(target) })),
  };
}

const name = ({ worst: { row } }: Comparison): string => `${row.name}, ${row.bits}-bit`;
