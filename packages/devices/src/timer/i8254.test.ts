import { describe, expect, test } from '@jest/globals';
import { type DeviceHandle, DeviceInstance, InPin, OutPin, PinScope, Trace } from '@mainboard/core';
import { deviceContract, FakeClock, testbench } from '@mainboard/testing';
import { cyclesAt, timeOfCycle } from './cycles.ts';
import { i8254 } from './i8254.ts';

const HZ = 1_193_182;
const LSB = 0x10;
const MSB = 0x20;
const BOTH = 0x30;

/** A timer at cycle 0, with GATE and OUT of counter 2 in hand. `edges` lists the changes of OUT as cycles. */
function pit(properties: { clk?: number } = {}) {
  const bench = testbench(i8254, { properties });
  const { device, clock } = bench;
  for (const gate of bench.drive.gate) gate.set(true);
  const gate = bench.drive.gate[2]!;
  const edges: string[] = [];
  const probe = new InPin('test.probe', bench.scope);
  probe.onChange = level => edges.push(`${cyclesAt(clock.now(), HZ)}${level ? '↑' : '↓'}`);
  bench.handle.out[2].connect(probe);
  const { regs } = bench.handle;
  const to = (cycle: number) => clock.advance(timeOfCycle(cycle, HZ) - clock.now());
  const control = (mode: number, access = BOTH, bcd = 0) => regs.write(3, 1, 0x80 | access | (mode << 1) | bcd);
  const write = (byte: number) => regs.write(2, 1, byte);
  const read = () => regs.read(2, 1);
  const count = () => read() | (read() << 8);
  return {
    bench,
    device,
    clock,
    regs,
    gate,
    edges,
    to,
    control,
    write,
    read,
    count,
    /** Programs counter 2 with both bytes of a count. */
    start(mode: number, n: number, bcd = 0) {
      control(mode, BOTH, bcd);
      write(n & 0xff);
      write(n >> 8);
    },
    load(n: number) {
      write(n & 0xff);
      write(n >> 8);
    },
    out: () => bench.handle.out[2].level,
    status() {
      regs.write(3, 1, 0xe8);
      return read();
    },
    /** CE over the next cycles, one value a cycle. */
    values(from: number, cycles: number) {
      const seen: number[] = [];
      for (let t = from; t < from + cycles; t++) {
        to(t);
        seen.push(count());
      }
      return seen;
    },
    levels(from: number, cycles: number) {
      let seen = '';
      for (let t = from; t < from + cycles; t++) {
        to(t);
        seen += bench.handle.out[2].level ? '1' : '0';
      }
      return seen;
    },
  };
}

describe('Mode 0: Interrupt on Terminal Count', () => {
  test('the control word sets OUT low at once', () => {
    const t = pit();
    t.control(2);
    expect(t.out()).toBe(true);
    t.control(0);
    expect(t.out()).toBe(false);
  });

  test('the count loads in the cycle after the write; OUT goes high N + 1 cycles after it and stays', () => {
    const t = pit();
    t.start(0, 4);
    expect(t.values(1, 8)).toEqual([4, 3, 2, 1, 0, 0xffff, 0xfffe, 0xfffd]);
    t.to(100_000);
    expect(t.edges).toEqual(['5↑']);
  });

  test('a count of 0 counts 65536', () => {
    const t = pit();
    t.start(0, 0);
    expect(t.values(1, 2)).toEqual([0, 0xffff]);
    t.to(70_000);
    expect(t.edges).toEqual(['65537↑']);
  });

  test('GATE low holds the count and leaves OUT alone', () => {
    const t = pit();
    t.start(0, 4);
    t.to(3);
    t.gate.set(false);
    expect(t.values(3, 4)).toEqual([2, 2, 2, 2]);
    t.to(10);
    t.gate.set(true);
    expect(t.values(10, 3)).toEqual([2, 1, 0]);
    t.to(20);
    t.gate.set(false);
    expect(t.out()).toBe(true);
    expect(t.edges).toEqual(['12↑']);
  });

  test('a count written with GATE low is loaded; OUT goes high N cycles after GATE does', () => {
    const t = pit();
    t.gate.set(false);
    t.start(0, 3);
    expect(t.values(1, 2)).toEqual([3, 3]);
    t.to(10);
    t.gate.set(true);
    t.to(20);
    expect(t.edges).toEqual(['13↑']);
  });

  test('the first byte of a new count stops the counting and sets OUT low; the second starts the new one', () => {
    const t = pit();
    t.start(0, 2);
    t.to(5);
    expect(t.out()).toBe(true);
    t.write(3);
    expect(t.out()).toBe(false);
    const held = t.count();
    t.to(9);
    expect(t.count()).toBe(held);
    t.write(0);
    t.to(30);
    expect(t.edges).toEqual(['3↑', '5↓', '13↑']);
  });

  test('a new count of one byte sets OUT low and counts on from there', () => {
    const t = pit();
    t.control(0, LSB);
    t.write(3);
    t.to(3);
    t.write(5);
    expect(t.levels(4, 6)).toBe('000001');
    t.write(2);
    expect(t.out()).toBe(false);
    t.to(30);
    expect(t.edges).toEqual(['9↑', '9↓', '12↑']);
  });
});

