import type { Cpu } from '../cpu.ts';
import { STATE } from '../state.ts';
import { FXSAVE_LAYOUT, readFxsave, writeFxsave } from '../x87/fxsave.ts';
import type { Escape } from './escape.ts';
import { requireFpu } from './x87.ts';

/** Bits of MXCSR that exist (SDM vol. 1 §10.2.3), as FXSAVE reports them. */
export const MXCSR_MASK = 0xffff;
/** Bytes of an FXSAVE image that are never written: they belong to software (SDM vol. 1 table 10-2). */
const xmmEnd = (cpu: Cpu): number => FXSAVE_LAYOUT.xmm + 16 * xmmCount(cpu);
/** XMM registers in an image of FXSAVE. */
export const xmmCount = (cpu: Cpu): number => (cpu.bits64 ? 16 : 8);

function requireSse(cpu: Cpu): void {
  const vector = cpu.r.i32[STATE.sseFault / 4]!;
  if (vector) cpu.raise(vector);
}

/** #GP(0) for bits of MXCSR that do not exist. */
export function requireMxcsr(cpu: Cpu, value: number): void {
  if (value & ~MXCSR_MASK) cpu.gp();
}

const setMxcsr = (cpu: Cpu, value: number): void => {
  requireMxcsr(cpu, value);
  cpu.setMxcsr(value);
};

export const fpuState = {
  fxsave: (cpu, i) => {
    requireFpu(cpu);
    const at = cpu.address(i, FXSAVE_LAYOUT.size, true);
    if (at & 15n) cpu.gp();
    const { operand } = cpu.x87Bridge;
    cpu.x87Bridge.takeXmm(xmmCount(cpu));
    writeFxsave(cpu.x87, operand, i.opsize === 64);
    operand.setUint32(FXSAVE_LAYOUT.mxcsr, cpu.r.u32[STATE.mxcsr / 4]!, true);
    operand.setUint32(FXSAVE_LAYOUT.mxcsrMask, MXCSR_MASK, true);
    cpu.probeWrite(at, FXSAVE_LAYOUT.size);
    cpu.x87Bridge.storeAt(at, 0, xmmEnd(cpu));
  },
  fxrstor: (cpu, i) => {
    requireFpu(cpu);
    const at = cpu.address(i, FXSAVE_LAYOUT.size, false);
    if (at & 15n) cpu.gp();
    cpu.x87Bridge.loadAt(at, FXSAVE_LAYOUT.size);
    const { operand } = cpu.x87Bridge;
    setMxcsr(cpu, operand.getUint32(FXSAVE_LAYOUT.mxcsr, true));
    readFxsave(cpu.x87, operand, i.opsize === 64);
    cpu.x87Bridge.giveXmm(xmmCount(cpu));
    cpu.updateX87();
  },
  ldmxcsr: (cpu, i) => {
    requireSse(cpu);
    setMxcsr(cpu, cpu.load32(cpu.address(i, 4, false)));
  },
  stmxcsr: (cpu, i) => {
    requireSse(cpu);
    cpu.store32(cpu.address(i, 4, true), cpu.r.u32[STATE.mxcsr / 4]!);
  },
} satisfies Record<string, Escape>;
