import { describe, expect, test } from '@jest/globals';
import { FakeClock, testbench } from '@mainboard/testing';
import { defineDevice } from './device.ts';
import { DeviceInstance, type DeviceSurroundings } from './instance.ts';
import { input, inputs, output, PinScope, vectorSource } from './pin.ts';
import { u32 } from './property.ts';
import { bit } from './register.ts';
import { bytes } from './state.ts';
import { Trace } from './trace.ts';
import { handlers, registers } from './window.ts';

/** A FIFO with an alarm clock. */
const fifo = defineDevice(
  'fifo',
  {
    spec: 'this test',
    properties: { depth: u32(4, { min: 1, max: 16 }) },
    pins: { clear: input(), line: inputs(2), irq: output(), inta: vectorSource() },
    windows: {
      data: registers({ DATA: { at: 0, size: 1, access: 'rw' } }),
      control: registers({
        CTRL: { at: 0, size: 1, access: 'rw', reset: 2, fields: { ENABLE: bit(0) } },
        ALARM: { at: 1, size: 1, access: 'wo' },
      }),
    },
    state: { queue: [], cells: bytes(4), seen: 'none', alarm: -1, boots: 0 },
    battery: ['boots', 'ALARM'],
  },
  ({ name, props, pins, regs: { CTRL }, state, clock, trace }) => {
    const timer = clock.timer(() => {
      state.alarm = -1;
      state.seen = 'alarm';
      update();
    });
    function update(): void {
      pins.irq.set(CTRL.ENABLE && state.queue.length > 0);
      if (state.alarm >= 0) timer.arm(state.alarm);
      else timer.cancel();
    }
    return {
      update,
      reset() {
        state.boots++;
      },
      inputs: {
        clear(level) {
          if (level) state.queue.length = 0;
          update();
        },
        line(level, index) {
          state.cells[index] = level ? 1 : 0;
        },
      },
      vectors: { inta: () => 0x20 + state.queue.length },
      registers: {
        CTRL: { onWrite: update },
        ALARM: {
          onWrite(value) {
            state.alarm = clock.now() + value;
            update();
          },
        },
        DATA: {
          value: () => state.queue[0] ?? 0,
          onRead() {
            state.queue.shift();
            update();
          },
          onWrite(value) {
            if (trace.on) trace.log(`${name} takes ${value}`);
            if (state.queue.length < props.depth) state.queue.push(value);
            update();
          },
        },
      },
    };
  },
);

describe('a device on the bench', () => {
  test('windows, pins and vectors reach the behaviour', () => {
    const { handle, drive, levels, log } = testbench(fifo, { properties: { depth: 2 } });
    handle.control.write(0, 1, 1);
    for (const value of [7, 8, 9]) handle.data.write(0, 1, value);
    expect([levels().irq, handle.inta.acknowledge(), handle.data.peek(0, 1)]).toEqual([true, 0x22, 7]);
    expect([handle.data.read(0, 1), handle.data.read(0, 1), levels().irq]).toEqual([7, 8, false]);
    handle.data.write(0, 1, 1);
    drive.clear.set(true);
    drive.line[1]!.set(true);
    expect(log).toEqual(['irq=1', 'irq=0', 'irq=1', 'irq=0']);
  });

  test('save is a deep copy; restore brings back state, outputs and timers', () => {
    const { device, handle, clock, levels } = testbench(fifo);
    handle.control.write(0, 2, 0x6401); // ENABLE, alarm in 100 ns
    handle.data.write(0, 1, 5);
    const saved = device.save();
    handle.data.read(0, 1);
    clock.advance(1000);
    expect(device.save().state).toMatchObject({ queue: [], seen: 'alarm', alarm: -1 });
    expect(saved.state).toMatchObject({ queue: [5], seen: 'none', alarm: 100 });
    clock.time = 0;
    const { queue } = device.state;
    device.restore(saved);
    expect([device.save(), levels().irq, device.armedTimers, clock.queue.next]).toEqual([saved, true, 1, 100]);
    expect(device.state.queue).toBe(queue); // arrays keep their identity
  });

  test('a reset brings back what is declared, but for what the battery keeps', () => {
    const { device, handle, levels } = testbench(fifo);
    handle.control.write(0, 2, 0x6401);
    handle.data.write(0, 1, 5);
    device.reset();
    expect(device.save()).toEqual({
      type: 'fifo',
      registers: { DATA: 0, CTRL: 2, ALARM: 0x64 },
      state: { queue: [], cells: new Uint8Array(4), seen: 'none', alarm: -1, boots: 2 },
    });
    expect([levels().irq, device.armedTimers]).toEqual([false, 0]);
  });

  test('the declared state is nobody’s to change', () => {
    const first = testbench(fifo);
    first.drive.line[0]!.set(true);
    first.handle.data.write(0, 1, 1);
    expect(testbench(fifo).device.save().state).toMatchObject({ queue: [], cells: new Uint8Array(4) });
  });

  test('dispose cancels the timers', () => {
    const { device, handle, clock } = testbench(fifo);
    handle.control.write(1, 1, 9);
    device.dispose();
    expect(clock.queue.next).toBe(Number.POSITIVE_INFINITY);
  });

  test('a restore cancels the timers; those that are to run update() arms again', () => {
    const type = defineDevice(
      'x',
      { spec: 'x', windows: { regs: registers({ GO: { at: 0, size: 1, access: 'rw' } }) } },
      ({ regs: { GO }, clock }) => {
        const timer = clock.timer(() => {});
        const update = () => {
          if (GO.value !== 0) timer.arm(GO.value);
        };
        return { update, registers: { GO: { onWrite: update } } };
      },
    );
    const { device, handle } = testbench(type);
    const still = device.save();
    handle.regs.write(0, 1, 5);
    const going = device.save();
    device.restore(still);
    expect(device.armedTimers).toBe(0);
    device.restore(going);
    expect(device.armedTimers).toBe(1);
  });

  test('state that a snapshot lacks begins as declared', () => {
    const type = defineDevice('x', { spec: 'x', state: { n: 3, list: [1, 2], ram: bytes(2) } }, () => ({}));
    const { device } = testbench(type);
    const { ram: _, ...older } = device.save().state;
    Object.assign(device.state, { n: 9 });
    (device.state.ram as Uint8Array).fill(7);
    device.restore({ ...device.save(), state: { ...older, n: 4 } });
    expect(device.state).toEqual({ n: 4, list: [1, 2], ram: bytes(2) });
  });

  test('a snapshot of another type is refused', () => {
    const { device } = testbench(fifo, { name: 'q' });
    expect(() => device.restore({ ...device.save(), type: 'uart' })).toThrow(
      'The snapshot of q is of a uart, the device is a fifo;',
    );
  });

  test('its trace has its name', () => {
    const { handle, trace } = testbench(fifo, { name: 'q' });
    const seen: string[] = [];
    trace.listen(event => seen.push(`${event.source}: ${event.text}`), ['device']);
    handle.data.write(0, 1, 3);
    expect(seen).toEqual(['q: q takes 3']);
  });

  test('a wrong property names the device', () => {
    expect(() => testbench(fifo, { name: 'q', properties: { depth: 99 } })).toThrow(
      'fifo q: depth must be a whole number from 1 to 16, not 99.',
    );
  });
});

