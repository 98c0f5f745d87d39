import { describe, expect, test } from '@jest/globals';
import { difference } from './difference.ts';
import { FakeAccelerator } from './fake-accelerator.ts';
import { FakeChardev } from './fake-chardev.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeHost } from './fake-host.ts';
import { FakeKeyboard } from './fake-keyboard.ts';
import { Random } from './random.ts';

describe('FakeClock', () => {
  test('timers fire exactly when due, in order, also those that are armed on the way', () => {
    const clock = new FakeClock();
    const seen: number[] = [];
    const timer = clock.timer(() => {
      seen.push(clock.now());
      if (seen.length < 3) timer.arm(clock.now() + 10);
    });
    timer.arm(5);
    clock.advance(20);
    expect([seen, clock.now()]).toEqual([[5, 15], 20]);
    expect([clock.toNext(), clock.now(), clock.toNext()]).toEqual([true, 25, false]);
  });

  test('a deadline in the past fires now', () => {
    const clock = new FakeClock();
    clock.advance(100);
    let at = 0;
    clock
      .timer(() => {
        at = clock.now();
      })
      .arm(50);
    clock.advance(0);
    expect(at).toBe(100);
  });

  test('a timer that never lets time go on is told', () => {
    const clock = new FakeClock();
    const timer = clock.timer(() => timer.arm(0));
    timer.arm(0);
    expect(() => clock.advance(1)).toThrow('A timer is armed for 0 ns again and again');
  });
});

describe('FakeHost', () => {
  test('soon waits for a turn, after for its time', () => {
    const host = new FakeHost();
    const seen: string[] = [];
    host.soon(() => {
      seen.push('soon');
      host.soon(() => seen.push('next turn'));
    });
    host.after(100, () => seen.push(`after at ${host.now()}`));
    const cancel = host.after(50, () => seen.push('never'));
    cancel();
    expect([host.busy, host.nextWake]).toEqual([true, 100]);
    host.turn();
    expect(seen).toEqual(['soon']);
    host.advance(150);
    expect([seen, host.now(), host.nextWake]).toEqual([
      ['soon', 'after at 100', 'next turn'],
      150,
      Number.POSITIVE_INFINITY,
    ]);
  });

  test('the wall clock begins on a Saturday, 2000-01-01', () => {
    const host = new FakeHost();
    host.advance(2.5e9);
    expect(new Date(host.wallClock()).toISOString()).toBe('2000-01-01T00:00:02.500Z');
  });
});

test('FakeKeyboard: keys go down and up in order, to whoever listens', () => {
  const keyboard = new FakeKeyboard();
  const seen: string[] = [];
  keyboard.press('KeyA');
  keyboard.attach({ key: (code, down) => seen.push(`${code} ${down ? 'down' : 'up'}`) });
  keyboard.press('ShiftLeft', 'KeyB');
  keyboard.release('KeyB', 'ShiftLeft');
  expect(seen).toEqual(['ShiftLeft down', 'KeyB down', 'KeyB up', 'ShiftLeft up']);
});

describe('FakeChardev', () => {
  /** A device with a FIFO of two bytes. */
  function device(line: FakeChardev) {
    const fifo: number[] = [];
    let drained = 0;
    line.attach({ room: () => 2 - fifo.length, receive: byte => fifo.push(byte), drained: () => drained++ });
    return { fifo, drained: () => drained };
  }

  test('delivers as much as there is room for; the rest waits for resume', () => {
    const line = new FakeChardev();
    const { fifo } = device(line);
    line.send('abc');
    expect([fifo, line.pending]).toEqual([[0x61, 0x62], 1]);
    fifo.length = 0;
    line.resume();
    expect([fifo, line.pending]).toEqual([[0x63], 0]);
  });

  test('refuses when it is full, and tells when there is room again', () => {
    const line = new FakeChardev();
    const { drained } = device(line);
    line.capacity = 1;
    expect([line.write(0x41), line.write(0x42), line.text]).toEqual([true, false, 'A']);
    line.accept(1);
    expect([drained(), line.write(0x42), line.text]).toEqual([1, true, 'AB']);
    line.accept(5); // nobody was refused
    expect(drained()).toBe(1);
  });
});

describe('FakeVcpu', () => {
  test('saved state is a copy', () => {
    const { vcpu } = new FakeAccelerator();
    vcpu.state.msrs.set(0x10, 5n);
    const saved = vcpu.save();
    saved.gpr[0] = 1n;
    saved.segments.cs.base = 0n;
    saved.msrs.clear();
    expect([vcpu.state.gpr[0], vcpu.state.segments.cs.base, vcpu.state.msrs.size]).toEqual([0n, 0xffff_0000n, 1]);
    vcpu.restore(saved);
    vcpu.reset();
    expect([vcpu.state.segments.cs.base, vcpu.calls.reset]).toEqual([0xffff_0000n, 1]);
  });
});

test('a seed decides the random numbers', () => {
  const [a, b, c] = [new Random(7), new Random(7), new Random(8)];
  const draw = (random: Random) => Array.from({ length: 100 }, () => random.below(1000));
  const first = draw(a);
  expect(draw(b)).toEqual(first);
  expect(draw(c)).not.toEqual(first);
  expect(new Set(first).size).toBeGreaterThan(80);
});

test('difference() names the first place that differs', () => {
  expect(difference({ a: [1, Uint8Array.of(2)], b: 'x' }, { a: [1, Uint8Array.of(2)], b: 'x' })).toBeUndefined();
  expect(difference({ a: [1, Uint8Array.of(2)] }, { a: [1, Uint8Array.of(18)] })).toBe('a.1.0: 2 (0x2) and 18 (0x12)');
  expect(difference({ a: 1 }, { a: 1, b: 2 })).toBe('b: undefined and 2 (0x2)');
  expect(difference(null, {})).toBe('value: null and [object Object]');
});
