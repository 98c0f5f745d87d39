import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  Accelerator,
  buildMachine,
  Chardev,
  describeMachine,
  Host,
  type Machine,
  MainboardError,
} from '@mainboard/core';
import { portB } from '@mainboard/devices';
import { FakeAccelerator, FakeChardev, FakeHost } from '@mainboard/testing';
import { Container } from 'inversify';
import { bare, bareModule, machines, microvm, microvmModule, unplugged } from './index.ts';

/** 16 bytes of ROM: a jump to itself at the reset vector. */
const firmware = { name: 'loop.rom', bytes: Uint8Array.from({ length: 16 }, (_, i) => [0xeb, 0xfe][i] ?? 0x90) };

let serial: FakeChardev;
let debug: FakeChardev;
let host: FakeHost;
beforeEach(() => {
  serial = new FakeChardev();
  debug = new FakeChardev();
  host = new FakeHost();
});

function container() {
  const c = new Container();
  c.load(microvmModule, unplugged);
  c.bind<Accelerator>(Accelerator).toDynamicValue(() => new FakeAccelerator());
  c.bind<Host>(Host).toConstantValue(host);
  c.bind<Chardev>(Chardev).toConstantValue(serial).whenNamed('com1');
  c.bind<Chardev>(Chardev).toConstantValue(debug).whenNamed('debugcon');
  return c;
}
/** A machine after its first reset, with its processor standing still. */
function powered(options: Parameters<typeof buildMachine<typeof microvm.options>>[1] = { firmware }): Machine {
  const machine = buildMachine(microvm, options, container(), { onReset: 'stop' });
  machine.reset();
  return machine;
}
/** Runs the machine up to the next instruction boundary, and on. */
function step(machine: Machine) {
  machine.start();
  host.turn();
  host.turn();
}

test('the registry has each machine under its own name, with a module that is enough for it', () => {
  for (const [name, { definition, module }] of Object.entries(machines)) {
    expect(definition.name).toBe(name);
    const c = new Container();
    c.load(module, unplugged);
    c.bind<Accelerator>(Accelerator).toConstantValue(new FakeAccelerator());
    c.bind<Host>(Host).toConstantValue(host);
    expect(buildMachine(definition, { firmware }, c).state).toBe('built');
  }
  expect([bare.name, bareModule === machines.bare?.module]).toEqual(['bare', true]);
});

describe('microvm: interrupts', () => {
  /** Both controllers initialised as a PC does, vectors 20h and 28h, everything let through. */
  function withPics() {
    const machine = powered();
    const out = (port: number, value: number) => machine.bus.portWrite(port, 1, value);
    for (const [base, vector, cascade] of [
      [0x20, 0x20, 0x04],
      [0xa0, 0x28, 0x02],
    ] as const) {
      out(base, 0x11);
      for (const word of [vector, cascade, 0x01, 0x00]) out(base + 1, word);
    }
    return { machine, out, intr: () => machine.board.cpus[0].intr.level };
  }

  test('IRQ 4 is the serial port', () => {
    const { machine, out, intr } = withPics();
    out(0x3fc, 0x0b);
    out(0x3f9, 0x01);
    expect(intr()).toBe(false);
    serial.send('A');
    expect(intr()).toBe(true);
    expect(machine.bus.acknowledge()).toBe(0x24);
    expect(machine.bus.portRead(0x3f8, 1)).toBe(0x41);
  });

  test('IRQ 1 is the keyboard controller', () => {
    const { machine, out } = withPics();
    out(0x64, 0xd2);
    out(0x60, 0x1e);
    expect(machine.bus.acknowledge()).toBe(0x21);
  });

  test('IRQ 12 is its auxiliary port, by way of the second controller', () => {
    const { machine, out } = withPics();
    out(0x64, 0x60);
    out(0x60, 0x02);
    out(0x64, 0xd3);
    out(0x60, 0x00);
    expect(machine.bus.acknowledge()).toBe(0x2c);
  });

  test.each([
    ['pic0.ir[0]', 'pit.out[0]'],
    ['pic0.ir[1]', 'kbc.kbdIrq'],
    ['pic0.ir[2]', 'pic1.int'],
    ['pic0.ir[4]', 'com1.irq'],
    ['pic1.ir[0]', 'rtc.irq'],
    ['pic1.ir[4]', 'kbc.auxIrq'],
  ])('%s comes from %s', (line, source) => {
    expect(describeMachine(powered()).interrupts).toContainEqual(expect.objectContaining({ line, source }));
  });
});

