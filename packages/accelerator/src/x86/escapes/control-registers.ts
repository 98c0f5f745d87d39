import type { Cpu } from '../cpu.ts';
import type { CpuFeature } from '../cpuid-bits.ts';
import { type Decoded, OPERAND_KIND } from '../decode/decoded.ts';
import { VECTOR } from '../fault.ts';
import { CR0, CR4, EFER, RIGHTS, SEGREG } from '../registers.ts';
import { STATE } from '../state.ts';
import { requireNoUmip } from './descriptor-tables.ts';
import type { Escape } from './escape.ts';

/** Bits of CR0 that exist; writes to others are ignored (SDM vol. 3 §2.5). ET is always 1. */
const CR0_BITS = (CR0.pe | CR0.mp | CR0.em | CR0.ts | CR0.ne | CR0.wp | CR0.am | CR0.nw | CR0.cd | CR0.pg) >>> 0;
/** Bits of CR4 that come with a feature (SDM vol. 3 §2.5); those of features that CPUID does not list are reserved. */
const CR4_FEATURES: readonly (readonly [bit: number, feature: CpuFeature])[] = [
  [CR4.vme, 'vme'],
  [CR4.pvi, 'vme'],
  [CR4.tsd, 'tsc'],
  [CR4.de, 'de'],
  [CR4.pse, 'pse'],
  [CR4.pae, 'pae'],
  [CR4.pge, 'pge'],
  [CR4.osfxsr, 'fxsr'],
  [CR4.osxmmexcpt, 'sse'],
  [CR4.umip, 'umip'],
  [CR4.fsgsbase, 'fsgsbase'],
  [CR4.pcide, 'pcid'],
  [CR4.osxsave, 'xsave'],
  [CR4.smep, 'smep'],
  [CR4.smap, 'smap'],
];
const cr4Bits = (cpu: Cpu): number =>
  CR4_FEATURES.reduce((bits, [bit, feature]) => (cpu.has(feature) ? bits | bit : bits), CR4.pce as number);
const DR7 = { fixed: 0x400, gd: 0x2000 } as const;
const DR6 = { fixed: 0xffff_0ff0, zero: 0x1000, bd: 0x2000 } as const;

/** #GP(0) when PAE paging with these registers has a PDPTE with reserved bits set (SDM vol. 3 §4.4.1). */
function requirePdptes(cpu: Cpu, cr0: number, cr4: number, cr3: number): void {
  const { r } = cpu;
  if (cr0 & CR0.pg && cr4 & CR4.pae && !(r.efer & EFER.lma) && !cpu.mmu.hasPdptes(cr3)) cpu.gp();
}
/** Those whose change loads the PDPTEs. */
const CR0_LOADS = CR0.pg | CR0.cd | CR0.nw;
const CR4_LOADS = CR4.pae | CR4.pge | CR4.pse | CR4.smep;

/** Loads CR0, with the switches between modes that hang on it (SDM vol. 2 MOV CR; vol. 3 §9.8.5). */
export function writeCr0(cpu: Cpu, value: number): number {
  const { r } = cpu;
  const next = ((value & CR0_BITS) | CR0.et) >>> 0;
  const old = r.cr0;
  const paging = (next & CR0.pg) !== 0;
  if (paging && !(next & CR0.pe)) cpu.gp();
  if (next & CR0.nw && !(next & CR0.cd)) cpu.gp();
  if (!paging && r.cr4 & CR4.pcide) cpu.gp();
  if (paging !== ((old & CR0.pg) !== 0)) {
    if (paging && r.efer & EFER.lme) {
      // IA-32e mode begins in compatibility mode, with PAE and a TSS that it knows.
      if (!(r.cr4 & CR4.pae) || r.rights(SEGREG.cs) & RIGHTS.l || !(r.rights(SEGREG.tr) & 8)) cpu.gp();
      r.efer |= EFER.lma;
    } else if (!paging) {
      if (cpu.bits64) cpu.gp();
      r.efer &= ~EFER.lma;
    }
  }
  if ((next ^ old) & CR0_LOADS) requirePdptes(cpu, next, r.cr4, r.u32[CR + 6]!);
  r.cr0 = next;
  if ((next ^ old) & (CR0.pg | CR0.wp | CR0.pe)) cpu.flushTlb();
  cpu.updateMode();
  return cpu.leave();
}

function writeCr4(cpu: Cpu, next: number): number {
  const { r } = cpu;
  if (next & ~cr4Bits(cpu)) cpu.gp();
  if (cpu.longMode && !(next & CR4.pae)) cpu.gp();
  const changed = next ^ r.cr4;
  if (changed & next & CR4.pcide && (!cpu.longMode || r.cr3 & 0xfffn)) cpu.gp();
  if (changed & CR4_LOADS) requirePdptes(cpu, r.cr0, next, r.u32[CR + 6]!);
  r.cr4 = next;
  if (changed & (CR4.pse | CR4.pae | CR4.pge | CR4.pcide | CR4.smep | CR4.smap)) cpu.flushTlb();
  cpu.updateMode();
  if (changed & CR4.de) cpu.updateBreakpoints();
  return cpu.leave();
}

