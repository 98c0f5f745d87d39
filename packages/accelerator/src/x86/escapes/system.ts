import { GPR } from '../state.ts';
import type { Escape } from './escape.ts';

const nothing: Escape = () => {};
const undefinedOpcode: Escape = cpu => cpu.ud();
/** Caches do not show in our memory: only the privilege counts. */
const cacheControl: Escape = cpu => cpu.requireCpl0();

export const system = {
  hlt: cpu => {
    cpu.requireCpl0();
    cpu.halted = true;
    return cpu.leave();
  },
  cpuid: cpu => {
    const { r } = cpu;
    const [eax, ebx, ecx, edx] = cpu.cpuid.read(r.gpr32(GPR.rax), r.gpr32(GPR.rcx), r.cr4);
    r.setGpr32(GPR.rax, eax);
    r.setGpr32(GPR.rbx, ebx);
    r.setGpr32(GPR.rcx, ecx);
    r.setGpr32(GPR.rdx, edx);
  },
  invlpg: (cpu, i) => {
    cpu.requireCpl0();
    const offset = cpu.offset(i);
    const linear = cpu.bits64 && i.seg < 4 ? offset : offset + cpu.r.base(i.seg);
    cpu.flushPage(Number(linear & 0xffff_ffffn) | 0);
    return cpu.leave();
  },
  invd: cacheControl,
  wbinvd: cacheControl,
  /** Faults as a load of a byte does (SDM vol. 2 CLFLUSH). */
  clflush: (cpu, i) => cpu.probeRead(cpu.address(i, 1, false), 1),
  lfence: nothing,
  mfence: nothing,
  sfence: nothing,
  pause: nothing,
  prefetchnta: nothing,
  prefetcht0: nothing,
  prefetcht1: nothing,
  prefetcht2: nothing,
  ud0: undefinedOpcode,
  ud1: undefinedOpcode,
  ud2: undefinedOpcode,
  /** Outside system-management mode, which we do not have. */
  rsm: undefinedOpcode,
} satisfies Record<string, Escape>;
