/**
 * Makes a fresh clone ready to run: installs what package-lock.json says, compiles, generates the interpreter. Does only
 * what is not done yet, so a second run is quick and needs no network. Runs on Node alone, before anything is installed.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const hash = (...files) =>
  files.reduce((sum, file) => sum.update(readFileSync(join(root, file))), createHash('sha256')).digest('hex');

function run(what, command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  if (status === 0) return;
  console.error(`mainboard: ${what} failed.`);
  process.stderr.write(`${error?.message ?? ''}${stdout ?? ''}${stderr ?? ''}`);
  process.exit(status || 1);
}

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 6)) {
  console.error(`mainboard: Node ${process.versions.node} is too old; install Node 20.6 or newer.`);
  process.exit(1);
}

const stamp = join(root, 'node_modules', '.mainboard');
const lock = hash('package-lock.json');
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  console.error('mainboard: installing packages (once)…');
  const npm = process.env.npm_execpath;
  // Not `npm ci`: it refuses a lock file made where the registry lacks other platforms' optional packages.
  const args = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  if (npm) run('npm install', process.execPath, [npm, ...args]);
  else run('npm install', 'npm', args);
  writeFileSync(stamp, lock);
}

if (!existsSync(join(root, 'packages', 'cli', 'dist', 'index.js'))) console.error('mainboard: compiling (once)…');
run('tsc', process.execPath, [
  join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
  '-b',
  ...(process.argv.includes('--force') ? ['--force'] : []),
]);
run('generating the interpreter', process.execPath, [join(root, 'scripts', 'generate-interpreter.mjs')]);
