/**
 * Fetches real guests from Debian's packages into .cache/guests/<arch>/: `vmlinuz` (the stock cloud kernel for amd64,
 * the stock 686 kernel for i386) and `initrd`, an initramfs around busybox-static whose /init is below. Nothing is
 * installed on the host: apt works on lists of its own in the cache.
 *
 * Prints the folder on success. Exits with 3 and one line that says why where Debian's apt is missing or unreachable.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cpio } from './cpio.mjs';

const cache = join(dirname(fileURLToPath(import.meta.url)), '..', '.cache');
const guests = join(cache, 'guests');

/** The first process of both guests: mounts, says that it is there, and gives a shell on the console. */
const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
echo "init: $(uname -s) $(uname -m) is up"
exec setsid cttyhack sh
`;

const ARCHITECTURES = {
  amd64: { kernel: 'linux-image-cloud-amd64', version: /^linux-image-[\d.-]+-cloud-amd64$/ },
  i386: { kernel: 'linux-image-686', version: /^linux-image-[\d.-]+-686$/ },
};

function unavailable(why) {
  console.error(`Debian guests: ${why}`);
  process.exit(3);
}

function apt(command, args, options = {}) {
  const state = join(cache, 'apt');
  mkdirSync(join(state, 'lists', 'partial'), { recursive: true });
  mkdirSync(join(state, 'archives', 'partial'), { recursive: true });
  const settings = [
    `Dir::State::Lists=${join(state, 'lists')}`,
    `Dir::Cache=${state}`,
    'APT::Architectures::=amd64',
    'APT::Architectures::=i386',
    'APT::Sandbox::User=root',
    'Debug::NoLocking=true',
  ].flatMap(setting => ['-o', setting]);
  return execFileSync(command, [...settings, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
}

/** The versioned kernel package that a meta package depends on. */
function kernelPackage(arch) {
  const { kernel, version } = ARCHITECTURES[arch];
  const depends = apt('apt-cache', ['depends', `${kernel}:${arch}`]);
  const names = [...depends.matchAll(/Depends: <?([^\s<>:]+)/g)].map(match => match[1]);
  return names.find(name => version.test(name)) ?? unavailable(`${kernel}:${arch} depends on no kernel`);
}

function extract(name, arch, into) {
  rmSync(into, { recursive: true, force: true });
  mkdirSync(into, { recursive: true });
  apt('apt-get', ['download', `${name}:${arch}`], { cwd: into });
  const deb = readdirSync(into).find(file => file.endsWith('.deb'));
  execFileSync('dpkg-deb', ['-x', deb, '.'], { cwd: into, stdio: ['ignore', 'ignore', 'pipe'] });
}

function make(arch) {
  const work = mkdtempSync(join(cache, `${arch}-`)); // several may be at it
  extract(kernelPackage(arch), arch, join(work, 'kernel'));
  extract('busybox-static', arch, join(work, 'busybox'));
  const boot = join(work, 'kernel', 'boot');
  const vmlinuz = readFileSync(
    join(
      boot,
      readdirSync(boot).find(file => file.startsWith('vmlinuz-')),
    ),
  );
  const busybox = readFileSync(join(work, 'busybox', 'bin', 'busybox'));
  const initrd = cpio([
    ...['bin', 'dev', 'proc', 'sys', 'tmp', 'root'].map(path => ({ path, mode: 0o40755 })),
    { path: 'dev/console', mode: 0o20600, device: [5, 1] },
    { path: 'bin/busybox', mode: 0o100755, data: busybox },
    { path: 'init', mode: 0o100755, data: Buffer.from(INIT) },
  ]);
  const made = join(work, 'made');
  mkdirSync(made);
  writeFileSync(join(made, 'vmlinuz'), vmlinuz);
  writeFileSync(join(made, 'initrd'), initrd);
  writeFileSync(join(made, 'recipe'), recipe);
  const out = join(guests, arch);
  mkdirSync(guests, { recursive: true });
  rmSync(out, { recursive: true, force: true });
  try {
    renameSync(made, out);
  } catch (error) {
    if (error.code !== 'ENOTEMPTY') throw error; // somebody else was first, and made the same
  }
  rmSync(work, { recursive: true, force: true });
}

// What the cache was made by: another recipe makes another cache.
const recipe = createHash('sha256')
  .update(JSON.stringify([INIT, Object.entries(ARCHITECTURES).map(([arch, { kernel }]) => [arch, kernel])]))
  .digest('hex');
const stale = Object.keys(ARCHITECTURES).filter(arch => {
  const made = join(guests, arch, 'recipe');
  return !existsSync(made) || readFileSync(made, 'utf8') !== recipe;
});
if (stale.length > 0) {
  try {
    execFileSync('apt-get', ['--version'], { stdio: 'ignore' });
  } catch {
    unavailable('this host has no apt-get');
  }
  try {
    try {
      apt('apt-get', ['update', '-qq']);
    } catch {
      // One archive of several that is out of step does not matter, as long as the packages can be had.
    }
    for (const arch of stale) make(arch);
  } catch (error) {
    unavailable(
      `apt failed: ${String(error.stderr || error.message)
        .trim()
        .split('\n')
        .at(-1)}`,
    );
  }
}
console.log(guests);
