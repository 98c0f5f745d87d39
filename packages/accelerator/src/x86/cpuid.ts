import type { Feature } from './isa/row.ts';
import { PHYSICAL_BITS } from './page-walk.ts';
import { KVM_FEATURES } from './paravirtual-clock.ts';

/** What the processor has. A feature is listed once everything behind its CPUID bit works. */
const FEATURES: ReadonlySet<Feature> = new Set<Feature>([
  'fpu',
  'tsc',
  'msr',
  'cx8',
  'sep',
  'cmov',
  'clfsh',
  'mmx',
  'fxsr',
  'sse',
  'sse2',
  'cx16',
  'movbe',
  'popcnt',
  'syscall',
  'lm',
  'lahf64',
  'lzcnt',
  'rdtscp',
]);

/** Whether the processor has a CPUID feature. Those without a row of their own (PSE, PAE, PGE, NX…) are in the leaves. */
export const hasFeature = (feature: Feature): boolean => FEATURES.has(feature);

/** An AMD family 15 (K8) part: GUEST: Linux does not isolate page tables from user code on AMD. */
const VENDOR = 'AuthenticAMD';
const BRAND = 'Mainboard software CPU';
/** Leaf 4000_0000: KVM's interface, of which {@link KVM_FEATURES} says how much there is. */
const HYPERVISOR = 'KVMKVMKVM';
/** Family 15, model 107, stepping 1, as EAX of leaf 1 spells it. */
const SIGNATURE = 0x0006_0fb1;

const bits = (...positions: number[]): number => positions.reduce((mask, n) => mask | (1 << n), 0);
const FPU = 0;
const DE = 2;
const PSE = 3;
const TSC = 4;
const MSR = 5;
const PAE = 6;
const CX8 = 8;
const SEP = 11;
const PGE = 13;
const CMOV = 15;
const PAT = 16;
const PSE36 = 17;
const CLFSH = 19;
const MMX = 23;
const FXSR = 24;
const SSE = 25;
const SSE2 = 26;
/** In EDX of both leaf 1 and leaf 8000_0001. */
const COMMON = bits(FPU, DE, PSE, TSC, MSR, PAE, CX8, PGE, CMOV, PAT, PSE36, MMX, FXSR);

/** Leaf 1 ECX: CMPXCHG16B, MOVBE, POPCNT, hypervisor present. */
const LEAF_1_ECX = bits(13, 22, 23, 31);
const LEAF_1_EDX = COMMON | bits(SEP, CLFSH, SSE, SSE2);
/** Leaf 8000_0001 ECX: LAHF in 64-bit mode, LZCNT. */
const LEAF_8000_0001_ECX = bits(0, 5);
/** Leaf 8000_0001 EDX: SYSCALL, NX, RDTSCP, long mode. */
const LEAF_8000_0001_EDX = COMMON | bits(11, 20, 27, 29);

/** EAX, EBX, ECX, EDX. */
export type CpuidResult = readonly [eax: number, ebx: number, ecx: number, edx: number];

const NOTHING: CpuidResult = [0, 0, 0, 0];
const word = (text: string, at: number): number =>
  [0, 1, 2, 3].reduce((n, i) => n | ((text.charCodeAt(at + i) || 0) << (8 * i)), 0);

const brand = (at: number): CpuidResult => [
  word(BRAND, at),
  word(BRAND, at + 4),
  word(BRAND, at + 8),
  word(BRAND, at + 12),
];

const LEAVES: ReadonlyMap<number, CpuidResult> = new Map<number, CpuidResult>([
  [0, [7, word(VENDOR, 0), word(VENDOR, 8), word(VENDOR, 4)]],
  // EBX: CLFLUSH lines of 8 × 8 bytes, one processor.
  [1, [SIGNATURE, 0x0001_0800, LEAF_1_ECX, LEAF_1_EDX]],
  // EBX: TSC_ADJUST. GUEST: Linux trusts the TSC without a second clock only then, and stops its tick when idle.
  [7, [0, bits(1), 0, 0]],
  [0x4000_0001, [KVM_FEATURES, 0, 0, 0]],
  [0x4000_0000, [0x4000_0001, word(HYPERVISOR, 0), word(HYPERVISOR, 4), word(HYPERVISOR, 8)]],
  [0x8000_0000, [0x8000_0008, word(VENDOR, 0), word(VENDOR, 8), word(VENDOR, 4)]],
  [0x8000_0001, [SIGNATURE, 0, LEAF_8000_0001_ECX, LEAF_8000_0001_EDX]],
  [0x8000_0002, brand(0)],
  [0x8000_0003, brand(16)],
  [0x8000_0004, brand(32)],
  // EDX: the time-stamp counter runs at one rate in every state.
  [0x8000_0007, [0, 0, 0, bits(8)]],
  [0x8000_0008, [PHYSICAL_BITS | (48 << 8), 0, 0, 0]],
]);

/**
 * CPUID (SDM vol. 2; AMD APM vol. 3 appendix E). Leaves that do not exist are zero, as AMD's are; so are those that
 * describe what we lack (caches, topology, monitor, XSAVE).
 */
export const cpuid = (leaf: number, subleaf = 0): CpuidResult =>
  leaf === 7 && subleaf !== 0 ? NOTHING : (LEAVES.get(leaf >>> 0) ?? NOTHING);
