import { describe, expect, test } from '@jest/globals';
import { deviceContract, testbench } from '@mainboard/testing';
import { pm1Control } from './pm1-control.ts';

test.each(deviceContract(pm1Control))('contract: $name', ({ run }) => run());

describe('§4.8.3.2.1 PM1 control', () => {
  test('SLP_EN with SLP_TYP 0 turns the power off', () => {
    const { handle, log } = testbench(pm1Control);
    handle.regs.write(0, 2, 0x2000);
    expect(log).toEqual(['poweroff=1', 'poweroff=0']);
  });

  test('a byte written to the upper half counts too', () => {
    const { handle, log } = testbench(pm1Control);
    handle.regs.write(1, 1, 0x20);
    expect(log).toHaveLength(2);
  });

  test('other sleep types do nothing', () => {
    const { handle, log } = testbench(pm1Control);
    handle.regs.write(0, 2, 0x3400);
    expect(log).toEqual([]);
  });

  test('SLP_EN reads as zero', () => {
    const { handle } = testbench(pm1Control);
    handle.regs.write(0, 2, 0x3400);
    expect(handle.regs.read(0, 2)).toBe(0x1400);
  });
});
