import type { Feature } from './isa/row.ts';

/** Features that bring no instruction: bits of control registers, of page tables, of MSRs. */
export type SystemFeature =
  | 'de'
  | 'nx'
  | 'pae'
  | 'pat'
  | 'pcid'
  | 'pdpe1gb'
  | 'pge'
  | 'pse'
  | 'pse36'
  | 'smep'
  | 'tsc_adjust'
  | 'umip'
  | 'vme'
  | 'xsaveerptr';

/** What a processor can have. */
export type CpuFeature = Feature | SystemFeature;

/** Places of a register in the answer of CPUID. */
export const EAX = 0;
export const EBX = 1;
export const ECX = 2;
export const EDX = 3;

/** A bit in an answer of CPUID; 7 and 0D are their first and second subleaf. */
export type CpuidBit = readonly [leaf: number, register: 0 | 1 | 2 | 3, bit: number];

/** Where CPUID tells of each feature (SDM vol. 2 CPUID; AMD APM vol. 3 appendix E). */
export const CPUID_BITS: Readonly<Record<CpuFeature, CpuidBit>> = {
  fpu: [1, EDX, 0],
  vme: [1, EDX, 1],
  de: [1, EDX, 2],
  pse: [1, EDX, 3],
  tsc: [1, EDX, 4],
  msr: [1, EDX, 5],
  pae: [1, EDX, 6],
  cx8: [1, EDX, 8],
  sep: [1, EDX, 11],
  pge: [1, EDX, 13],
  cmov: [1, EDX, 15],
  pat: [1, EDX, 16],
  pse36: [1, EDX, 17],
  clfsh: [1, EDX, 19],
  mmx: [1, EDX, 23],
  fxsr: [1, EDX, 24],
  sse: [1, EDX, 25],
  sse2: [1, EDX, 26],
  sse3: [1, ECX, 0],
  pclmulqdq: [1, ECX, 1],
  monitor: [1, ECX, 3],
  ssse3: [1, ECX, 9],
  cx16: [1, ECX, 13],
  pcid: [1, ECX, 17],
  'sse4.1': [1, ECX, 19],
  'sse4.2': [1, ECX, 20],
  movbe: [1, ECX, 22],
  popcnt: [1, ECX, 23],
  aes: [1, ECX, 25],
  xsave: [1, ECX, 26],
  rdrand: [1, ECX, 30],
  fsgsbase: [7, EBX, 0],
  tsc_adjust: [7, EBX, 1],
  bmi1: [7, EBX, 3],
  smep: [7, EBX, 7],
  bmi2: [7, EBX, 8],
  invpcid: [7, EBX, 10],
  rdseed: [7, EBX, 18],
  adx: [7, EBX, 19],
  smap: [7, EBX, 20],
  clflushopt: [7, EBX, 23],
  clwb: [7, EBX, 24],
  sha: [7, EBX, 29],
  umip: [7, ECX, 2],
  cet: [7, ECX, 7],
  rdpid: [7, ECX, 22],
  xsaveopt: [0xd, EAX, 0],
  xsavec: [0xd, EAX, 1],
  xsaves: [0xd, EAX, 3],
  lahf64: [0x8000_0001, ECX, 0],
  lzcnt: [0x8000_0001, ECX, 5],
  '3dnowprefetch': [0x8000_0001, ECX, 8],
  syscall: [0x8000_0001, EDX, 11],
  nx: [0x8000_0001, EDX, 20],
  pdpe1gb: [0x8000_0001, EDX, 26],
  rdtscp: [0x8000_0001, EDX, 27],
  lm: [0x8000_0001, EDX, 29],
  xsaveerptr: [0x8000_0008, EBX, 2],
  wbnoinvd: [0x8000_0008, EBX, 9],
};

/** Bits of leaf 1 EDX that AMD repeats in EDX of leaf 8000_0001. */
export const REPEATED = 0x0183_f3ff;
