import type { Cpu } from '../cpu.ts';
import { VECTOR } from '../fault.ts';
import { checkSoftwareInterrupt, EVENT, type Event, enterHandler } from '../interrupts.ts';
import { FLAG } from '../state.ts';
import { redirectInterrupt } from '../virtual-interrupts.ts';
import type { Escape } from './escape.ts';

/** Enters the handler; faults on the way belong to the instruction. */
function interrupt(cpu: Cpu, vector: number, event: Event): number {
  enterHandler(cpu, vector, event, 0);
  return cpu.jumped();
}

export const softwareInterrupt = {
  int: (cpu, i) => {
    const vector = i.immLo & 0xff;
    if (redirectInterrupt(cpu, vector)) return cpu.jumped();
    checkSoftwareInterrupt(cpu);
    return interrupt(cpu, vector, EVENT.software);
  },
  int3: cpu => interrupt(cpu, VECTOR.bp, EVENT.software),
  int1: cpu => interrupt(cpu, VECTOR.db, EVENT.int1),
  into: cpu => (cpu.r.flags & FLAG.of ? interrupt(cpu, VECTOR.of, EVENT.software) : undefined),
  /** #BR is a fault: RIP stays at the instruction. */
  bound: (cpu, i) => {
    const { opsize } = i;
    const at = cpu.address(i, opsize / 4, false);
    const index = BigInt.asIntN(opsize, cpu.read(i, 0));
    const lower = BigInt.asIntN(opsize, cpu.load(opsize, at));
    const upper = BigInt.asIntN(opsize, cpu.load(opsize, at + BigInt(opsize / 8)));
    if (index < lower || index > upper) cpu.raise(VECTOR.br);
  },
} satisfies Record<string, Escape>;
