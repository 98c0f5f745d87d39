/** Runs every test, or those whose path matches the arguments. Ends with one plain line: `N passed, N failed, N skipped`. */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
// Guests that tests boot: fetched once, so that no two tests fetch them at a time. A host that cannot is told by the tests.
spawnSync(process.execPath, [join(root, 'scripts', 'debian-guests.mjs')], { cwd: root, stdio: 'ignore' });

const { status } = spawnSync(
  process.execPath,
  [
    '--experimental-vm-modules',
    '--no-warnings',
    join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
    '--maxWorkers=2',
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: 'inherit' },
);
process.exit(status ?? 1);
