import type { Cpu } from '../cpu.ts';
import { BASE_RIP, type Decoded, SEG } from '../decode/decoded.ts';
import { GPR, SEGMENT, STATE } from '../state.ts';
import type { Escape } from './escape.ts';

const nothing: Escape = () => {};
const undefinedOpcode: Escape = cpu => cpu.ud();
/** Caches do not show in our memory: only the privilege counts. */
const cacheControl: Escape = cpu => cpu.requireCpl0();

/** Low half of the linear address of a memory operand; nothing is checked. */
function linearLow(cpu: Cpu, { disp, base, index, scale, asize, seg }: Decoded): number {
  const { i32 } = cpu.r;
  const from = base === BASE_RIP ? i32[STATE.nextRip / 4]! : base >= 0 ? i32[2 * base]! : 0;
  const offset = (((disp | 0) + from) | 0) + (index >= 0 ? i32[2 * index]! << scale : 0);
  const segment = cpu.bits64 && seg < SEG.fs ? 0 : i32[(STATE.segments + seg * SEGMENT.size + SEGMENT.base) / 4]!;
  return ((asize === 16 ? offset & 0xffff : offset) + segment) | 0;
}

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
    cpu.flushPage(linearLow(cpu, i));
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
