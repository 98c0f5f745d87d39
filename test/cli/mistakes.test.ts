import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { syntheticBzImage } from '../../packages/devices/src/firmware/linux/synthetic-images.ts';
import { finished, MAINBOARD, mainboard, type Result, start } from './command.fixture.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mainboard-cli-'));
  writeFileSync(join(folder, 'notes.txt'), 'milk, eggs\n'.repeat(200));
  writeFileSync(join(folder, 'vmlinuz'), syntheticBzImage());
  writeFileSync(join(folder, 'truncated'), syntheticBzImage({ kernel: new Uint8Array(4096) }).subarray(0, 1500));
  writeFileSync(join(folder, 'initrd'), Buffer.alloc(5 * 2 ** 20));
  mkdirSync(join(folder, 'folder'));
  const files: Record<string, string> = {
    'syntax.ts': 'const a = 1;\nconst b: number = ;\n',
    'enum.ts': 'enum Colour { Red }\n',
    'imports-syntax.ts': "import './syntax.ts';\n",
    'throws.ts': 'const a = 1;\nmissing(a);\nexport default a;\n',
    'no-machine.ts': 'export const a: number = 1;\n',
    'no-import.ts': "import './nothing.ts';\n",
    'no-name.ts': "import { defineMachines } from '@mainboard/core';\n",
    'several.ts':
      "import { defineMachine } from '@mainboard/core';\nexport const a = defineMachine('a', {}, () => {});\nexport const b = defineMachine('b', {}, () => {});\n",
    'overlap.ts':
      "import { defineMachine } from '@mainboard/core';\nimport { uart16550 } from '@mainboard/devices';\nexport default defineMachine('overlap', {}, board => {\n  const a = board.add('a', uart16550);\n  board.ports.map({ 0x3f8: a.regs, 0x3fc: a.regs });\n});\n",
    'build-throws.ts':
      "import { defineMachine } from '@mainboard/core';\nexport default defineMachine('broken', {}, board => {\n  (board as any).nothing.at.all();\n});\n",
    'property.ts':
      "import { defineMachine } from '@mainboard/core';\nimport { i8254 } from '@mainboard/devices';\nexport default defineMachine('property', {}, board => {\n  board.add('pit', i8254, { clock: 5 } as never);\n});\n",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  chmodSync(folder, 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** One or two lines on stderr that say it, status 2, and nothing else. */
function expectMistake({ status, stdout, stderr }: Result, says: RegExp): void {
  expect(stderr).toMatch(says);
  expect({ status, stdout, lines: stderr.trimEnd().split('\n').length <= 2, stack: /^\s+at /m.test(stderr) }).toEqual({
    status: 2,
    stdout: '',
    lines: true,
    stack: false,
  });
  expect(stderr).toMatch(/^mainboard: .*[.?)]$/m);
}

const ON = ['run', 'microvm', '--accel', 'soft'];

describe('each mistake ends with status 2 and says what to do', () => {
  test.each<[string, string[], RegExp]>([
    ['no such command', ['rnu'], /There is no command "rnu"\. Did you mean run\?\n.*run, machines, devices/],
    ['no machine', ['run'], /needs to know which machine: give a name .* or a \.ts file/],
    ['an unknown machine', ['run', 'micovm'], /There is no machine "micovm"\. Did you mean microvm\?\n.*bare, microvm/],
    ['two machines', ['run', 'bare', 'microvm'], /too many arguments/],
    [
      'an unknown option',
      [...ON, '--memry', '1M'],
      /run microvm has no option --memry\. Did you mean --memory\?\n.*--append/,
    ],
    ['an option of another command', ['describe', 'bare', '--accel', 'kvm'], /describe bare has no option --accel/],
    ['an option without its value', [...ON, '--memory'], /'--memory <size>' argument missing/],
    [
      'an unknown property',
      [...ON, '--option', 'memroy=1M'],
      /has no option "memroy"\. Did you mean memory\?\n.*memory, kernel/,
    ],
    ['a property without a value', [...ON, '--option', 'memory'], /--option takes a name and a value, such as/],
    ['an unknown device', ['devices', 'i8524'], /There is no device "i8524"\. Did you mean i8254\?/],
    ['malformed memory', [...ON, '--memory', '12Q'], /memory must be a size from 2M to 3584M.*such as 256M, not "12Q"/],
    ['too little memory', [...ON, '--memory', '1M'], /memory must be a size from 2M/],
    ['too much memory', [...ON, '--memory', '64G'], /memory must be a size from 2M to 3584M/],
    ['uneven memory', [...ON, '--memory', '2097153'], /in steps of 4K/],
    ['no such kernel', [...ON, '--kernel', 'nothing'], /--kernel nothing cannot be read: there is no such file/],
    ['a folder for a kernel', [...ON, '--kernel', 'folder'], /--kernel folder cannot be read: it is a folder/],
    ['not a kernel', [...ON, '--kernel', 'notes.txt'], /neither a bzImage nor an ELF file/],
    ['a truncated kernel', [...ON, '--kernel', 'truncated'], /truncated|cut off|shorter|ends/i],
    ['an initrd without a kernel', [...ON, '--initrd', 'initrd'], /An initrd needs a kernel/],
    ['no such initrd', [...ON, '--kernel', 'vmlinuz', '--initrd', 'nothing'], /--initrd nothing cannot be read/],
    [
      'an initrd that does not fit',
      [...ON, '--memory', '20M', '--kernel', 'vmlinuz', '--initrd', 'initrd'],
      /initrd.*(memory|fit|RAM)/i,
    ],
    ['a kernel that does not fit', [...ON, '--memory', '4M', '--kernel', 'vmlinuz'], /memory/i],
    ['kernel and firmware', [...ON, '--kernel', 'vmlinuz', '--firmware', 'initrd'], /both a kernel and a firmware/],
    [
      'an unknown accelerator',
      ['run', 'microvm', '--accel', 'kwm'],
      /--accel must be auto, kvm or soft, not "kwm"\. Did you mean kvm/,
    ],
    ['an unknown channel', [...ON, '--serial', 'pipe:x'], /--serial must be stdio, file:PATH, tcp:HOST:PORT/],
    ['a bad address', [...ON, '--serial', 'tcp:localhost'], /--serial must be .*not "tcp:localhost"/],
    ['a port beyond all', [...ON, '--serial', 'tcp:localhost:70000'], /--serial must be/],
    [
      'a serial file in no folder',
      [...ON, '--serial', 'file:nowhere/x'],
      /nowhere\/x cannot be written: its folder does not exist/,
    ],
    ['a debug console in a folder', [...ON, '--debugcon', 'file:folder'], /folder cannot be written: it is a folder/],
    ['a debug console on TCP', [...ON, '--debugcon', 'tcp:localhost:1'], /--debugcon must be stdio, file:PATH or none/],
    ['an unknown trace category', [...ON, '--trace', 'irk'], /--trace does not know "irk"\. Did you mean irq\?/],
    ['a trace in no folder', [...ON, '--trace', 'irq,file=nowhere/x'], /--trace cannot write nowhere\/x/],
    ['a malformed timeout', [...ON, '--timeout', 'soon'], /--timeout must be a number of seconds/],
    ['a timeout of nothing', [...ON, '--timeout', '0'], /--timeout must be a number of seconds/],
    ['an unknown --jit', [...ON, '--jit', 'always'], /--jit must be on, off or eager/],
    [
      'an unknown --cpu',
      [...ON, '--cpu', 'pentium-3'],
      /--cpu must be one of .*max, not "pentium-3"\. Did you mean pentium3\?/,
    ],
    ['--cpu on KVM', [...ON, '--accel', 'kvm', '--cpu', 'max'], /--cpu is about the software CPU; use --accel soft/],
    ['an unknown --on-reboot', [...ON, '--on-reboot', 'halt'], /--on-reboot must be exit or reboot/],
    ['no such file', ['run', 'nothing.ts'], /There is no file nothing\.ts/],
    ['a syntax error', ['run', 'syntax.ts'], /syntax\.ts cannot be loaded: syntax\.ts:2:19: Expression expected/],
    ['a syntax error in an import', ['run', 'imports-syntax.ts'], /cannot be loaded: syntax\.ts:2:19: /],
    ['TypeScript that is not erasable', ['run', 'enum.ts'], /enum\.ts:1:1: TypeScript enum is more than a type/],
    ['a file that throws', ['run', 'throws.ts'], /ReferenceError: missing is not defined \(throws\.ts:2:1\)/],
    ['a file without a machine', ['run', 'no-machine.ts'], /no-machine\.ts exports no machine; write: export default/],
    ['a file with several machines', ['run', 'several.ts'], /exports several machines \(a, b\); make one the default/],
    ['an import of nothing', ['run', 'no-import.ts'], /Cannot find module .*nothing\.ts/],
    [
      'an import that core has not',
      ['run', 'no-name.ts'],
      /does not provide an export named 'defineMachines' \(no-name\.ts:1\)/,
    ],
    ['a board with an overlap', ['run', 'overlap.ts', '--accel', 'soft'], /overlaps .*\(overlap\.ts:5:/],
    [
      'a board that throws',
      ['run', 'build-throws.ts', '--accel', 'soft'],
      /Machine broken cannot be built: TypeError.*\(build-throws\.ts:3:/,
    ],
    ['a chip’s unknown property', ['run', 'property.ts', '--accel', 'soft'], /has no property "clock"; it has clk/],
  ])('%s', async (_name, args, says) => {
    expectMistake(await mainboard(args, { cwd: folder }), says);
  });

  test('nobody listens at the other end of the serial line', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise(resolve => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    await new Promise(resolve => server.close(resolve));
    expectMistake(
      await mainboard([...ON, '--serial', `tcp:127.0.0.1:${port}`]),
      /cannot be connected to: nobody listens there/,
    );
  });
});

describe('without KVM', () => {
  const asRoot = process.getuid?.() === 0;

  const forbidden = 'a user who may not open /dev/kvm is told how to get there, and auto goes on without';
  const nobody = 65_534;
  const reachable =
    asRoot &&
    spawnSync(process.execPath, ['--version'], { uid: nobody }).status === 0 &&
    spawnSync(MAINBOARD[0]!, [...MAINBOARD.slice(1), '--version'], { uid: nobody, gid: nobody }).status === 0;
  const open = reachable && spawnSync('test', ['-w', '/dev/kvm'], { uid: nobody, gid: nobody }).status === 0;
  const there = spawnSync('test', ['-e', '/dev/kvm']).status === 0;
  const whyNot = !asRoot
    ? 'only root can become another user'
    : !reachable
      ? 'another user cannot run node or read the workspace'
      : open
        ? 'everybody may open /dev/kvm here'
        : there
          ? undefined
          : 'there is no /dev/kvm';
  if (whyNot !== undefined) test.skip(`${forbidden}: ${whyNot}`, () => {});
  else
    test(forbidden, async () => {
      const as = { uid: nobody, gid: nobody, cwd: folder };
      expectMistake(
        await mainboard(['run', 'microvm', '--accel', 'kvm'], as),
        /\/dev\/kvm may not be opened by this user: join its group/,
      );
      const { status, stderr } = await mainboard(['run', 'microvm'], as);
      expect([status, stderr]).toEqual([0, 'mainboard: accel soft: /dev/kvm may not be opened by this user\n']);
    }, 30_000);

  const missing = 'where /dev/kvm is missing, what to do is said';
  const hide = [
    '--mount',
    'sh',
    '-c',
    'mount -t tmpfs none /dev && mknod /dev/null c 1 3 && mknod /dev/urandom c 1 9 && exec "$@"',
    'sh',
  ];
  const canHide = spawnSync('unshare', [...hide, 'true']).status === 0;
  if (!canHide) test.skip(`${missing}: this host does not let us hide /dev/kvm (unshare --mount)`, () => {});
  else
    test(missing, async () => {
      const [node, ...args] = [...MAINBOARD, 'run', 'microvm', '--accel', 'kvm'];
      const { status, stderr } = spawnSync('unshare', [...hide, node!, ...args], { encoding: 'utf8' });
      expectMistake({ status, stderr, stdout: '' }, /\/dev\/kvm is missing: .*or use --accel soft/);
    }, 30_000);
});

test('an output that nobody reads ends the list quietly', async () => {
  const child = start(['describe', 'microvm']);
  child.stdout.destroy();
  child.stdin.end();
  const { stderr } = await finished(child);
  expect(stderr).toBe('');
});
