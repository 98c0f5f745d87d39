import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FileChardev } from './file-chardev.ts';
import { Sink, send } from './sink.fixture.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mainboard-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('writes everything, also what is more than it holds at once', async () => {
  const path = join(folder, 'serial.txt');
  const chardev = new FileChardev(path);
  const all = 'line\n'.repeat(50_000);
  let sent = 0;
  const sink = new Sink();
  sink.drained = () => {
    sent += send(chardev, all.slice(sent));
  };
  chardev.attach(sink);
  sent = send(chardev, all);
  while (sent < all.length) await new Promise(resolve => setImmediate(resolve));
  await chardev.close();
  expect(readFileSync(path, 'latin1')).toBe(all);
});

test('empties a file that is there', async () => {
  const path = join(folder, 'old.txt');
  writeFileSync(path, 'old contents');
  const chardev = new FileChardev(path);
  send(chardev, 'new');
  await chardev.close();
  await chardev.close();
  expect(readFileSync(path, 'latin1')).toBe('new');
});

test('says why it cannot', () => {
  expect(() => new FileChardev(join(folder, 'missing', 'x'))).toThrow('cannot be written: its folder does not exist.');
  expect(() => new FileChardev(folder)).toThrow('cannot be written: it is a folder.');
});
