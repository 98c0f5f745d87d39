import { type CpuState, SEGMENTS, type SegmentState } from '@mainboard/core';
import type { Cpu } from './cpu.ts';
import { deliver } from './interrupts.ts';
import { MSR } from './msr.ts';
import { RIGHTS, SEGREG } from './registers.ts';
import { GPR, STATE } from './state.ts';
import { FXSAVE_LAYOUT, readFxsave, writeFxsave } from './x87/fxsave.ts';

/** As after power-on and RESET# (SDM vol. 3 table 9-1). */
export function resetState(cpu: Cpu): void {
  const { r } = cpu;
  r.u8.fill(0, 0, STATE.bounce);
  r.setGpr64(GPR.rdx, BigInt(cpu.model.signature));
  r.rip = 0xfff0n;
  r.flags = 2;
  for (let n = 0; n < 8; n++)
    r.setSegment(n, 0, 0n, 0xffff, n === SEGREG.cs ? 0x9b : n === SEGREG.ldtr ? 0x82 : n === SEGREG.tr ? 0x8b : 0x93);
  r.setSegment(SEGREG.cs, 0xf000, 0xffff_0000n, 0xffff, 0x9b);
  r.cr0 = 0x6000_0010;
  r.u32[STATE.gdtr / 4 + 2] = 0xffff;
  r.u32[STATE.idtr / 4 + 2] = 0xffff;
  r.u32[STATE.dr / 4 + 12] = 0xffff_0ff0;
  r.u32[STATE.dr / 4 + 14] = 0x400;
  cpu.setMxcsr(0x1f80);
  r.u64[STATE.xcr0 / 8] = 1n;
  cpu.x87.reset();
  cpu.msrs.reset();
  cpu.cpl = 0;
  cpu.halted = false;
  cpu.shadow = false;
  cpu.nmiMasked = false;
  cpu.breakpoints.update();
  cpu.updateMode();
  cpu.flushTlb();
  cpu.code.clear();
}

/** Copies the architectural state out. @param nmiPending an NMI waits, which the pins know of */
export function saveState(cpu: Cpu, nmiPending: boolean): CpuState {
  const { r } = cpu;
  const segments = {} as Record<(typeof SEGMENTS)[number], SegmentState>;
  for (const [n, name] of SEGMENTS.entries())
    segments[name] = { selector: r.selector(n), base: r.base(n), limit: r.limit(n), rights: r.rights(n) };
  const fxsave = new Uint8Array(FXSAVE_LAYOUT.size);
  const image = new DataView(fxsave.buffer);
  writeFxsave(cpu.x87, image, true);
  image.setUint32(FXSAVE_LAYOUT.mxcsr, r.u32[STATE.mxcsr / 4]!, true);
  image.setUint32(FXSAVE_LAYOUT.mxcsrMask, 0xffff, true);
  fxsave.set(r.u8.slice(STATE.xmm, STATE.xmm + 256), FXSAVE_LAYOUT.xmm);
  const table = (at: number): { base: bigint; limit: number } => ({
    base: r.u64[at / 8]!,
    limit: r.u32[at / 4 + 2]!,
  });
  const dr = (n: number): bigint => r.u64[STATE.dr / 8 + n]!;
  return {
    gpr: BigUint64Array.from({ length: 16 }, (_, n) => r.gpr64(n)),
    rip: r.rip,
    rflags: BigInt(r.flags >>> 0),
    segments,
    gdtr: table(STATE.gdtr),
    idtr: table(STATE.idtr),
    cr0: BigInt(r.cr0),
    cr2: r.cr2,
    cr3: r.cr3,
    cr4: BigInt(r.cr4),
    cr8: r.u64[STATE.cr / 8 + 8]!,
    efer: BigInt(r.efer),
    xcr0: r.u64[STATE.xcr0 / 8]!,
    dr: { 0: dr(0), 1: dr(1), 2: dr(2), 3: dr(3), 6: dr(6), 7: dr(7) },
    msrs: cpu.msrs.all(),
    fxsave,
    halted: cpu.halted,
    interruptShadow: cpu.shadow,
    nmiMasked: cpu.nmiMasked,
    nmiPending,
  };
}

/** Replaces the architectural state, a pending NMI excepted; what was known of memory and code is forgotten. */
export function restoreState(cpu: Cpu, state: CpuState): void {
  const { r } = cpu;
  for (let n = 0; n < 16; n++) r.setGpr64(n, state.gpr[n]!);
  r.rip = state.rip;
  r.flags = Number(state.rflags);
  for (const [n, name] of SEGMENTS.entries()) {
    const { selector, base, limit, rights } = state.segments[name];
    r.setSegment(n, selector, base, limit, rights);
  }
  for (const [at, { base, limit }] of [
    [STATE.gdtr, state.gdtr],
    [STATE.idtr, state.idtr],
  ] as const) {
    r.u64[at / 8] = base;
    r.u32[at / 4 + 2] = limit;
  }
  r.cr0 = Number(state.cr0);
  r.cr2 = state.cr2;
  r.cr3 = state.cr3;
  r.cr4 = Number(state.cr4);
  r.u64[STATE.cr / 8 + 8] = state.cr8;
  r.efer = Number(state.efer);
  r.u64[STATE.xcr0 / 8] = state.xcr0;
  for (const n of [0, 1, 2, 3, 6, 7] as const) r.u64[STATE.dr / 8 + n] = state.dr[n];
  cpu.msrs.reset();
  for (const [msr, value] of state.msrs) if (msr !== MSR.tsc) cpu.msrs.set(msr, value);
  cpu.msrs.tsc = state.msrs.get(MSR.tsc) ?? 0n;
  const image = new DataView(state.fxsave.buffer, state.fxsave.byteOffset, FXSAVE_LAYOUT.size);
  readFxsave(cpu.x87, image, true);
  cpu.setMxcsr(image.getUint32(FXSAVE_LAYOUT.mxcsr, true));
  r.u8.set(state.fxsave.subarray(FXSAVE_LAYOUT.xmm, FXSAVE_LAYOUT.xmm + 256), STATE.xmm);
  cpu.halted = state.halted;
  cpu.shadow = state.interruptShadow && !state.halted; // HLT itself ended it
  cpu.nmiMasked = state.nmiMasked;
  // CPL is the DPL of SS, except in real mode (0) and virtual-8086 mode (3), where SS says so too.
  cpu.cpl = (r.rights(SEGREG.ss) & RIGHTS.dpl) >> 5;
  cpu.breakpoints.update();
  cpu.updateMode();
  cpu.flushTlb();
  cpu.code.clear();
  const event = state.delivering;
  if (event)
    deliver(cpu, event.vector, {
      external: event.kind !== 'exception',
      ...(event.errorCode === undefined ? {} : { error: event.errorCode }),
    });
}
