import type { Cpu } from '../cpu.ts';
import { VECTOR } from '../fault.ts';
import { ROWS } from '../isa/rows.ts';
import { CR0, SEGREG } from '../registers.ts';
import { STATE } from '../state.ts';
import { x87Instruction } from '../x87/instructions.ts';
import { x87Opcode } from '../x87/opcode.ts';
import { X87_LAYOUT } from '../x87/state.ts';
import type { Escape, Escapes } from './escape.ts';

/**
 * #MF for an exception that an earlier instruction left. DEVIATION §8.7: with CR0.NE clear, processors raise FERR#,
 * which a PC wires to IRQ 13; we have no such pin, and go on.
 */
export function reportPending(cpu: Cpu): void {
  if (cpu.r.cr0 & CR0.ne && cpu.x87.pending()) cpu.raise(VECTOR.mf);
}

/** #NM by CR0.EM or TS. */
export function requireFpu(cpu: Cpu): void {
  if (cpu.r.cr0 & (CR0.em | CR0.ts)) cpu.raise(VECTOR.nm);
}

const run: Escape = (cpu, i) => {
  requireFpu(cpu);
  const opcode = x87Opcode(i);
  const modrm = opcode & 0xff;
  const instruction = x87Instruction(i.row.byte, modrm);
  if (!instruction) return cpu.ud();
  if (instruction.waits) reportPending(cpu);
  const { x87: fpu, x87Bridge: bridge, r } = cpu;
  bridge.insn = i;
  instruction.execute(fpu, bridge, i.isMem ? 0 : i.rm & 7);
  if (instruction.pointers) {
    const { view, base } = fpu;
    view.setUint16(base + X87_LAYOUT.opcode, opcode, true);
    view.setUint16(base + X87_LAYOUT.instructionSelector, r.selector(SEGREG.cs), true);
    view.setBigUint64(base + X87_LAYOUT.instructionPointer, r.rip, true);
    if (i.isMem) {
      view.setUint16(base + X87_LAYOUT.dataSelector, r.selector(i.seg), true);
      view.setBigUint64(base + X87_LAYOUT.dataPointer, cpu.offset(i), true);
    }
  }
  cpu.updateX87();
};

export const x87: Escapes = {
  ...Object.fromEntries(
    ROWS.filter(row => row.map === 0 && row.byte >> 3 === 0xd8 >> 3).map(row => [row.mnemonic, run]),
  ),
  /** WAIT minds TS only together with MP. */
  fwait: cpu => {
    if ((cpu.r.cr0 & (CR0.mp | CR0.ts)) === (CR0.mp | CR0.ts)) cpu.raise(VECTOR.nm);
    reportPending(cpu);
  },
  emms: cpu => {
    const vector = cpu.r.i32[STATE.mmxFault / 4]!;
    if (vector) cpu.raise(vector);
    cpu.x87.emms();
  },
};
