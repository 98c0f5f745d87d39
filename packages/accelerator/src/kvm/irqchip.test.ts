import { afterEach, expect, test as jestTest } from '@jest/globals';
import {
  ACCELERATOR_ARENA,
  buildMachine,
  defineDevice,
  defineMachine,
  deviceModule,
  Host,
  handlers,
  type Machine,
  type OutPin,
  output,
} from '@mainboard/core';
import { i8254, i8259 } from '@mainboard/devices';
import { FakeHost } from '@mainboard/testing';
import { Container, ContainerModule } from 'inversify';
import { FLAT, flatState, writeFlatTables } from './flat-modes.ts';
import { kvmIrqchipModule } from './irqchip-module.ts';
import { kvmModule } from './module.ts';
import { probeKvm } from './probe.ts';

const kvm = probeKvm();
const test = kvm.usable
  ? jestTest
  : (name: string, _body: () => unknown) => jestTest.skip(`${name} (${kvm.detail})`, () => {});

const log: number[] = [];
/** Notes what the guest writes to its port, and has a line for interrupts. */
const recorder = defineDevice(
  'recorder',
  { spec: 'none', pins: { irq: output() }, windows: { port: handlers(1) } },
  () => ({
    windows: {
      port: {
        peek: () => 0,
        read: () => 0,
        write: (_offset: number, _size: number, value: number) => {
          log.push(value);
        },
      },
    },
  }),
);

/** PIC pair, PIT and the recorder at port E9h. */
const board = defineMachine('irqchip-test', {}, b => {
  const pic0 = b.add('pic0', i8259, { role: 'master' });
  const pic1 = b.add('pic1', i8259, { role: 'slave' });
  const pit = b.add('pit', i8254);
  const notes = b.add('notes', recorder);
  b.memory.map({ 0: b.ram(0x10_0000) });
  b.ports.map({ 32: pic0.regs, 160: pic1.regs, 64: pit.regs, 233: notes.port });
  b.wire([
    [pic0.int, b.cpus[0].intr],
    [pic0.inta, b.cpus[0].inta],
    [pic1.int, pic0.ir[2]],
    [pic1.inta, pic0.cascade[2]],
    [pit.out[0], pic0.ir[0]],
    [notes.irq, pic0.ir[4]],
  ]);
});

const machines: Machine[] = [];
afterEach(async () => {
  log.length = 0;
  for (const machine of machines.splice(0)) await machine.dispose();
});

const out = (port: number, value: number): number[] => [0xb0, value, 0xe6, port];
/** Real mode: PIC at vectors 20h and 28h, all inputs masked but those of `mask`'s zeros. */
const initPic = (mask: number): number[] => [
  ...out(0x20, 0x11),
  ...out(0x21, 0x20),
  ...out(0x21, 0x04),
  ...out(0x21, 0x01),
  ...out(0xa0, 0x11),
  ...out(0xa1, 0x28),
  ...out(0xa1, 0x02),
  ...out(0xa1, 0x01),
  ...out(0x21, mask),
  ...out(0xa1, 0xff),
];
/** Counter 0, mode 2, about 1000 a second. */
const initPit = [...out(0x43, 0x34), ...out(0x40, 0xa9), ...out(0x40, 0x04)];
const IDLE = [0xfb, 0xf4, 0xeb, 0xfd]; // sti; hlt; back to the hlt
/** Handler: out E9h with its number, end of interrupt, iret. */
const handler = (n: number): number[] => [0x50, ...out(0xe9, n), ...out(0x20, 0x20), 0x58, 0xcf];

const start = (code: readonly number[], ...modules: ContainerModule[]): Machine => {
  const container = new Container();
  const host = new ContainerModule(({ bind }) => {
    bind<Host>(Host).toConstantValue(new FakeHost());
  });
  container.load(deviceModule(i8259, i8254, recorder), host, ...modules);
  const machine = buildMachine(board, {}, container);
  machines.push(machine);
  machine.reset();
  writeFlatTables(machine.guest);
  const poke = (address: number, bytes: readonly number[]): void =>
    machine.guest.bytes.set(bytes, ACCELERATOR_ARENA + address);
  poke(FLAT.CODE, code);
  for (const n of [0, 4]) {
    poke(4 * (0x20 + n), [n, 0xa0 + n, 0, 0]);
    poke(0xa000 + 0x101 * n, handler(n));
  }
  const [vcpu] = machine.vcpus;
  vcpu.restore(flatState(vcpu.save(), 'real'));
  return machine;
};
/** Runs slices of 1 ms until the guest has noted `count` values. */
const notes = (machine: Machine, count: number): number[] => {
  for (let slices = 0; log.length < count && slices < 2000; slices++)
    expect(machine.vcpus[0].run(1_000_000)).toEqual({ kind: 'slice' });
  return log.slice(0, count);
};

test("the kernel's timer wakes a halted guest, through the kernel's PIC", () => {
  const machine = start([...initPic(0xfe), ...initPit, ...IDLE], kvmIrqchipModule);
  expect(notes(machine, 3)).toEqual([0, 0, 0]);
});

test("a device's line is an input of the kernel's PIC", () => {
  const machine = start([...initPic(0xef), ...IDLE], kvmIrqchipModule);
  const run = () => machine.vcpus[0].run(2_000_000);
  run();
  const irq = machine.devices.get('notes')!.pins.irq as OutPin;
  irq.set(true);
  irq.set(false);
  expect(notes(machine, 1)).toEqual([4]);
  run();
  expect(log).toEqual([4]);
});

test('a halted guest is saved as halted, its PIC and PIT with it', () => {
  const machine = start([...initPic(0xfe), ...initPit, ...IDLE], kvmIrqchipModule);
  notes(machine, 1);
  for (let slices = 0; !machine.vcpus[0].save().halted && slices < 2000; slices++) machine.vcpus[0].run(50_000);
  expect(machine.vcpus[0].save().halted).toBe(true);
  const pic = machine.devices.get('pic0')!.save();
  expect(pic.registers).toMatchObject({ IMR: 0xfe });
  expect(pic.state).toMatchObject({ icw2: 0x20, icw3: 4, awaits: 4 });
  const pit = machine.devices.get('pit')!.save();
  expect((pit.state.control as Float64Array)[0]).toBe(0x34);
  expect((pit.state.count as Float64Array)[0]).toBe(0x4a9);
});

test('restored into another machine, the guest goes on with its ticks', () => {
  const first = start([...initPic(0xfe), ...initPit, ...IDLE], kvmIrqchipModule);
  notes(first, 2);
  const snapshot = structuredClone({
    devices: [...first.devices].map(([name, device]) => [name, device.save()] as const),
    cpu: first.vcpus[0].save(),
  });
  log.length = 0;
  const second = start([], kvmIrqchipModule);
  second.guest.bytes.set(first.guest.bytes.subarray(ACCELERATOR_ARENA), ACCELERATOR_ARENA);
  for (const [name, state] of snapshot.devices) second.devices.get(name)!.restore(state);
  second.vcpus[0].restore(snapshot.cpu);
  expect(notes(second, 3)).toEqual([0, 0, 0]);
});

test("the same board with its own chips: the kernel's module replaces kvmModule", () => {
  expect(start([...initPic(0xff), 0xf4], kvmModule).vcpus[0].run(1e9)).toEqual({ kind: 'halt' });
  const machine = start([...initPic(0xfe), ...initPit, ...IDLE], kvmModule, kvmIrqchipModule);
  expect(notes(machine, 1)).toEqual([0]);
});
