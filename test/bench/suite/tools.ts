/** Programs that the benchmark needs, installed where the host lets us. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Thrown with one sentence that says what is missing and what to do. */
export class Missing extends Error {}

const succeeds = (command: string, args: readonly string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0;

let isListFresh = false;

/**
 * Makes sure that something of Debian's is there.
 * @param isThere says so.
 * @param packages that bring it.
 * @throws {Missing} where it cannot be had.
 */
export function needDebian(what: string, isThere: () => boolean, ...packages: readonly string[]): void {
  if (isThere()) return;
  if (!succeeds('apt-get', ['--version']) || process.getuid?.() !== 0)
    throw new Missing(
      `${what} is not installed, and only root of a Debian can be helped; install ${packages.join(' ')}`,
    );
  console.error(`bench: installing ${packages.join(' ')}…`);
  if (!isListFresh) spawnSync('apt-get', ['update', '-qq'], { stdio: 'ignore' });
  isListFresh = true;
  const { stderr } = spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (!isThere()) throw new Missing(`${what} could not be installed: ${stderr?.trim().split('\n').at(-1) ?? ''}`);
}

export const hasCommand = (command: string) => (): boolean => succeeds(command, ['--version']);

/**
 * A package of npm, in a folder of its own.
 * @returns the package's folder.
 * @throws {Missing} where it cannot be had.
 */
export function needNpm(name: string, version: string, cache: string): string {
  const home = join(cache, name);
  const folder = join(home, 'node_modules', name);
  if (packageVersion(folder) === version) return folder;
  mkdirSync(home, { recursive: true });
  console.error(`bench: fetching ${name} ${version}…`);
  const args = ['install', '--prefix', home, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
  const { stderr } = spawnSync('npm', [...args, '--loglevel=error', `${name}@${version}`], { encoding: 'utf8' });
  if (packageVersion(folder) !== version)
    throw new Missing(`${name} ${version} could not be fetched by npm: ${stderr?.trim().split('\n')[0] ?? ''}`);
  return folder;
}

function packageVersion(folder: string): string | undefined {
  const path = join(folder, 'package.json');
  if (!existsSync(path)) return undefined;
  const { version }: { version: string } = JSON.parse(readFileSync(path, 'utf8'));
  return version.split('+')[0]; // what follows names a build
}

/** @returns the first line that a command prints. */
export const firstLine = (command: string, ...args: readonly string[]): string =>
  spawnSync(command, args, { encoding: 'utf8' }).stdout?.split('\n')[0]?.trim() ?? '';
