/** The contestants: how each runs a guest, with its serial port on standard input and output. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { COMMAND_LINE, type Guest } from './guest.ts';
import type { Bits } from './programs.ts';
import type { PeerName } from './results.ts';
import type { Command } from './session.ts';
import { firstLine, hasCommand, needDebian, needNpm } from './tools.ts';

export interface Peer {
  readonly name: PeerName;
  /** Shown with the results; empty for the host. */
  readonly version: string;
  readonly bits: readonly Bits[];
  /** Whether it boots a kernel; the host has done so. */
  readonly boots: boolean;
  /** @param memory MiB. @param scratch an empty folder, for a run on the host. */
  command(guest: Guest, memory: number, scratch: string): Command;
}

const V86_VERSION = '0.5.462';
const QEMU = 'qemu-system-x86_64';
const BIOS = '/usr/share/seabios/bios.bin';
const VGA_BIOS = '/usr/share/seabios/vgabios-stdvga.bin';
/** The nearest to our microvm: PIC, PIT, RTC and a serial port, the kernel loaded directly, no ACPI. */
const QEMU_MACHINE = 'microvm,acpi=off,pic=on,pit=on,rtc=on,isa-serial=on,auto-kernel-cmdline=off';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

function soft(commit: string): Peer {
  const mainboard = here('../../../packages/cli/bin/mainboard.mjs');
  return {
    name: 'soft',
    version: commit,
    bits: [32, 64],
    boots: true,
    command: ({ kernel, initrd }, memory) => ({
      program: process.execPath,
      args: [
        ...[mainboard, 'run', 'microvm', '--accel', 'soft', '--memory', `${memory}M`],
        ...['--kernel', kernel, '--initrd', initrd, '--append', COMMAND_LINE],
      ],
    }),
  };
}

function tcg(): Peer {
  needDebian(QEMU, hasCommand(QEMU), 'qemu-system-x86');
  return {
    name: 'tcg',
    version: /version ([\d.]+)/.exec(firstLine(QEMU, '--version'))?.[1] ?? '?',
    bits: [32, 64],
    boots: true,
    command: ({ kernel, initrd }, memory) => ({
      program: QEMU,
      args: [
        ...['-M', QEMU_MACHINE, '-accel', 'tcg', '-smp', '1', '-m', `${memory}M`],
        ...['-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'stdio'],
        ...['-kernel', kernel, '-initrd', initrd, '-append', COMMAND_LINE],
      ],
    }),
  };
}

function v86(cache: string): Peer {
  needDebian('SeaBIOS', () => existsSync(BIOS) && existsSync(VGA_BIOS), 'seabios');
  const folder = needNpm('v86', V86_VERSION, cache);
  return {
    name: 'v86',
    version: V86_VERSION,
    bits: [32],
    boots: true,
    command: ({ kernel, initrd }, memory) => ({
      program: process.execPath,
      args: [here('v86-guest.mjs'), folder, BIOS, VGA_BIOS, String(memory), kernel, initrd, COMMAND_LINE],
    }),
  };
}

const native = (): Peer => ({
  name: 'native',
  version: '',
  bits: [32, 64],
  boots: false,
  command: ({ folder }, _memory, scratch) => ({
    program: './busybox',
    args: ['sh', './session.sh'],
    folder,
    environment: { T: scratch },
  }),
});

/**
 * @param commit of this repository, the version of the software CPU.
 * @param cache folder for what is fetched.
 * @throws {Missing} with the reason why it cannot take part.
 */
export function makePeer(name: PeerName, commit: string, cache: string): Peer {
  switch (name) {
    case 'soft':
      return soft(commit);
    case 'tcg':
      return tcg();
    case 'v86':
      return v86(cache);
    case 'native':
      return native();
  }
}
