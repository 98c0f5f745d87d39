import { isCanonicalHigh } from '../canonical.ts';
import type { Cpu } from '../cpu.ts';
import { MSR_WORD } from '../msr.ts';
import { EFER, SEGREG } from '../registers.ts';
import { FLAG, GPR, SEGMENT, STATE } from '../state.ts';
import type { Escape } from './escape.ts';

/** Access rights of the flat segments that these instructions load without reading a descriptor. */
const CODE64 = 0xa09b;
const CODE32 = 0xc09b;
const DATA = 0xc093;
const R11 = 11;

function flat(cpu: Cpu, n: number, selector: number, rights: number, cpl: number): void {
  const base = (STATE.segments + n * SEGMENT.size + SEGMENT.base) / 4;
  if (n === SEGREG.cs && (cpu.r.u32[base]! | cpu.r.u32[base + 1]!) !== 0) cpu.forgetJumps();
  cpu.r.setSegment(n, (selector & 0xfffc) | cpl, 0n, 0xffff_ffff, rights | (cpl << 5));
}

/** Changes the level, with flat code and stack segments. */
function enter(cpu: Cpu, cs: number, ss: number, codeRights: number, cpl: number): void {
  flat(cpu, SEGREG.cs, cs, codeRights, cpl);
  flat(cpu, SEGREG.ss, ss, DATA, cpl);
  cpu.cpl = cpl;
  cpu.updateMode();
}

const RIP = STATE.rip / 4;

/** SYSCALL (SDM vol. 2; outside 64-bit mode as AMD's, AMD APM vol. 3). */
const syscall: Escape = cpu => {
  const { r } = cpu;
  const { words } = cpu.msrs;
  if (!(r.efer & EFER.sce) || !cpu.protectedMode) cpu.ud();
  const cs = words[MSR_WORD.star + 1]! & 0xffff;
  const { u32 } = r;
  if (cpu.longMode) {
    const target = cpu.bits64 ? MSR_WORD.lstar : MSR_WORD.cstar;
    const flags = r.flags & ~FLAG.rf;
    u32[2 * GPR.rcx] = u32[STATE.nextRip / 4]!;
    u32[2 * GPR.rcx + 1] = u32[STATE.nextRip / 4 + 1]!;
    r.setGpr32(R11, flags);
    r.flags = flags & ~words[MSR_WORD.fmask]!;
    enter(cpu, cs, cs + 8, CODE64, 0);
    u32[RIP] = words[target]!;
    u32[RIP + 1] = words[target + 1]!;
    return cpu.jumped();
  }
  r.setGpr32(GPR.rcx, u32[STATE.nextRip / 4]!);
  r.flags = r.flags & ~(FLAG.vm | FLAG.if | FLAG.rf);
  enter(cpu, cs, cs + 8, CODE32, 0);
  u32[RIP] = words[MSR_WORD.star]!;
  u32[RIP + 1] = 0;
  return cpu.jumped();
};

/** SYSRET. To 64-bit code with REX.W, else to 32-bit code. */
const sysret: Escape = (cpu, i) => {
  const { r } = cpu;
  if (!(r.efer & EFER.sce) || !cpu.protectedMode) cpu.ud();
  cpu.requireCpl0();
  const cs = cpu.msrs.words[MSR_WORD.star + 1]! >>> 16;
  const long = i.opsize === 64;
  const { i32 } = r;
  if (long && !isCanonicalHigh(i32[2 * GPR.rcx + 1]!)) cpu.gp();
  // Outside IA-32e mode there is no R11: only IF is set (AMD APM vol. 3 SYSRET).
  if (cpu.longMode) r.flags = i32[2 * R11]! & 0x3c_7fd7 & ~(FLAG.rf | FLAG.vm);
  else r.setSystemFlag(FLAG.if, true);
  enter(cpu, long ? cs + 16 : cs, cs + 8, long ? CODE64 : CODE32, 3);
  i32[RIP] = i32[2 * GPR.rcx]!;
  i32[RIP + 1] = long ? i32[2 * GPR.rcx + 1]! : 0;
  return cpu.jumped();
};

const sysenter: Escape = cpu => {
  const { r } = cpu;
  const { words } = cpu.msrs;
  const cs = words[MSR_WORD.sysenterCs]! & 0xffff;
  if (!cpu.protectedMode || (cs & 0xfffc) === 0) cpu.gp();
  const long = cpu.longMode;
  r.setSystemFlag(FLAG.vm | FLAG.if | FLAG.rf, false);
  const { u32 } = r;
  u32[2 * GPR.rsp] = words[MSR_WORD.sysenterEsp]!;
  u32[2 * GPR.rsp + 1] = long ? words[MSR_WORD.sysenterEsp + 1]! : 0;
  enter(cpu, cs, cs + 8, long ? CODE64 : CODE32, 0);
  u32[RIP] = words[MSR_WORD.sysenterEip]!;
  u32[RIP + 1] = long ? words[MSR_WORD.sysenterEip + 1]! : 0;
  return cpu.jumped();
};

const sysexit: Escape = (cpu, i) => {
  const { r } = cpu;
  const cs = cpu.msrs.words[MSR_WORD.sysenterCs]! & 0xffff;
  if (!cpu.protectedMode || (cs & 0xfffc) === 0) cpu.gp();
  cpu.requireCpl0();
  const long = i.opsize === 64;
  const { i32 } = r;
  const ripHigh = long ? i32[2 * GPR.rdx + 1]! : 0;
  const rspHigh = long ? i32[2 * GPR.rcx + 1]! : 0;
  if (!(isCanonicalHigh(ripHigh) && isCanonicalHigh(rspHigh))) cpu.gp();
  i32[2 * GPR.rsp] = i32[2 * GPR.rcx]!;
  i32[2 * GPR.rsp + 1] = rspHigh;
  enter(cpu, cs + (long ? 32 : 16), cs + (long ? 40 : 24), long ? CODE64 : CODE32, 3);
  i32[RIP] = i32[2 * GPR.rdx]!;
  i32[RIP + 1] = ripHigh;
  return cpu.jumped();
};

export const fastSystemCall = { syscall, sysret, sysenter, sysexit };
