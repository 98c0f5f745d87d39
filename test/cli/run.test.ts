import { readFileSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { finished, inFolder, mainboard, onEach, rom, see, start } from './command.fixture.ts';

/** Code for the reset vector: sixteen bytes at most, 16-bit. */
const EXIT_10H = rom(0xb0, 0x10, 0xe6, 0xf4, 0xf4); //           mov al, 10h; out F4h, al; hlt
const SPIN = rom(0xeb, 0xfe); //                                 jmp $
const TRIPLE_FAULT = rom(0x0f, 0x01, 0x1e, 0, 0, 0x0f, 0x0b); // lidt [0]; ud2
/** mov al, 'A'; out E9h, al; mov dx, 3F8h; out dx, al; mov al, 2; out F4h, al; hlt */
const PRINT_A = rom(0xb0, 0x41, 0xe6, 0xe9, 0xba, 0xf8, 0x03, 0xee, 0xb0, 0x02, 0xe6, 0xf4, 0xf4);

const withRom = <T>(image: Uint8Array, work: (path: string, folder: string) => Promise<T>): Promise<T> =>
  inFolder(async folder => {
    const path = join(folder, 'guest.rom');
    writeFileSync(path, image);
    return work(path, folder);
  });

describe('the embedded guest', () => {
  describe.each(['microvm', 'bare'])('%s', machine => {
    onEach('answers what is piped to it, and powers off at the end of input', async accel => {
      const { status, stdout, stderr } = await mainboard(['run', machine, '--accel', accel, '--memory', '64M'], {
        input: 'help\nmem\n',
      });
      expect(stdout).toMatch(/Mainboard embedded guest[\s\S]*> help\r\n[\s\S]*poweroff[\s\S]*> mem\r\n/);
      expect([status, stderr]).toEqual([0, '']);
    });
  });

  onEach('reboots to status 0', async accel => {
    const { status, stdout } = await mainboard(['run', 'microvm', '--accel', accel], { input: 'reboot\n' });
    expect([status, stdout.match(/Mainboard embedded guest/g)?.length]).toEqual([0, 1]);
  });

  onEach('boots again with --on-reboot reboot', async accel => {
    const child = start(['run', 'microvm', '--accel', accel, '--on-reboot', 'reboot']);
    const result = finished(child);
    await see(child.stdout, /> $/);
    child.stdin.write('reboot\n');
    await see(child.stdout, /embedded guest[\s\S]*> $/);
    child.stdin.end();
    expect((await result).status).toBe(0);
  });

  test('auto says what it takes, and why, in one line', async () => {
    const { status, stderr } = await mainboard(['run', 'microvm']);
    expect([status, stderr]).toEqual([0, expect.stringMatching(/^mainboard: accel (kvm|soft): [^\n]+\n$/)]);
  });
});

describe('the exit status', () => {
  onEach('is the guest’s after a debug exit', async accel => {
    await withRom(EXIT_10H, async path => {
      expect(await mainboard(['run', 'bare', '--accel', accel, '--firmware', path])).toEqual({
        status: 0x21,
        stdout: '',
        stderr: '',
      });
    });
  });

  // In software only: a KVM that emulates real mode stops at what it cannot emulate, such as UD2, instead of faulting.
  test('is 0 after a triple fault, which is told', async () => {
    await withRom(TRIPLE_FAULT, async path => {
      const { status, stderr } = await mainboard(['run', 'bare', '--accel', 'soft', '--firmware', path]);
      expect([status, stderr]).toEqual([
        0,
        expect.stringMatching(/^mainboard: the guest ended in a triple fault.*\n$/),
      ]);
    });
  });

  onEach('is 124 after --timeout, with one line', async accel => {
    await withRom(SPIN, async path => {
      const args = ['run', 'bare', '--accel', accel, '--firmware', path, '--timeout', '0.2'];
      expect(await mainboard(args)).toEqual({
        status: 124,
        stdout: '',
        stderr: 'mainboard: timeout: the machine was stopped after 0.2 s\n',
      });
    });
  });

  describe.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s', (signal, status) => {
    onEach(`is ${status}`, async accel => {
      const child = start(['run', 'microvm', '--accel', accel]);
      const result = finished(child);
      await see(child.stdout, /> $/);
      child.kill(signal);
      expect((await result).status).toBe(status);
    });
  });

  test('is 143 even while nobody reads the output', async () => {
    const child = start(['run', 'microvm', '--accel', 'soft']);
    const ended = new Promise(resolve => child.on('exit', resolve));
    await see(child.stdout, /> $/);
    child.stdout.pause();
    child.stdin.on('error', () => {});
    child.stdin.write('help\n'.repeat(20_000));
    await new Promise(resolve => setTimeout(resolve, 500));
    child.kill('SIGTERM');
    expect(await ended).toBe(143);
    child.stdin.destroy();
    child.stdout.destroy();
  });

  test('is 141 when the reader of the output has gone', async () => {
    const child = start(['run', 'microvm', '--accel', 'soft']);
    const ended = new Promise(resolve => child.on('exit', resolve));
    await see(child.stdout, /> $/);
    child.stdout.destroy();
    child.stdin.on('error', () => {});
    child.stdin.write('help\n');
    expect(await ended).toBe(141);
    child.stdin.destroy();
  });
});

