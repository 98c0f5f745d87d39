import { describe, expect, test } from '@jest/globals';
import { deviceContract, FakeChardev, testbench } from '@mainboard/testing';
import { debugConsole } from './debug-console.ts';

test.each(deviceContract(debugConsole))('contract: $name', ({ run }) => run());

describe('Bochs port_e9_hack', () => {
  test('what is written goes out; a read gives E9h', () => {
    const chardev = new FakeChardev();
    const { regs } = testbench(debugConsole, { backends: { chardev } }).handle;
    for (const byte of [0x48, 0x69]) regs.write(0, 1, byte);
    expect([chardev.text, regs.read(0, 1)]).toEqual(['Hi', 0xe9]);
  });

  test('bytes wait for a slow chardev, the newest 4096 of them', () => {
    const chardev = new FakeChardev();
    const { regs } = testbench(debugConsole, { backends: { chardev } }).handle;
    chardev.capacity = 1;
    for (let i = 0; i < 4100; i++) regs.write(0, 1, i & 0xff);
    chardev.accept();
    expect(chardev.sent).toHaveLength(4097);
    expect([chardev.sent[0], chardev.sent[1], chardev.sent.at(-1)]).toEqual([0, 4, 3]);
  });

  test('bytes that wait go out where a snapshot is restored', () => {
    const slow = new FakeChardev();
    slow.capacity = 0;
    const { device, handle } = testbench(debugConsole, { backends: { chardev: slow } });
    handle.regs.write(0, 1, 0x41);
    const chardev = new FakeChardev();
    testbench(debugConsole, { backends: { chardev } }).device.restore(device.save());
    expect(chardev.text).toBe('A');
  });
});
