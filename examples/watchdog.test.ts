import { expect, test } from '@jest/globals';
import { deviceContract, testbench } from '@mainboard/testing';
import { watchdog } from './watchdog.ts';

const TICK = 100_000_000;
const [LOAD, VALUE, CTRL, STATUS, KICK] = [0, 1, 2, 3, 4];

/** A watchdog of ten ticks, started. */
function started(control: number) {
  const bench = testbench(watchdog);
  const { regs } = bench.handle;
  regs.write(LOAD, 1, 10);
  regs.write(CTRL, 1, control);
  return { ...bench, regs };
}

test.each(deviceContract(watchdog))('contract: $name', ({ run }) => run());

test('§1, §2 it counts down from LOAD', () => {
  const { clock, regs } = started(1);
  clock.advance(3 * TICK);
  expect(regs.read(VALUE, 1)).toBe(7);
  regs.write(LOAD, 1, 20);
  expect(regs.read(VALUE, 1)).toBe(20);
});

test('§3 it stands still until it is enabled', () => {
  const { clock, regs, log } = started(2);
  clock.advance(1000 * TICK);
  expect([regs.read(VALUE, 1), log]).toEqual([10, []]);
});

test('§4 an expiry raises the interrupt, a one to STATUS drops it', () => {
  const { clock, regs, log } = started(1);
  clock.advance(10 * TICK);
  expect([regs.read(STATUS, 1), log]).toEqual([1, ['irq=1']]);
  regs.write(STATUS, 1, 1);
  expect([regs.read(STATUS, 1), log]).toEqual([0, ['irq=1', 'irq=0']]);
});

test('§5 a kick in time keeps it quiet, and one after the first expiry keeps it from biting', () => {
  const { clock, regs, log } = started(3);
  clock.advance(9 * TICK);
  regs.write(KICK, 1, 0);
  clock.advance(9 * TICK);
  expect(log).toEqual([]);
  clock.advance(TICK);
  regs.write(KICK, 1, 0);
  clock.advance(10 * TICK);
  expect(log).toEqual(['irq=1']);
});

test('the second expiry bites, if it may, and ends the count', () => {
  const { clock, log } = started(3);
  clock.advance(1000 * TICK);
  expect(log).toEqual(['irq=1', 'bite=1']);
});
