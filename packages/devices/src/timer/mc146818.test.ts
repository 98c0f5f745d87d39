import { describe, expect, test } from '@jest/globals';
import { deviceContract, FakeHost, testbench } from '@mainboard/testing';
import { CMOS } from './calendar.ts';
import { mc146818 } from './mc146818.ts';

const MS = 1e6;
const SECOND = 1e9;
const { A, B, C, D, CENTURY } = CMOS;
const BINARY = 0x04;
const H24 = 0x02;

/** A clock on the bench. The host's time at virtual time 0 is `epoch`, milliseconds since 1970 UTC. */
function rtc(epoch = Date.UTC(2000, 0, 1), properties = {}) {
  const host = new FakeHost();
  host.epoch = epoch;
  const bench = testbench(mc146818, { backends: { host }, properties });
  const { regs } = bench.handle;
  const index = (address: number) => regs.write(0, 1, address);
  const read = (address: number) => {
    index(address);
    return regs.read(1, 1);
  };
  const write = (address: number, value: number) => {
    index(address);
    regs.write(1, 1, value);
  };
  return {
    ...bench,
    read,
    write,
    peek(address: number) {
      index(address);
      return regs.peek(1, 1);
    },
    irq: () => bench.handle.irq.level,
    /** `YYYY-MM-DD hh:mm:ss dow` as the digits stand in the registers. */
    time() {
      const h = (at: number) => read(at).toString(16).padStart(2, '0');
      return `${h(CENTURY)}${h(9)}-${h(8)}-${h(7)} ${h(4)}:${h(2)}:${h(0)} ${h(6)}`;
    },
    /** Sets time and date, in the order seconds, minutes, hours, day, date, month, year. */
    set(...values: number[]) {
      const b = read(B);
      write(B, b | 0x80);
      [0, 2, 4, 6, 7, 8, 9].forEach((at, i) => {
        if (values[i] !== undefined) write(at, values[i]);
      });
      write(B, b & 0x7f);
    },
    alarm(seconds: number, minutes: number, hours: number) {
      write(1, seconds);
      write(3, minutes);
      write(5, hours);
    },
  };
}

