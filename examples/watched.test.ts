import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Accelerator, buildMachine, describeMachine, deviceModule, Host, type Machine } from '@mainboard/core';
import { microvmModule, unplugged } from '@mainboard/machines';
import { FakeAccelerator, FakeHost } from '@mainboard/testing';
import { Container } from 'inversify';
import { watchdog } from './watchdog.ts';
import { watched } from './watched.ts';

const DOG = 0xfed8_0000;
const [LOAD, CTRL] = [DOG, DOG + 2];
const TICK = 1_000_000;

let host: FakeHost;
let machine: Machine;
beforeEach(() => {
  host = new FakeHost();
  const container = new Container();
  container.load(microvmModule, deviceModule(watchdog), unplugged);
  container.bind<Accelerator>(Accelerator).toConstantValue(new FakeAccelerator());
  container.bind<Host>(Host).toConstantValue(host);
  const firmware = { name: 'halt.rom', bytes: new Uint8Array(16).fill(0xf4) };
  machine = buildMachine(watched, { firmware, tick: TICK }, container, { onReset: 'stop' });
  machine.start();
  host.turn();
});
afterEach(() => machine.dispose());

test('it is wired to interrupt 5 and to the reset line', () => {
  const { interrupts, nets } = describeMachine(machine);
  expect(interrupts).toContainEqual({ line: 'pic0.ir[5]', source: 'dog.irq', cascade: false });
  expect(nets).toContainEqual({ from: 'dog.bite', to: 'board.reset' });
});

test('an expiry is an interrupt request at the PIC', () => {
  for (const [port, value] of [
    [0x20, 0x11],
    [0x21, 0x20],
    [0x21, 0x04],
    [0x21, 0x01],
    [0x21, 0xdf], // all but interrupt 5 masked
  ] as const)
    machine.bus.portWrite(port, 1, value);
  machine.bus.memoryWrite(LOAD, 1, 10);
  machine.bus.memoryWrite(CTRL, 1, 1);
  host.advance(11 * TICK);
  expect([machine.board.cpus[0].intr.level, machine.bus.acknowledge()]).toEqual([true, 0x25]);
});

test('a bite resets the machine', () => {
  machine.bus.memoryWrite(LOAD, 1, 10);
  machine.bus.memoryWrite(CTRL, 1, 3);
  host.turn(); // the halted machine sees that it has a timer
  host.advance(30 * TICK);
  expect(machine.ending).toEqual({ reason: 'reset', status: 0 });
});
