import { describe, expect, test } from '@jest/globals';
import { columns, markdown, tables, text } from './report.ts';
import type { Cell, ProgramRow, Results } from './results.ts';
import { geometricMean, median, spread } from './statistics.ts';
import { compare, isMet, ratio, TARGETS, targets } from './summary.ts';

const cell = (...ms: number[]): Cell => ({ ms, guestMs: ms });
const timeout: Cell = { ms: [], guestMs: [], trouble: { kind: 'timeout', detail: 'more than 10 s' } };
const row = (name: string, cells: ProgramRow['cells'], bits: 32 | 64 = 32): ProgramRow => ({
  bits,
  name,
  size: 1,
  cells,
});
const LIMIT = 10;

const results = (changes: Partial<Results> = {}): Results => ({
  machine: { cpu: 'a processor', cores: 2, memory: 4096 },
  versions: { node: 'v20' },
  missing: {},
  runs: 3,
  limit: LIMIT,
  boots: [],
  programs: [],
  memory: [],
  workingSets: [],
  ...changes,
});
const target = (found: Results, what: string) => targets(found).find(one => one.what.startsWith(what))!;

describe('statistics', () => {
  test('the median of an odd and of an even number, in any order', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 2, 100])).toBe(3);
  });
  test('the geometric mean of a ratio and its inverse is 1', () => {
    expect(geometricMean([4, 0.25])).toBeCloseTo(1, 12);
    expect(geometricMean([2, 8])).toBeCloseTo(4, 12);
  });
  test('of nothing there is neither', () => {
    expect(() => median([])).toThrow(RangeError);
    expect(() => geometricMean([])).toThrow(RangeError);
  });
  test('spread', () => expect(spread([2, 5, 4])).toBe(2.5));
});

describe('ratios', () => {
  test('are of medians', () => {
    expect(ratio(row('a', { soft: cell(1, 3, 90), tcg: cell(6) }), 'soft', 'tcg', LIMIT)).toEqual({
      value: 0.5,
      bound: '',
    });
  });
  test('a timeout is a bound, on either side; on both it says nothing', () => {
    const quick = cell(5000);
    expect(ratio(row('a', { soft: timeout, tcg: quick }), 'soft', 'tcg', LIMIT)).toEqual({ value: 2, bound: '>' });
    expect(ratio(row('a', { soft: quick, tcg: timeout }), 'soft', 'tcg', LIMIT)).toEqual({ value: 0.5, bound: '<' });
    expect(ratio(row('a', { soft: timeout, tcg: timeout }), 'soft', 'tcg', LIMIT)).toBeUndefined();
  });
  test('a wrong result has no time', () => {
    const wrong: Cell = { ...cell(1), trouble: { kind: 'wrong', detail: 'x' } };
    expect(ratio(row('a', { soft: wrong, tcg: cell(1) }), 'soft', 'tcg', LIMIT)).toBeUndefined();
  });
  test('a comparison leaves out what one of the two did not run, and names the worst', () => {
    const rows = [
      row('a', { soft: cell(1), tcg: cell(4) }),
      row('b', { soft: cell(9), tcg: cell(9) }),
      row('c', { soft: cell(9) }),
    ];
    const found = compare(rows, 'soft', 'tcg', LIMIT)!;
    expect([found.mean, found.count, found.worst.row.name, found.isBound]).toEqual([0.5, 2, 'b', false]);
    expect(compare(rows, 'soft', 'v86', LIMIT)).toBeUndefined();
  });
});

