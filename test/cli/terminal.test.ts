import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { finished, MAINBOARD } from './command.fixture.ts';

const SCRIPT = fileURLToPath(new URL('./terminal.py', import.meta.url));
const COOKED = [true, true];
const RAW = [false, false];
type Step = readonly ['see' | 'type', string] | readonly ['mode'] | readonly ['signal', number];

/** Runs a machine on a terminal. @returns its status and the terminal's mode each time that it was looked at, and after. */
async function onTerminal(...steps: Step[]): Promise<unknown> {
  const child = spawn('python3', [SCRIPT]);
  child.stdin.end(JSON.stringify([[...MAINBOARD, 'run', 'microvm', '--accel', 'soft'], steps]));
  const { stdout, stderr } = await finished(child);
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

const hasPython = spawnSync('python3', ['-c', 'import os, pty; os.waitstatus_to_exitcode']).status === 0;
const onPty = (name: string, run: () => Promise<void>): void => {
  if (hasPython) test(name, run);
  else test.skip(`${name}: there is no python3 (3.9 or newer) to make a terminal`, () => {});
};

onPty('a terminal is raw, keys reach the guest, and Ctrl-A x ends with status 0', async () => {
  expect(
    await onTerminal(['mode'], ['see', '\n> '], ['mode'], ['type', 'mem\r'], ['see', '256 MiB'], ['type', '\x01x']),
  ).toEqual({ status: 0, modes: [COOKED, RAW, COOKED] });
});

onPty('Ctrl-A h helps; Ctrl-C and Ctrl-Z are the guest’s', async () => {
  expect(
    await onTerminal(
      ['see', '\n> '],
      ['type', '\x01h'],
      ['see', 'Ctrl-A x'],
      ['type', '\x03\x1a\rmem\r'],
      ['see', '256 MiB'],
      ['type', '\x01x'],
    ),
  ).toEqual({ status: 0, modes: [COOKED] });
});

onPty('Ctrl-D ends the embedded guest', async () => {
  expect(await onTerminal(['see', '\n> '], ['type', '\x04'])).toEqual({ status: 0, modes: [COOKED] });
});

onPty('a signal gives the terminal back', async () => {
  const { SIGTERM, SIGINT } = constants.signals;
  expect(await onTerminal(['see', '\n> '], ['mode'], ['signal', SIGTERM])).toEqual({
    status: 143,
    modes: [RAW, COOKED],
  });
  expect(await onTerminal(['see', '\n> '], ['mode'], ['signal', SIGINT])).toEqual({
    status: 130,
    modes: [RAW, COOKED],
  });
});
