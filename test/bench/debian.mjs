/** Debian's kernels with a busybox as options of a machine, as scripts/debian-guests.mjs fetches them. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The prompt of the shell; what follows asks the terminal for its size. */
export const SHELL = '/ # ';

/** Where the kernel and its initrd lie; undefined, with a line that says why, where they cannot be had. */
export function debianFiles(architecture) {
  const script = fileURLToPath(new URL('../../scripts/debian-guests.mjs', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  if (status !== 0) {
    console.log(`without Debian's kernel: ${stderr.trim()}`);
    return undefined;
  }
  const folder = join(stdout.trim(), architecture);
  return { kernel: join(folder, 'vmlinuz'), initrd: join(folder, 'initrd') };
}

export function debian(architecture) {
  const files = debianFiles(architecture);
  if (!files) return undefined;
  const file = path => ({ name: path, bytes: new Uint8Array(readFileSync(path)) });
  return {
    memory: 256 << 20,
    kernel: file(files.kernel),
    initrd: file(files.initrd),
    append: 'console=ttyS0 reboot=k panic=-1',
  };
}
