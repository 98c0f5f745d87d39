import { isCanonical } from '../canonical.ts';
import type { Cpu } from '../cpu.ts';
import type { CpuFeature } from '../cpuid-bits.ts';
import { MSR, MSR_WORD } from '../msr.ts';
import { CR0, CR4, EFER, SEGREG } from '../registers.ts';
import { GPR, SEGMENT, STATE } from '../state.ts';
import type { Escape } from './escape.ts';

/** Base of GS, in halves. */
const GS_BASE = (STATE.segments + SEGREG.gs * SEGMENT.size + SEGMENT.base) / 4;
/** Bits of EFER that come with a feature; on a processor with none of them there is no EFER. */
const eferBits = (cpu: Cpu): number =>
  (cpu.has('syscall') ? EFER.sce : 0) | (cpu.has('lm') ? EFER.lme | EFER.lma : 0) | (cpu.has('nx') ? EFER.nxe : 0);

/** Registers that come with a feature; the others are on every processor that has MSRs. */
const FEATURE_OF: ReadonlyMap<number, CpuFeature> = new Map([
  [MSR.tscAdjust, 'tsc_adjust'],
  [MSR.sysenterCs, 'sep'],
  [MSR.sysenterEsp, 'sep'],
  [MSR.sysenterEip, 'sep'],
  [MSR.pat, 'pat'],
  [MSR.efer, 'syscall'],
  [MSR.star, 'syscall'],
  [MSR.lstar, 'lm'],
  [MSR.cstar, 'lm'],
  [MSR.fmask, 'lm'],
  [MSR.fsBase, 'lm'],
  [MSR.gsBase, 'lm'],
  [MSR.kernelGsBase, 'lm'],
  [MSR.tscAux, 'rdtscp'],
]);

/** #GP(0), as on a processor that has no such register. */
function requireRegister(cpu: Cpu, msr: number): void {
  const feature = FEATURE_OF.get(msr);
  if (feature !== undefined && !cpu.has(feature)) cpu.gp();
}

/** Memory types that a PAT entry may have (SDM vol. 3 table 11-10), as bits. */
const PAT_TYPES = (1 << 0) | (1 << 1) | (1 << 4) | (1 << 5) | (1 << 6) | (1 << 7);

function writeEfer(cpu: Cpu, value: bigint): number {
  const { r } = cpu;
  if (value & ~BigInt(eferBits(cpu))) cpu.gp();
  const next = (Number(value) & ~EFER.lma) | (r.efer & EFER.lma);
  const changed = next ^ r.efer;
  if (changed & EFER.lme && r.cr0 & CR0.pg) cpu.gp();
  r.efer = next;
  if (changed & EFER.nxe) cpu.flushTlb();
  return cpu.leave();
}

/** Registers whose value is an address of 64-bit mode. */
const ADDRESSES: ReadonlySet<number> = new Set([
  MSR.sysenterEsp,
  MSR.sysenterEip,
  MSR.lstar,
  MSR.cstar,
  MSR.fsBase,
  MSR.gsBase,
  MSR.kernelGsBase,
]);
/** Registers that take any value. */
const PLAIN: ReadonlySet<number> = new Set([MSR.sysenterCs, MSR.star, MSR.fmask, MSR.tscAux]);

/** Registers of one vendor's processors that have nothing to tell. */
const readsZero = (cpu: Cpu, msr: number): boolean =>
  msr === (cpu.model.vendor === 'AuthenticAMD' ? MSR.interruptPending : MSR.biosSignId);

const isKvmClock = (msr: number): boolean => msr === MSR.kvmWallClock || msr === MSR.kvmSystemTime;

/** The counter and what was added to it since power-on move together (SDM vol. 3 §17.17.3). */
function moveTsc({ msrs, paravirtualClock }: Cpu, by: bigint): void {
  msrs.tsc = BigInt.asUintN(64, msrs.tsc + by);
  msrs.set(MSR.tscAdjust, BigInt.asUintN(64, msrs.get(MSR.tscAdjust) + by));
  paravirtualClock.update();
}

