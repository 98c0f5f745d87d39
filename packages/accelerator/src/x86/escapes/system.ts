import { isCanonical } from '../canonical.ts';
import type { Cpu } from '../cpu.ts';
import { type Decoded, SEG } from '../decode/decoded.ts';
import { MSR } from '../msr.ts';
import { CR4 } from '../registers.ts';
import { GPR } from '../state.ts';
import type { Escape } from './escape.ts';

const nothing: Escape = () => {};
/** CLFLUSH and its kin fault as a load of a byte does (SDM vol. 2 CLFLUSH). */
const cacheLine: Escape = (cpu, i) => cpu.probeRead(cpu.address(i, 1, false), 1);
const undefinedOpcode: Escape = cpu => cpu.ud();
/** Caches do not show in our memory: only the privilege counts. */
const cacheControl: Escape = cpu => cpu.requireCpl0();

const segmentBase = (cpu: Cpu, { seg }: Decoded): bigint => (cpu.bits64 && seg < SEG.fs ? 0n : cpu.r.base(seg));

const flushPage = (cpu: Cpu, linear: bigint): void =>
  cpu.flushPage(Number(BigInt.asIntN(32, linear)), Number(BigInt.asIntN(32, linear >> 32n)));

/** What INVPCID is to forget (SDM vol. 2). It may forget more, as it does of a context that is not the current one. */
const INVPCID = { address: 0, context: 1, all: 2, allContexts: 3 } as const;
const invpcid: Escape = (cpu: Cpu, i: Decoded) => {
  cpu.requireCpl0();
  const { r } = cpu;
  const kind = cpu.read(i, 0);
  const at = cpu.address(i, 16, false);
  const pcid = cpu.load64(at);
  const linear = cpu.load64(at + 8n);
  if (kind > INVPCID.allContexts || pcid > 0xfffn) cpu.gp();
  if (kind <= INVPCID.context && pcid !== 0n && !(r.cr4 & CR4.pcide)) cpu.gp();
  const { contexts } = cpu.mmu.tlb;
  if (kind === BigInt(INVPCID.all)) cpu.flushTlb();
  else if (kind === BigInt(INVPCID.allContexts)) {
    contexts.forgetOthers();
    cpu.contextChanged(false);
  } else if (kind === BigInt(INVPCID.address) && !isCanonical(linear)) cpu.gp();
  else if (Number(pcid) !== contexts.current.pcid) contexts.find(Number(pcid))?.forget();
  else if (kind === BigInt(INVPCID.context)) cpu.contextChanged(false);
  else flushPage(cpu, linear);
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
    flushPage(cpu, BigInt.asUintN(cpu.bits64 ? 64 : 32, cpu.offset(i) + segmentBase(cpu, i)));
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
