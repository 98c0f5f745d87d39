/** Of Linux on x86-64, what the program on silicon uses. */
import { type Assembler, eax } from '@mainboard/guests/assembler';

export const SYSCALL = {
  read: 0,
  write: 1,
  mmap: 9,
  mprotect: 10,
  munmap: 11,
  rt_sigaction: 13,
  rt_sigreturn: 15,
  setitimer: 38,
  exit: 60,
  ftruncate: 77,
  sigaltstack: 131,
  modify_ldt: 154,
  prctl: 157,
  arch_prctl: 158,
  memfd_create: 319,
} as const;
export const PT_LOAD = 1;
export const PT_GNU_STACK = 0x6474_e551;
export const PF = { execute: 1, write: 2, read: 4 } as const;
export const PROT = { read: 1, write: 2, execute: 4 } as const;
export const MAP = { shared: 1, private: 2, anonymous: 0x20, noReserve: 0x4000, fixedNoReplace: 0x10_0000 } as const;
export const ARCH_SET_GS = 0x1001;
export const PR_SET_SECCOMP = 22;
export const SECCOMP_MODE_STRICT = 1;
export const SA = { siginfo: 4, restorer: 0x400_0000, onStack: 0x800_0000 } as const;
/** SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV. */
export const EXCEPTIONS = [4, 5, 7, 8, 11] as const;
export const SIGVTALRM = 26;
export const ITIMER_VIRTUAL = 1;

/** Linux's selectors, and two of the local descriptor table. */
export const SELECTOR = { code32: 0x23, code64: 0x33, data: 0x2b, code16: 0x07, data16: 0x0f } as const;

/** The arguments in RDI, RSI, RDX, R10, R8 and R9. */
export function call(a: Assembler, name: keyof typeof SYSCALL): void {
  a.mov(eax, SYSCALL[name]);
  a.syscall();
}
