import { describe, expect, test } from '@jest/globals';
import {
  Chardev,
  Clock,
  defineDevice,
  Host,
  input,
  inputs,
  PowerControl,
  registers,
  token,
  vectorSinks,
} from '@mainboard/core';
import { FakeChardev } from './fake-chardev.ts';
import { testbench } from './testbench.ts';

describe('testbench', () => {
  test('inputs are driven one by one; acknowledge cycles are answered by the bench', () => {
    const type = defineDevice(
      'x',
      {
        spec: 'x',
        pins: { gate: input(), ir: inputs(2), cascade: vectorSinks(8) },
        windows: { regs: registers({ VECTOR: { at: 0, size: 1, access: 'ro' } }) },
        state: { seen: '' },
      },
      ({ pins, state }) => ({
        inputs: {
          gate: level => {
            state.seen += `gate ${level} `;
          },
          ir: (level, index) => {
            state.seen += `ir${index} ${level} `;
          },
        },
        registers: { VECTOR: { value: () => pins.cascade[2].acknowledge() } },
      }),
    );
    const { drive, vectors, handle, device } = testbench(type);
    // @ts-expect-error there is no third input
    expect(drive.ir[2]).toBeUndefined();
    drive.gate.set(true);
    drive.ir[1]!.set(true);
    drive.ir[1]!.set(false);
    expect(device.save().state).toEqual({ seen: 'gate true ir1 true ir1 false ' });
    expect(handle.regs.read(0, 1)).toBe(0xff);
    vectors['cascade[2]'] = 0x70;
    expect(handle.regs.read(0, 1)).toBe(0x70);
  });

  test('what the device needs of the host is a fake, unless given', () => {
    const type = defineDevice(
      'x',
      { spec: 'x', backends: { line: Chardev, other: Chardev, power: PowerControl, host: Host, time: Clock } },
      ({ backends }) => ({
        update() {
          backends.line.write(1);
          backends.other.write(2);
          backends.power.exit(backends.host.now() + backends.time.now() + 3);
        },
      }),
    );
    const other = new FakeChardev();
    const { exits, backends } = testbench(type, { backends: { other } });
    expect([other.sent, (backends.line as FakeChardev).sent, exits]).toEqual([[2], [1], [3]]);
  });

  test('a backend without a fake must be given', () => {
    const type = defineDevice('x', { spec: 'x', backends: { dial: token<object>('Dial') } }, () => ({}));
    expect(() => testbench(type)).toThrow('x needs a Dial; pass it as backends: { dial: … }.');
    expect(testbench(type, { backends: { dial: {} } }).exits).toEqual([]);
  });

  test('a device with dma has RAM from address 0 on', () => {
    const type = defineDevice('x', { spec: 'x', dma: true }, ({ memory }) => ({
      reset: () => memory.write(0x10, 2, 0x1234),
    }));
    const { ram } = testbench(type, { memory: 4096 });
    expect([ram.length, ram[0x10], ram[0x11]]).toEqual([4096, 0x34, 0x12]);
  });
});
