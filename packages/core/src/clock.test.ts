import { describe, expect, test } from '@jest/globals';
import { FakeHost } from '@mainboard/testing';
import { TimerQueue, VirtualClock } from './clock.ts';

describe('timers', () => {
  test('fire in the order of their deadlines, equal ones in the order of arming', () => {
    const queue = new TimerQueue();
    const fired: string[] = [];
    const arm = (name: string, at: number) => queue.timer(() => fired.push(name), name).arm(at);
    arm('c', 30);
    arm('a', 10);
    arm('b1', 20);
    arm('b2', 20);
    expect(queue.next).toBe(10);
    expect(queue.fireNext(9)).toBe(false);
    while (queue.fireNext(25));
    expect([fired, queue.next]).toEqual([['a', 'b1', 'b2'], 30]);
  });

  test('fire once; armed again, they have the new time only', () => {
    const queue = new TimerQueue();
    let fired = 0;
    const timer = queue.timer(() => fired++);
    timer.arm(10);
    timer.arm(5);
    timer.arm(20);
    expect([timer.armed, queue.next, queue.fireNext(19)]).toEqual([true, 20, false]);
    expect([queue.fireNext(20), timer.armed, queue.fireNext(100), fired]).toEqual([true, false, false, 1]);
  });

  test('a timer that arms itself for the same time waits for the next call', () => {
    const queue = new TimerQueue();
    let fired = 0;
    const timer = queue.timer(() => {
      fired++;
      timer.arm(10);
    });
    timer.arm(10);
    queue.fireNext(10);
    expect([fired, queue.next]).toEqual([1, 10]);
  });

  test('one that is cancelled by an equal one does not fire', () => {
    const queue = new TimerQueue();
    const fired: string[] = [];
    const first = queue.timer(() => {
      fired.push('first');
      second.cancel();
    });
    const second = queue.timer(() => fired.push('second'));
    first.arm(1);
    second.arm(1);
    queue.fireNext(1);
    second.cancel();
    expect([fired, queue.next]).toEqual([['first'], Number.POSITIVE_INFINITY]);
  });

  test('any order of arming and cancelling keeps the order of firing', () => {
    const queue = new TimerQueue();
    const fired: number[] = [];
    const deadlines = Array.from({ length: 500 }, (_, i) => (i * 7919) % 503);
    const timers = deadlines.map(at => queue.timer(() => fired.push(at)));
    timers.forEach((timer, i) => {
      timer.arm(deadlines[i]!);
    });
    timers.forEach((timer, i) => {
      if (i % 3 === 0) timer.cancel();
      if (i % 5 === 0) timer.arm(deadlines[i]!);
    });
    while (queue.fireNext(1000));
    const expected = deadlines.filter((_, i) => i % 3 !== 0 || i % 5 === 0).sort((a, b) => a - b);
    expect(fired).toEqual(expected);
  });

  test('onEarlier tells when the next deadline has moved forward', () => {
    const queue = new TimerQueue();
    const seen: number[] = [];
    queue.onEarlier = () => seen.push(queue.next);
    const timer = queue.timer(() => {});
    timer.arm(100);
    timer.arm(200);
    queue.timer(() => {}).arm(300);
    timer.arm(50);
    expect(seen).toEqual([100, 50]);
  });
});

describe('the virtual clock', () => {
  test('stands still until started and while stopped', () => {
    const host = new FakeHost();
    host.time = 1000;
    const clock = new VirtualClock(host);
    host.time = 2000;
    expect(clock.now()).toBe(0);
    clock.start();
    host.time = 2500;
    expect(clock.now()).toBe(500);
    clock.stop();
    host.time = 9000;
    expect(clock.now()).toBe(500);
    clock.start();
    host.time = 9100;
    expect(clock.now()).toBe(600);
  });

  test('can be set, running or not', () => {
    const host = new FakeHost();
    const clock = new VirtualClock(host);
    clock.set(77);
    expect(clock.now()).toBe(77);
    clock.start();
    host.time = 10;
    clock.set(1000);
    host.time = 15;
    expect(clock.now()).toBe(1005);
  });
});
