import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** For tests: QEMU as a second opinion on our guests, where it is installed. */
export const QEMU = 'qemu-system-x86_64';
export const hasQemu = spawnSync(QEMU, ['--version']).status === 0;

export interface QemuRun {
  /** What came out of COM1, CR LF as LF. */
  readonly output: string;
  /** The debug exit's `(value << 1) | 1`, 0 for a reset. */
  readonly status: number | null;
}

/**
 * Runs a ROM on QEMU's PC without any other firmware.
 * @param type text to type on COM1 once the output ends in `> `, and again at each such prompt; one entry a prompt.
 */
export async function runInQemu(image: Uint8Array, type: readonly string[] = []): Promise<QemuRun> {
  const folder = mkdtempSync(join(tmpdir(), 'mainboard-guest-'));
  try {
    // QEMU wants multiples of 64 KiB, which end at 4 GiB and at 1 MiB as ours do.
    const rom = new Uint8Array(0x1_0000).fill(0xff);
    rom.set(image, rom.length - image.length);
    writeFileSync(join(folder, 'rom.bin'), rom);
    // biome-ignore format: options and their values
    const options = [
      '-accel', 'tcg', '-machine', 'pc,usb=off', '-cpu', 'qemu64,-apic', '-m', '16', '-bios', join(folder, 'rom.bin'),
      '-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04', '-serial', 'stdio', '-display', 'none', '-monitor', 'none',
      '-no-reboot',
    ];
    const child = spawn(QEMU, options, { stdio: ['pipe', 'pipe', 'ignore'], timeout: 60_000 });
    const lines = [...type];
    let output = '';
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      output += text;
      if (output.endsWith('> ') && lines.length > 0) child.stdin.write(lines.shift()!);
    });
    const status = await new Promise<number | null>(resolve => child.on('close', resolve));
    return { output: output.replaceAll('\r\n', '\n'), status };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
