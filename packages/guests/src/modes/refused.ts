const IRETD = 'IRETD in protected mode';
const PAGING = 'CR0.PG outside long mode';
const INT = 'INT n and INT3 outside real mode';
const RING3 = 'INT n and port access at ring 3, which run natively';
const WINDOW = 'interrupts are injected some instructions late';

/**
 * Checks that a KVM cannot pass which runs kernel-mode code in its instruction emulator (a guest without hardware
 * virtualization below it), and what its emulator lacks. A KVM on VT-x or AMD-V passes them.
 */
export const REFUSED_BY_EMULATING_KVM: Readonly<Record<string, string>> = {
  'real: invalid opcode': 'UD2 in real mode',
  'real: BOUND': 'BOUND',
  'real: DAA, AAA, AAS': 'DAA, AAA, AAS',
  'real: an interrupt comes after the instruction behind STI': WINDOW,
  'protected: LAR, LSL, VERR, VERW, ARPL': 'these instructions',
  'protected: software interrupt at ring 0': INT,
  'protected: ring 3, a gate to ring 0 and the stack of the TSS': IRETD,
  'protected: privileged instructions at ring 3': IRETD,
  'protected: gates that ring 3 may not use': IRETD,
  'protected: I/O permission bitmap and IOPL': IRETD,
  'protected: call gate with parameters': IRETD,
  'protected: single step': IRETD,
  'protected: ENTER with nesting levels': 'ENTER with nesting levels',
  'protected: an interrupt comes after the instruction behind STI': WINDOW,
  'protected: 32-bit paging: page faults, WP, CR2': PAGING,
  'protected: 32-bit paging: read-modify-write faults as a write': PAGING,
  'protected: 32-bit paging: accessed and dirty bits': PAGING,
  'protected: 32-bit paging: 4 MiB pages': PAGING,
  'protected: 32-bit paging: INVLPG and CR3': PAGING,
  'protected: PAE paging: page faults, WP, CR2': PAGING,
  'protected: PAE paging: read-modify-write faults as a write': PAGING,
  'protected: PAE paging: accessed and dirty bits': PAGING,
  'protected: PAE paging: 2 MiB pages': PAGING,
  'protected: PAE paging: INVLPG and CR3': PAGING,
  'protected: PAE paging: no-execute': PAGING,
  'protected: PAE paging: without EFER.NXE, bit 63 is reserved': PAGING,
  'protected: virtual-8086: segments, and a way out': IRETD,
  'protected: virtual-8086: what IOPL and ring 3 trap': IRETD,
  'protected: virtual-8086: interrupt through the IDT and back, ports by the bitmap': IRETD,
  'long: ports at ring 3 with IOPL 3': RING3,
  'long: SYSRET, and the flags and CS that SYSCALL sets': 'SYSRET; the kernel sees the CS and flags of ring 3',
  'long: software interrupt at ring 0': INT,
  'long: software interrupt from ring 3': RING3,
  'long: gates that ring 3 may not use': RING3,
  'long: CMPXCHG16B': 'CMPXCHG16B',
  'long: single step through REP': 'a trap after each turn',
  'long: an interrupt comes after the instruction behind STI': WINDOW,
};
