import { expect, test } from '@jest/globals';
import { generateInterpreter } from './generate.ts';

test('the generated module validates and has a handler for every described form', () => {
  const t = Date.now();
  const { bytes, handlers } = generateInterpreter();
  console.log(bytes.length, handlers.length / 2, Math.max(...handlers.filter((_, i) => i & 1)), Date.now() - t);
  new WebAssembly.Module(bytes);
});