describe('Mode 1: Hardware Retriggerable One-Shot', () => {
  test('OUT goes low in the cycle after the trigger and is low for N cycles', () => {
    const t = pit();
    t.gate.set(false);
    t.start(1, 3);
    t.to(10);
    expect(t.out()).toBe(true);
    t.gate.set(true);
    t.to(100);
    expect(t.edges).toEqual(['0↑', '11↓', '14↑']);
  });

  test('the count wraps after its end and OUT stays high', () => {
    const t = pit();
    t.gate.set(false);
    t.start(1, 3);
    t.gate.set(true);
    expect(t.values(1, 6)).toEqual([3, 2, 1, 0, 0xffff, 0xfffe]);
    t.to(200_000);
    expect(t.edges).toEqual(['0↑', '1↓', '4↑']);
  });

  test('retriggering makes the pulse last N cycles from the new trigger', () => {
    const t = pit();
    t.gate.set(false);
    t.start(1, 5);
    t.gate.set(true);
    t.to(3);
    t.gate.set(false);
    t.gate.set(true);
    t.to(50);
    expect(t.edges).toEqual(['0↑', '1↓', '9↑']);
  });

  test('GATE low does not hold the count', () => {
    const t = pit();
    t.gate.set(false);
    t.start(1, 5);
    t.gate.set(true);
    t.to(2);
    t.gate.set(false);
    t.to(50);
    expect(t.edges).toEqual(['0↑', '1↓', '6↑']);
  });

  test('a new count waits for the next trigger', () => {
    const t = pit();
    t.gate.set(false);
    t.start(1, 4);
    t.gate.set(true);
    t.to(2);
    t.load(2);
    expect(t.status() & 0x40).toBe(0x40);
    t.to(20);
    expect(t.edges).toEqual(['0↑', '1↓', '5↑']);
    t.gate.set(false);
    t.gate.set(true);
    t.to(21);
    expect(t.status() & 0x40).toBe(0);
    t.to(30);
    expect(t.edges.slice(3)).toEqual(['21↓', '23↑']);
  });

  test('a trigger before the first count does nothing', () => {
    const t = pit();
    t.gate.set(false);
    t.control(1);
    t.gate.set(true);
    t.to(100_000);
    expect(t.edges).toEqual(['0↑']);
  });
});

