import {
  type ChildProcessWithoutNullStreams,
  type SpawnOptionsWithoutStdio,
  spawn,
  spawnSync,
} from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jest, test } from '@jest/globals';

// Processes start slowly on a host that is busy.
jest.setTimeout(60_000);

export const root = fileURLToPath(new URL('../..', import.meta.url));
const bin = join(root, 'packages', 'cli', 'bin');

/** The built command; while sources are newer than the build, the same from its sources. */
const command = (): string[] => {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout } = spawnSync(process.execPath, [tsc, '-b', '--dry'], { cwd: root, encoding: 'utf8' });
  return /would build/.test(stdout)
    ? ['--conditions=source', join(bin, 'from-source.mjs')]
    : [join(bin, 'mainboard.mjs')];
};
export const MAINBOARD: readonly string[] = [process.execPath, ...command()];

export interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the command; the caller ends it. */
export const start = (
  args: readonly string[],
  options: SpawnOptionsWithoutStdio = {},
): ChildProcessWithoutNullStreams => spawn(MAINBOARD[0]!, [...MAINBOARD.slice(1), ...args], options);

/** Collects what a command prints until it is over. */
export async function finished(child: ChildProcessWithoutNullStreams): Promise<Result> {
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', text => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text;
  });
  const status = await new Promise<number | null>(resolve => child.on('close', resolve));
  return { status, stdout, stderr };
}

/** Runs the command to its end, with this on its standard input. */
export function mainboard(
  args: readonly string[],
  { input = '', ...options }: SpawnOptionsWithoutStdio & { input?: string } = {},
): Promise<Result> {
  const child = start(args, options);
  child.stdin.on('error', () => {}); // it may end before it has read everything
  child.stdin.end(input);
  return finished(child);
}

/** Waits for a text in a stream. @throws Error when the stream ends without it. */
export async function see(stream: NodeJS.ReadableStream, pattern: RegExp): Promise<string> {
  let text = '';
  return new Promise((resolve, reject) => {
    const heard = (chunk: Buffer | string): void => {
      text += String(chunk);
      if (!pattern.test(text)) return;
      stream.off('data', heard);
      stream.off('end', ended);
      resolve(text);
    };
    const ended = (): void => reject(new Error(`${pattern} did not come; there was: ${text}`));
    stream.on('data', heard);
    stream.on('end', ended);
  });
}

/** A folder outside the workspace, for as long as `work` takes. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'mainboard-cli-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function whyNoKvm(): string | undefined {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    return `/dev/kvm: ${(error as NodeJS.ErrnoException).code}`;
  }
}

/** A test on each accelerator, skipped with the reason where KVM is not to be had. */
export function onEach(name: string, run: (accel: 'soft' | 'kvm') => Promise<void>, timeout = 60_000): void {
  const missing = whyNoKvm();
  test(`${name} (soft)`, () => run('soft'), timeout);
  if (missing === undefined) test(`${name} (kvm)`, () => run('kvm'), timeout);
  else test.skip(`${name} (kvm): ${missing}`, () => {});
}

/** A ROM image of so many bytes: the last sixteen are executed first, in real mode. */
export const rom = (...code: number[]): Uint8Array => Uint8Array.from({ length: 16 }, (_, i) => code[i] ?? 0x90);
