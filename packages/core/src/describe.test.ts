import { expect, test } from '@jest/globals';
import { describeMachine } from './describe.ts';
import { bench } from './machine.fixture.ts';

test('a machine as plain data', () => {
  const description = describeMachine(bench().machine);
  expect(description).toMatchObject({
    name: 'test',
    description: 'a machine for tests',
    accelerator: 'fake',
    options: { memory: 65_536, period: 1_000_000 },
    memory: [
      { base: 0, size: 65_536, kind: 'ram', name: 'ram', priority: 0 },
      { base: 0xffff_0000, size: 2, kind: 'rom', name: 'boot', priority: 0 },
    ],
    ports: [
      { base: 0x20, size: 2, kind: 'window', name: 'pic0.regs', priority: 0 },
      { base: 0x40, size: 1, kind: 'window', name: 'tick.regs', priority: 0 },
    ],
    nets: [
      { from: 'pic0.int', to: 'cpu0.intr' },
      { from: 'pic0.inta', to: 'cpu0.inta' },
      { from: 'tick.irq', to: 'pic0.ir[0]' },
      { from: 'tick.reset', to: 'board.reset' },
      { from: 'tick.off', to: 'board.poweroff' },
    ],
    interrupts: [{ line: 'pic0.ir[0]', source: 'tick.irq', cascade: false }],
  });
  expect(description.devices.map(({ name, type, spec }) => [name, type, spec])).toEqual([
    ['pic0', 'test-pic', 'this test'],
    ['tick', 'test-ticker', 'this test'],
  ]);
  expect(description.devices[1]).toMatchObject({
    properties: { period: 1_000_000 },
    backends: ['PowerControl'],
    pins: [
      { name: 'tick.irq', kind: 'out' },
      { name: 'tick.reset', kind: 'out' },
      { name: 'tick.off', kind: 'out' },
      { name: 'tick.enable', kind: 'in' },
    ],
    windows: [
      {
        name: 'tick.regs',
        size: 1,
        registers: [
          {
            name: 'CTRL',
            at: 0,
            size: 1,
            access: 'rw',
            reset: 0,
            fields: [{ name: 'RUN', shift: 0, width: 1 }, {}, {}, {}],
          },
        ],
      },
    ],
  });
  expect(JSON.parse(JSON.stringify(description))).toEqual(description);
});
