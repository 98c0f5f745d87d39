import { expect, test } from '@jest/globals';
import { deviceContract, testbench } from '@mainboard/testing';
import { debugExit } from './debug-exit.ts';

test.each(deviceContract(debugExit))('contract: $name', ({ run }) => run());

test.each([
  [0x00, 1],
  [0x10, 33],
  [0x7f, 255],
  [0x80, 1],
])('isa-debug-exit: writing %i ends the machine with status %i', (value, status) => {
  const { exits, handle } = testbench(debugExit);
  handle.regs.write(0, 1, value);
  expect(exits).toEqual([status]);
});

test.each([2, 4] as const)('isa-debug-exit: %i bytes wide', size => {
  const { exits, handle } = testbench(debugExit);
  handle.regs.write(0, size, 0x10);
  expect(exits).toEqual([33]);
});
