import { describe, expect, test } from '@jest/globals';
import { formOf, type Variant, variantsOf } from '../interpreter/variant.ts';
import { ROWS } from '../isa/rows.ts';
import { descriptionOf } from './index.ts';
import { Listing } from './listing.ts';

/** What an instruction does, by opcode, in 64-bit mode unless told otherwise. */
function list(opcode: string, variant: Partial<Variant> = {}): string[] {
  const row = ROWS.find(r => r.opcode === opcode)!;
  const form = formOf(row, {
    opsize: 32,
    asize: 64,
    stack: 64,
    flat: true,
    long: true,
    rep: 0,
    addressing: 0,
    ...variant,
  });
  const listing = new Listing(form);
  descriptionOf(row.mnemonic)!.run(listing, form);
  return listing.lines;
}

describe('descriptions, written down', () => {
  test('add r/m32, r32', () => {
    expect(list('01')).toEqual([
      't0 = operand1:32',
      't1 = operand0:32 (to be written)',
      't2 = t1 +32 t0',
      'flags ← add32(t1, t0) = t2',
      'operand0:32 ← t2',
    ]);
  });

  test('push r64: everything that may fault comes before the stack pointer moves', () => {
    expect(list('50+r', { opsize: 64 })).toEqual([
      't0 = operand0:64',
      't1 = rsp',
      't2 = t1 -64 8',
      't3 = ss:t2 (64 bits, 8 bytes, to be written)',
      'memory64[t3] ← t0',
      'rsp ← t2',
    ]);
  });

  test('jz rel8', () => {
    expect(list('74')).toEqual(['t0 = condition 4', 'go to the target if t0']);
  });

  test('a description can be run by any engine: every one of them lists', () => {
    const silent = ROWS.filter(row => descriptionOf(row.mnemonic)).flatMap(row =>
      variantsOf(row)
        .map(variant => ({ form: formOf(row, variant), row }))
        .filter(({ form }) => {
          const listing = new Listing(form);
          descriptionOf(row.mnemonic)!.run(listing, form);
          return listing.lines.length === 0;
        })
        .map(() => row.mnemonic),
    );
    // What does nothing by design: hints, and fences on a processor that keeps program order.
    expect([...new Set(silent)].filter(name => !/^(nop|pause|[lms]fence|prefetch.*)$/.test(name))).toEqual([]);
  });
});
