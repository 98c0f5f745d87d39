import { ax, ds, dword, eax, edi, esp, m, rax, rdi, sp, ss, word } from '@mainboard/guests/assembler';
import { romImage } from '@mainboard/guests/rom-image';
import { longModeImage } from '@mainboard/guests/small';
import { Random } from '@mainboard/testing';

/** Bytes of noise in a guest that goes on after a fault. */
const NOISE = 0x2000;
const IDT = 0x5000;
/** Faults so far: they decide where it goes on. */
const FAULTS = 0x600;

const bytes = (seed: number, size: number): Uint8Array => {
  const random = new Random(seed);
  return Uint8Array.from({ length: size }, () => random.below(256));
};

/** Nothing but noise, the reset vector included. */
export const pureNoise = (seed: number): Uint8Array => bytes(seed, 0x1_0000);

/** Noise in real mode. After each fault it goes on at another place, as long as it leaves the vectors alone. */
export const realNoise = (seed: number): Uint8Array =>
  romImage(a => {
    a.xor(ax, ax);
    a.mov(ds, ax);
    a.xor(edi, edi);
    a.label('vector');
    a.mov(word(edi), 'fault');
    a.mov(word(edi, 2), 0xf000);
    a.add(edi, 4);
    a.cmp(edi, 0x400);
    a.jb('vector');
    a.label('fault');
    a.xor(ax, ax);
    a.mov(ds, ax);
    a.mov(ss, ax);
    a.mov(sp, 0x7000);
    a.inc(word(FAULTS));
    a.imul(ax, word(FAULTS), 0x1e37);
    a.and(ax, NOISE - 1);
    a.add(ax, 'noise');
    a.jmp(ax);
    a.label('noise');
    a.db(...bytes(seed, NOISE));
    for (let i = 0; i < 16; i++) a.int3(); // the last instruction may ask for more
  });

/** The same in 64-bit mode, as long as it leaves page tables and descriptors alone. */
export const longNoise = (seed: number): Uint8Array =>
  longModeImage(a => {
    a.mov(edi, IDT);
    a.label('gate');
    a.lea(rax, m('fault'));
    a.mov(word(rdi), ax);
    a.mov(dword(rdi, 2), 0x8e00_0018 | 0); // an interrupt gate to the code segment of 64 bits
    a.shr(eax, 16);
    a.mov(word(rdi, 6), ax);
    a.mov(dword(rdi, 8), 0);
    a.mov(dword(rdi, 12), 0);
    a.add(edi, 16);
    a.cmp(edi, IDT + 0x1000);
    a.jb('gate');
    a.lidt(m('idtr'));
    a.label('fault');
    a.mov(esp, 0x8000);
    a.inc(dword(FAULTS));
    a.imul(eax, dword(FAULTS), 0x1e37);
    a.and(eax, NOISE - 1);
    a.lea(rdi, m('noise'));
    a.add(rax, rdi);
    a.jmp(rax);
    a.label('idtr');
    a.dw(0xfff);
    a.dq(IDT);
    a.label('noise');
    a.db(...bytes(seed, NOISE));
    for (let i = 0; i < 16; i++) a.int3();
  });
