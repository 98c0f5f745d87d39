import { KVM_CPUID_FLAG_SIGNIFCANT_INDEX } from './abi/constants.ts';
import { Struct } from './abi/layout.ts';
import { kvmCpuid2, kvmCpuidEntry2 } from './abi/structs.ts';

/** What CPUID answers to one leaf and subleaf. */
export interface CpuidEntry {
  function: number;
  index: number;
  /** KVM_CPUID_FLAG_*: whether the subleaf (ECX) counts. */
  flags: number;
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

/** What the shaped processor has around it. */
export interface CpuidSetting {
  readonly apicId: number;
  /** The kernel emulates a local APIC (in-kernel irqchip). */
  readonly localApic: boolean;
  /** KVM_CAP_TSC_DEADLINE_TIMER */
  readonly tscDeadline: boolean;
}

const bit = (n: number): number => (1 << n) >>> 0;

// Intel SDM vol. 2A, CPUID; AMD APM vol. 3 appendix E.
const LEAF_1_ECX_HIDDEN =
  bit(2) | // DTES64: debug store, part of performance monitoring
  bit(3) | // MONITOR/MWAIT: would stop the host's thread
  bit(4) | // DS-CPL
  bit(5) | // VMX: nested state is not part of CpuState
  bit(6) | // SMX
  bit(7) | // EIST
  bit(8) | // TM2
  bit(10) | // CNXT-ID
  bit(14) | // xTPR
  bit(15) | // PDCM
  bit(18) | // DCA
  bit(27); // OSXSAVE mirrors CR4; KVM keeps it up to date itself
const X2APIC = bit(21);
const TSC_DEADLINE = bit(24);
const HYPERVISOR = bit(31);
const LEAF_1_EDX_HIDDEN = bit(21) | bit(22) | bit(28) | bit(29) | bit(31); // DS, ACPI, HTT (one processor), TM, PBE
const APIC = bit(9);
const LEAF_7_EBX_HIDDEN = bit(2) | bit(12) | bit(15) | bit(25); // SGX, RDT monitoring and allocation, processor trace
const LEAF_7_ECX_HIDDEN = bit(4) | bit(5) | bit(7) | bit(30); // OSPKE mirrors CR4; WAITPKG; CET_SS; SGX_LC
// UINTR, architectural LBR, CET_IBT and AMX: their state is not part of CpuState.
const LEAF_7_EDX_HIDDEN = bit(5) | bit(19) | bit(20) | bit(22) | bit(24) | bit(25);
const LEAF_7_1_EAX_HIDDEN = bit(17) | bit(21); // FRED, AMX-FP16
/** Components of XSAVE that go with them: 17 and 18 of XCR0, and all of IA32_XSS. */
const XCR0_AMX = bit(17) | bit(18);
const XFD = bit(4);
const isHiddenComponent = (index: number, e: CpuidEntry): boolean =>
  index >= 2 && (index === 17 || index === 18 || (e.ecx & 1) === 1);
const AMD_ECX_HIDDEN = bit(1) | bit(2) | bit(3) | bit(10) | bit(12) | bit(23) | bit(24) | bit(28); // CmpLegacy, SVM, ExtApic, IBS, SKINIT, PerfCtr*
const TOPOLOGY_SMT = 1;
const TOPOLOGY_CORE = 2;
/** KVM's and other hypervisors' own leaves. */
const isHypervisorLeaf = (leaf: number): boolean => leaf >= 0x4000_0000 && leaf < 0x5000_0000;

/**
 * From what the host can give (KVM_GET_SUPPORTED_CPUID) to what the guest gets: one processor of one core, marked as
 * virtual, without features that nothing stands behind. KVM's signature leaf is left out, since we do not carry the
 * clocks and queues of its paravirtual interface from one accelerator to another.
 */
export const shapeCpuid = (supported: readonly CpuidEntry[], setting: CpuidSetting): CpuidEntry[] => {
  const shaped: CpuidEntry[] = [];
  for (const host of supported) {
    if (isHypervisorLeaf(host.function)) continue;
    if (host.function === 0xb || host.function === 0x1f) continue; // made anew below
    const entry = { ...host };
    shape(entry, setting);
    shaped.push(entry);
  }
  const maximum = supported.find(e => e.function === 0)?.eax ?? 0;
  for (const leaf of [0xb, 0x1f]) if (maximum >= leaf) shaped.push(...topology(leaf, setting.apicId));
  return shaped;
};

const shape = (e: CpuidEntry, { apicId, localApic, tscDeadline }: CpuidSetting): void => {
  switch (e.function) {
    case 0x1:
      // Initial APIC id 31:24, logical processors 23:16, CLFLUSH line 15:8, brand 7:0.
      e.ebx = ((apicId << 24) | (1 << 16) | (e.ebx & 0xffff)) >>> 0;
      e.ecx = ((e.ecx & ~LEAF_1_ECX_HIDDEN & ~X2APIC & ~TSC_DEADLINE) | HYPERVISOR) >>> 0;
      e.edx = (e.edx & ~LEAF_1_EDX_HIDDEN) >>> 0;
      if (localApic) e.ecx = (e.ecx | X2APIC | (tscDeadline ? TSC_DEADLINE : 0)) >>> 0;
      else e.edx = (e.edx & ~APIC) >>> 0;
      break;
    case 0x4:
    case 0x8000_001d:
      // Cores per package less one 31:26 (Intel), processors that share the cache less one 25:14.
      e.eax &= 0x3fff;
      break;
    case 0x6:
      // ARAT, the one bit that KVM offers, is about the APIC's timer.
      e.eax = localApic ? e.eax & bit(2) : 0;
      e.ebx = e.ecx = e.edx = 0;
      break;
    case 0x7:
      if (e.index === 1) e.eax = (e.eax & ~LEAF_7_1_EAX_HIDDEN) >>> 0;
      if (e.index !== 0) break;
      e.ebx = (e.ebx & ~LEAF_7_EBX_HIDDEN) >>> 0;
      e.ecx = (e.ecx & ~LEAF_7_ECX_HIDDEN) >>> 0;
      e.edx = (e.edx & ~LEAF_7_EDX_HIDDEN) >>> 0;
      break;
    case 0xd:
      if (e.index === 0) e.eax = (e.eax & ~XCR0_AMX) >>> 0;
      else if (e.index === 1) {
        e.eax = (e.eax & ~XFD) >>> 0;
        e.ecx = e.edx = 0;
      } else if (isHiddenComponent(e.index, e)) e.eax = e.ebx = e.ecx = e.edx = 0;
      break;
    case 0x5: // MONITOR
    case 0xa: // performance monitoring
    case 0xf: // resource director monitoring
    case 0x10: // resource director allocation
    case 0x12: // SGX
    case 0x14: // processor trace
    case 0x8000_000a: // SVM
    case 0x8000_001b: // IBS
    case 0x8000_001e: // extended APIC id and topology
    case 0x8000_001f: // memory encryption
    case 0x8000_0022: // AMD performance monitoring
      e.eax = e.ebx = e.ecx = e.edx = 0;
      break;
    case 0x8000_0001:
      e.ecx = (e.ecx & ~AMD_ECX_HIDDEN) >>> 0;
      if (!localApic) e.edx = (e.edx & ~APIC) >>> 0;
      break;
    case 0x8000_0008:
      // Number of threads less one 7:0, APIC id size 15:12.
      e.ecx = 0;
      break;
  }
};

/** Leaves 0BH and 1FH: one thread in one core (Intel SDM vol. 2A, CPUID). */
const topology = (leaf: number, apicId: number): CpuidEntry[] => {
  const level = (index: number, kind: number): CpuidEntry => ({
    function: leaf,
    index,
    flags: KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
    eax: 0,
    ebx: kind === 0 ? 0 : 1,
    ecx: (kind << 8) | index,
    edx: apicId,
  });
  return [level(0, TOPOLOGY_SMT), level(1, TOPOLOGY_CORE), level(2, 0)];
};

const entrySize = kvmCpuidEntry2.size;
const { function: leaf, index, flags, eax, ebx, ecx, edx } = kvmCpuidEntry2.fields;

/** The argument of KVM_GET_SUPPORTED_CPUID with room for `count` entries. */
export const cpuidBuffer = (count: number): Struct<'nent' | 'entries'> => {
  const buffer = new Struct(kvmCpuid2, count * entrySize);
  buffer.set('nent', count);
  return buffer;
};

export const readCpuid = (buffer: Struct<'nent' | 'entries'>): CpuidEntry[] =>
  Array.from({ length: buffer.get('nent') }, (_, i) => {
    const u32 = (field: { offset: number }): number =>
      buffer.view.getUint32(kvmCpuid2.size + i * entrySize + field.offset, true);
    return {
      function: u32(leaf),
      index: u32(index),
      flags: u32(flags),
      eax: u32(eax),
      ebx: u32(ebx),
      ecx: u32(ecx),
      edx: u32(edx),
    };
  });

export const writeCpuid = (entries: readonly CpuidEntry[]): Struct<'nent' | 'entries'> => {
  const buffer = cpuidBuffer(entries.length);
  entries.forEach((e, i) => {
    const put = (field: { offset: number }, value: number): void =>
      buffer.view.setUint32(kvmCpuid2.size + i * entrySize + field.offset, value, true);
    put(leaf, e.function);
    put(index, e.index);
    put(flags, e.flags);
    put(eax, e.eax);
    put(ebx, e.ebx);
    put(ecx, e.ecx);
    put(edx, e.edx);
  });
  return buffer;
};
