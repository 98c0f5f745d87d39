import { afterEach, describe, expect, test } from '@jest/globals';
import { Session } from './session.ts';

/** A guest in JavaScript: `quick` answers, `slow` waits for Ctrl-C, `end` ends it. */
const GUEST = `
  process.stdout.write('loading\\nBOOTED\\r\\nREADY\\n');
  process.stdin.setEncoding('latin1').on('data', text => {
    if (text.includes('\\x03')) process.stdout.write('END slow 130 7000000\\n');
    else if (text === 'quick 3\\n') process.stdout.write('BEGIN quick\\r\\nsum=3\\r\\nEND quick 0 2500000\\r\\n');
    else if (text.startsWith('end')) process.exit(4);
    else process.stdout.write('BEGIN slow\\n');
  });`;
/** Milliseconds; long, except where a test waits for it. */
const LIMIT = 60_000;

describe('a session', () => {
  let session: Session;
  const start = async (): Promise<void> => {
    session = new Session({ program: process.execPath, args: ['-e', GUEST] });
    expect(await session.boot(LIMIT)).toBeGreaterThan(0);
  };
  afterEach(() => session.end());

  test('runs a program and has its output, status and time by both clocks', async () => {
    await start();
    const { lines, status, guestMs, ms } = await session.run('quick', [3], LIMIT);
    expect(lines.map(({ text }) => text)).toEqual(['sum=3']);
    expect([status, guestMs]).toEqual([0, 2.5]);
    expect(ms).toBeGreaterThanOrEqual(0);
  });
  test('a program that takes too long is given up, and the next one runs', async () => {
    await start();
    await expect(session.run('slow', [], 20)).rejects.toMatchObject({ isTimeout: true });
    expect(await session.interrupt('slow')).toBe(true);
    expect((await session.run('quick', [3], LIMIT)).status).toBe(0);
  });
  test('a process that ends says how', async () => {
    await start();
    await expect(session.run('end', [], LIMIT)).rejects.toMatchObject({
      isTimeout: false,
      message: expect.stringContaining('ended with 4'),
    });
  });
});