describe('Mode 2: Rate Generator', () => {
  test('OUT is low for the cycle in which the count is 1, then the count is reloaded', () => {
    const t = pit();
    t.start(2, 3);
    expect(t.values(1, 7)).toEqual([3, 2, 1, 3, 2, 1, 3]);
    expect(t.edges).toEqual(['0↑', '3↓', '4↑', '6↓', '7↑']);
  });

  test('the first low comes N cycles after the count was written', () => {
    const t = pit();
    t.start(2, 4);
    expect(t.levels(0, 13)).toBe('1111011101110');
  });

  test('a count of 0 has a period of 65536', () => {
    const t = pit();
    t.start(2, 0);
    t.to(140_000);
    expect(t.edges).toEqual(['0↑', '65536↓', '65537↑', '131072↓', '131073↑']);
  });

  test('GATE low stops the count, sets OUT high at once; a rising edge reloads in the next cycle', () => {
    const t = pit();
    t.start(2, 3);
    t.to(3);
    expect(t.out()).toBe(false);
    t.gate.set(false);
    expect(t.out()).toBe(true);
    expect(t.values(4, 3)).toEqual([1, 1, 1]);
    t.to(10);
    t.gate.set(true);
    expect(t.values(11, 4)).toEqual([3, 2, 1, 3]);
    expect(t.edges).toEqual(['0↑', '3↓', '3↑', '13↓', '14↑']);
  });

  test('a rising edge of GATE resynchronises', () => {
    const t = pit();
    t.start(2, 10);
    t.to(5);
    t.gate.set(false);
    t.gate.set(true);
    t.to(16);
    expect(t.edges).toEqual(['0↑', '15↓', '16↑']);
  });

  test('a count written with GATE low is loaded, and counting waits for GATE', () => {
    const t = pit();
    t.gate.set(false);
    t.start(2, 4);
    expect(t.values(1, 3)).toEqual([4, 4, 4]);
    t.gate.set(true);
    t.to(8);
    expect(t.edges).toEqual(['0↑', '7↓', '8↑']);
  });

  test('a new count takes effect at the end of the period', () => {
    const t = pit();
    t.start(2, 4);
    t.to(2);
    t.load(3);
    expect(t.status() & 0x40).toBe(0x40);
    expect(t.values(3, 7)).toEqual([2, 1, 3, 2, 1, 3, 2]);
    expect(t.status() & 0x40).toBe(0);
  });

  test('a trigger loads a new count before the period ends', () => {
    const t = pit();
    t.start(2, 100);
    t.to(5);
    t.load(3);
    t.gate.set(false);
    t.gate.set(true);
    expect(t.values(6, 4)).toEqual([3, 2, 1, 3]);
  });

  test('the edges keep their places over a day', () => {
    const t = pit();
    t.start(2, 11_932);
    const periods = 100 * 3600 * 24;
    t.clock.time = timeOfCycle(periods * 11_932, HZ) - 1;
    t.device.update();
    t.edges.length = 0;
    t.to(periods * 11_932 + 1);
    expect(t.edges).toEqual([`${periods * 11_932}↓`, `${periods * 11_932 + 1}↑`]);
  });

  test('a timer that fires late still gives the pulse', () => {
    const t = pit();
    t.start(2, 1000);
    t.clock.time = timeOfCycle(5500, HZ); // the host was away for five periods
    t.clock.advance(0);
    expect(t.edges).toEqual(['0↑', '5500↓', '5500↑']);
    t.to(6001);
    expect(t.edges.slice(3)).toEqual(['6000↓', '6001↑']);
  });

  test('a count of 1 is illegal: OUT stays low and no timer runs', () => {
    const t = pit();
    t.start(2, 1);
    t.to(1000);
    expect(t.edges).toEqual(['0↑', '1↓']);
    expect(t.device.armedTimers).toBe(0);
  });
});

