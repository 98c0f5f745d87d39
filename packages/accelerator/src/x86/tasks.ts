import type { Cpu } from './cpu.ts';
import { VECTOR } from './fault.ts';
import { CR0, SEGREG } from './registers.ts';
import {
  isNull,
  loadLdtr,
  loadSegment,
  markAccessed,
  readDescriptor,
  SYSTEM_TYPE,
  setBusy,
  setCode,
  setNull,
  setV86,
} from './segmentation.ts';
import { FLAG, STATE } from './state.ts';

/** What makes a task switch (SDM vol. 3 §7.3). */
export const TASK_SWITCH = { jump: 0, call: 1, interrupt: 2, return: 3 } as const;

/** Offsets in a TSS of 16 and of 32 bits (SDM vol. 3 figures 7-2 and 7-10). */
const TSS16 = {
  bits: 16,
  ip: 0x0e,
  flags: 0x10,
  gpr: 0x12,
  segments: 0x22,
  segmentSize: 2,
  count: 4,
  ldt: 0x2a,
  last: 0x2b,
} as const;
const TSS32 = {
  bits: 32,
  ip: 0x20,
  flags: 0x24,
  gpr: 0x28,
  segments: 0x48,
  segmentSize: 4,
  count: 6,
  ldt: 0x60,
  last: 0x67,
} as const;
const CR3_AT = 0x1cn;
const TRAP_AT = 0x64n;

/**
 * Switches to another task (SDM vol. 3 §7.3). The new task's registers are read before the old one's are written;
 * what faults later (its LDT and segments) faults in the new task, RIP and all.
 * @param rip where the old task goes on
 * @param ext bit 0 of error codes
 * @param vector #GP for a selector that is no TSS, #TS on IRET
 * @param error to push on the new stack; −1 for none
 */
export function switchTask(
  cpu: Cpu,
  selector: number,
  kind: (typeof TASK_SWITCH)[keyof typeof TASK_SWITCH],
  rip: bigint,
  ext = 0,
  vector: number = VECTOR.gp,
  error = -1,
): void {
  const { r } = cpu;
  const back = kind === TASK_SWITCH.return;
  const nested = kind === TASK_SWITCH.call || kind === TASK_SWITCH.interrupt;
  const code = (selector & 0xfffc) | ext;
  if (isNull(selector) || selector & 4) cpu.raise(vector, code);
  const d = readDescriptor(cpu, selector, vector, ext);
  const type = d.systemType;
  const wanted = back ? 2 : 0;
  if (type !== (SYSTEM_TYPE.tss16 | wanted) && type !== (SYSTEM_TYPE.tss32 | wanted)) cpu.raise(vector, code);
  if (!d.present) cpu.raise(VECTOR.np, code);
  const to = type & 8 ? TSS32 : TSS16;
  if (d.limit < to.last) cpu.raise(VECTOR.ts, code);

  // Read the new task.
  const at = d.base;
  const field = (offset: number): number =>
    to.bits === 32 ? cpu.load32(at + BigInt(offset), false) : cpu.load16(at + BigInt(offset), false);
  const word = (offset: number): number => cpu.load16(at + BigInt(offset), false);
  const gpr = Array.from({ length: 8 }, (_, n) => field(to.gpr + (n * to.bits) / 8));
  const segments = Array.from({ length: to.count }, (_, n) => word(to.segments + n * to.segmentSize));
  const newIp = field(to.ip);
  const newFlags = field(to.flags);
  const ldt = word(to.ldt);
  const cr3 = to.bits === 32 ? cpu.load32(at + CR3_AT, false) : 0;
  const trap = to.bits === 32 && word(Number(TRAP_AT)) & 1;

  // Save the old one.
  const from = r.rights(SEGREG.tr) & 8 ? TSS32 : TSS16;
  const oldBase = r.base(SEGREG.tr);
  const oldSelector = r.selector(SEGREG.tr);
  const old = readDescriptor(cpu, oldSelector, VECTOR.ts, ext);
  cpu.probeWrite(oldBase, from.last + 1, false);
  if (nested) cpu.probeWrite(at, 2, false);
  const save = (offset: number, value: number): void =>
    from.bits === 32
      ? cpu.store32(oldBase + BigInt(offset), value, false)
      : cpu.store16(oldBase + BigInt(offset), value & 0xffff, false);
  save(from.ip, Number(rip & 0xffff_ffffn));
  save(from.flags, back ? r.flags & ~FLAG.nt : r.flags);
  for (let n = 0; n < 8; n++) save(from.gpr + (n * from.bits) / 8, r.gpr32(n));
  for (let n = 0; n < from.count; n++)
    cpu.store16(oldBase + BigInt(from.segments + n * from.segmentSize), r.selector(n), false);
  if (kind === TASK_SWITCH.jump || back) setBusy(cpu, old, false);
  if (nested) cpu.store16(at, oldSelector, false);
  if (!back) setBusy(cpu, d, true);

  // The switch cannot be undone from here on.
  r.setSegment(SEGREG.tr, selector, at, d.limit, d.rights | 2);
  r.cr0 |= CR0.ts;
  if (to.bits === 32 && r.cr0 & CR0.pg) {
    r.cr3 = BigInt(cr3);
    cpu.contextChanged(false);
  }
  r.rip = BigInt(newIp);
  r.flags = (newFlags | (nested ? FLAG.nt : 0)) & ~FLAG.rf;
  // A 16-bit TSS has no upper halves; processors fill them with ones.
  for (let n = 0; n < 8; n++) r.setGpr32(n, to.bits === 32 ? gpr[n]! : gpr[n]! | 0xffff_0000);
  loadSegments(cpu, segments, ldt, ext);
  if (newIp > r.limit(SEGREG.cs)) {
    cpu.updateMode();
    cpu.gp(ext);
  }
  r.i32[STATE.dr / 4 + 14]! &= ~0x155; // the local breakpoints (§17.2.4)
  if (cpu.breakpoints.armed) cpu.updateBreakpoints();
  cpu.updateMode();
  if (error >= 0) cpu.push(to.bits, BigInt(error));
  if (trap) {
    r.u32[STATE.dr / 4 + 12] = r.u32[STATE.dr / 4 + 12]! | 0x8000; // DR6.BT
    cpu.raise(VECTOR.db);
  }
}