describe('other implementations of a type', () => {
  test('share the table, and fetch what they keep elsewhere before a save', () => {
    let kernel = 5;
    const { device, handle } = testbench(fifo, {
      implementation: {
        create: ({ state }) => ({
          update() {
            kernel = state.alarm;
          },
          capture() {
            state.alarm = kernel;
          },
          registers: {
            DATA: {
              onWrite(value) {
                kernel = value;
              },
            },
          },
        }),
      },
    });
    handle.data.write(0, 1, 77);
    expect(device.save().state).toMatchObject({ alarm: 77 });
    device.restore({ ...device.save(), state: { ...device.save().state, alarm: 9 } });
    expect(kernel).toBe(9);
  });
});

describe('declarations that contradict themselves', () => {
  const regs = registers({ A: { at: 0, size: 1, access: 'rw' } });
  const none = () => ({});

  test('one register name in two windows', () => {
    expect(() => defineDevice('x', { spec: 'x', windows: { one: regs, two: regs } }, none)).toThrow(
      'x has two registers named A; rename one.',
    );
  });

  test('a pin named as a window', () => {
    expect(() => defineDevice('x', { spec: 'x', pins: { regs: output() }, windows: { regs } }, none)).toThrow(
      'x has two pins or windows named regs',
    );
  });

  test('a battery for something that is not there', () => {
    expect(() => defineDevice('x', { spec: 'x', windows: { regs }, battery: ['B'] }, none)).toThrow(
      'x: the battery cannot keep B; there are A.',
    );
  });

  test('a window of handlers that the behaviour does not answer', () => {
    const type = defineDevice('x', { spec: 'x', windows: { fb: handlers(16) } }, none);
    expect(() => testbench(type)).toThrow(
      'x declares the window fb but its behaviour does not answer it; return windows: { fb: … }.',
    );
  });
});

describe('answers that nobody asks for, in a file that nobody has type-checked', () => {
  test.each([
    ['inputs', 'gat', 'it has gate.'],
    ['vectors', 'inta', 'it has none.'],
    ['registers', 'CTRLL', 'it has CTRL.'],
    ['windows', 'regs', 'it has none.'],
  ])('%s.%s', (part, name, rest) => {
    const behaviour = { [part]: { [name]: {} } } as never;
    const type = defineDevice(
      'x',
      {
        spec: 'x',
        pins: { gate: input(), irq: output() },
        windows: { regs: registers({ CTRL: { at: 0, size: 1, access: 'rw' } }) },
      },
      () => behaviour,
    );
    expect(() => testbench(type)).toThrow(
      `The behaviour of x answers ${part}.${name}, which its table does not have; ${rest}`,
    );
  });
});

test('a device asks for its implementation and its backends by name', () => {
  const asked: unknown[] = [];
  const token = Symbol('Dial');
  const type = defineDevice('x', { spec: 'x', backends: { dial: token } }, () => ({}));
  const around: DeviceSurroundings = {
    clock: new FakeClock(),
    trace: new Trace(() => 0),
    scope: new PinScope(),
    memory: undefined as never,
    implementation: of => of.implementation,
    backend: (...what) => asked.push(what),
  };
  new DeviceInstance('front', type, undefined, around);
  expect(asked).toEqual([[token, 'front', 'dial']]);
});