describe('Mode 3: Square Wave Mode', () => {
  test('an even count is high and low for N/2 cycles each, counting by two', () => {
    const t = pit();
    t.start(3, 4);
    expect(t.values(1, 6)).toEqual([4, 2, 4, 2, 4, 2]);
    t.to(9);
    expect(t.edges).toEqual(['0↑', '3↓', '5↑', '7↓', '9↑']);
  });

  test('an odd count is high for (N + 1)/2 and low for (N - 1)/2 cycles, loading N - 1', () => {
    const t = pit();
    t.start(3, 5);
    expect(t.values(1, 10)).toEqual([4, 2, 0, 4, 2, 4, 2, 0, 4, 2]);
    expect(t.edges).toEqual(['0↑', '4↓', '6↑', '9↓']);
  });

  test('a count of 0 has halves of 32768', () => {
    const t = pit();
    t.start(3, 0);
    expect(t.values(1, 3)).toEqual([0, 0xfffe, 0xfffc]);
    t.to(70_000);
    expect(t.edges).toEqual(['0↑', '32769↓', '65537↑']);
  });

  test('GATE low sets OUT high at once and stops the count; a rising edge starts a new cycle', () => {
    const t = pit();
    t.start(3, 4);
    t.to(4);
    expect(t.out()).toBe(false);
    t.gate.set(false);
    expect(t.out()).toBe(true);
    expect(t.values(5, 3)).toEqual([2, 2, 2]);
    t.gate.set(true);
    t.to(12);
    expect(t.edges).toEqual(['0↑', '3↓', '4↑', '10↓', '12↑']);
  });

  test('a new count takes effect at the end of the half cycle', () => {
    const t = pit();
    t.start(3, 8);
    t.to(2);
    t.load(4);
    expect(t.status() & 0x40).toBe(0x40);
    t.to(5);
    expect(t.status() & 0x40).toBe(0);
    t.to(11);
    expect(t.edges).toEqual(['0↑', '5↓', '7↑', '9↓', '11↑']);
  });

  test('a new count in the low half takes effect when OUT goes high', () => {
    const t = pit();
    t.start(3, 4);
    t.to(3);
    t.load(6);
    t.to(15);
    expect(t.edges).toEqual(['0↑', '3↓', '5↑', '8↓', '11↑', '14↓']);
  });

  test('a trigger after a new count loads it in the next cycle', () => {
    const t = pit();
    t.start(3, 1000);
    t.to(5);
    t.load(4);
    t.gate.set(false);
    t.gate.set(true);
    t.to(10);
    expect(t.edges).toEqual(['0↑', '8↓', '10↑']);
  });

  test('a count of 1 is illegal: OUT stays high and no timer runs', () => {
    const t = pit();
    t.start(3, 1);
    t.to(1000);
    expect(t.edges).toEqual(['0↑']);
    expect(t.device.armedTimers).toBe(0);
  });

  test('control word 7 is mode 3, 6 is mode 2', () => {
    const t = pit();
    t.start(7, 4);
    expect(t.levels(1, 4)).toBe('1100');
    const u = pit();
    u.start(6, 4);
    expect(u.levels(1, 4)).toBe('1110');
  });
});

describe('Mode 4: Software Triggered Strobe', () => {
  test('OUT goes low for one cycle, N + 1 cycles after the count was written, and once only', () => {
    const t = pit();
    t.start(4, 3);
    expect(t.values(1, 6)).toEqual([3, 2, 1, 0, 0xffff, 0xfffe]);
    t.to(150_000);
    expect(t.edges).toEqual(['0↑', '4↓', '5↑']);
  });

  test('it strobes once, also when the count comes to zero again after a wrap', () => {
    const t = pit();
    t.start(4, 3);
    t.to(100);
    t.gate.set(false);
    t.gate.set(true); // the count is named anew, past its end
    const left = t.count();
    t.to(100 + left);
    expect([t.count(), t.status() & 0x80]).toEqual([0, 0x80]);
  });

  test('GATE low holds the count and has no effect on OUT', () => {
    const t = pit();
    t.start(4, 3);
    t.to(2);
    t.gate.set(false);
    expect(t.values(3, 3)).toEqual([2, 2, 2]);
    t.to(10);
    t.gate.set(true);
    t.to(12);
    expect(t.out()).toBe(false);
    t.gate.set(false);
    expect(t.out()).toBe(false);
    t.to(20);
    expect(t.edges).toEqual(['0↑', '12↓', '13↑']);
  });

  test('a new count retriggers: it is loaded in the next cycle', () => {
    const t = pit();
    t.start(4, 5);
    t.to(3);
    t.load(4);
    t.to(20);
    expect(t.edges).toEqual(['0↑', '8↓', '9↑']);
  });

  test('the first of two bytes leaves the counting alone', () => {
    const t = pit();
    t.start(4, 3);
    t.to(2);
    t.write(9);
    t.to(20);
    expect(t.edges).toEqual(['0↑', '4↓', '5↑']);
  });
});

