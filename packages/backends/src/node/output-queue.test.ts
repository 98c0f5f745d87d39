import { Writable } from 'node:stream';
import { expect, test } from '@jest/globals';
import { OutputQueue } from './output-queue.ts';
import { send, until } from './sink.fixture.ts';

/** A stream that holds what it is given until `go`. */
class SlowStream extends Writable {
  readonly chunks: Uint8Array[] = [];
  #done: (() => void)[] = [];
  #going = false;

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.chunks.push(chunk);
    if (this.#going) done();
    else this.#done.push(done);
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }

  go(): void {
    this.#going = true;
    for (const done of this.#done.splice(0)) done();
  }
}

test('what is sent in one turn goes to the stream together', async () => {
  const stream = new SlowStream();
  send(new OutputQueue(stream), 'hello');
  expect(stream.chunks).toEqual([]);
  await until(() => stream.chunks.length > 0);
  expect(stream.chunks.map(chunk => Buffer.from(chunk).toString())).toEqual(['hello']);
});

test('a slow stream makes the device wait, and nothing is lost', async () => {
  const stream = new SlowStream();
  const queue = new OutputQueue(stream);
  const all = Array.from({ length: 300_000 }, (_, i) => String.fromCharCode(32 + (i % 90))).join('');
  let sent = send(queue, all);
  expect(sent).toBeLessThan(all.length);
  queue.onDrained(() => {
    sent += send(queue, all.slice(sent));
  });
  stream.go();
  await until(() => sent === all.length);
  await queue.emptied();
  expect(stream.text).toBe(all);
});

test('emptied waits for the stream', async () => {
  const stream = new SlowStream();
  const queue = new OutputQueue(stream);
  send(queue, 'x');
  let emptied = false;
  const done = queue.emptied().then(() => {
    emptied = true;
  });
  await until(() => stream.chunks.length > 0);
  expect(emptied).toBe(false);
  stream.go();
  await done;
});

test('a stream that fails is told of once; output is dropped from then on, and never blocks', async () => {
  const failures: string[] = [];
  const stream = new Writable({ write: (_chunk, _encoding, done) => done(new Error('disk full')) });
  const queue = new OutputQueue(stream, error => failures.push(error.message));
  send(queue, 'x');
  await until(() => failures.length > 0);
  expect(send(queue, 'y'.repeat(200_000))).toBe(200_000);
  await queue.emptied();
  expect(failures).toEqual(['disk full']);
});

test('without a stream bytes wait for one', async () => {
  const queue = new OutputQueue(undefined);
  send(queue, 'early');
  await new Promise(resolve => setImmediate(resolve));
  const stream = new SlowStream();
  stream.go();
  queue.connect(stream);
  await until(() => stream.text === 'early');
});

test('a full queue without a stream refuses, and says when one makes room', async () => {
  const queue = new OutputQueue(undefined);
  const sent = send(queue, 'z'.repeat(100_000));
  let drained = 0;
  queue.onDrained(() => drained++);
  const stream = new SlowStream();
  stream.go();
  queue.connect(stream);
  await until(() => drained > 0);
  expect([sent, drained]).toEqual([65_536, 1]);
});