export const msrs = {
  /** What is not a register of ours is #GP(0), as on a processor that has no such register. */
  rdmsr: cpu => {
    cpu.requireCpl0();
    const { r } = cpu;
    const msr = r.gpr32(GPR.rcx);
    requireRegister(cpu, msr);
    let value: bigint;
    if (msr === MSR.efer) value = BigInt(r.efer);
    else if (msr === MSR.fsBase) value = r.base(SEGREG.fs);
    else if (msr === MSR.gsBase) value = r.base(SEGREG.gs);
    else if (msr === MSR.tsc) value = cpu.msrs.tsc;
    else if (msr === MSR.pat || msr === MSR.tscAdjust || isKvmClock(msr) || ADDRESSES.has(msr) || PLAIN.has(msr))
      value = cpu.msrs.get(msr);
    else if (readsZero(cpu, msr)) value = 0n;
    else return cpu.gp();
    r.setGpr32(GPR.rax, Number(value & 0xffff_ffffn));
    r.setGpr32(GPR.rdx, Number(value >> 32n));
  },
  wrmsr: cpu => {
    cpu.requireCpl0();
    const { r } = cpu;
    const msr = r.gpr32(GPR.rcx);
    requireRegister(cpu, msr);
    const value = (BigInt(r.gpr32(GPR.rdx)) << 32n) | BigInt(r.gpr32(GPR.rax));
    if (ADDRESSES.has(msr)) {
      if (!isCanonical(value)) cpu.gp();
      if (msr === MSR.fsBase) r.setBase(SEGREG.fs, value);
      else if (msr === MSR.gsBase) r.setBase(SEGREG.gs, value);
      else cpu.msrs.set(msr, value);
    } else if (PLAIN.has(msr)) cpu.msrs.set(msr, value);
    else if (msr === MSR.efer) return writeEfer(cpu, value);
    else if (msr === MSR.tsc) moveTsc(cpu, value - cpu.msrs.tsc);
    else if (msr === MSR.tscAdjust) moveTsc(cpu, value - cpu.msrs.get(msr));
    else if (msr === MSR.pat) {
      for (let byte = 0n; byte < 64n; byte += 8n) if (!((PAT_TYPES >> Number((value >> byte) & 0xffn)) & 1)) cpu.gp();
      cpu.msrs.set(msr, value);
    } else if (isKvmClock(msr)) {
      cpu.msrs.set(msr, value);
      if (msr === MSR.kvmWallClock) cpu.paravirtualClock.writeWallClock(value);
      else cpu.paravirtualClock.update();
    } else if (msr !== MSR.biosSignId || !readsZero(cpu, msr)) cpu.gp();
    return undefined;
  },
  rdtsc: cpu => readTsc(cpu),
  rdtscp: cpu => {
    readTsc(cpu);
    cpu.r.setGpr32(GPR.rcx, cpu.msrs.words[MSR_WORD.tscAux]!);
  },
  /** There are no performance counters. */
  rdpmc: cpu => cpu.gp(),
  swapgs: cpu => {
    cpu.requireCpl0();
    const { r } = cpu;
    const { words } = cpu.msrs;
    for (let half = 0; half < 2; half++) {
      const base = r.u32[GS_BASE + half]!;
      r.u32[GS_BASE + half] = words[MSR_WORD.kernelGsBase + half]!;
      words[MSR_WORD.kernelGsBase + half] = base;
    }
  },
} satisfies Record<string, Escape>;

function readTsc(cpu: Cpu): void {
  const { r } = cpu;
  if (r.cr4 & CR4.tsd && cpu.cpl !== 0) cpu.gp();
  cpu.msrs.loadTsc(r.u32, 2 * GPR.rax, 2 * GPR.rdx);
  r.u32[2 * GPR.rax + 1] = 0;
  r.u32[2 * GPR.rdx + 1] = 0;
}