describe('Mode 5: Hardware Triggered Strobe (Retriggerable)', () => {
  test('OUT goes low for one cycle, N + 1 cycles after the trigger', () => {
    const t = pit();
    t.gate.set(false);
    t.start(5, 3);
    t.to(10);
    t.gate.set(true);
    t.to(12);
    t.gate.set(false); // GATE low does not hold it
    t.to(100_000);
    expect(t.edges).toEqual(['0↑', '14↓', '15↑']);
  });

  test('retriggering reloads the count', () => {
    const t = pit();
    t.gate.set(false);
    t.start(5, 5);
    t.gate.set(true);
    t.to(4);
    t.gate.set(false);
    t.gate.set(true);
    t.to(30);
    expect(t.edges).toEqual(['0↑', '10↓', '11↑']);
  });

  test('a new count waits for the next trigger', () => {
    const t = pit();
    t.gate.set(false);
    t.start(5, 5);
    t.gate.set(true);
    t.to(2);
    t.load(2);
    t.to(10);
    t.gate.set(false);
    t.gate.set(true);
    t.to(20);
    expect(t.edges).toEqual(['0↑', '6↓', '7↑', '13↓', '14↑']);
  });
});

describe('Write Operations', () => {
  test('LSB only: the high byte of the count is 0', () => {
    const t = pit();
    t.control(2, LSB);
    t.write(0x34);
    t.to(1);
    expect(t.regs.peek(2, 1)).toBe(0x34);
    t.to(0x34);
    expect(t.out()).toBe(false);
  });

  test('MSB only: the low byte of the count is 0', () => {
    const t = pit();
    t.control(2, MSB);
    t.write(0x02);
    t.to(1);
    expect(t.read()).toBe(0x02);
    t.to(0x200);
    expect(t.out()).toBe(false);
    t.to(0x201);
    expect(t.out()).toBe(true);
  });

  test('LSB then MSB: nothing is loaded before the second byte', () => {
    const t = pit();
    t.control(2);
    t.write(4);
    t.to(100);
    expect(t.edges).toEqual(['0↑']);
    t.write(0);
    t.to(104);
    expect(t.edges).toEqual(['0↑', '104↓']);
  });

  test('a control word starts the byte order anew', () => {
    const t = pit();
    t.control(2);
    t.write(0xff);
    t.start(2, 3);
    expect(t.values(1, 3)).toEqual([3, 2, 1]);
  });

  test('BCD counts have four decades; 0 is 10000', () => {
    const t = pit();
    t.start(0, 0x0012, 1);
    expect(t.values(1, 4)).toEqual([0x12, 0x11, 0x10, 0x09]);
    t.to(20);
    expect(t.edges).toEqual(['13↑']);
    expect(t.count()).toBe(0x9993); // past zero comes 9999
    t.start(2, 0, 1);
    t.to(21);
    expect(t.count()).toBe(0);
    t.to(22);
    expect(t.count()).toBe(0x9999);
    t.to(20 + 10_000);
    expect(t.out()).toBe(false);
  });

  test('digits beyond 9 of a BCD count do no harm', () => {
    const t = pit();
    for (let mode = 0; mode < 8; mode++) {
      t.start(mode, 0xffff, 1);
      t.clock.advance(30e6);
      expect(t.count()).toBeLessThan(0x1_0000);
    }
  });

  test('the counters are programmed independently', () => {
    const t = pit();
    t.regs.write(3, 1, 0x14); // counter 0: LSB, mode 2
    t.regs.write(3, 1, 0x54); // counter 1
    t.regs.write(0, 1, 10);
    t.regs.write(1, 1, 20);
    t.to(3);
    expect([t.regs.peek(0, 1), t.regs.peek(1, 1)]).toEqual([8, 18]);
  });
});

