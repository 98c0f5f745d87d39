import { describe, expect, test } from '@jest/globals';
import { connect } from '@mainboard/core';
import { deviceContract, testbench } from '@mainboard/testing';
import { timeOfCycle } from './cycles.ts';
import { i8254 } from './i8254.ts';
import { portB } from './port-b.ts';

const setup = () => {
  const bench = testbench(portB);
  const { regs } = bench.handle;
  return { ...bench, read: () => regs.read(0, 1), write: (value: number) => regs.write(0, 1, value) };
};

describe('port 61h', () => {
  test('bit 0 is the gate of timer 2', () => {
    const { write, log } = setup();
    write(0x01);
    write(0x00);
    expect(log).toEqual(['gate2=1', 'gate2=0']);
  });

  test('the speaker hears timer 2 while bit 1 is set', () => {
    const { write, drive, log } = setup();
    drive.out2.set(true);
    expect(log).toEqual([]);
    write(0x02);
    drive.out2.set(false);
    drive.out2.set(true);
    write(0x00);
    expect(log).toEqual(['speaker=1', 'speaker=0', 'speaker=1', 'speaker=0']);
  });

  test('bits 0 to 3 read as written, the others cannot be written', () => {
    const { write, read } = setup();
    write(0xff);
    expect(read()).toBe(0x0f);
    write(0x05);
    expect(read()).toBe(0x05);
  });

  test('bit 5 is the output of timer 2', () => {
    const { read, drive } = setup();
    drive.out2.set(true);
    expect(read() & 0x20).toBe(0x20);
    drive.out2.set(false);
    expect(read() & 0x20).toBe(0);
  });

  test('bit 4 turns with each refresh request, every 15.085 µs', () => {
    const { read, clock } = setup();
    let changes = 0;
    for (let i = 0, last = read() & 0x10; i < 10_000; i++) {
      clock.advance(1000);
      const next = read() & 0x10;
      if (next !== last) changes++;
      last = next;
    }
    expect(changes).toBe(Math.floor(10e6 / 15_085));
  });

  test('a parity error latches bit 7 and raises NMI until bit 2 switches the check off', () => {
    const { write, read, drive, log } = setup();
    drive.parity.set(true);
    drive.parity.set(false);
    expect(read() & 0xc0).toBe(0x80);
    write(0x04);
    expect(read() & 0xc0).toBe(0);
    write(0x00);
    expect(read() & 0xc0).toBe(0);
    expect(log).toEqual(['nmi=1', 'nmi=0']);
  });

  test('I/O CH CK latches bit 6 likewise, by bit 3', () => {
    const { write, read, drive, log } = setup();
    write(0x08);
    drive.iochk.set(true);
    expect(read() & 0xc0).toBe(0);
    write(0x00); // the line is still active
    expect(read() & 0xc0).toBe(0x40);
    drive.iochk.set(false);
    expect(read() & 0xc0).toBe(0x40);
    write(0x08);
    expect(read() & 0xc0).toBe(0);
    expect(log).toEqual(['nmi=1', 'nmi=0']);
  });

  test('the NMI mask of port 70h holds the NMI back and keeps the latch', () => {
    const { read, drive, log } = setup();
    drive.nmiMask.set(true);
    drive.parity.set(true);
    expect(read() & 0x80).toBe(0x80);
    expect(log).toEqual([]);
    drive.nmiMask.set(false);
    expect(log).toEqual(['nmi=1']);
  });

  test('GUEST: Linux times the time-stamp counter with timer 2 in mode 0', () => {
    const port = testbench(portB);
    const pit = testbench(i8254);
    connect([port.handle.gate2, pit.handle.gate[2]]);
    connect([pit.handle.out[2], port.handle.out2]);
    const { regs } = port.handle;
    regs.write(0, 1, (regs.read(0, 1) & ~0x02) | 0x01); // gate on, speaker off
    pit.handle.regs.write(3, 1, 0xb0);
    pit.handle.regs.write(2, 1, 0x9c); // 50 ms: 59659 cycles
    pit.handle.regs.write(2, 1, 0xe9);
    expect(regs.read(0, 1) & 0x20).toBe(0);
    pit.clock.advance(timeOfCycle(0xe99c, 1_193_182));
    expect(regs.read(0, 1) & 0x20).toBe(0);
    pit.clock.advance(1000);
    expect(regs.read(0, 1) & 0x20).toBe(0x20);
  });
});

describe('device contract', () => {
  test.each(deviceContract(portB))('$name', ({ run }) => run());
});
