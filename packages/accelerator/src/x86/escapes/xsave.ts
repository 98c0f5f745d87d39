import type { Cpu } from '../cpu.ts';
import type { Decoded } from '../decode/decoded.ts';
import { VECTOR } from '../fault.ts';
import { CR0, CR4 } from '../registers.ts';
import { GPR, STATE } from '../state.ts';
import { FXSAVE_LAYOUT, readFxsave, writeFxsave } from '../x87/fxsave.ts';
import { XSAVE_HEADER, XSAVE_SIZE, XSTATE } from '../xsave-layout.ts';
import type { Escape } from './escape.ts';
import { MXCSR_MASK, requireMxcsr, xmmCount } from './fpu-state.ts';

/**
 * XSAVE, XSAVEOPT, XRSTOR, XGETBV and XSETBV with the components x87 and SSE, in the standard format (SDM vol. 1 §13.7
 * to §13.9). NOT IMPLEMENTED: compaction (XSAVEC, XSAVES); XSAVEOPT's modified optimisation, which a processor need not
 * have.
 */

const COMPONENTS = XSTATE.x87 | XSTATE.sse;
/** Bytes of the x87 component: up to MXCSR, and the registers. */
const X87 = { end: 24, registers: FXSAVE_LAYOUT.registers, registersEnd: FXSAVE_LAYOUT.xmm } as const;

function requireXsave(cpu: Cpu): void {
  if (!(cpu.r.cr4 & CR4.osxsave)) cpu.ud();
}

/** The area's linear address, and which components the instruction asks for. */
function operands(cpu: Cpu, i: Decoded, write: boolean): { at: bigint; asked: number } {
  requireXsave(cpu);
  const { r } = cpu;
  if (r.cr0 & CR0.ts) cpu.raise(VECTOR.nm);
  const at = cpu.address(i, XSAVE_SIZE, write);
  if (at & 63n) cpu.gp();
  return { at, asked: r.gpr32(GPR.rax) & r.u32[STATE.xcr0 / 4]! & COMPONENTS };
}

/** Components that are not as they are after initialization (XINUSE, §13.6). @param image of FXSAVE, x87 filled in */
function inUse(cpu: Cpu, image: Int32Array): number {
  let x87 = image[0]! ^ 0x37f;
  for (let at = 1; at < X87.end / 4; at++) x87 |= image[at]!;
  for (let at = X87.registers / 4; at < X87.registersEnd / 4; at++) x87 |= image[at]!;
  let sse = 0;
  for (let n = 0; n < 64; n++) sse |= cpu.r.i32[STATE.xmm / 4 + n]!;
  return (x87 ? XSTATE.x87 : 0) | (sse ? XSTATE.sse : 0);
}

/** @param optimized leaves out what is not in use */
const save =
  (optimized: boolean): Escape =>
  (cpu, i) => {
    const { at, asked } = operands(cpu, i, true);
    const { r, x87Bridge } = cpu;
    const { operand, words } = x87Bridge;
    cpu.probeWrite(at, XSAVE_SIZE);
    writeFxsave(cpu.x87, operand, i.opsize === 64);
    const used = inUse(cpu, words);
    const saved = optimized ? asked & used : asked;
    if (saved & XSTATE.x87) {
      x87Bridge.storeAt(at, 0, X87.end);
      x87Bridge.storeAt(at, X87.registers, X87.registersEnd);
    }
    if (asked & XSTATE.sse) {
      // MXCSR belongs to no component's initial state.
      words[FXSAVE_LAYOUT.mxcsr / 4] = r.i32[STATE.mxcsr / 4]!;
      words[FXSAVE_LAYOUT.mxcsrMask / 4] = MXCSR_MASK;
      x87Bridge.storeAt(at, FXSAVE_LAYOUT.mxcsr, FXSAVE_LAYOUT.registers);
    }
    if (saved & XSTATE.sse) {
      const count = xmmCount(cpu);
      x87Bridge.takeXmm(count);
      x87Bridge.storeAt(at, FXSAVE_LAYOUT.xmm, FXSAVE_LAYOUT.xmm + 16 * count);
    }
    const stateBv = at + BigInt(XSAVE_HEADER.stateBv);
    cpu.store32(stateBv, (cpu.load32(stateBv) & ~asked) | (asked & used));
  };

const xrstor: Escape = (cpu, i) => {
  const { at, asked } = operands(cpu, i, false);
  const { r, x87, x87Bridge } = cpu;
  const { operand } = x87Bridge;
  x87Bridge.loadAt(at, XSAVE_SIZE);
  const { words } = x87Bridge;
  const [stateBv, compaction] = [XSAVE_HEADER.stateBv / 4, XSAVE_HEADER.compactionBv / 4];
  const present = words[stateBv]!;
  // Compaction is asked for by bit 63 of its field; the eight bytes after it are reserved.
  const reserved = words[compaction]! | words[compaction + 1]! | words[compaction + 2]! | words[compaction + 3]!;
  if (present & ~r.i32[STATE.xcr0 / 4]! || words[stateBv + 1]! & ~r.i32[STATE.xcr0 / 4 + 1]! || reserved) cpu.gp();
  const restored = asked & present;
  if (asked & XSTATE.sse) {
    const mxcsr = operand.getUint32(FXSAVE_LAYOUT.mxcsr, true);
    requireMxcsr(cpu, mxcsr);
    cpu.setMxcsr(mxcsr);
    if (!(restored & XSTATE.sse)) words.fill(0, FXSAVE_LAYOUT.xmm / 4);
    x87Bridge.giveXmm(xmmCount(cpu));
  }
  if (asked & XSTATE.x87) {
    if (restored & XSTATE.x87) readFxsave(x87, operand, i.opsize === 64);
    else x87.clear();
    cpu.updateX87();
  }
};

export const xsave = {
  xsave: save(false),
  xsaveopt: save(true),
  xrstor,
  xgetbv: cpu => {
    requireXsave(cpu);
    const { r } = cpu;
    if (r.gpr32(GPR.rcx) !== 0) cpu.gp();
    r.setGpr32(GPR.rax, r.u32[STATE.xcr0 / 4]!);
    r.setGpr32(GPR.rdx, r.u32[STATE.xcr0 / 4 + 1]!);
  },
  xsetbv: cpu => {
    requireXsave(cpu);
    cpu.requireCpl0();
    const { r } = cpu;
    const value = r.gpr32(GPR.rax);
    if (r.gpr32(GPR.rcx) !== 0 || r.gpr32(GPR.rdx) !== 0 || value & ~COMPONENTS || !(value & XSTATE.x87)) cpu.gp();
    r.u64[STATE.xcr0 / 8] = BigInt(value);
  },
} satisfies Record<string, Escape>;
