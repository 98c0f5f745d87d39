import { al, dword, eax, ebx, rax, rbx, rcx } from '../assembler/index.ts';
import { romImage } from '../rom-image.ts';
import { longModeImage } from './long-mode.ts';

/** The simplest guest: `jmp $` in real mode, with interrupts off. */
export function spinGuest(): Uint8Array {
  return romImage(a => {
    a.cli();
    a.label('here');
    a.jmp('here');
  });
}

/** Where {@link countGuest} counts: a dword in RAM, linear address. */
export const COUNTER = 0x500;

/** Counts in RAM for ever, in 64-bit mode, so that a host sees that the guest runs. */
export function countGuest(): Uint8Array {
  return longModeImage(a => {
    a.label('again');
    a.inc(dword(COUNTER));
    a.jmp('again');
  });
}

/** Instructions in one turn of {@link loopGuest}'s loop: ADD, XOR, DEC, JNZ. */
export const LOOP_INSTRUCTIONS = 4;

/**
 * The benchmark: a tight integer loop of `turns` turns in 64-bit mode at ring 0, then the debug exit with 10h.
 * @param turns 1 to 2^63; each is {@link LOOP_INSTRUCTIONS} instructions.
 */
export function loopGuest(turns: number | bigint): Uint8Array {
  return longModeImage(a => {
    a.mov(rcx, turns);
    a.xor(eax, eax);
    a.xor(ebx, ebx);
    a.align(16, 0x90);
    a.label('turn');
    a.add(rax, rcx);
    a.xor(rbx, rax);
    a.dec(rcx);
    a.jnz('turn');
    a.mov(al, 0x10);
    a.out(0xf4, al);
    a.label('stop');
    a.hlt();
    a.jmp('stop');
  });
}
