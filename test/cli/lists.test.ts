import { expect, test } from '@jest/globals';
import type { MachineDescription } from '@mainboard/core';
import * as devices from '@mainboard/devices';
import { machines } from '@mainboard/machines';
import { mainboard } from './command.fixture.ts';

const printed = async (...args: string[]): Promise<string> => {
  const { status, stdout, stderr } = await mainboard(args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
};

test('machines: each with its line', async () => {
  const lines = (await printed('machines')).trimEnd().split('\n');
  expect(lines.map(line => line.split(/\s{2,}/))).toEqual(
    Object.values(machines).map(({ definition }) => [definition.name, definition.description]),
  );
});

test('devices: each with its line and its datasheet', async () => {
  const types = Object.values(devices).filter(value => typeof value === 'object' && 'implementation' in value);
  const lines = (await printed('devices')).trimEnd().split('\n');
  expect(lines).toHaveLength(types.length);
  for (const { type, spec } of types) {
    const line = lines.find(candidate => candidate.startsWith(`${type} `));
    expect(line).toContain(spec.spec);
  }
});

test('devices i8254: its properties, pins and registers', async () => {
  const text = await printed('devices', 'i8254');
  expect(text).toMatch(/^i8254: .*\nIntel 8254/);
  expect(text).toMatch(/clk {2}number .*default: 1193182/);
  expect(text).toMatch(/gate\[3\] {2}in/);
  expect(text).toMatch(/\+3 {2}CONTROL/);
});

test('describe --json: all of it, in the shape of MachineDescription', async () => {
  const description = JSON.parse(await printed('describe', 'microvm', '--json')) as MachineDescription;
  expect(Object.keys(description).sort()).toEqual(
    ['accelerator', 'description', 'devices', 'interrupts', 'memory', 'name', 'nets', 'options', 'ports'].sort(),
  );
  expect(description.options).toMatchObject({ memory: 2 ** 28, firmware: 'embedded guest' });
  expect(description.devices).toContainEqual(
    expect.objectContaining({ name: 'com1', type: 'uart16550', backends: ['Chardev'] }),
  );
  expect(description.ports).toContainEqual({ base: 0x3f8, size: 8, kind: 'window', name: 'com1.regs', priority: 0 });
  expect(description.interrupts).toContainEqual({ line: 'pic0.ir[4]', source: 'com1.irq', cascade: false });
  for (const { base, size, kind } of [...description.memory, ...description.ports])
    expect([Number.isInteger(base), Number.isInteger(size), kind]).toEqual([
      true,
      true,
      expect.stringMatching(/^(ram|rom|window)$/),
    ]);
});

test('describe: tree, memory and port map, interrupts; the machine’s options count', async () => {
  const text = await printed('describe', 'microvm', '--memory', '64M');
  expect(text).toMatch(/^ {2}memory {4}64M$/m);
  expect(text).toMatch(/^ {2}├─ com1 +uart16550 /m);
  expect(text).toMatch(/^ {2}03f8-03ff +com1\.regs$/m);
  expect(text).toMatch(/^ {2}00100000-03ffffff +ram /m);
  expect(text).toMatch(/^ {2}pic0\.ir\[4\] +com1\.irq$/m);
});

test('doctor: what KVM and the software CPU can do, and what auto takes', async () => {
  const text = await printed('doctor');
  expect(text).toMatch(/^kvm +(usable|not usable)/m);
  expect(text).toMatch(/^soft +usable/m);
  expect(text).toMatch(/^--accel auto takes (kvm|soft): /m);
});

test('--version, --help, and the help of run with the machine’s own options', async () => {
  expect(await printed('--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(await printed()).toBe(await printed('--help'));
  expect(await printed('run', 'microvm', '--help')).toMatch(/--memory <size> +RAM \(default: 256M\)/);
});
