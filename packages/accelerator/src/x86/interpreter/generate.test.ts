import { describe, expect, test } from '@jest/globals';
import { interpreter } from '#interpreter';
import { ROWS } from '../isa/rows.ts';
import { descriptionOf } from '../semantics/index.ts';
import { generateInterpreter } from './generate.ts';

describe('generateInterpreter', () => {
  const generated = generateInterpreter();

  test('the module validates', () => {
    expect(WebAssembly.validate(generated.bytes)).toBe(true);
  });

  test('every described row has a handler', () => {
    const rows = new Set(generated.handlers.filter((_, i) => i % 2 === 0).map(key => key >> 13));
    const without = ROWS.filter(row => descriptionOf(row.mnemonic) && !rows.has(row.index));
    expect(without.map(row => `${row.opcode} ${row.mnemonic}`)).toEqual([]);
  });

  test('the built interpreter is the one that the sources make (npm run build)', () => {
    expect(interpreter.handlers).toEqual(generated.handlers);
    expect(Buffer.compare(interpreter.bytes, generated.bytes)).toBe(0);
  });
});