/** LDTR and the segment registers of the new task (SDM vol. 3 table 7-1). What cannot be loaded is left null. */
function loadSegments(cpu: Cpu, selectors: readonly number[], ldt: number, ext: number): void {
  const [es, cs, ss, ds, fs = 0, gs = 0] = selectors as [number, number, number, number, number?, number?];
  const all: readonly (readonly [number, number])[] = [
    [SEGREG.ds, ds],
    [SEGREG.es, es],
    [SEGREG.fs, fs],
    [SEGREG.gs, gs],
  ];
  setNull(cpu, SEGREG.ldtr, ldt);
  if (cpu.v86) {
    cpu.cpl = 3;
    for (const [n, selector] of all) setV86(cpu, n, selector);
    setV86(cpu, SEGREG.ss, ss);
    setV86(cpu, SEGREG.cs, cs);
    cpu.updateMode();
    loadLdtr(cpu, ldt, VECTOR.ts);
    return;
  }
  const cpl = cs & 3;
  cpu.cpl = cpl;
  for (const [n, selector] of all) setNull(cpu, n, selector);
  setNull(cpu, SEGREG.ss, ss, cpl);
  cpu.updateMode();
  loadLdtr(cpu, ldt, VECTOR.ts);
  const error = (cs & 0xfffc) | ext;
  if (isNull(cs)) cpu.raise(VECTOR.ts, ext);
  const code = readDescriptor(cpu, cs, VECTOR.ts, ext);
  if (!code.isCode || (code.isConforming ? code.dpl > cpl : code.dpl !== cpl)) cpu.raise(VECTOR.ts, error);
  if (!code.present) cpu.raise(VECTOR.np, error);
  markAccessed(cpu, code);
  setCode(cpu, cs, code, cpl);
  loadSegment(cpu, SEGREG.ss, ss, VECTOR.ts);
  cpu.updateMode();
  for (const [n, selector] of all) loadSegment(cpu, n, selector, VECTOR.ts);
}
