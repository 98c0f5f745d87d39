import { expect, test } from '@jest/globals';
import { NodeHost } from './node-host.ts';

const host = new NodeHost();

test('time is whole nanoseconds and never goes back', () => {
  const times = Array.from({ length: 1000 }, () => host.now());
  expect(times.every(Number.isSafeInteger)).toBe(true);
  expect([...times].sort((a, b) => a - b)).toEqual(times);
});

test('the wall clock is the system’s', () => {
  const before = Date.now();
  const now = host.wallClock();
  expect([now >= before, now <= Date.now()]).toEqual([true, true]);
});

test.each([0, 1, 300_000, 1_000_000, 2_500_000])('after %d ns is never early', async wait => {
  const due = host.now() + wait;
  const fired = await new Promise<number>(resolve => {
    host.after(wait, () => resolve(host.now()));
  });
  expect(fired).toBeGreaterThanOrEqual(due);
});

test('what is cancelled does not come', async () => {
  let fired = false;
  const cancel = host.after(100_000, () => {
    fired = true;
  });
  cancel();
  await new Promise<void>(resolve => {
    host.after(3_000_000, resolve);
  });
  expect(fired).toBe(false);
});

test('a chain of `soon` lets timers and I/O have their turn', async () => {
  let chaining = true;
  const chain = (): void => {
    if (chaining) host.soon(chain);
  };
  chain();
  await new Promise(resolve => setTimeout(resolve, 1));
  chaining = false;
});
