import { expect, test } from '@jest/globals';
import { EscapeKeys } from './escape-keys.ts';

const split = (...typed: string[]) => {
  const keys = new EscapeKeys();
  return typed.map(text =>
    keys
      .split(Buffer.from(text, 'latin1'))
      .map(part => (typeof part === 'string' ? `<${part}>` : Buffer.from(part).toString('latin1'))),
  );
};

test.each([
  ['bytes pass', ['ls\r'], [['ls\r']]],
  ['Ctrl-A x quits', ['\x01x'], [['<quit>']]],
  ['Ctrl-A h and Ctrl-A ? help', ['\x01h\x01?'], [['<help>', '<help>']]],
  ['Ctrl-A b is a break', ['a\x01bc'], [['a', '<break>', 'c']]],
  ['Ctrl-A twice is one Ctrl-A', ['\x01\x01x'], [['\x01x']]],
  ['another key is swallowed', ['a\x01zb'], [['ab']]],
  ['the two keys may come apart', ['a\x01', 'x'], [['a'], ['<quit>']]],
  ['capital letters too', ['\x01X'], [['<quit>']]],
])('%s', (_name, typed, parts) => {
  expect(split(...typed)).toEqual(parts);
});
