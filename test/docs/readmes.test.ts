import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { Accelerator, buildMachine, describeMachine, Host, hex, type MachineDescription } from '@mainboard/core';
import * as devices from '@mainboard/devices';
import { machines, unplugged } from '@mainboard/machines';
import { FakeAccelerator, FakeHost } from '@mainboard/testing';
import { Container } from 'inversify';

const root = fileURLToPath(new URL('../..', import.meta.url));
const text = (path: string): string => readFileSync(join(root, path), 'utf8');
const names = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word!);
const run = (program: string) =>
  spawnSync(process.execPath, ['--input-type=module', '--eval', program], { cwd: root, encoding: 'utf8' });
const samples = (markdown: string): string[] => [...markdown.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => match[1]!);

describe('README.md', () => {
  const [board, program] = samples(text('README.md')) as [string, string];

  test('the board is the one of microvm', () => {
    expect(text('machines/microvm/microvm.board.ts')).toContain(board);
  });

  test('the program runs as it stands', () => {
    const { status, stdout, stderr } = run(program);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain('64-bit mode');
    expect(stdout).toMatch(/poweroff 0\n$/);
  });
});

test('packages/testing/README.md: the sample prints what it says', () => {
  const [sample] = samples(text('packages/testing/README.md')) as [string];
  const { status, stdout, stderr } = run(sample);
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^\[ 'irq=1' \]\nmc146818: reset is idempotent\n/);
});

test('packages/devices/README.md names every device, and no other', () => {
  const table = text('packages/devices/README.md').split('| export | chip |')[1]!.split('\n\n')[0]!;
  const listed = [...table.matchAll(/^\| (`[^|]*) \|/gm)].flatMap(([, cell]) => names(cell!));
  const types = Object.entries(devices).filter(([, value]) => typeof value === 'object' && 'implementation' in value);
  expect(listed.sort()).toEqual(types.map(([name]) => name).sort());
});

describe.each(Object.keys(machines))('machines/%s/README.md', name => {
  const readme = text(`machines/${name}/README.md`);
  const section = (title: string): string => readme.split(/^## /m).find(part => part.startsWith(title)) ?? '';
  /** The cells of each row of a section's table. */
  const rows = (title: string): string[][] =>
    [...section(title).matchAll(/^\| (?!-)(.*) \|$/gm)]
      .slice(1)
      .map(([, row]) => row!.split('|').map(cell => cell.trim()));

  test('every port, and no other', () => {
    const listed = rows('Ports').flatMap(([addresses, roles]) =>
      addresses!.split(', ').map((range, i) => {
        const [first, last = first] = range.split('–').map(digits => Number.parseInt(digits, 16));
        const role = names(roles!)[i] ?? names(roles!)[0];
        return `${role} ${hex(first!)}-${hex(last!)}`;
      }),
    );
    const mapped = described(name).ports.map(
      ({ base, size, name: window }) => `${window.split('.')[0]} ${hex(base)}-${hex(base + size - 1)}`,
    );
    expect(listed.sort()).toEqual(mapped.sort());
  });

  test('every interrupt line, and no other', () => {
    const listed = rows('Interrupts').map(([, line, source]) => `${names(line!)[0]} ${names(source!)[0]}`);
    expect(listed.sort()).toEqual(
      described(name)
        .interrupts.map(({ line, source }) => `${line} ${source}`)
        .sort(),
    );
  });
});

function described(name: string): MachineDescription {
  const { definition, module } = machines[name]!;
  const container = new Container();
  container.load(module, unplugged);
  container.bind<Accelerator>(Accelerator).toConstantValue(new FakeAccelerator());
  container.bind<Host>(Host).toConstantValue(new FakeHost());
  const firmware = { name: 'halt.rom', bytes: new Uint8Array(16).fill(0xf4) };
  return describeMachine(buildMachine(definition, { firmware }, container));
}
