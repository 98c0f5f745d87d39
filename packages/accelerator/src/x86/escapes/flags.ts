import type { Cpu } from '../cpu.ts';
import { FLAG } from '../state.ts';
import type { Escape } from './escape.ts';
import { loadFlags } from './far-return.ts';

/** CLI and STI: #GP(0) above IOPL; in virtual-8086 mode without IOPL 3 (SDM vol. 2 CLI, STI). */
function requireIopl(cpu: Cpu): void {
  if (cpu.protectedMode && cpu.cpl > cpu.r.iopl) cpu.gp();
}

/** Those that PUSHF, POPF and IRET ask for in virtual-8086 mode. */
function requireIopl3InV86(cpu: Cpu): void {
  if (cpu.v86 && cpu.r.iopl < 3) cpu.gp();
}

export const flags = {
  cli: cpu => {
    requireIopl(cpu);
    cpu.r.setSystemFlag(FLAG.if, false);
  },
  /** Interrupts wait until after the next instruction, unless they were let in already. */
  sti: cpu => {
    requireIopl(cpu);
    if (cpu.r.systemFlag(FLAG.if)) return undefined;
    cpu.r.setSystemFlag(FLAG.if, true);
    cpu.holdInterrupts();
    // What is announced only now comes after the next instruction at the earliest anyway.
    return cpu.announced ? cpu.leave() : undefined;
  },
  pushf: (cpu, i) => {
    requireIopl3InV86(cpu);
    cpu.push(i.opsize, BigInt(cpu.r.flags & ~(FLAG.rf | FLAG.vm)));
  },
  popf: (cpu, i) => {
    requireIopl3InV86(cpu);
    const { r } = cpu;
    const value = Number(cpu.peekStack(i.opsize) & 0xffff_ffffn);
    cpu.stackPointer += BigInt(i.opsize / 8);
    const before = r.flags;
    loadFlags(cpu, i.opsize, value);
    if (i.opsize !== 16 && !cpu.v86) r.setSystemFlag(FLAG.vif | FLAG.vip, false);
    const changed = r.flags ^ before;
    if (changed & (FLAG.iopl | FLAG.ac)) cpu.updateMode();
    // The run loop must see an interrupt that may come now, and a trap to take after the next instruction.
    return changed & (FLAG.iopl | FLAG.tf) || (changed & FLAG.if && cpu.announced) ? cpu.leave() : undefined;
  },
} satisfies Record<string, Escape>;
