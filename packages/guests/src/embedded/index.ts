import type { Assembler } from '../assembler/index.ts';
import { romImage } from '../rom-image.ts';
import { consoleRoutines, say } from './console.ts';
import { findRoutines } from './find.ts';
import { interruptRoutines } from './interrupts.ts';
import { shell } from './shell.ts';
import { showRoutines } from './show.ts';
import { start } from './start.ts';

/**
 * Assembles the guest that boots where nobody names another: it starts in real mode, goes through protected to long
 * mode, lists what it finds and gives a prompt on COM1. It needs RAM from 0 to 64 KiB and a UART at 3F8h; the PIC,
 * PIT, RTC, 8042, debug console and power register are used where they are. It powers off by the power register, else
 * by the debug exit with value 10h. It executes nothing that a software CPU or KVM's emulator would lack in kernel
 * mode: no INT n, no SSE, no x87, no CMPXCHG16B.
 */
export function assembleEmbedded(): Uint8Array {
  return romImage(program);
}

function program(a: Assembler): void {
  start(a);
  a.label('main');
  a.call('idt on');
  a.call('find devices');
  a.call('find memory');
  a.call('find clock');
  a.call('interrupts on');
  say(a, '\nMainboard embedded guest, 64-bit mode\n');
  for (const routine of ['show cpu', 'show memory', 'show devices', 'show clock']) a.call(routine);
  say(a, 'Type help for the commands.\n');
  shell(a);
  consoleRoutines(a);
  interruptRoutines(a);
  findRoutines(a);
  showRoutines(a);
}