describe('Read Operations', () => {
  test('both bytes come in turn, low byte first', () => {
    const t = pit();
    t.start(2, 0x1234);
    t.to(1);
    expect([t.read(), t.read(), t.read()]).toEqual([0x34, 0x12, 0x34]);
  });

  test('reads and writes of one counter have flip-flops of their own', () => {
    const t = pit();
    t.start(2, 0x1234);
    t.to(1);
    expect(t.read()).toBe(0x34);
    t.write(0x78);
    expect(t.read()).toBe(0x12);
    t.write(0x56);
    t.to(1 + 0x1234);
    expect(t.count()).toBe(0x5678);
  });

  test('the control word register reads as an open bus', () => {
    expect(pit().regs.read(3, 1)).toBe(0xff);
  });

  test('a debugger reads without turning the flip-flop or freeing a latch', () => {
    const t = pit();
    t.start(2, 0x1234);
    t.to(1);
    t.regs.write(3, 1, 0x80);
    expect([t.regs.peek(2, 1), t.regs.peek(2, 1)]).toEqual([0x34, 0x34]);
    t.to(5);
    expect(t.count()).toBe(0x1234);
  });
});

describe('Counter Latch Command', () => {
  test('the count is held until it is read, while the counter counts on', () => {
    const t = pit();
    t.start(2, 0x100);
    t.to(5);
    t.regs.write(3, 1, 0x80);
    t.to(50);
    expect(t.count()).toBe(0xfc);
    expect(t.count()).toBe(0x100 - 49);
  });

  test('a second latch before the read is ignored', () => {
    const t = pit();
    t.start(2, 0x100);
    t.to(5);
    t.regs.write(3, 1, 0x80);
    t.to(9);
    t.regs.write(3, 1, 0x80);
    expect(t.count()).toBe(0xfc);
  });

  test('it begins with the low byte, and one read frees the latch of a one-byte counter', () => {
    const t = pit();
    t.start(2, 0x1234);
    t.to(1);
    t.read();
    t.regs.write(3, 1, 0x80);
    expect(t.count()).toBe(0x1234);
    t.control(2, LSB);
    t.write(0x40);
    t.to(10);
    t.regs.write(3, 1, 0x80);
    t.to(20);
    expect([t.read(), t.read()]).toEqual([0x38, 0x2e]);
  });

  test('it disturbs neither the mode nor other counters', () => {
    const t = pit();
    t.start(2, 3);
    t.regs.write(3, 1, 0x80);
    t.regs.write(3, 1, 0x00);
    expect(t.levels(1, 6)).toBe('110110');
  });

  test('reprogramming the counter drops the latched count', () => {
    const t = pit();
    t.start(2, 0x100);
    t.regs.write(3, 1, 0x80);
    t.start(2, 0x200);
    t.to(1);
    expect(t.count()).toBe(0x200);
  });
});

describe('Read-Back Command', () => {
  test('latches the counts of several counters at once', () => {
    const t = pit();
    for (const i of [0, 1, 2]) {
      t.regs.write(3, 1, (i << 6) | LSB | 4);
      t.regs.write(i, 1, 100 + i);
    }
    t.to(11);
    t.regs.write(3, 1, 0xdc); // counts of 1 and 2
    t.to(21);
    expect([0, 1, 2].map(i => t.regs.read(i, 1))).toEqual([80, 91, 92]);
  });

  test('the status is the output, the null count and the control word as written', () => {
    const t = pit();
    t.control(6, MSB, 1);
    expect(t.status()).toBe(0x80 | 0x40 | MSB | (6 << 1) | 1);
    t.control(0, BOTH);
    expect(t.status()).toBe(0x40 | BOTH);
    t.load(2);
    expect(t.status()).toBe(0x40 | BOTH);
    t.to(1);
    expect(t.status()).toBe(BOTH);
    t.to(3);
    expect(t.status()).toBe(0x80 | BOTH);
  });

  test('the status is latched as of the command', () => {
    const t = pit();
    t.start(0, 2);
    t.to(1);
    t.regs.write(3, 1, 0xe8);
    t.to(10);
    t.regs.write(3, 1, 0xe8); // ignored: one waits
    expect(t.read()).toBe(BOTH);
    expect(t.status()).toBe(0x80 | BOTH);
  });

  test('status and count latched together are read in that order, whatever the order of the commands', () => {
    const t = pit();
    t.start(2, 0x1234);
    t.to(1);
    t.regs.write(3, 1, 0xc8);
    expect([t.read(), t.read(), t.read()]).toEqual([0x80 | BOTH | 4, 0x34, 0x12]);
    t.regs.write(3, 1, 0x80);
    t.regs.write(3, 1, 0xe8);
    expect([t.read(), t.read(), t.read()]).toEqual([0x80 | BOTH | 4, 0x34, 0x12]);
  });

  test('counters that are not selected are left alone', () => {
    const t = pit();
    t.start(2, 0x1234);
    t.to(1);
    t.regs.write(3, 1, 0xc6); // counters 0 and 1
    t.to(2);
    expect(t.count()).toBe(0x1233);
  });

  test('null count: set by the control word, and by the last byte of a count until it is loaded', () => {
    const t = pit();
    t.start(2, 100);
    expect(t.status() & 0x40).toBe(0x40);
    t.to(1);
    expect(t.status() & 0x40).toBe(0);
    t.write(50);
    expect(t.status() & 0x40).toBe(0);
    t.write(0);
    expect(t.status() & 0x40).toBe(0x40);
    t.to(101);
    expect(t.status() & 0x40).toBe(0);
  });
});

