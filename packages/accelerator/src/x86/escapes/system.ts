import { type Cpu, isCanonical } from '../cpu.ts';
import { BASE_RIP, type Decoded, SEG } from '../decode/decoded.ts';
import { MSR } from '../msr.ts';
import { CR4 } from '../registers.ts';
import { GPR, SEGMENT, STATE } from '../state.ts';
import type { Escape } from './escape.ts';

const nothing: Escape = () => {};
/** CLFLUSH and its kin fault as a load of a byte does (SDM vol. 2 CLFLUSH). */
const cacheLine: Escape = (cpu, i) => cpu.probeRead(cpu.address(i, 1, false), 1);
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

const segmentBase = (cpu: Cpu, { seg }: Decoded): bigint => (cpu.bits64 && seg < SEG.fs ? 0n : cpu.r.base(seg));

/** What INVPCID is to forget (SDM vol. 2). */
const INVPCID = { address: 0, context: 1, last: 3 } as const;
const invpcid: Escape = (cpu: Cpu, i: Decoded) => {
  cpu.requireCpl0();
  const { r } = cpu;
  const kind = cpu.read(i, 0);
  const at = cpu.address(i, 16, false);
  const pcid = cpu.load64(at);
  const linear = cpu.load64(at + 8n);
  if (kind > INVPCID.last || pcid > 0xfffn) cpu.gp();
  if (kind <= INVPCID.context && pcid !== 0n && !(r.cr4 & CR4.pcide)) cpu.gp();
  if (kind !== BigInt(INVPCID.address)) cpu.flushTlb();
  else {
    if (!isCanonical(linear)) cpu.gp();
    // Translations of other PCIDs are gone since the last MOV to CR3.
    cpu.flushPage(Number(BigInt.asIntN(32, linear)), Number(BigInt.asIntN(32, linear >> 32n)));
  }
  return cpu.leave();
};

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
    // Which of the addresses that share its low half counts only where pages are larger than what the low half tells.
    const high = cpu.mmu.hasHugePages ? Number(BigInt.asIntN(32, (cpu.offset(i) + segmentBase(cpu, i)) >> 32n)) : 0;
    cpu.flushPage(linearLow(cpu, i), high);
    return cpu.leave();
  },
  invd: cacheControl,
  wbinvd: cacheControl,
  invpcid,
  wbnoinvd: cacheControl,
  clflush: cacheLine,
  clflushopt: cacheLine,
  clwb: cacheLine,
  lfence: nothing,
  mfence: nothing,
  sfence: nothing,
  pause: nothing,
  prefetchnta: nothing,
  prefetcht0: nothing,
  prefetcht1: nothing,
  prefetcht2: nothing,
  prefetchw: nothing,
  rdpid: (cpu, i) => cpu.write(i, 0, BigInt.asUintN(i.operands[0].size, cpu.msrs.get(MSR.tscAux))),
  ud0: undefinedOpcode,
  ud1: undefinedOpcode,
  ud2: undefinedOpcode,
  /** Outside system-management mode, which we do not have. */
  rsm: undefinedOpcode,
} satisfies Record<string, Escape>;
