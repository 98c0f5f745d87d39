import { type Cpu, isCanonical } from '../cpu.ts';
import { MSR } from '../msr.ts';
import { EFER, SEGREG } from '../registers.ts';
import { FLAG, GPR } from '../state.ts';
import type { Escape } from './escape.ts';

/** Access rights of the flat segments that these instructions load without reading a descriptor. */
const CODE64 = 0xa09b;
const CODE32 = 0xc09b;
const DATA = 0xc093;

function flat(cpu: Cpu, n: number, selector: number, rights: number, cpl: number): void {
  if (n === SEGREG.cs && cpu.r.base(n) !== 0n) cpu.forgetJumps();
  cpu.r.setSegment(n, (selector & 0xfffc) | cpl, 0n, 0xffff_ffff, rights | (cpl << 5));
}

/** Changes the level, with flat code and stack segments. */
function enter(cpu: Cpu, cs: number, ss: number, codeRights: number, cpl: number): void {
  flat(cpu, SEGREG.cs, cs, codeRights, cpl);
  flat(cpu, SEGREG.ss, ss, DATA, cpl);
  cpu.cpl = cpl;
  cpu.updateMode();
}

/** SYSCALL (SDM vol. 2; outside 64-bit mode as AMD's, AMD APM vol. 3). */
const syscall: Escape = cpu => {
  const { r, msrs } = cpu;
  if (!(r.efer & EFER.sce) || !cpu.protectedMode) cpu.ud();
  const star = msrs.get(MSR.star);
  const cs = Number((star >> 32n) & 0xffffn);
  if (cpu.longMode) {
    const target = msrs.get(cpu.bits64 ? MSR.lstar : MSR.cstar);
    const flags = r.flags & ~FLAG.rf;
    r.setGpr64(GPR.rcx, cpu.nextRip);
    r.setGpr64(11, BigInt(flags));
    r.flags = flags & ~Number(msrs.get(MSR.fmask) & 0xffff_ffffn);
    enter(cpu, cs, cs + 8, CODE64, 0);
    return cpu.jump(target);
  }
  r.setGpr32(GPR.rcx, Number(cpu.nextRip));
  r.flags = r.flags & ~(FLAG.vm | FLAG.if | FLAG.rf);
  enter(cpu, cs, cs + 8, CODE32, 0);
  return cpu.jump(star & 0xffff_ffffn);
};

/** SYSRET. To 64-bit code with REX.W, else to 32-bit code. */
const sysret: Escape = (cpu, i) => {
  const { r, msrs } = cpu;
  if (!(r.efer & EFER.sce) || !cpu.protectedMode) cpu.ud();
  cpu.requireCpl0();
  const cs = Number((msrs.get(MSR.star) >> 48n) & 0xffffn);
  const long = i.opsize === 64;
  const target = long ? r.gpr64(GPR.rcx) : BigInt(r.gpr32(GPR.rcx));
  if (long && !isCanonical(target)) cpu.gp();
  // Outside IA-32e mode there is no R11: only IF is set (AMD APM vol. 3 SYSRET).
  if (cpu.longMode) r.flags = Number(r.gpr64(11) & 0x3c_7fd7n) & ~(FLAG.rf | FLAG.vm);
  else r.setSystemFlag(FLAG.if, true);
  enter(cpu, long ? cs + 16 : cs, cs + 8, long ? CODE64 : CODE32, 3);
  return cpu.jump(target);
};

const sysenter: Escape = cpu => {
  const { r, msrs } = cpu;
  const cs = Number(msrs.get(MSR.sysenterCs) & 0xffffn);
  if (!cpu.protectedMode || (cs & 0xfffc) === 0) cpu.gp();
  const long = cpu.longMode;
  const mask = long ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn;
  r.setSystemFlag(FLAG.vm | FLAG.if | FLAG.rf, false);
  r.rsp = msrs.get(MSR.sysenterEsp) & mask;
  enter(cpu, cs, cs + 8, long ? CODE64 : CODE32, 0);
  return cpu.jump(msrs.get(MSR.sysenterEip) & mask);
};

const sysexit: Escape = (cpu, i) => {
  const { r, msrs } = cpu;
  const cs = Number(msrs.get(MSR.sysenterCs) & 0xffffn);
  if (!cpu.protectedMode || (cs & 0xfffc) === 0) cpu.gp();
  cpu.requireCpl0();
  const long = i.opsize === 64;
  const [rip, rsp] = [r.gpr(GPR.rdx, long ? 64 : 32), r.gpr(GPR.rcx, long ? 64 : 32)];
  if (long && !(isCanonical(rip) && isCanonical(rsp))) cpu.gp();
  r.rsp = rsp;
  enter(cpu, cs + (long ? 32 : 16), cs + (long ? 40 : 24), long ? CODE64 : CODE32, 3);
  return cpu.jump(rip);
};

export const fastSystemCall = { syscall, sysret, sysenter, sysexit };