describe('System Interface', () => {
  /** A timer as a board has it: what is not wired is not connected. */
  function unwired() {
    const clock = new FakeClock();
    const scope = new PinScope();
    const device = new DeviceInstance('pit', i8254, undefined, {
      clock,
      scope,
      trace: new Trace(() => clock.now()),
      memory: undefined as never,
      implementation: () => i8254.implementation as never,
      backend: () => undefined,
    });
    const { regs, out, gate } = device.handle as unknown as DeviceHandle<typeof i8254.spec>;
    return { clock, scope, device, regs, out, gate };
  }

  test('an unconnected GATE is high', () => {
    const { clock, device, regs } = unwired();
    device.reset();
    regs.write(3, 1, 0x14);
    regs.write(0, 1, 10);
    clock.advance(timeOfCycle(5, HZ));
    expect(regs.read(0, 1)).toBe(6);
  });

  test('a wired GATE that is low holds the count', () => {
    const { clock, scope, device, regs, gate } = unwired();
    new OutPin('test.gate', scope).connect(gate[0]);
    device.reset();
    regs.write(3, 1, 0x14);
    regs.write(0, 1, 10);
    clock.advance(1e6);
    expect(regs.read(0, 1)).toBe(10);
  });

  test('no timer runs for an OUT that nobody listens to, and its count is right all the same', () => {
    const { clock, scope, device, regs, out } = unwired();
    device.reset();
    regs.write(3, 1, 0x34);
    regs.write(0, 1, 100);
    regs.write(0, 1, 0);
    expect(device.armedTimers).toBe(0);
    clock.advance(timeOfCycle(50, HZ));
    expect(regs.read(0, 1)).toBe(51);
    const probe = new InPin('test.probe', scope);
    out[0].connect(probe);
    device.update();
    expect(probe.level).toBe(true);
    expect(device.armedTimers).toBe(1);
  });

  test('no timer runs towards an OUT that will not change', () => {
    const t = pit();
    t.start(0, 10);
    expect(t.device.armedTimers).toBe(1);
    t.gate.set(false);
    expect(t.device.armedTimers).toBe(0);
    t.gate.set(true);
    t.to(1000);
    expect(t.device.armedTimers).toBe(0);
  });

  test('before its first control word a counter stands still', () => {
    const t = pit();
    t.to(1000);
    expect(t.edges).toEqual([]);
    expect(t.count()).toBe(0);
  });

  test('another CLK', () => {
    const t = pit({ clk: 8_000_000 });
    t.control(0, LSB);
    t.write(200);
    t.clock.advance(1125); // nine cycles, the first of which loads
    expect(t.read()).toBe(192);
  });
});

