import { isCanonical } from '../canonical.ts';
import type { Cpu } from '../cpu.ts';
import type { Decoded } from '../decode/decoded.ts';
import { CR4, SEGREG } from '../registers.ts';
import { type Descriptor, findDescriptor, isNull, loadLdtr, loadTr, SYSTEM_TYPE } from '../segmentation.ts';
import { FLAG, STATE } from '../state.ts';
import type { Escape } from './escape.ts';

/** #GP(0) for user programs when the system keeps its tables from them (SDM vol. 3 §2.5, CR4.UMIP). */
export function requireNoUmip(cpu: Cpu): void {
  if (cpu.r.cr4 & CR4.umip && cpu.cpl > 0) cpu.gp();
}

/** #UD in real and virtual-8086 mode. */
function requireProtected(cpu: Cpu): void {
  if (!cpu.protectedMode || cpu.v86) cpu.ud();
}

const loadTable =
  (table: number): Escape =>
  (cpu, i) => {
    cpu.requireCpl0();
    const at = cpu.address(i, cpu.bits64 ? 10 : 6, false);
    const limit = cpu.load16(at);
    let base: bigint;
    if (cpu.bits64) {
      base = cpu.load64(at + 2n);
      if (!isCanonical(base)) cpu.gp();
    } else base = BigInt(cpu.load32(at + 2n) & (i.opsize === 16 ? 0xff_ffff : ~0)) & 0xffff_ffffn;
    cpu.r.u64[table / 8] = base;
    cpu.r.u32[table / 4 + 2] = limit;
  };

/** SGDT and SIDT store all of the base whatever the operand size, as processors since the 80486 do. */
const storeTable =
  (table: number): Escape =>
  (cpu, i) => {
    requireNoUmip(cpu);
    const bits = cpu.bits64 ? 64 : 32;
    const bytes = 2 + bits / 8;
    const at = cpu.address(i, bytes, true);
    cpu.probeWrite(at, bytes);
    cpu.store16(at, cpu.r.u32[table / 4 + 2]!);
    cpu.store(bits, at + 2n, cpu.r.u64[table / 8]!);
  };

const storeSelector =
  (n: number): Escape =>
  (cpu, i) => {
    requireProtected(cpu);
    requireNoUmip(cpu);
    cpu.write(i, 0, BigInt(cpu.r.selector(n)));
  };

const setZf = (cpu: Cpu, on: boolean): void => {
  cpu.r.flags = on ? cpu.r.flags | FLAG.zf : cpu.r.flags & ~FLAG.zf;
};

/** System descriptors that LAR and LSL look at (SDM vol. 2 LAR and LSL, types of segments and gates), as bits. */
const types = (...all: number[]): number => all.reduce((mask, type) => mask | (1 << type), 0);
const { tss16, ldt, busyTss16, callGate16, taskGate, tss32, busyTss32, callGate32 } = SYSTEM_TYPE;
const LSL_LONG = types(ldt, tss32, busyTss32);
const LSL_LEGACY = LSL_LONG | types(tss16, busyTss16);
const LAR_LONG = LSL_LONG | types(callGate32);
const LAR_LEGACY = LSL_LEGACY | types(callGate16, taskGate, callGate32);

/** The descriptor of the operand's selector if this level and the RPL may see it. */
function visible(cpu: Cpu, i: Decoded, operand: 0 | 1, systemTypes: number): Descriptor | undefined {
  requireProtected(cpu);
  const selector = Number(cpu.read(i, operand) & 0xffffn);
  if (isNull(selector)) return undefined;
  const d = findDescriptor(cpu, selector);
  if (!d) return undefined;
  if (!d.isSegment && !((systemTypes >> d.systemType) & 1)) return undefined;
  if (d.isConforming) return d;
  return d.dpl < cpu.cpl || d.dpl < (selector & 3) ? undefined : d;
}

const look =
  (legacy: number, long: number, value: (d: Descriptor) => number): Escape =>
  (cpu, i) => {
    const d = visible(cpu, i, 1, cpu.longMode ? long : legacy);
    if (d) cpu.write(i, 0, BigInt(value(d)));
    setZf(cpu, d !== undefined);
  };

export const descriptorTables = {
  lgdt: loadTable(STATE.gdtr),
  lidt: loadTable(STATE.idtr),
  sgdt: storeTable(STATE.gdtr),
  sidt: storeTable(STATE.idtr),
  sldt: storeSelector(SEGREG.ldtr),
  str: storeSelector(SEGREG.tr),
  lldt: (cpu, i) => {
    requireProtected(cpu);
    cpu.requireCpl0();
    loadLdtr(cpu, Number(cpu.read(i, 0)));
  },
  ltr: (cpu, i) => {
    requireProtected(cpu);
    cpu.requireCpl0();
    loadTr(cpu, Number(cpu.read(i, 0)));
  },
  lar: look(LAR_LEGACY, LAR_LONG, d => (d.high & 0x00f0_ff00) >>> 0),
  lsl: look(LSL_LEGACY, LSL_LONG, d => d.limit),
  verr: (cpu, i) => setZf(cpu, visible(cpu, i, 0, 0)?.isReadable === true),
  verw: (cpu, i) => setZf(cpu, visible(cpu, i, 0, 0)?.isWritableData === true),
  arpl: (cpu, i) => {
    requireProtected(cpu);
    const to = cpu.read(i, 0);
    const rpl = cpu.read(i, 1) & 3n;
    const raise = (to & 3n) < rpl;
    // The write cycle happens only when there is something to raise.
    if (raise) cpu.write(i, 0, (to & ~3n) | rpl);
    setZf(cpu, raise);
  },
} satisfies Record<string, Escape>;