const CR = STATE.cr / 4;
const CR2 = STATE.cr2 / 4;

/** MOV from and to control registers (SDM vol. 2). Their other operand is a general register of the mode's size. */
export function movFromCr(cpu: Cpu, i: Decoded): void {
  cpu.requireCpl0();
  const { u32 } = cpu.r;
  const n = i.operands[1].reg;
  const to = 2 * i.operands[0].reg;
  const from = n === 2 ? CR2 : CR + 2 * n;
  u32[to] = u32[from]!;
  u32[to + 1] = cpu.bits64 ? u32[from + 1]! : 0;
}
export function movToCr(cpu: Cpu, i: Decoded): number | undefined {
  cpu.requireCpl0();
  const { u32 } = cpu.r;
  const from = 2 * i.operands[1].reg;
  const low = u32[from]!;
  const high = cpu.bits64 ? u32[from + 1]! : 0;
  const n = i.operands[0].reg;
  if (n === 2) {
    u32[CR2] = low;
    u32[CR2 + 1] = high;
    return undefined;
  }
  if (n === 3) {
    // With CR4.PCIDE set, bit 63 asks to keep translations (SDM vol. 3 §4.10.4.1), and is not stored.
    const keep = (cpu.r.cr4 & CR4.pcide) !== 0 && high >>> 31 === 1;
    const address = keep ? high & 0x7fff_ffff : high;
    if (address >>> (cpu.model.physicalBits - 32)) cpu.gp();
    requirePdptes(cpu, cpu.r.cr0, cpu.r.cr4, low);
    u32[CR + 6] = low;
    u32[CR + 7] = address;
    cpu.contextChanged(keep);
    return cpu.leave();
  }
  if (high !== 0) cpu.gp();
  if (n === 0) return writeCr0(cpu, low);
  if (n === 4) return writeCr4(cpu, low);
  // CR8 is the task-priority register of a local APIC; without one it only keeps its value.
  if (low > 15) cpu.gp();
  u32[CR + 16] = low;
  u32[CR + 17] = 0;
  return undefined;
}

/**
 * Number of a debug register: DR4 and DR5 are DR6 and DR7 unless CR4.DE is set. DR7.GD makes any access a #DB.
 */
function debugRegister(cpu: Cpu, n: number): number {
  const { r } = cpu;
  if ((n === 4 || n === 5) && r.cr4 & CR4.de) cpu.ud();
  cpu.requireCpl0();
  if (r.u32[STATE.dr / 4 + 14]! & DR7.gd) {
    r.u32[STATE.dr / 4 + 12] = r.u32[STATE.dr / 4 + 12]! | DR6.bd;
    cpu.raise(VECTOR.db);
  }
  return n === 4 || n === 5 ? n + 2 : n;
}

export function movFromDr(cpu: Cpu, i: Decoded): void {
  cpu.write(i, 0, cpu.r.u64[STATE.dr / 8 + debugRegister(cpu, i.operands[1].reg)]!);
}
export function movToDr(cpu: Cpu, i: Decoded): number | undefined {
  const n = debugRegister(cpu, i.operands[0].reg);
  let value = cpu.read(i, 1);
  if (n >= 6) {
    if (value > 0xffff_ffffn) cpu.gp();
    const low = Number(value);
    value = BigInt((n === 6 ? (low | DR6.fixed) & ~DR6.zero : (low | DR7.fixed) & 0xffff_2fff) >>> 0);
  }
  cpu.r.u64[STATE.dr / 8 + n] = value;
  if (n === 6) return undefined;
  cpu.updateBreakpoints();
  return cpu.leave();
}

export const controlRegisters = {
  /** PE, MP, EM and TS; PE can be set only. */
  lmsw: (cpu, i) => {
    cpu.requireCpl0();
    const value = Number(cpu.read(i, 0)) & 0xf;
    const old = cpu.r.cr0;
    return writeCr0(cpu, (old & ~0xe) | value);
  },
  smsw: (cpu, i) => {
    requireNoUmip(cpu);
    const value = BigInt(cpu.r.cr0);
    cpu.write(i, 0, i.operands[0].kind === OPERAND_KIND.gpr ? value : value & 0xffffn);
  },
  clts: cpu => {
    cpu.requireCpl0();
    cpu.r.cr0 = (cpu.r.cr0 & ~CR0.ts) >>> 0;
    cpu.updateMode();
  },
} satisfies Record<string, Escape>;