describe('state', () => {
  test('a saved count goes on in the middle of each mode', () => {
    for (let mode = 0; mode < 6; mode++) {
      const t = pit();
      t.gate.set(false);
      t.start(mode, 9);
      t.gate.set(true);
      t.to(5);
      t.regs.write(3, 1, 0x80);
      const saved = structuredClone(t.device.save());
      const rest = (u: typeof t) => {
        u.edges.length = 0;
        const seen = u.values(6, 20);
        return [seen, [...u.edges]];
      };
      const u = pit();
      u.to(5);
      u.device.restore(saved);
      expect(rest(u)).toEqual(rest(t));
    }
  });
});

describe('model check', () => {
  /** A counter clocked cycle by cycle, straight from the mode definitions, for random programs of writes and gates. */
  class Clocked {
    mode = 0;
    ce = 0;
    cr = 0;
    n = 0;
    out = false;
    armed = false;
    written = false;
    load = false;
    fired = false;
    gate = true;
    program(mode: number) {
      Object.assign(this, { mode, armed: false, written: false, load: false, fired: false, out: mode !== 0 });
    }
    write(n: number) {
      this.cr = n;
      if (this.mode === 0) {
        this.out = false;
        this.armed = false;
        this.load = true;
      }
      if (this.mode === 4 || ((this.mode === 2 || this.mode === 3) && !this.written)) this.load = true;
      this.written = true;
    }
    setGate(level: boolean) {
      if (level && !this.gate && this.written && [1, 2, 3, 5].includes(this.mode)) this.load = true;
      if (!level && (this.mode === 2 || this.mode === 3)) {
        this.out = true;
        this.armed = false;
      }
      this.gate = level;
    }
    reload() {
      this.n = this.cr;
      this.ce = this.mode === 3 ? this.n & ~1 : this.n;
    }
    clock() {
      if (this.mode > 3 && !this.out) this.out = true;
      if (this.load) {
        this.load = false;
        this.reload();
        this.armed = true;
        this.fired = false;
        this.out = this.mode > 1;
        return;
      }
      if (!this.armed || (!this.gate && this.mode !== 1 && this.mode !== 5)) return;
      if (this.mode === 2) {
        if (this.ce === 1) {
          this.reload();
          this.out = true;
        } else if (--this.ce === 1) this.out = false;
      } else if (this.mode === 3) {
        const last = this.out && this.n % 2 === 1 ? 0 : 2;
        if (this.ce === last) {
          this.out = !this.out;
          this.reload();
        } else this.ce -= 2;
      } else {
        this.ce = (this.ce + 0xffff) & 0xffff;
        if (this.ce === 0 && !this.fired) {
          this.fired = true;
          this.out = this.mode < 2;
        }
      }
    }
  }

  test('the closed form agrees with a counter clocked cycle by cycle', () => {
    let seed = 1;
    const random = (n: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return (seed >>> 8) % n;
    };
    for (let run = 0; run < 300; run++) {
      const t = pit();
      const model = new Clocked();
      const mode = random(6);
      t.control(mode, LSB);
      model.program(mode);
      t.write(5);
      model.write(5);
      const seen: string[] = [];
      const expected: string[] = [];
      for (let cycle = 1; cycle < 60; cycle++) {
        t.to(cycle);
        model.clock();
        seen.push(`${t.regs.peek(2, 1)}${t.out()}`);
        // before its first load CE is undefined
        expected.push(`${model.ce & 0xff}${model.out}`);
        const what = random(8);
        if (what === 0) {
          const n = 2 + random(8);
          t.write(n);
          model.write(n);
        } else if (what < 3) {
          const level = what === 1;
          t.gate.set(level);
          model.setGate(level);
        } else if (what === 3 && random(8) === 0) {
          const other = random(6);
          t.control(other, LSB);
          model.program(other);
          const n = 2 + random(8);
          t.write(n);
          model.write(n);
        }
        if (t.out() !== model.out) seen.push(`now ${t.out()}`);
      }
      expect({ run, mode, seen }).toEqual({ run, mode, seen: expected });
    }
  });
});

describe('device contract', () => {
  const steps = [0, 500, 1_000, 20_000, 60_000_000];
  test.each(deviceContract(i8254, { '': { steps } }))('$name', ({ run }) => run());
});
