import { describe, expect, test } from '@jest/globals';
import { deviceContract, testbench } from '@mainboard/testing';
import { port92 } from './port92.ts';

test.each(deviceContract(port92))('contract: $name', ({ run }) => run());

describe('System Control Port A', () => {
  test('bit 1 drives A20 and reads back', () => {
    const { handle } = testbench(port92);
    handle.regs.write(0, 1, 0x02);
    expect([handle.a20.level, handle.regs.read(0, 1)]).toEqual([true, 0x02]);
    handle.regs.write(0, 1, 0x00);
    expect([handle.a20.level, handle.regs.read(0, 1)]).toEqual([false, 0x00]);
  });

  test('bit 0 resets when it changes from 0 to 1', () => {
    const { handle, log } = testbench(port92);
    handle.regs.write(0, 1, 0x01);
    expect(log).toEqual(['reset=1', 'reset=0']);
    handle.regs.write(0, 1, 0x01);
    expect(log).toHaveLength(2);
    handle.regs.write(0, 1, 0x00);
    handle.regs.write(0, 1, 0x01);
    expect(log).toHaveLength(4);
  });

  test('the other bits read 0', () => {
    const { handle } = testbench(port92);
    handle.regs.write(0, 1, 0xfe);
    expect(handle.regs.read(0, 1)).toBe(0x02);
  });
});
