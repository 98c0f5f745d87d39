import { expect, test } from '@jest/globals';
import { InputQueue } from './input-queue.ts';
import { Sink } from './sink.fixture.ts';

test('bytes wait for a device, and for its room', () => {
  const queue = new InputQueue();
  queue.push(Buffer.from('abc'));
  queue.push(Buffer.from('def'));
  const sink = new Sink(4);
  queue.sink = sink;
  queue.deliver();
  expect([sink.text, queue.size, queue.empty]).toEqual(['abcd', 2, false]);
  sink.space = 9;
  queue.deliver();
  expect([sink.text, queue.size, queue.empty]).toEqual(['abcdef', 0, true]);
});

test('a break keeps its place among the bytes', () => {
  const queue = new InputQueue();
  const sink = new Sink(1);
  queue.sink = sink;
  queue.push(Buffer.from('a'));
  queue.pushBreak();
  expect([sink.breaks, queue.size]).toEqual([0, 1]);
  sink.space = 1;
  queue.push(Buffer.from('b'));
  expect([sink.text, sink.breaks]).toEqual(['ab', 1]);
});

test('a device that asks for more while it takes a byte gets the bytes in order', () => {
  const queue = new InputQueue();
  const received: number[] = [];
  queue.sink = {
    room: () => 1,
    receive(byte) {
      queue.deliver();
      received.push(byte);
    },
    drained() {},
  };
  queue.push(Uint8Array.of(1, 2, 3));
  expect(received).toEqual([1, 2, 3]);
});