describe('targets', () => {
  test('what was not measured is neither met nor missed', () => {
    expect(targets(results()).map(isMet)).toEqual([undefined, undefined, undefined, undefined, undefined, undefined]);
  });
  test('means and the slowest program', () => {
    const programs = [
      row('a', { soft: cell(1), tcg: cell(10), v86: cell(10) }),
      row('b', { soft: cell(13), tcg: cell(10) }, 64),
    ];
    const found = results({ programs });
    expect(isMet(target(found, 'time, mean of soft / tcg'))).toBe(true);
    expect(isMet(target(found, 'time, mean of soft / v86'))).toBe(true);
    expect(target(found, 'slowest')).toMatchObject({ found: 1.3, goal: TARGETS.tcgWorst, note: 'b, 64-bit' });
    expect(isMet(target(found, 'slowest'))).toBe(false);
  });
  test('a program of ours that came to no end spoils the mean, however good', () => {
    const programs = [row('a', { soft: cell(1), tcg: cell(10) }), row('b', { soft: timeout, tcg: cell(9000) })];
    const found = results({ programs });
    expect(target(found, 'time, mean of soft / tcg').found).toBeLessThan(TARGETS.tcgMean);
    expect(isMet(target(found, 'time, mean of soft / tcg'))).toBe(false);
  });
  test('boot is the amd64 kernel', () => {
    const boots = [
      { bits: 32, ms: { soft: [900], tcg: [100] } },
      { bits: 64, ms: { soft: [90], tcg: [100] } },
    ] as const;
    expect(
      target(results({ boots: boots.map(b => ({ ...b, ms: { soft: [...b.ms.soft], tcg: [...b.ms.tcg] } })) }), 'boot')
        .found,
    ).toBe(0.9);
  });
  test('memory is above what is resident of guest RAM, the larger of the runs', () => {
    const memory: Results['memory'] = [
      { bits: 32, peer: 'soft', total: 300, guest: 100 },
      { bits: 64, peer: 'soft', total: 500, guest: 256 },
      { bits: 32, peer: 'tcg', total: 999, guest: 1 },
    ];
    expect(target(results({ memory }), 'memory').found).toBe(244);
    expect(isMet(target(results({ memory }), 'memory'))).toBe(false);
  });
  test("growth of the working set is less the host's own", () => {
    const workingSets: Results['workingSets'] = [
      { walk: 'scan', mebibytes: 1, ns: { soft: [2], native: [0.5] } },
      { walk: 'scan', mebibytes: 1024, ns: { soft: [4], native: [1.5] } },
      { walk: 'chase', mebibytes: 1024, ns: { soft: [400], native: [1.5] } },
    ];
    expect(target(results({ workingSets }), 'reading').found).toBe(1.5);
  });
});

describe('tables', () => {
  const slow: Cell = { ms: [1000], guestMs: [500] };
  const full = results({
    programs: [row('a', { soft: cell(50), tcg: cell(100) }), row('b', { soft: timeout, tcg: slow })],
    missing: { v86: 'it is not there' },
  });
  test('programs with ratios and their mean, which is about where a timeout is in it', () => {
    const [programs] = tables(full);
    expect(programs!.rows).toEqual([
      ['program', 'soft', 'tcg', 'soft / tcg'],
      ['a', '50', '100', '0.50'],
      ['b', 'timeout', '1000', '>10.00'],
      ['geometric mean', '', '', '~2.24'],
    ]);
    expect(programs!.notes).toEqual(['b, soft: timeout: more than 10 s', "b, tcg: by the guest's clock 500 ms"]);
  });
  test('a table of nothing is left out', () => {
    expect(tables(results()).map(({ title }) => title)).toEqual(['Targets']);
  });
  test('columns line up: words left, numbers right', () => {
    const rows = [
      ['a', 'n'],
      ['long', '100'],
    ];
    expect(columns({ title: '', rows })).toBe('a       n\nlong  100');
  });
  test('who is missing is named', () => {
    expect(text(full)).toContain('without v86: it is not there');
    expect(markdown(full)).toContain('- without v86: it is not there');
  });
  test('Markdown has a rule of as many columns', () => {
    expect(markdown(full)).toContain(
      '| program | soft | tcg | soft / tcg |\n|---|--:|--:|--:|\n| a | 50 | 100 | 0.50 |',
    );
  });
});
