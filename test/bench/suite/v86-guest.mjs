/**
 * v86 as a program: boots a kernel with its first serial port on standard input and output, as the other contestants of
 * the benchmark do. Plain JavaScript, since the time that it takes to start is measured.
 *
 *   node v86-guest.mjs <folder of the package> <BIOS> <VGA BIOS> <megabytes> <kernel> <initrd> <command line>
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, bios, vgaBios, megabytes, kernel, initrd, commandLine] = process.argv.slice(2);
const { V86 } = await import(pathToFileURL(join(folder, 'build', 'libv86.mjs')).href);

const file = path => {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  return { buffer: buffer.slice(byteOffset, byteOffset + byteLength) };
};

const emulator = new V86({
  wasm_path: join(folder, 'build', 'v86.wasm'),
  bios: file(bios),
  vga_bios: file(vgaBios),
  memory_size: Number(megabytes) * 2 ** 20,
  bzimage: file(kernel),
  initrd: file(initrd),
  cmdline: commandLine,
  autostart: true,
  disable_keyboard: true,
  disable_mouse: true,
  disable_speaker: true,
});

// A burst of bytes is one write, as a terminal's buffer would make it.
let pending = '';
emulator.add_listener('serial0-output-byte', byte => {
  if (pending === '') setImmediate(flush);
  pending += String.fromCharCode(byte);
});
function flush() {
  process.stdout.write(pending, 'latin1');
  pending = '';
}
process.stdin.setEncoding('latin1').on('data', text => emulator.serial0_send(text));
process.stdin.on('end', () => process.exit(0));
