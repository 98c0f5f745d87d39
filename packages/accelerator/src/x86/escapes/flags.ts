import type { Cpu } from '../cpu.ts';
import type { Decoded } from '../decode/decoded.ts';
import { FLAG } from '../state.ts';
import { hasVirtualIf, loadVirtualFlags, virtualFlags } from '../virtual-interrupts.ts';
import type { Escape } from './escape.ts';
import { loadFlags } from './far-return.ts';

/** CPL ≤ IOPL, or real mode: IF itself may change (SDM vol. 2 CLI, STI). */
const mayChangeIf = (cpu: Cpu): boolean => !cpu.protectedMode || cpu.cpl <= cpu.r.iopl;

/** Whether PUSHF or POPF deals with VIF; #GP(0) when virtual-8086 mode lets it through neither way. */
function isVirtual(cpu: Cpu, { opsize }: Decoded): boolean {
  if (!cpu.v86 || cpu.r.iopl === 3) return false;
  if (opsize !== 16 || !hasVirtualIf(cpu)) cpu.gp();
  return true;
}

export const flags = {
  cli: cpu => {
    if (!mayChangeIf(cpu) && !hasVirtualIf(cpu)) cpu.gp();
    cpu.r.setSystemFlag(mayChangeIf(cpu) ? FLAG.if : FLAG.vif, false);
  },
  /** Interrupts wait until after the next instruction, unless they were let in already. */
  sti: cpu => {
    const { r } = cpu;
    if (!mayChangeIf(cpu)) {
      if (!hasVirtualIf(cpu) || r.systemFlag(FLAG.vip)) cpu.gp();
      r.setSystemFlag(FLAG.vif, true);
      return undefined;
    }
    if (r.systemFlag(FLAG.if)) return undefined;
    r.setSystemFlag(FLAG.if, true);
    cpu.holdInterrupts();
    // What is announced only now comes after the next instruction at the earliest anyway.
    return cpu.announced ? cpu.leave() : undefined;
  },
  pushf: (cpu, i) => {
    const image = isVirtual(cpu, i) ? virtualFlags(cpu) : cpu.r.flags & ~(FLAG.rf | FLAG.vm);
    cpu.push(i.opsize, BigInt(image));
  },
  popf: (cpu, i) => {
    const virtual = isVirtual(cpu, i);
    const { r } = cpu;
    const value = Number(cpu.peekStack(i.opsize) & 0xffff_ffffn);
    const before = r.flags;
    if (virtual) loadVirtualFlags(cpu, value);
    else loadFlags(cpu, i.opsize, value);
    cpu.stackPointer += BigInt(i.opsize / 8);
    const changed = r.flags ^ before;
    if (changed & (FLAG.iopl | FLAG.ac)) cpu.updateMode();
    // The run loop must see an interrupt that may come now, and a trap to take after the next instruction.
    return changed & (FLAG.iopl | FLAG.tf) || (changed & FLAG.if && cpu.announced) ? cpu.leave() : undefined;
  },
} satisfies Record<string, Escape>;
