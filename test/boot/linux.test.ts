import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { debianGuests } from '../support/debian.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { folder: guests, missing } = debianGuests();

/** A machine run by the command, with its serial port on pipes. */
class Session {
  readonly #child;
  readonly exited: Promise<number | null>;
  output = '';
  #waiting: (() => void) | undefined;

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, [join(root, 'packages', 'cli', 'bin', 'mainboard.mjs'), ...args]);
    this.#child.stdout.setEncoding('latin1').on('data', (text: string) => this.#more(text));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => this.#more(text));
    this.exited = new Promise(resolve => this.#child.on('close', status => resolve(status)));
    void this.exited.then(() => this.#waiting?.());
  }

  #more(text: string): void {
    this.output += text;
    this.#waiting?.();
  }

  /** Waits for a text on the serial port after the last one waited for. */
  async see(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.output);
      if (match) {
        this.output = this.output.slice(match.index + match[0].length);
        return match;
      }
      if (this.#child.exitCode !== null)
        throw new Error(`ended with status ${this.#child.exitCode} after:\n${this.output.slice(-2000)}`);
      await new Promise<void>(resolve => {
        this.#waiting = resolve;
      });
    }
  }

  type(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

const KERNELS = [
  ['linux-image-cloud-amd64', 'amd64', 'x86_64'],
  ['linux-image-686', 'i386', 'i686'],
] as const;

describe.each(KERNELS)('%s on microvm in software', (_name, arch, machine) => {
  const title = 'boots to a shell, answers what is typed, and reboots with status 0';
  if (missing !== undefined) {
    test.skip(`${title} (${missing})`, () => {});
    return;
  }
  test(title, async () => {
    const session = new Session([
      'run',
      'microvm',
      '--accel',
      'soft',
      '--memory',
      '256M',
      '--kernel',
      join(guests, arch, 'vmlinuz'),
      '--initrd',
      join(guests, arch, 'initrd'),
      '--append',
      'console=ttyS0 reboot=k panic=-1',
    ]);
    try {
      await session.see(/init: Linux (\S+) is up/);
      await session.see(/\/ # /);
      session.type('echo $((6 * 7)) on $(uname -m)');
      expect((await session.see(/^(\d+ on \S+)\r$/m))[1]).toBe(`42 on ${machine}`);
      // Floating point, pipes and processes: a sum that only comes out right if all of them work.
      session.type('seq 1 1000 | awk \'{ s += $1 / 7 } END { printf "sum %.9f\\n", s }\'');
      expect((await session.see(/^(sum [\d.]+)\r$/m))[1]).toBe('sum 71500.000000000');
      session.type('head -c 1000000 /dev/zero | sha256sum');
      await session.see(/^d29751f2649b32ff572b5e0a9f541ea660a50f94ff0beedfb0b692b924cc8025 /m);
      session.type('reboot -f');
      expect(await session.exited).toBe(0);
    } finally {
      session.kill();
    }
  }, 300_000);
});
