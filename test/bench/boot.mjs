/**
 * How long Debian's amd64 kernel takes from the start of the process to its shell: `mainboard run microvm --accel soft`
 * and, where it is installed, `qemu-system-x86_64 -M microvm -accel tcg` with the same files, command line and memory.
 * They take turns. The goal is 60 s on two cores.
 *
 *   npm run build && node test/bench/boot.mjs [rounds]
 */
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { debianFiles, SHELL } from './debian.mjs';
import { median, table } from './machine.mjs';

const ROUNDS = Number(process.argv[2] ?? 3);
const GOAL = 60;
const APPEND = 'console=ttyS0 reboot=k panic=-1';

const files = debianFiles('amd64');
if (!files) process.exit(3);
const command = fileURLToPath(new URL('../../packages/cli/bin/mainboard.mjs', import.meta.url));
const boot = ['--kernel', files.kernel, '--initrd', files.initrd, '--append', APPEND];
const soft = [command, 'run', 'microvm', '--accel', 'soft', '--memory', '256M', ...boot];
const contestants = {
  'mainboard, soft': [process.execPath, soft],
  'mainboard, interpreter alone': [process.execPath, [...soft, '--jit', 'off']],
};
const QEMU = 'qemu-system-x86_64';
if (spawnSync(QEMU, ['--version']).status === 0) {
  // The nearest machine: PIC, PIT, RTC and a serial port, the kernel loaded directly; no ACPI as here.
  const microvm = 'microvm,acpi=off,pic=on,pit=on,rtc=on,isa-serial=on,auto-kernel-cmdline=off';
  const boot = ['-kernel', files.kernel, '-initrd', files.initrd, '-append', APPEND];
  const plain = ['-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'stdio', '-m', '256M'];
  contestants['qemu, tcg'] = [QEMU, ['-M', microvm, '-accel', 'tcg,thread=single', ...plain, ...boot]];
} else console.log(`without ${QEMU}: it is not installed`);

/** @returns seconds to the shell's prompt. */
function time([program, args]) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    let seen = '';
    child.stdout.setEncoding('latin1').on('data', text => {
      seen = (seen + text).slice(-4096);
      if (!seen.includes(SHELL)) return;
      child.stdout.removeAllListeners('data').resume();
      child.removeAllListeners('close').on('close', () => resolve(seconds));
      const seconds = (performance.now() - start) / 1000;
      child.kill('SIGKILL');
    });
    child.on('close', status => reject(new Error(`${program} ended with ${status} after:\n${seen}`)));
    child.on('error', reject);
  });
}

const times = Object.fromEntries(Object.keys(contestants).map(name => [name, []]));
for (let round = 0; round < ROUNDS; round++)
  for (const [name, contestant] of Object.entries(contestants)) times[name].push(await time(contestant));

const best = Math.min(...Object.values(times).map(median));
table([
  ['', 'median s', 'best s', `below ${GOAL} s`, 'of the fastest'],
  ...Object.entries(times).map(([name, list]) => [
    name,
    median(list).toFixed(1),
    Math.min(...list).toFixed(1),
    median(list) < GOAL ? 'yes' : 'no',
    `${(median(list) / best).toFixed(2)} ×`,
  ]),
]);
