import { describe, expect, test } from '@jest/globals';
import {
  Accelerator,
  type AnyMachineDefinition,
  buildMachine,
  Chardev,
  defineDevice,
  defineMachine,
  Host,
} from '@mainboard/core';
import { debugConsole, uart16550 } from '@mainboard/devices';
import { unplugged } from '@mainboard/machines';
import { FakeAccelerator, FakeChardev, FakeHost } from '@mainboard/testing';
import { Container } from 'inversify';
import { plugged } from './plugged-board.ts';

function build(
  definition: AnyMachineDefinition,
  { serial, debugcon }: { serial?: FakeChardev; debugcon?: FakeChardev },
) {
  const container = new Container();
  container.load(unplugged);
  container.bind<Accelerator>(Accelerator).toConstantValue(new FakeAccelerator());
  container.bind<Host>(Host).toConstantValue(new FakeHost());
  const loaded = { definition, modules: [], file: 'machine.ts' };
  return buildMachine(plugged(loaded, container, { serial, debugcon, asked: ['debugcon'] }), {}, container);
}

/** A chip that sends its name. */
const speaker = defineDevice('speaker', { spec: 'this test', backends: { line: Chardev } }, ({ name, backends }) => {
  for (const letter of name) backends.line.write(letter.charCodeAt(0));
  return {};
});

describe('channels are plugged', () => {
  test('serial into the first chip with a channel, whatever its role', () => {
    const serial = new FakeChardev();
    const machine = defineMachine('m', {}, board => {
      board.add('first', speaker);
      board.add('second', speaker);
    });
    build(machine, { serial });
    expect(serial.text).toBe('first');
  });

  test('debugcon into the debug console, and serial not', () => {
    const [serial, debugcon] = [new FakeChardev(), new FakeChardev()];
    const machine = defineMachine('m', {}, board => {
      const debug = board.add('debug', debugConsole);
      const com1 = board.add('com1', uart16550);
      board.ports.map({ 0xe9: debug.regs, 0x3f8: com1.regs });
    });
    const { bus } = build(machine, { serial, debugcon });
    bus.portWrite(0xe9, 1, 0x44);
    bus.portWrite(0x3f8, 1, 0x53);
    expect([serial.text, debugcon.text]).toEqual(['S', 'D']);
  });
});

test('a channel that was asked for needs a place, the others do not', () => {
  const machine = defineMachine('m', {}, () => {});
  expect(build(machine, { serial: new FakeChardev() }).name).toBe('m');
  expect(() => build(machine, { debugcon: new FakeChardev() })).toThrow(
    'Machine m has no debug console; leave --debugcon away.',
  );
});

test('chips that nobody has bound get their default implementation', () => {
  const chip = defineDevice('chip', { spec: 'this test' }, () => ({}));
  const machine = build(
    defineMachine('m', {}, board => void board.add('it', chip)),
    {},
  );
  expect([...machine.devices.keys()]).toEqual(['it']);
});

test('the whole board is there, also for those who take it apart', () => {
  const machine = defineMachine('m', {}, ({ add, find, ram, rom, wire, memory, ports, cpus, reset, poweroff }) => {
    const com1 = add('com1', uart16550);
    memory.map({ 0: ram(4096), 0x1_0000: rom('rom', 4096) });
    ports.map({ 0x3f8: find('com1', uart16550).regs });
    wire([
      [com1.irq, cpus[0].intr],
      [com1.rts, reset],
      [com1.dtr, poweroff],
    ]);
  });
  expect(build(machine, {}).board.nets).toHaveLength(3);
});

test('what a user’s board throws is told as theirs', () => {
  const machine = defineMachine('m', {}, () => {
    throw new TypeError('no such thing');
  });
  expect(() => build(machine, {})).toThrow(/^Machine m cannot be built: TypeError: no such thing/);
});
