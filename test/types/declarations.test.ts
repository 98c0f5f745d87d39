import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const root = fileURLToPath(new URL('../..', import.meta.url));
const consumer = join(root, 'test', 'types', 'consumer.ts');

/** The declarations as built, checked down to the last: a consumer may have any library and no types of Node's. */
test.each([
  ['no DOM', 'nodenext', 'es2022'],
  ['the DOM', 'nodenext', 'es2022,dom'],
  ['the DOM, for a bundler', 'bundler', 'es2022,dom'],
])('a program with %s compiles against the packages', (_, resolution, lib) => {
  const { stdout } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
      ...['--ignoreConfig', '--noEmit', '--strict', '--target', 'es2022', '--lib', lib, '--skipLibCheck', 'false'],
      ...['--types', '', '--module', resolution === 'bundler' ? 'esnext' : resolution],
      ...['--moduleResolution', resolution, consumer],
    ],
    { encoding: 'utf8' },
  );
  expect(stdout).toBe('');
});
