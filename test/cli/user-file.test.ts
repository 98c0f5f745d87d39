import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { inFolder, mainboard, onEach, root } from './command.fixture.ts';

/** A chip in a file of its own, imported as a compiler would write it. */
const CHIP = `
import { defineDevice, registers } from '@mainboard/core';
interface Numbers { readonly answer: number }
const numbers = { answer: 42 } satisfies Numbers;
export const oracle = defineDevice(
  'oracle',
  { spec: 'this test', windows: { regs: registers({ ANSWER: { at: 0, size: 1, access: 'ro' } }) } },
  () => ({ registers: { ANSWER: { value: (): number => numbers.answer } } }),
);
`;
const MACHINE = `
import { type Board, defineMachine } from '@mainboard/core';
import { microvm } from '@mainboard/machines';
import { u32 } from '@mainboard/core';
import { oracle } from './oracle.js';

export const told = defineMachine('told', { ...microvm.options, base: u32(0xfeb0_0000) }, board => {
  microvm.build(board);
  const chip = board.add('oracle', oracle);
  board.memory.map({ [board.options.base as number]: chip.regs });
});
`;

onEach('a machine with a chip of its own, in a folder outside the workspace', async accel => {
  await inFolder(async folder => {
    writeFileSync(join(folder, 'oracle.ts'), CHIP);
    writeFileSync(join(folder, 'told.ts'), MACHINE);
    const { status, stdout, stderr } = await mainboard(['run', 'told.ts', '--accel', accel, '--base', '0xfeb10000'], {
      cwd: folder,
      input: 'peek feb10000 1\n',
    });
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/feb10000 {2}2a /);
  });
});

test('it is described like ours', async () => {
  await inFolder(async folder => {
    writeFileSync(join(folder, 'oracle.ts'), CHIP);
    writeFileSync(join(folder, 'told.ts'), MACHINE);
    const { status, stdout } = await mainboard(['describe', join(folder, 'told.ts')]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^told\n/);
    expect(stdout).toMatch(/feb00000-feb00000 +oracle\.regs/);
  });
});

test('a machine without chips needs no firmware', async () => {
  await inFolder(async folder => {
    writeFileSync(
      join(folder, 'empty.mjs'),
      "import { defineMachine } from '@mainboard/core';\nexport default defineMachine('empty', {}, () => {});\n",
    );
    const { status, stdout } = await mainboard(['describe', join(folder, 'empty.mjs')]);
    expect([status, stdout]).toEqual([0, 'empty\n']);
  });
});

test('a chip that throws while the machine runs is told with its stack, status 70', async () => {
  await inFolder(async folder => {
    writeFileSync(join(folder, 'oracle.ts'), CHIP.replace('numbers.answer }', 'JSON.parse("{") as number }'));
    writeFileSync(join(folder, 'told.ts'), MACHINE);
    const { status, stderr } = await mainboard(['run', 'told.ts', '--accel', 'soft'], {
      cwd: folder,
      input: 'peek feb00000 1\n',
    });
    expect(status).toBe(70);
    expect(stderr).toMatch(/^mainboard: internal error: SyntaxError: .*\n(.*\n)*.*oracle\.ts/);
  });
});

onEach('examples/watched.ts: the watchdog bites, which resets the machine', async accel => {
  const { status, stdout, stderr } = await mainboard(
    [
      'run',
      join('examples', 'watched.ts'),
      '--accel',
      accel,
      '--tick',
      '10000000',
      '--on-reboot',
      'exit',
      '--timeout',
      '50',
    ],
    { cwd: root, input: 'poke fed80000 5\npoke fed80002 3\npeek fed80002 1\nbench ffffffff\n' },
  );
  expect(stdout).toMatch(/fed80002 {2}03 /);
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/> bench ffffffff\r\n$/); // it was still counting
});
