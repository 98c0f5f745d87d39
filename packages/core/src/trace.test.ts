import { expect, test } from '@jest/globals';
import { TRACE, Trace } from './trace.ts';

test('each listener gets its categories, with the time', () => {
  let now = 1;
  const trace = new Trace(() => now);
  const pins: string[] = [];
  const all: string[] = [];
  expect(trace.mask).toBe(0);
  trace.listen(({ at, source, text }) => pins.push(`${at} ${source} ${text}`), ['pin']);
  trace.emit('port', 'port', 'in8');
  const stop = trace.listen(({ text }) => all.push(text));
  now = 5;
  trace.emit('pin', 'pic.int', 'high');
  trace.emit('port', 'port', 'out8');
  stop();
  trace.emit('port', 'port', 'in16');
  expect([pins, all]).toEqual([['5 pic.int high'], ['high', 'out8']]);
});

test('when the last listener leaves, only what others want is on', () => {
  const trace = new Trace(() => 0);
  const stopPins = trace.listen(() => {}, ['pin']);
  const stopPorts = trace.listen(() => {}, ['port']);
  expect(trace.mask).toBe(TRACE.pin | TRACE.port);
  stopPins();
  expect([trace.mask, trace.wants('pin')]).toEqual([TRACE.port, false]);
  stopPorts();
  stopPorts();
  expect(trace.mask).toBe(0);
});
