import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { type Machine, TRACE, Trace } from '@mainboard/core';
import { parseTrace, TraceOutput } from './trace-output.ts';

describe('--trace', () => {
  test('names categories and a file', () => {
    expect(parseTrace('port,irq,file=a.txt')).toEqual({ categories: ['port', 'irq'], file: 'a.txt' });
  });
  test.each(['all', 'all,irq', 'file=x'])('%s is every category', given => {
    expect(parseTrace(given).categories).toEqual(Object.keys(TRACE));
  });
  test.each(['irk', 'file=', ''])('"%s" is none', given => {
    expect(() => parseTrace(given)).toThrow(`--trace does not know "${given}"`);
  });
});

test('lines have the time, the category and the source, in order, all of them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mainboard-'));
  try {
    const file = join(folder, 'trace');
    const trace = new Trace(() => 1_500_000_000);
    const output = new TraceOutput({ categories: ['port'], file });
    output.listen({ trace } as Machine);
    for (let i = 0; i < 5000; i++) trace.emit('port', 'com1.regs', `write ${i}`);
    trace.emit('irq', 'pic0', 'not asked for');
    output.close();
    trace.emit('port', 'com1.regs', 'too late');
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect([lines.length, lines[0], lines.at(-1)]).toEqual([
      5000,
      '    1.500000000 port      com1.regs write 0',
      '    1.500000000 port      com1.regs write 4999',
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