describe('Time, Calendar, and Alarm Locations', () => {
  test("the host's date and time at the start, and virtual time from there", () => {
    const t = rtc(Date.UTC(2024, 1, 28, 23, 59, 58));
    expect(t.time()).toBe('2024-02-28 23:59:58 04');
    t.clock.advance(SECOND);
    expect(t.time()).toBe('2024-02-28 23:59:59 04');
    t.clock.advance(SECOND);
    expect(t.time()).toBe('2024-02-29 00:00:00 05');
  });

  test('the seconds end when those of the host do', () => {
    const t = rtc(Date.UTC(2024, 5, 1, 12, 0, 0) + 750);
    t.clock.advance(249 * MS);
    expect(t.read(0)).toBe(0x00);
    t.clock.advance(1 * MS);
    expect(t.read(0)).toBe(0x01);
  });

  test('agrees with the Gregorian calendar, day by day and over long times', () => {
    const start = Date.UTC(1999, 11, 30, 6, 7, 8);
    const t = rtc(start);
    const expected = (ms: number) => {
      const iso = new Date(ms).toISOString();
      return `${iso.slice(0, 10)} ${iso.slice(11, 19)} 0${new Date(ms).getUTCDay() + 1}`;
    };
    for (let day = 0; day < 1500; day++) {
      expect(t.time()).toBe(expected(start + day * 86_400_000));
      t.clock.advance(86_400 * SECOND);
    }
    const u = rtc(start);
    u.clock.advance(90 * 365 * 86_400 * SECOND);
    expect(u.time()).toBe(expected(start + 90 * 365 * 86_400_000));
  });

  test('any start', () => {
    for (const [iso, day] of [
      ['1970-01-01 00:00:00', '05'],
      ['1969-12-31 23:59:59', '04'],
      ['2000-02-29 12:34:56', '03'],
      ['2100-03-01 00:00:00', '02'],
    ] as const) {
      expect(rtc(Date.parse(`${iso.replace(' ', 'T')}Z`)).time()).toBe(`${iso} ${day}`);
    }
  });

  test('every fourth year is a leap year; the century counts on when the year wraps', () => {
    const t = rtc(Date.UTC(2023, 1, 28, 23, 59, 59));
    t.clock.advance(SECOND);
    expect(t.time()).toBe('2023-03-01 00:00:00 04');
    const u = rtc(Date.UTC(1999, 11, 31, 23, 59, 59));
    u.clock.advance(SECOND);
    expect(u.time()).toBe('2000-01-01 00:00:00 07');
  });

  test('binary format', () => {
    const t = rtc();
    t.write(B, 0x80 | BINARY | H24);
    t.set(59, 59, 23, 7, 31, 12, 99);
    t.write(CENTURY, 19);
    expect([t.read(0), t.read(2), t.read(4)]).toEqual([59, 59, 23]);
    t.clock.advance(SECOND);
    expect([0, 2, 4, 6, 7, 8, 9, CENTURY].map(t.read)).toEqual([0, 0, 0, 1, 1, 1, 0, 20]);
  });

  test('12-hour format: 12 at midnight and noon, bit 7 for PM', () => {
    const hours = (format: number) => {
      const t = rtc();
      t.write(B, 0x80 | format);
      t.set(0x00, 0x00, 12, 1, 1, 1, 0);
      if (format === 0) t.set(0x00, 0x00, 0x12);
      const seen = [];
      for (let h = 0; h < 24; h++) {
        seen.push(t.read(4));
        t.clock.advance(3600 * SECOND);
      }
      return seen;
    };
    const am = [12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    expect(hours(BINARY)).toEqual([...am, ...am.map(h => h | 0x80)]);
    const bcd = am.map(h => (h > 9 ? h + 6 : h));
    expect(hours(0)).toEqual([...bcd, ...bcd.map(h => h | 0x80)]);
  });

  test('11:59:59 PM ends the day', () => {
    const t = rtc();
    t.write(B, 0x80);
    t.set(0x59, 0x59, 0x91, 0x07, 0x31, 0x12, 0x23);
    t.clock.advance(SECOND);
    expect([4, 6, 7, 8, 9].map(t.read)).toEqual([0x12, 1, 1, 1, 0x24]);
  });

  test('the day of the week is counted, not derived', () => {
    const t = rtc();
    t.set(0x59, 0x59, 0x23, 0x03, 0x01, 0x01, 0x24);
    t.clock.advance(SECOND);
    expect(t.read(6)).toBe(4);
    t.clock.advance(4 * 86_400 * SECOND);
    expect(t.read(6)).toBe(1);
  });

  test('what was written is read until the next update, sense or not', () => {
    const t = rtc();
    t.write(B, 0x80 | H24);
    for (const value of [0x00, 0x7b, 0xff]) {
      for (const at of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) t.write(at, value);
      t.clock.advance(3 * SECOND);
      for (const at of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) expect(t.read(at)).toBe(value);
    }
    t.write(B, H24);
    t.clock.advance(5 * SECOND);
    expect(t.read(8)).toBeLessThan(0x13);
  });
});

describe('Static CMOS RAM', () => {
  test('114 bytes for the program, and a clock that leaves them alone', () => {
    const t = rtc();
    for (let at = 0x0e; at < 0x80; at++) if (at !== CENTURY) t.write(at, at ^ 0x5a);
    t.clock.advance(100 * SECOND);
    for (let at = 0x0e; at < 0x80; at++) if (at !== CENTURY) expect(t.read(at)).toBe(at ^ 0x5a);
  });

  test('property cmos: first contents, clock and registers apart', () => {
    const bytes = new Uint8Array(128).fill(0x77);
    const t = rtc(Date.UTC(2001, 2, 4), { cmos: { name: 'image', bytes } });
    expect(t.time()).toBe('2001-03-04 00:00:00 01');
    expect([t.read(0x0e), t.read(0x7f), t.read(A), t.read(B)]).toEqual([0x77, 0x77, 0x26, 0x02]);
  });

  test('property cmos: an image that is too large is a mistake in the configuration', () => {
    expect(() => rtc(0, { cmos: { name: 'nvram.bin', bytes: new Uint8Array(256) } })).toThrow(
      'dut: nvram.bin has 256 bytes, and CMOS holds 128; give 128 or fewer.',
    );
  });

  test('properties memory and memoryAbove4G tell the BIOS of RAM', () => {
    const t = rtc(0, { memory: 256 * 2 ** 20, memoryAbove4G: 2 ** 30 });
    expect([t.read(0x15), t.read(0x16), t.read(0x34), t.read(0x35), t.read(0x5c)]).toEqual([
      0x80, 0x02, 0x00, 0x0f, 0x40,
    ]);
  });
});

describe('Reset', () => {
  test('leaves time and memory alone, clears interrupt enables and flags', () => {
    const t = rtc(Date.UTC(2024, 0, 1));
    t.write(0x20, 0x42);
    t.write(B, 0x7e);
    t.clock.advance(5 * SECOND);
    expect(t.irq()).toBe(true);
    t.device.reset();
    expect(t.irq()).toBe(false);
    expect(t.time()).toBe('2024-01-01 00:00:05 02');
    expect(t.read(0x20)).toBe(0x42);
    expect(t.read(B)).toBe(0x06);
    expect(t.read(C)).toBe(0);
    expect(t.device.armedTimers).toBe(0);
  });
});

describe('PC/AT ports 70h and 71h', () => {
  test('bit 7 of the index masks the NMI; it is masked at reset', () => {
    const t = rtc();
    expect(t.levels().nmiMask).toBe(true);
    t.read(0x0d);
    t.read(0x8d);
    expect(t.log).toEqual(['nmiMask=0', 'nmiMask=1']);
    expect(t.read(0x8d)).toBe(t.read(0x0d));
  });

  test('the index port reads as an open bus', () => {
    expect(rtc().handle.regs.read(0, 1)).toBe(0xff);
  });
});

describe('Update Cycle', () => {
  test('UIP is set 244 µs before the update begins, and until it ends 1984 µs later', () => {
    const t = rtc();
    t.clock.advance(SECOND - 2_228_001);
    expect(t.read(A) & 0x80).toBe(0);
    t.clock.advance(1);
    expect(t.read(A) & 0x80).toBe(0x80);
    t.clock.advance(2_227_999);
    expect([t.read(A) & 0x80, t.read(0)]).toEqual([0x80, 0]);
    t.clock.advance(1);
    expect([t.read(A) & 0x80, t.read(0)]).toEqual([0, 1]);
  });

  test('when UIP is clear there are 244 µs to read the time', () => {
    const t = rtc();
    for (let i = 0; i < 3000; i++) {
      t.clock.advance(999_983);
      if ((t.read(A) & 0x80) !== 0) continue;
      const before = t.time();
      t.clock.advance(243_999);
      expect(t.time()).toBe(before);
    }
  });

  test('the faster time bases take 248 µs', () => {
    const t = rtc();
    t.write(A, 0x66);
    t.write(A, 0x06);
    t.clock.advance(SECOND / 2 - 244_000);
    expect(t.read(A) & 0x80).toBe(0x80);
    t.clock.advance(244_000 + 247_999);
    expect([t.read(A) & 0x80, t.read(0)]).toEqual([0x80, 0]);
    t.clock.advance(1);
    expect([t.read(A) & 0x80, t.read(0)]).toEqual([0, 1]);
  });
});

describe('Divider Control', () => {
  test('11x holds the chain: no updates, no periodic interrupts, no UIP', () => {
    for (const dv of [0x60, 0x70]) {
      const t = rtc();
      t.write(A, dv | 0x06);
      t.read(C);
      t.clock.advance(10 * SECOND);
      expect([t.read(0), t.read(C), t.read(A)]).toEqual([0, 0, dv | 0x06]);
    }
  });

  test('the first update begins half a second after the release', () => {
    const t = rtc();
    t.clock.advance(300 * MS);
    t.write(A, 0x76);
    t.clock.advance(12.345 * SECOND);
    t.write(A, 0x26);
    t.clock.advance(501_983_999);
    expect(t.read(0)).toBe(0);
    t.clock.advance(1);
    expect(t.read(0)).toBe(1);
    t.clock.advance(SECOND);
    expect(t.read(0)).toBe(2);
  });

  test('test modes stop the chain', () => {
    const t = rtc();
    t.write(A, 0x36);
    t.clock.advance(10 * SECOND);
    expect(t.read(0)).toBe(0);
  });

  test('A: UIP cannot be written', () => {
    const t = rtc();
    t.write(A, 0xff);
    expect(t.read(A)).toBe(0x7f);
  });
});

describe('Register B: SET', () => {
  test('stops the updates and clears UIP; the divider chain goes on', () => {
    const t = rtc();
    t.clock.advance(SECOND - MS);
    expect(t.read(A) & 0x80).toBe(0x80);
    t.write(B, 0x80 | H24);
    expect(t.read(A) & 0x80).toBe(0);
    t.clock.advance(10.2 * SECOND);
    expect(t.read(0)).toBe(0);
    t.write(B, H24);
    t.clock.advance(800 * MS);
    expect(t.read(0)).toBe(0);
    t.clock.advance(1 * MS); // the phase of the chain is the old one
    expect(t.read(0)).toBe(1);
  });

  test('an update that began while SET was on goes by', () => {
    const t = rtc();
    t.write(B, 0x80 | H24);
    t.clock.advance(SECOND - MS);
    t.write(B, H24);
    expect(t.read(A) & 0x80).toBe(0);
    t.clock.advance(MS);
    expect(t.read(0)).toBe(0);
    t.clock.advance(SECOND);
    expect(t.read(0)).toBe(1);
  });

  test('clears UIE', () => {
    const t = rtc();
    t.write(B, 0x70 | H24);
    t.write(B, 0xf0 | H24);
    expect(t.read(B)).toBe(0xe0 | H24);
  });

  test('periodic interrupts go on', () => {
    const t = rtc();
    t.write(B, 0xc0 | H24);
    t.clock.advance(MS);
    expect(t.read(C)).toBe(0xc0);
  });
});

describe('Periodic Interrupt Selection', () => {
  const periods32k = [0, 256, 128, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2];
  const count = (a: number) => {
    const t = rtc();
    t.write(A, a);
    t.write(B, 0x40 | H24);
    let interrupts = 0;
    for (const end = t.clock.time + SECOND; t.clock.queue.next <= end; interrupts++) {
      t.clock.toNext();
      expect(t.read(C) & 0xc0).toBe(0xc0);
    }
    return interrupts;
  };

  test.each(periods32k.map((hz, rs) => [rs, hz]))('32.768 kHz, RS = %i: %i Hz', (rs, hz) => {
    expect(count(0x20 | rs)).toBe(hz);
  });

  test.each([
    [1, 32_768],
    [2, 16_384],
    [3, 8192],
    [15, 2],
  ])('4.194304 MHz, RS = %i: %i Hz', (rs, hz) => {
    expect(count(rs)).toBe(hz);
    expect(count(0x10 | rs)).toBe(hz);
  });

  test('the rate is exact over an hour', () => {
    const t = rtc();
    t.write(A, 0x2d); // 8 Hz
    t.write(B, 0x40 | H24);
    let interrupts = 0;
    while (t.clock.queue.next <= 3600 * SECOND) {
      t.clock.toNext();
      t.read(C);
      interrupts++;
    }
    expect(interrupts).toBe(8 * 3600);
  });

  test('figure 16: the edges lie midway between updates', () => {
    const t = rtc();
    t.write(A, 0x6f);
    t.write(A, 0x2f); // 2 Hz, the chain starts now; the update begins at 500 ms
    t.read(C);
    t.clock.advance(250 * MS - 1);
    expect(t.read(C) & 0x40).toBe(0);
    t.clock.advance(1);
    expect(t.read(C) & 0x40).toBe(0x40);
    t.clock.advance(500 * MS);
    expect(t.read(C) & 0x40).toBe(0x40);
  });

  test('PF is set without PIE too, IRQF is not', () => {
    const t = rtc();
    t.clock.advance(2 * MS);
    expect(t.read(C)).toBe(0x40);
    expect(t.log.filter(line => line.startsWith('irq'))).toEqual([]);
  });

  test('a change of the rate makes no edge by itself', () => {
    const t = rtc();
    t.write(A, 0x2f);
    t.read(C);
    t.write(A, 0x23);
    expect(t.read(C)).toBe(0);
    t.clock.advance(122_100);
    expect(t.read(C)).toBe(0x40);
  });

  test('reading C before the next edge does not clear what comes after', () => {
    const t = rtc();
    t.write(A, 0x2f);
    t.write(B, 0x40 | H24);
    t.clock.toNext();
    expect([t.read(C), t.read(C)]).toEqual([0xc0, 0x00]);
    t.clock.toNext();
    expect(t.irq()).toBe(true);
  });
});

describe('Interrupts', () => {
  test('update-ended: UF, and IRQ when UIE is set', () => {
    const t = rtc();
    t.write(A, 0x20);
    t.write(B, 0x10 | H24);
    t.clock.advance(SECOND - 1);
    expect(t.irq()).toBe(false);
    t.clock.advance(1);
    expect(t.irq()).toBe(true);
    expect(t.read(0)).toBe(1);
    expect(t.read(C)).toBe(0x90);
    expect(t.irq()).toBe(false);
    expect(t.read(C)).toBe(0);
    t.clock.advance(SECOND);
    expect(t.irq()).toBe(true);
  });

  test('the line stays active until C is read, however much happens', () => {
    const t = rtc();
    t.write(B, 0x50 | H24);
    t.log.length = 0;
    t.clock.advance(10 * SECOND);
    expect(t.log).toEqual(['irq=1']);
    expect(t.device.armedTimers).toBe(0);
    expect(t.read(C)).toBe(0xd0);
  });

  test('enabling an interrupt whose flag is set raises IRQ at once; disabling lowers it', () => {
    const t = rtc();
    t.clock.advance(SECOND);
    t.write(B, 0x10 | H24);
    expect(t.irq()).toBe(true);
    t.write(B, H24);
    expect(t.irq()).toBe(false);
    expect(t.read(C) & 0x10).toBe(0x10);
  });

  test('a flag that comes while C is being read is not lost', () => {
    const t = rtc();
    t.clock.advance(5 * SECOND);
    t.read(C);
    const start = t.clock.now();
    let looks = 0;
    // the host's time goes on during an access: the first look at the clock is before an update, the next after it
    t.clock.now = () => (looks++ === 0 ? start : start + SECOND);
    expect([t.read(C) & 0x10, t.read(C) & 0x10, t.read(C) & 0x10]).toEqual([0, 0x10, 0]);
  });

  test('a debugger sees C without clearing it', () => {
    const t = rtc();
    t.write(B, 0x10 | H24);
    t.clock.advance(SECOND);
    expect([t.peek(C), t.peek(C)]).toEqual([0xd0, 0xd0]);
    expect(t.irq()).toBe(true);
    expect(t.read(C)).toBe(0xd0);
  });

  test('C and D are read-only; D says that time and memory are valid', () => {
    const t = rtc();
    t.write(C, 0xff);
    t.write(D, 0x00);
    expect(t.read(C)).toBe(0);
    expect([t.read(D), t.read(D)]).toEqual([0x80, 0x80]);
  });

  test('no timer runs while no interrupt is enabled', () => {
    const t = rtc();
    expect(t.device.armedTimers).toBe(0);
    t.write(B, 0x20 | H24);
    expect(t.device.armedTimers).toBe(1);
    t.write(B, H24);
    expect(t.device.armedTimers).toBe(0);
  });
});

describe('Alarm', () => {
  /** Seconds until IRQ, from 00:00:00 in 24-hour BCD. */
  const fires = (seconds: number, minutes: number, hours: number) => {
    const t = rtc(Date.UTC(2024, 0, 1));
    t.alarm(seconds, minutes, hours);
    t.write(B, 0x20 | H24);
    t.clock.toNext();
    return t.irq() ? t.clock.time / SECOND : undefined;
  };

  test.each([
    ['at a time', 0x15, 0x30, 0x12, 12 * 3600 + 30 * 60 + 15],
    ['a day later, when the time is now', 0x00, 0x00, 0x00, 86_400],
    ["hours are a don't-care: every hour", 0x15, 0x30, 0xc0, 30 * 60 + 15],
    ['hours and minutes: every minute', 0x15, 0xff, 0xc0, 15],
    ['all three: every second', 0xff, 0xff, 0xff, 1],
    ['seconds and minutes: through an hour', 0xc0, 0xc0, 0x02, 2 * 3600],
    ['seconds: through a minute', 0xc0, 0x05, 0x00, 300],
  ])('%s', (_what, seconds, minutes, hours, expected) => {
    expect(fires(seconds, minutes, hours)).toBe(expected);
  });

  test('a byte that no time has never matches', () => {
    expect(fires(0x60, 0x00, 0x00)).toBeUndefined();
    expect(fires(0x00, 0x7a, 0x00)).toBeUndefined();
    expect(fires(0x00, 0x00, 0x24)).toBeUndefined();
  });

  test('repeats', () => {
    const t = rtc(Date.UTC(2024, 0, 1));
    t.alarm(0x10, 0xff, 0xff);
    t.write(B, 0x20 | H24);
    const times: number[] = [];
    for (let i = 0; i < 3; i++) {
      t.clock.toNext();
      times.push(t.clock.time / SECOND);
      expect(t.read(C) & 0xa0).toBe(0xa0);
    }
    expect(times).toEqual([10, 70, 130]);
  });

  test('12-hour format: the PM bit counts', () => {
    const t = rtc(Date.UTC(2024, 0, 1));
    t.write(B, 0x80);
    t.set(0x00, 0x00, 0x12);
    t.alarm(0x00, 0x00, 0x81);
    t.write(B, 0x20);
    t.clock.toNext();
    expect(t.read(4)).toBe(0x81);
    expect(t.clock.time / SECOND).toBe(13 * 3600);
  });

  test('AF is set without AIE too, found when somebody asks', () => {
    const t = rtc(Date.UTC(2024, 0, 1));
    t.alarm(0x30, 0x01, 0x00);
    t.clock.advance(89 * SECOND);
    expect(t.read(C) & 0x20).toBe(0);
    t.clock.advance(SECOND);
    expect(t.read(C) & 0x20).toBe(0x20);
    t.clock.advance(86_000 * SECOND);
    expect(t.read(C) & 0x20).toBe(0);
    t.clock.advance(400 * SECOND);
    expect(t.read(C) & 0x20).toBe(0x20);
  });

  test('with UIE and AIE each flag comes in its time', () => {
    const t = rtc(Date.UTC(2024, 0, 1));
    t.write(A, 0x20);
    t.alarm(0x02, 0xff, 0xff);
    t.write(B, 0x30 | H24);
    const seen = [];
    for (let i = 0; i < 3; i++) {
      t.clock.toNext();
      seen.push(t.read(C));
    }
    expect(seen).toEqual([0x90, 0xb0, 0x90]);
  });
});

describe('state', () => {
  test('a saved clock goes on where it was', () => {
    const t = rtc(Date.UTC(2024, 11, 31, 23, 59, 50));
    t.write(B, 0x10 | H24);
    t.clock.advance(3.3 * SECOND);
    const saved = structuredClone(t.device.save());
    const u = rtc(0);
    u.clock.advance(3.3 * SECOND);
    u.device.restore(saved);
    expect(u.irq()).toBe(true);
    u.clock.advance(7 * SECOND);
    expect(u.time()).toBe('2025-01-01 00:00:00 04');
  });
});

describe('device contract', () => {
  const steps = [0, 1_000, 100_000, 30 * MS, SECOND, 90_000 * SECOND];
  test.each(deviceContract(mc146818, { '': { steps } }))('$name', ({ run }) => run());
});
