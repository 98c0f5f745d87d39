import type { CpuFeature } from './cpuid-bits.ts';

/** What tells one processor from another, as far as a program can see it. */
export interface CpuModel {
  /** As `--cpu` has it. */
  readonly name: string;
  /** One line for a list of models. */
  readonly summary: string;
  /** Twelve letters of leaf 0. */
  readonly vendor: 'AuthenticAMD' | 'GenuineIntel';
  /** Family, model and stepping as EAX of leaf 1 spells them; also rDX after a reset. */
  readonly signature: number;
  /** Up to 48 letters of leaves 8000_0002 to 8000_0004; empty: the processor has no such leaves. */
  readonly brand: string;
  /** Bits of a physical address, 32 to 40; more in an entry of a page table are reserved and fault. */
  readonly physicalBits: number;
  /** A feature is listed once everything behind its CPUID bit works. */
  readonly features: ReadonlySet<CpuFeature>;
}

/** A Pentium III (Coppermine): the last model that 32-bit systems of its time know well. */
const PENTIUM_3: readonly CpuFeature[] = [
  ...(['fpu', 'vme', 'de', 'pse', 'tsc', 'msr', 'pae', 'cx8', 'sep', 'pge', 'cmov', 'pat', 'pse36'] as const),
  ...(['mmx', 'fxsr', 'sse'] as const),
];

/** The baseline of the x86-64 psABI. */
const X86_64: readonly CpuFeature[] = [
  ...PENTIUM_3,
  ...(['clfsh', 'sse2', 'lm', 'syscall', 'nx', 'tsc_adjust'] as const),
];

/** Level 2 of the x86-64 psABI. */
const X86_64_V2: readonly CpuFeature[] = [
  ...X86_64,
  ...(['cx16', 'lahf64', 'popcnt', 'sse3', 'ssse3', 'sse4.1', 'sse4.2'] as const),
];

const MAX: readonly CpuFeature[] = [
  ...X86_64_V2,
  ...(['lzcnt', 'movbe', 'bmi1', 'bmi2', 'adx', 'rdtscp', 'rdpid', 'fsgsbase', 'xsave', 'xsaveopt'] as const),
  ...(['aes', 'pclmulqdq', 'sha', 'clflushopt', 'clwb', '3dnowprefetch', 'wbnoinvd'] as const),
  ...(['smep', 'smap', 'umip', 'pcid', 'invpcid', 'pdpe1gb', 'xsaveerptr'] as const),
];

/** GUEST: Linux does not isolate page tables from user code on AMD, and expects little of a K8. */
const K8 = {
  vendor: 'AuthenticAMD',
  signature: 0x0006_0fb1, // family 15, model 107, stepping 1
  brand: 'Mainboard software CPU',
  physicalBits: 40,
} as const;

/** Least first. */
export const CPU_MODELS = [
  {
    name: 'pentium3',
    summary: 'a 32-bit processor with SSE, without NX',
    vendor: 'GenuineIntel',
    signature: 0x0000_0683, // family 6, model 8, stepping 3
    brand: '',
    physicalBits: 36,
    features: new Set(PENTIUM_3),
  },
  { name: 'x86-64', summary: 'the first 64-bit processors: SSE2, NX', ...K8, features: new Set(X86_64) },
  {
    name: 'x86-64-v2',
    summary: 'up to SSE4.2, POPCNT and CMPXCHG16B',
    ...K8,
    features: new Set(X86_64_V2),
  },
  { name: 'max', summary: 'everything that the software CPU can do', ...K8, features: new Set(MAX) },
] as const satisfies readonly CpuModel[];

/** Names of {@link CPU_MODELS}. */
export type CpuModelName = (typeof CPU_MODELS)[number]['name'];

/**
 * The model that a machine has unless told otherwise: everything. A guest asks CPUID before it uses a feature, and one
 * that finds more is no slower.
 */
export const DEFAULT_CPU = 'max';

/** The model of a name. */
export const cpuModel = (name: CpuModelName): CpuModel => CPU_MODELS.find(model => model.name === name)!;
