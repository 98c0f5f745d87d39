import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, test } from '@jest/globals';
import { OutputQueue } from './output-queue.ts';
import { Sink, send, until } from './sink.fixture.ts';
import { StdioChardev, type TerminalInput } from './stdio-chardev.ts';

const open: StdioChardev[] = [];
afterEach(async () => {
  for (const chardev of open.splice(0)) await chardev.close();
});

/** A terminal of a test's: what was done to its mode, and streams for both directions. */
function stdio({ tty = false, space = Number.POSITIVE_INFINITY } = {}) {
  const modes: boolean[] = [];
  const input: TerminalInput & PassThrough = Object.assign(new PassThrough(), {
    isTTY: tty,
    setRawMode: (raw: boolean) => modes.push(raw),
  });
  const screen = new PassThrough();
  const commands: string[] = [];
  const chardev = new StdioChardev({ input, output: new OutputQueue(screen), command: name => commands.push(name) });
  open.push(chardev);
  const sink = new Sink(space);
  chardev.attach(sink);
  return { input, screen, commands, chardev, sink, modes };
}

describe('input', () => {
  test('arrives', async () => {
    const { input, sink } = stdio();
    input.write('hello\n');
    await until(() => sink.text === 'hello\n');
  });

  test('from a pipe stops while the guest has no room', async () => {
    const { input, sink, chardev } = stdio({ space: 2 });
    input.write('abcdef');
    await until(() => input.isPaused());
    expect(sink.text).toBe('ab');
    sink.space = 10;
    chardev.resume();
    input.write('gh');
    await until(() => sink.text === 'abcdefgh');
  });

  test('that ends is one Ctrl-D after the last byte, and then nothing', async () => {
    const { input, sink, chardev } = stdio({ space: 1 });
    input.end('x');
    await until(() => sink.text === 'x');
    sink.space = 10;
    chardev.resume();
    await until(() => sink.text === 'x\x04');
    chardev.resume();
    expect(sink.text).toBe('x\x04');
  });

  test('of a pipe has no escapes', async () => {
    const { input, sink, commands } = stdio();
    input.write('\x01x');
    await until(() => sink.text === '\x01x');
    expect(commands).toEqual([]);
  });
});

describe('a terminal', () => {
  test('is raw until close', async () => {
    const { chardev, modes } = stdio({ tty: true });
    expect(modes).toEqual([true]);
    await chardev.close();
    expect(modes).toEqual([true, false]);
  });

  test('is raw again when the process is continued, and cooked when it exits', () => {
    const before = process.listeners('exit').length;
    const { modes } = stdio({ tty: true });
    process.emit('SIGCONT', 'SIGCONT');
    const added = process.listeners('exit').slice(before);
    for (const listener of added) listener.call(process, 0);
    expect(modes).toEqual([true, true, false]);
  });

  test('is heard while the guest is not listening', async () => {
    const { input, commands, sink } = stdio({ tty: true, space: 0 });
    input.write('abc');
    input.write('\x01x');
    await until(() => commands.length > 0);
    expect([commands, sink.text]).toEqual([['quit'], '']);
  });

  test('sends a break', async () => {
    const { input, sink } = stdio({ tty: true });
    input.write('\x01b');
    await until(() => sink.breaks === 1);
  });
});

test('output goes to the screen, all of it before close is done', async () => {
  const { chardev, screen } = stdio();
  send(chardev, 'bye');
  await chardev.close();
  expect(String(screen.read())).toBe('bye');
});

test('close leaves no listener behind', async () => {
  const count = () => process.listenerCount('exit') + process.listenerCount('SIGCONT');
  const before = count();
  const { chardev, input } = stdio({ tty: true });
  await chardev.close();
  expect([count(), input.listenerCount('data'), input.listenerCount('end')]).toEqual([before, 0, 0]);
});