describe('microvm: ports', () => {
  test('COM1 sends at 3F8h, the debug console at E9h and 402h', () => {
    const { bus } = powered();
    bus.portWrite(0x3f8, 1, 0x41);
    bus.portWrite(0xe9, 1, 0x42);
    bus.portWrite(0x402, 1, 0x43);
    expect([serial.text, debug.text, bus.portRead(0x402, 1)]).toEqual(['A', 'BC', 0xe9]);
  });

  test('CMOS tells the BIOS how much memory there is', () => {
    const { bus } = powered({ firmware, memory: 2 ** 25 });
    const cmos = (at: number) => {
      bus.portWrite(0x70, 1, at);
      return bus.portRead(0x71, 1);
    };
    expect(cmos(0x34) | (cmos(0x35) << 8)).toBe((2 ** 25 - 2 ** 24) / 2 ** 16);
  });

  test('bit 7 of 70h masks the NMI', () => {
    const { bus, board } = powered();
    const masked = () => board.find('sysb', portB).nmiMask.level;
    const seen = [masked()];
    for (const index of [0x0f, 0x8f]) {
      bus.portWrite(0x70, 1, index);
      seen.push(masked());
    }
    expect(seen).toEqual([true, false, true]);
  });

  test('A20 follows 64h and 92h', () => {
    const machine = powered();
    const a20 = () => machine.board.cpus[0].a20Enabled;
    const seen = [a20()];
    machine.bus.portWrite(0x64, 1, 0xdd);
    seen.push(a20());
    machine.bus.portWrite(0x92, 1, 0x02);
    seen.push(a20());
    expect(seen).toEqual([true, false, true]);
  });

  test('61h gates counter 2 and shows its output', async () => {
    const machine = powered();
    const { bus } = machine;
    const out2 = () => (bus.portRead(0x61, 1) & 0x20) !== 0;
    step(machine);
    bus.portWrite(0x61, 1, 0x00);
    bus.portWrite(0x43, 1, 0xb0); // counter 2, mode 0: OUT is low until the count ends
    bus.portWrite(0x42, 1, 0x10);
    bus.portWrite(0x42, 1, 0x00);
    host.advance(1_000_000);
    const gated = out2();
    bus.portWrite(0x61, 1, 0x01);
    host.advance(1_000_000);
    expect([gated, out2()]).toEqual([false, true]);
    await machine.dispose();
  });
});

describe('microvm: the end', () => {
  test.each([
    ['FEh to 64h resets', 0x64, 0xfe, { reason: 'reset', status: 0 }],
    ['bit 0 of 92h resets', 0x92, 0x01, { reason: 'reset', status: 0 }],
    ['F4h ends with a status', 0xf4, 0x10, { reason: 'exit', status: 33 }],
  ])('%s', async (_name, port, value, ending) => {
    const machine = powered();
    machine.bus.portWrite(port, 1, value);
    step(machine);
    expect(machine.ending).toEqual(ending);
    await machine.dispose();
  });

  test('2000h to 604h turns the power off', async () => {
    const machine = powered();
    machine.bus.portWrite(0x604, 2, 0x2000);
    step(machine);
    expect(machine.ending).toEqual({ reason: 'poweroff', status: 0 });
    await machine.dispose();
  });
});

describe('memory', () => {
  test('a ROM image ends at 4 GiB and at 1 MiB', () => {
    const { bus } = powered();
    expect([bus.memoryPeek(0xffff_fff0, 2), bus.memoryPeek(0xf_fff0, 2)]).toEqual([0xfeeb, 0xfeeb]);
  });

  test('a large ROM image shows its last 128 KiB below 1 MiB', () => {
    const bytes = new Uint8Array(0x4_0000);
    bytes[0x2_0000] = 0x5a;
    const { bus } = powered({ firmware: { name: 'bios', bytes } });
    expect([bus.memoryPeek(0xe_0000, 1), bus.memoryPeek(0xfffe_0000, 1), bus.memoryPeek(0xd_ffff, 1)]).toEqual([
      0x5a, 0x5a, 0xff,
    ]);
  });

  test('RAM goes up to its size, with a hole from 640 KiB to 1 MiB', () => {
    const { bus } = powered({ firmware, memory: 2 ** 22 });
    for (const address of [0, 0x9_fffc, 0xa_0000, 0x10_0000, 2 ** 22 - 4, 2 ** 22]) bus.memoryWrite(address, 4, 0x1234);
    const seen = [0, 0x9_fffc, 0xa_0000, 0x10_0000, 2 ** 22 - 4, 2 ** 22].map(address => bus.memoryPeek(address, 4));
    expect(seen).toEqual([0x1234, 0x1234, 0xffff_ffff, 0x1234, 0x1234, 0xffff_ffff]);
  });
});

describe('mistakes', () => {
  const refused = (options: Parameters<typeof powered>[0]) => {
    try {
      powered(options);
    } catch (error) {
      expect(error).toBeInstanceOf(MainboardError);
      return (error as Error).message;
    }
    return 'accepted';
  };

  test.each([
    ['nothing to boot', {}, /nothing to boot; give it a kernel or a firmware image/],
    ['a kernel and a firmware', { firmware, kernel: firmware }, /both a kernel and a firmware image/],
    ['an initrd without kernel', { firmware, initrd: firmware }, /An initrd needs a kernel/],
    ['no kernel', { kernel: { name: 'notes.txt', bytes: new Uint8Array(2000) } }, /neither a bzImage nor an ELF/],
    ['too little memory', { firmware, memory: 4096 }, /memory must be a size from 2M to 3584M/],
    ['an empty firmware', { firmware: { name: 'x', bytes: new Uint8Array(0) } }, /firmware image has 0 bytes/],
  ])('%s', (_name, options, message) => {
    expect(refused(options)).toMatch(message);
  });
});