describe('channels', () => {
  const run = (path: string, ...args: string[]) =>
    mainboard(['run', 'bare', '--accel', 'soft', '--firmware', path, ...args]);

  test('serial and debug console on stdio share it in order', async () => {
    await withRom(PRINT_A, async path => {
      expect(await run(path, '--debugcon', 'stdio')).toEqual({ status: 5, stdout: 'AA', stderr: '' });
    });
  });

  test('each in a file, which is emptied first', async () => {
    await withRom(PRINT_A, async (path, folder) => {
      const [serial, debugcon] = [join(folder, 'serial'), join(folder, 'debugcon')];
      writeFileSync(serial, 'old text');
      const result = await run(path, '--serial', `file:${serial}`, '--debugcon', `file:${debugcon}`);
      expect(result).toEqual({ status: 5, stdout: '', stderr: '' });
      expect([readFileSync(serial, 'latin1'), readFileSync(debugcon, 'latin1')]).toEqual(['A', 'A']);
    });
  });

  test('none swallows it', async () => {
    await withRom(PRINT_A, async path => {
      expect(await run(path, '--serial', 'none')).toEqual({ status: 5, stdout: '', stderr: '' });
    });
  });

  test('tcp:HOST:PORT connects', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    const heard = new Promise<string>(resolve => {
      server.once('connection', (socket: Socket) => {
        let text = '';
        socket.on('data', bytes => {
          text += bytes;
        });
        socket.on('end', () => resolve(text));
      });
    });
    await new Promise(resolve => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    try {
      await withRom(PRINT_A, async path => {
        expect((await run(path, '--serial', `tcp:127.0.0.1:${port}`)).status).toBe(5);
      });
      expect(await heard).toBe('A');
    } finally {
      await new Promise(resolve => server.close(resolve));
    }
  });

  test('tcp:HOST:PORT,server listens, and says where', async () => {
    const child = start(['run', 'microvm', '--accel', 'soft', '--serial', 'tcp:127.0.0.1:0,server']);
    const result = finished(child);
    const [, port] = /serial listens on 127\.0\.0\.1:(\d+)\n/.exec(await see(child.stderr, /:\d+\n/))!;
    const socket = createConnection({ host: '127.0.0.1', port: Number(port) });
    await see(socket, /> $/);
    socket.write('poweroff\n');
    expect((await result).status).toBe(0);
    socket.destroy();
  });
});

test('a long piped input is answered to the last line, none lost', async () => {
  const lines = 2000;
  const { status, stdout } = await mainboard(['run', 'microvm', '--accel', 'soft'], { input: 'mem\n'.repeat(lines) });
  expect([status, stdout.match(/^memory {3}256 MiB/gm)?.length]).toEqual([0, lines + 1]);
});

test('--trace writes what it is asked for, and nothing else', async () => {
  await withRom(PRINT_A, async (path, folder) => {
    const file = join(folder, 'trace');
    const { stderr } = await mainboard([
      'run',
      'bare',
      '--accel',
      'soft',
      '--firmware',
      path,
      '--serial',
      'none',
      '--trace',
      `port,file=${file}`,
    ]);
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect([stderr, lines.every(line => /^ +\d+\.\d{9} port {6}\S/.test(line))]).toEqual(['', true]);
    expect(lines.some(line => /3f8/.test(line) && /41/.test(line))).toBe(true);
  });
});
