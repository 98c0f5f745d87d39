import type { Cpu } from './cpu.ts';
import { CR4, RIGHTS, SEGREG } from './registers.ts';
import { setV86 } from './segmentation.ts';
import { Stack } from './stack.ts';
import { FLAG } from './state.ts';
import { isBigTss } from './tss.ts';

/** Offset of the I/O permission bitmap's offset in a TSS; the redirection bitmap ends where that bitmap begins. */
const IO_MAP_BASE = 0x66;
/** Bytes of the redirection bitmap: a bit for each vector. */
const REDIRECTIONS = 32;

/**
 * Whether VIF stands in for IF: CR4.VME in virtual-8086 mode, CR4.PVI at level 3 of protected mode, with an IOPL below
 * 3 (SDM vol. 3 §20.3.2, §20.4).
 */
export const hasVirtualIf = (cpu: Cpu): boolean =>
  cpu.cpl === 3 && cpu.r.iopl < 3 && (cpu.r.cr4 & (cpu.v86 ? CR4.vme : CR4.pvi)) !== 0;

/** FLAGS as a program of virtual-8086 mode sees them (SDM vol. 2 PUSHF): VIF in the place of IF, and an IOPL of 3. */
export const virtualFlags = ({ r }: Cpu): number =>
  (r.flags & 0xffff & ~FLAG.if) | FLAG.iopl | (r.systemFlag(FLAG.vif) ? FLAG.if : 0);

/**
 * Replaces FLAGS as POPF and IRET do where {@link hasVirtualIf} (SDM vol. 2): IF goes to VIF. #GP(0) when TF would be
 * set, or VIF while an interrupt is pending.
 */
export function loadVirtualFlags(cpu: Cpu, value: number): void {
  const { r } = cpu;
  if (value & FLAG.tf || (value & FLAG.if && r.systemFlag(FLAG.vip))) cpu.gp();
  const mask = 0xffff & ~(FLAG.if | FLAG.iopl);
  r.flags = (r.flags & ~(mask | FLAG.vif | FLAG.rf)) | (value & mask) | (value & FLAG.if ? FLAG.vif : 0);
}

/**
 * Whether the redirection bitmap sends INT n to the program's own handler (SDM vol. 3 §20.3.3.4): its bit is clear.
 * #GP(0) when the TSS ends before it, or has none.
 */
function isRedirected(cpu: Cpu, vector: number): boolean {
  const { r } = cpu;
  const limit = r.limit(SEGREG.tr);
  if (r.rights(SEGREG.tr) & RIGHTS.unusable || !isBigTss(cpu) || limit < IO_MAP_BASE + 1) cpu.gp();
  const base = r.base(SEGREG.tr);
  const at = cpu.load16(base + BigInt(IO_MAP_BASE), false) - REDIRECTIONS + (vector >> 3);
  if (at < 0 || at > limit) cpu.gp();
  return ((cpu.load8(base + BigInt(at), false) >> (vector & 7)) & 1) === 0;
}

/**
 * INT n in virtual-8086 mode with CR4.VME (SDM vol. 3 §20.3.3.4, methods 5 and 6): enters the program's own handler by
 * the table at linear address 0, if the redirection bitmap says so.
 * @returns whether it did; if not, nothing has changed
 */
export function redirectInterrupt(cpu: Cpu, vector: number): boolean {
  const { r } = cpu;
  if (!cpu.v86 || !(r.cr4 & CR4.vme) || !isRedirected(cpu, vector)) return false;
  const virtual = r.iopl < 3;
  const entry = cpu.load32(BigInt(vector * 4), false);
  const stack = Stack.current(cpu);
  stack.push(16, BigInt(virtual ? virtualFlags(cpu) : r.flags & 0xffff));
  stack.push(16, BigInt(r.selector(SEGREG.cs)));
  stack.push(16, cpu.nextRip & 0xffffn);
  stack.commit();
  r.setSystemFlag(FLAG.tf | (virtual ? FLAG.vif : FLAG.if), false);
  setV86(cpu, SEGREG.cs, entry >>> 16);
  r.rip = BigInt(entry & 0xffff);
  cpu.updateMode();
  return true;
}

/**
 * Whether the next instruction is #GP(0) because VIF lets in what VIP says is pending (SDM vol. 3 §20.3.2). IRET or a
 * task switch made it so.
 */
export const isVirtualInterruptDue = (cpu: Cpu): boolean =>
  cpu.r.systemFlag(FLAG.vip) && cpu.r.systemFlag(FLAG.vif) && hasVirtualIf(cpu);
