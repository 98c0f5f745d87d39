import { describe, expect, test } from '@jest/globals';
import { DECODE, Decoded } from '../decode/decoded.ts';
import { Decoder } from '../decode/decoder.ts';
import { hasModrm, Lookup, modOf, specificity } from '../decode/lookup.ts';
import { MAX_OPERANDS } from '../decode/plan.ts';
import { sampleEncoding } from '../decode/sample.ts';
import { VEX_MAPS } from './opcode.ts';
import type { Row } from './row.ts';
import { ROWS } from './rows.ts';

const name = (row: Row) =>
  `${row.opcode} ${row.mnemonic} ${row.operands.map(o => o.code)}${row.i64 ? ' i64' : row.o64 ? ' o64' : ''}`;
const names = (rows: readonly Row[]) => rows.map(name);
const modes = (row: Row) =>
  row.map > VEX_MAPS
    ? ([32, 64] as const)
    : row.i64
      ? ([16, 32] as const)
      : row.o64
        ? ([64] as const)
        : ([16, 32, 64] as const);

/** Multiplicative, the same everywhere; enough to visit the cases. */
function seeded(seed: number): (n: number) => number {
  let x = seed;
  return n => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return (x >>> 8) % n;
  };
}

describe('table', () => {
  test('rows are numbered in order and told apart', () => {
    expect(ROWS.map(row => row.index)).toEqual(ROWS.map((_, i) => i));
    expect(new Set(names(ROWS)).size).toBe(ROWS.length);
  });

  test.each([false, true])('no encoding belongs to two rows of the same precision (64-bit mode: %p)', long => {
    expect(() => new Lookup(ROWS, long, () => true)).not.toThrow();
  });

  test('an overlap is found, and the message names both rows', () => {
    const add = ROWS[0]!;
    const other = { ...add, mnemonic: 'other' };
    expect(() => new Lookup([add, other], false, () => true)).toThrow("rows '00' add and '00' other overlap");
  });

  test('a row that refines another claims nothing outside it but by a different condition', () => {
    // Otherwise which one wins would hang on the order of the conditions: f3 against /digit, say.
    const clashes: string[] = [];
    for (const a of ROWS) {
      for (const b of ROWS) {
        if (a.map !== b.map || a.byte !== b.byte || (a.i64 && b.o64) || (a.o64 && b.i64)) continue;
        if (specificity(a) <= specificity(b) || disjoint(a, b)) continue;
        if (!implies(a, b)) clashes.push(`${name(a)} / ${name(b)}`);
      }
    }
    expect(clashes).toEqual([]);
  });

  test('rows of one opcode agree on whether a ModRM byte follows', () => {
    const seen = new Map<string, boolean>();
    for (const row of ROWS) {
      for (const mode of modes(row)) {
        const key = `${mode} ${row.map} ${row.byte}`;
        expect([key, seen.get(key) ?? hasModrm(row)]).toEqual([key, hasModrm(row)]);
        seen.set(key, hasModrm(row));
      }
    }
  });

  test('every row is decoded from an encoding of it, in each of its modes', () => {
    const decoder = new Decoder();
    const out = new Decoded(ROWS[0]!);
    const random = seeded(1);
    const missed: string[] = [];
    for (const row of ROWS) {
      for (const bits of modes(row)) {
        let hits = 0;
        for (let i = 0; i < 64; i++) {
          const bytes = Uint8Array.from(sampleEncoding(row, bits, random));
          if (decoder.decode(bytes, 0, bytes.length, bits, out) !== DECODE.ok) continue;
          if (out.row === row) hits++;
          else if (!implies(out.row, row)) missed.push(`${name(row)} decoded as ${name(out.row)}`);
        }
        if (hits < 8) missed.push(`${bits}: ${name(row)} ${hits} of 64`);
      }
    }
    expect(missed).toEqual([]);
  });
});

describe('attributes', () => {
  test('LOCK only where operand 0 can be memory that is written', () => {
    expect(names(ROWS.filter(row => row.lock && !'EM'.includes(row.operands[0]!.addressing)))).toEqual([]);
    expect(names(ROWS.filter(row => row.lock && ['cmp', 'test', 'mov', 'bt'].includes(row.mnemonic)))).toEqual([]);
  });

  test('no row is both invalid in 64-bit mode and tied to it', () => {
    expect(names(ROWS.filter(row => row.i64 && (row.o64 || row.d64 || row.f64)))).toEqual([]);
    expect(names(ROWS.filter(row => row.d64 && row.f64))).toEqual([]);
  });

  test('every row on XMM registers has its unit, its feature and its exception type', () => {
    const onXmm = ROWS.filter(row => row.operands.some(o => 'VWU'.includes(o.addressing)));
    expect(onXmm.length).toBeGreaterThan(250);
    expect(names(onXmm.filter(row => !row.unit?.startsWith('sse') || !row.cpuid || !row.exception))).toEqual([]);
  });

  test('every row on MMX registers has its unit', () => {
    const onMm = ROWS.filter(row => row.operands.some(o => 'PQN'.includes(o.addressing)));
    expect(names(onMm.filter(row => row.unit !== 'mmx' && row.unit !== 'sse+mmx'))).toEqual([]);
  });

  test('§2.5 exception types 3, 5 and 7 never have 16 bytes in memory', () => {
    const wide = (row: Row) =>
      modOf(row) !== 'reg' &&
      row.operands.some(o => 'WM'.includes(o.addressing) && ['ps', 'pd', 'dq'].includes(o.memoryType));
    expect(names(ROWS.filter(row => row.exception && [3, 5, 7].includes(row.exception) && wide(row)))).toEqual([]);
  });

  test('no row has more operands than a decoded instruction holds', () => {
    expect(Math.max(...ROWS.map(row => row.operands.length))).toBeLessThanOrEqual(MAX_OPERANDS);
  });
});

/** Every encoding of `a` satisfies the conditions of `b`. */
function implies(a: Row, b: Row): boolean {
  const holds = <T>(condition: T | undefined, by: T | undefined) => condition === undefined || condition === by;
  return (
    holds(b.prefix, a.prefix) &&
    holds(b.rex, a.rex) &&
    holds(b.ext, a.ext) &&
    holds(b.rm, a.rm) &&
    holds(modOf(b), modOf(a))
  );
}

/** No encoding satisfies both. */
function disjoint(a: Row, b: Row): boolean {
  const differ = <T>(x: T | undefined, y: T | undefined) => x !== undefined && y !== undefined && x !== y;
  return (
    differ(a.prefix, b.prefix) ||
    differ(a.rex, b.rex) ||
    differ(a.ext, b.ext) ||
    differ(a.rm, b.rm) ||
    differ(modOf(a), modOf(b))
  );
}
