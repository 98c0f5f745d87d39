import {
  type Assembler,
  al,
  ax,
  bl,
  bx,
  byte,
  dword,
  dx,
  eax,
  ebp,
  ebx,
  ecx,
  edi,
  edx,
  esi,
  m,
  qword,
  r8,
  rax,
  rbx,
  rdi,
  word,
} from '../assembler/index.ts';
import { longModeImage } from './long-mode.ts';

/** Triple-faults in 64-bit mode: an invalid opcode without an IDT. */
export function tripleFaultGuest(): Uint8Array {
  return longModeImage(a => {
    a.lidt(m('nothing'));
    a.ud2();
    a.label('nothing');
    a.fill(10);
  });
}

/**
 * Jumps into nowhere.
 * @param target where, in 64-bit mode below 1 GiB: memory that nothing answers unless told otherwise.
 */
export function nowhereGuest(target = 0x3000_0000): Uint8Array {
  return longModeImage(a => {
    a.mov(eax, target);
    a.jmp(rax);
  });
}

/** Ports whose writes end or reset the machine: debug exit, power, 8042 commands, port 92h, CF9h. */
export const ENDING_PORTS: readonly number[] = [
  0x64, 0x92, 0xf4, 0xf5, 0xf6, 0xf7, 0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x606, 0x607, 0xcf9, 0xcfa, 0xcfb,
  0xcfc,
];

export interface PortChaosOptions {
  /** Start of the pseudo-random sequence; not 0. */
  readonly seed?: number;
  /** Ports that are read but not written, by no size of access; {@link ENDING_PORTS} unless told otherwise. */
  readonly spare?: readonly number[];
  /** How many times it goes over all ports. */
  readonly rounds?: number;
}

/**
 * Writes pseudo-random values to every port 0–FFFFh in bytes, words and dwords, and reads each; then the debug exit
 * with 10h. In 64-bit mode with interrupts off.
 */
export function portChaosGuest(options: PortChaosOptions = {}): Uint8Array {
  const { seed = 0x2545_f491, spare = ENDING_PORTS, rounds = 1 } = options;
  return longModeImage(a => {
    a.mov(ebx, seed);
    a.mov(ebp, rounds);
    a.label('round');
    a.xor(edx, edx);
    a.label('port');
    a.in(al, dx);
    a.in(ax, dx);
    a.in(eax, dx);
    // A wide write reaches up to three ports on; a spared port spares those before it too.
    a.cmp(edx, Math.max(0, ...spare));
    a.ja('write'); // an emulating KVM would spend its time on comparisons
    a.mov(rdi, 'spared');
    a.label('compare');
    a.mov(ecx, dword(rdi));
    a.cmp(ecx, -1);
    a.je('write');
    a.sub(ecx, edx);
    a.cmp(ecx, 4);
    a.jb('next');
    a.add(rdi, 4);
    a.jmp('compare');
    a.label('write');
    for (const register of [al, ax, eax]) {
      random(a);
      a.out(dx, register);
    }
    a.label('next');
    a.inc(edx);
    a.cmp(edx, 0x1_0000);
    a.jb('port');
    a.dec(ebp);
    a.jnz('round');
    finish(a);
    a.align(4);
    a.label('spared');
    a.dd(...spare, -1);
  });
}

/** ebx: the next number of Marsaglia's xorshift32; a copy in eax. Clobbers esi. */
function random(a: Assembler): void {
  for (const [shift, count] of [
    ['shl', 13],
    ['shr', 17],
    ['shl', 5],
  ] as const) {
    a.mov(esi, ebx);
    a[shift](esi, count);
    a.xor(ebx, esi);
  }
  a.mov(eax, ebx);
}

function finish(a: Assembler): void {
  a.mov(al, 0x10);
  a.out(0xf4, al);
  a.label('stop');
  a.hlt();
  a.jmp('stop');
}

export interface HoleChaosOptions {
  readonly seed?: number;
  /** Accesses. */
  readonly count?: number;
  /** A stretch of guest-physical addresses below 1 GiB: its first, 2 MiB aligned. Its size is 2 MiB. */
  readonly base?: number;
}

/**
 * Reads and writes pseudo-random places of a memory hole in bytes to qwords, read-modify-writes and string moves
 * among them, then the debug exit with 10h. In 64-bit mode with interrupts off.
 */
export function holeChaosGuest(options: HoleChaosOptions = {}): Uint8Array {
  const { seed = 0x2545_f491, count = 10_000, base = 0x3000_0000 } = options;
  return longModeImage(a => {
    a.mov(ebx, seed);
    a.mov(ebp, count);
    a.label('turn');
    random(a);
    a.and(eax, 0x1f_ffff - 63);
    a.lea(edi, m(rax, base));
    a.mov(byte(rdi), bl);
    a.mov(word(rdi, 1), bx);
    a.mov(dword(rdi, 3), ebx);
    a.mov(qword(rdi, 5), rbx);
    a.mov(r8, qword(rdi, 9));
    a.add(dword(rdi, 16), eax);
    a.lock().xadd(word(rdi, 3), ax);
    a.bts(dword(rdi), 5);
    a.lea(esi, m(rdi, 32));
    a.mov(ecx, 4);
    a.rep().movsd();
    a.dec(ebp);
    a.jnz('turn');
    finish(a);
  });
}
