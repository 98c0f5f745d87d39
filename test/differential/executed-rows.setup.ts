/**
 * Notes which rows of the tables tests execute in software, for `directed.ts`, which names the directory in
 * MAINBOARD_ROWS. Blocks are one instruction long meanwhile: what is decoded is what control comes to.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import { DECODE } from '../../packages/accelerator/src/x86/decode/decoded.ts';
import { Decoder } from '../../packages/accelerator/src/x86/decode/decoder.ts';
import { InstructionBench } from '../../packages/accelerator/src/x86/interpreter/instruction-bench.ts';
import { Predecoder } from '../../packages/accelerator/src/x86/predecoder.ts';
import { TestBench } from '../../packages/accelerator/src/x86/test-bench.ts';

const directory = process.env.MAINBOARD_ROWS!;
const rows = new Set<number>();
/** What is decoded now will run. */
let runs = false;

function running<T>(body: () => T): T {
  runs = true;
  try {
    return body();
  } finally {
    runs = false;
  }
}

const { decode } = Decoder.prototype;
Decoder.prototype.decode = function (bytes, start, end, bits, out, vex) {
  const result = decode.call(this, bytes, start, end, bits, out, vex);
  if (runs && result === DECODE.ok) rows.add(out.row.index);
  return result;
};
const { block } = Predecoder.prototype;
Predecoder.prototype.block = function (records, at, limit, pageOffset, _maximum, kept) {
  return running(() => block.call(this, records, at, limit, pageOffset, 1, kept));
};
const { run } = TestBench.prototype;
TestBench.prototype.run = function (code) {
  return running(() => run.call(this, code));
};
const { execute } = InstructionBench.prototype;
InstructionBench.prototype.execute = function (code) {
  return running(() => execute.call(this, code));
};

afterAll(() => {
  const name = `${process.pid}-${process.hrtime.bigint()}.json`;
  if (rows.size > 0) writeFileSync(join(directory, name), JSON.stringify([...rows]));
});
