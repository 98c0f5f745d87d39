import { al, ax, ds, dword, sp, ss, word } from '../assembler/index.ts';
import { ROM_SEGMENT, romImage } from '../rom-image.ts';
import { COUNTER } from './spin.ts';

/** Sleeps for ever: HLT with interrupts off. */
export function haltGuest(): Uint8Array {
  return romImage(a => {
    a.cli();
    a.label('here');
    a.hlt();
    a.jmp('here');
  });
}

/** Sleeps between ticks of the PIT, 100 a second through the PIC, and counts them at `COUNTER`; in real mode. */
export function tickGuest(): Uint8Array {
  return romImage(a => {
    a.cli();
    a.xor(ax, ax);
    a.mov(ds, ax);
    a.mov(ss, ax);
    a.mov(sp, 0x7000);
    a.mov(dword(COUNTER), 0);
    a.mov(word(8 * 4), 'tick');
    a.mov(word(8 * 4 + 2), ROM_SEGMENT);
    // 8259A: vectors from 8, IRQ 0 alone; 8254: mode 2, 1193182 / 11932 Hz
    for (const [port, value] of [
      [0x20, 0x11],
      [0x21, 0x08],
      [0x21, 0x04],
      [0x21, 0x01],
      [0x21, 0xfe],
      [0x43, 0x34],
      [0x40, 0x9c],
      [0x40, 0x2e],
    ] as const) {
      a.mov(al, value);
      a.out(port, al);
    }
    a.label('sleep');
    a.sti();
    a.hlt();
    a.jmp('sleep');
    a.label('tick');
    a.push(ax);
    a.inc(dword(COUNTER));
    a.mov(al, 0x20);
    a.out(0x20, al);
    a.pop(ax);
    a.iret();
  });
}
