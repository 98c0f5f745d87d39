/** Makes what the contestants run: the programs, and an initramfs that has them beside Debian's busybox. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { readArchive } from './archive.ts';
import type { Bits } from './programs.ts';
import { hasCommand, Missing, needDebian } from './tools.ts';

export interface Guest {
  readonly bits: Bits;
  /** Files of bzImage and of the initramfs. */
  readonly kernel: string;
  readonly initrd: string;
  /** Where session.sh and what it needs lie, for a run on the host itself. */
  readonly folder: string;
}

export const ARCHITECTURE = { 32: 'i386', 64: 'amd64' } as const;
/** Kernel command line. The initramfs has Debian's /init too, which is another's. */
export const COMMAND_LINE = 'console=ttyS0 reboot=k panic=-1 rdinit=/bench/init';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const programs = (name: string): string => here(`../programs/${name}`);
const PARTS = ['session.sh', 'workload.sh', 'init'];

function gcc(...args: readonly string[]): void {
  const { status, stderr } = spawnSync('gcc', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`gcc ${args.join(' ')}:\n${stderr}`);
}

function compile(bits: Bits, folder: string): void {
  const into = (name: string): string => join(folder, name);
  const base = bits === 32 ? ['-O2', '-m32', '-march=i686'] : ['-O2', '-m64'];
  const x87 = bits === 32 ? ['-mno-sse', '-mfpmath=387'] : ['-mfpmath=387']; // a 64-bit ABI returns doubles in XMM0
  const sse = ['-msse2', '-mfpmath=sse', '-fno-tree-vectorize'];
  gcc(...base, ...x87, '-DMATMUL=matmul_x87', '-c', programs('matmul.c'), '-o', into('matmul-x87.o'));
  gcc(...base, ...sse, '-DMATMUL=matmul_sse', '-c', programs('matmul.c'), '-o', into('matmul-sse.o'));
  const objects = [into('matmul-x87.o'), into('matmul-sse.o')];
  gcc(...base, '-static', programs('programs.c'), ...objects, '-o', into('programs'));
  for (const name of ['stopwatch', 'working-set'])
    gcc(...base, '-static', '-fno-tree-vectorize', programs(`${name}.c`), '-o', into(name));
}

/**
 * @param cache folder for what is made.
 * @throws {Missing} where Debian's kernel or a compiler cannot be had.
 */
export async function makeGuest(bits: Bits, cache: string): Promise<Guest> {
  const { status, stdout, stderr } = spawnSync(process.execPath, [here('../../../scripts/debian-guests.mjs')], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Missing(stderr.trim());
  needDebian('gcc', hasCommand('gcc'), 'gcc', 'libc6-dev');
  if (bits === 32) needDebian("gcc's 32-bit half", () => canLink32(cache), 'gcc-multilib');
  const debian = join(stdout.trim(), ARCHITECTURE[bits]);
  const folder = join(cache, ARCHITECTURE[bits]);
  mkdirSync(folder, { recursive: true });
  compile(bits, folder);
  for (const name of PARTS) copyFileSync(programs(name), join(folder, name));
  const base = readFileSync(join(debian, 'initrd'));
  const busybox = readArchive(base, 'bin/busybox');
  if (!busybox) throw new Error(`${debian}/initrd has no bin/busybox`);
  writeFileSync(join(folder, 'busybox'), busybox, { mode: 0o755 });
  writeFileSync(join(folder, 'busybox.gz'), gzipSync(busybox, { level: 6 }));
  const executable = ['programs', 'stopwatch', 'working-set', 'init'];
  const data = (path: string, mode: number) => ({
    path: `bench/${path}`,
    mode: 0o100000 | mode,
    data: readFileSync(join(folder, path)),
  });
  // @ts-expect-error -- a script without declarations
  const { cpio } = await import('../../../scripts/cpio.mjs');
  const more: Buffer = cpio([
    { path: 'bench', mode: 0o40755 },
    { path: 'bench/busybox', mode: 0o120777, data: Buffer.from('/bin/busybox') },
    ...executable.map(path => data(path, 0o755)),
    ...['session.sh', 'workload.sh', 'busybox.gz'].map(path => data(path, 0o644)),
  ]);
  const initrd = join(folder, 'initrd');
  // Linux unpacks archives that follow each other one after the other.
  writeFileSync(initrd, Buffer.concat([base, Buffer.alloc(-base.length & 3), more]));
  return { bits, kernel: join(debian, 'vmlinuz'), initrd, folder };
}

function canLink32(cache: string): boolean {
  mkdirSync(cache, { recursive: true });
  const source = join(cache, 'empty.c');
  if (!existsSync(source)) writeFileSync(source, 'int main(void) { return 0; }\n');
  return spawnSync('gcc', ['-m32', '-static', source, '-o', join(cache, 'empty')], { stdio: 'ignore' }).status === 0;
}

/** The kernel's release, from the boot protocol's header: the word at 20Eh points to it, less 200h. */
export function kernelVersion(path: string): string {
  const image = readFileSync(path);
  const at = image.readUInt16LE(0x20e) + 0x200;
  return image.toString('latin1', at, image.indexOf(0, at)).split(' ')[0]!;
}
