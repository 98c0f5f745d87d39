import { type CpuModel, cpuModel } from './cpu-models.ts';
import { CPUID_BITS, type CpuFeature, EAX, EDX, REPEATED } from './cpuid-bits.ts';
import { KVM_FEATURES } from './paravirtual-clock.ts';
import { CR4 } from './registers.ts';
import { XSAVE_SIZE, XSTATE } from './xsave-layout.ts';

/** Whether the processor of the model `max` has a CPUID feature. */
export const hasFeature = (feature: CpuFeature): boolean => cpuModel('max').features.has(feature);

/** Leaf 4000_0000: KVM's interface, of which {@link KVM_FEATURES} says how much there is. */
const HYPERVISOR = 'KVMKVMKVM';

/** EAX, EBX, ECX, EDX. */
export type CpuidResult = readonly [eax: number, ebx: number, ecx: number, edx: number];

const NOTHING: CpuidResult = [0, 0, 0, 0];
const word = (text: string, at: number): number =>
  [0, 1, 2, 3].reduce((n, i) => n | ((text.charCodeAt(at + i) || 0) << (8 * i)), 0);

/**
 * CPUID of a model (SDM vol. 2; AMD APM vol. 3 appendix E). Leaves that do not exist are zero, as AMD's are; so are
 * those that describe what we lack (caches, topology, monitor). Subleaves count where there are some: in 7 and 0D.
 */
export class Cpuid {
  readonly #leaves = new Map<number, number[]>();

  constructor({ vendor, signature, brand, physicalBits, features }: CpuModel) {
    const leaves = this.#leaves;
    const has = (feature: CpuFeature): boolean => features.has(feature);
    const identity = [word(vendor, 0), word(vendor, 8), word(vendor, 4)] as const;
    // The signature is the extended leaf's too; EBX: CLFLUSH lines of 8 × 8 bytes, one processor.
    const first = [signature, has('clfsh') ? 0x0001_0800 : 0, 1 << 31, 0];
    leaves.set(1, first);
    if (brand !== '') {
      leaves.set(0x8000_0001, [signature, 0, 0, 0]);
      for (let n = 0; n < 3; n++)
        leaves.set(
          0x8000_0002 + n,
          [0, 4, 8, 12].map(at => word(brand, 16 * n + at)),
        );
      // EDX: the time-stamp counter runs at one rate in every state.
      leaves.set(0x8000_0007, [0, 0, 0, 1 << 8]);
      leaves.set(0x8000_0008, [physicalBits | (48 << 8), 0, 0, 0]);
    }
    for (const feature of features) this.#set(feature);
    if (vendor === 'AuthenticAMD') leaves.get(0x8000_0001)![EDX]! |= first[EDX]! & REPEATED;
    // One descriptor that says nothing, once (SDM vol. 2 CPUID, leaf 2).
    else leaves.set(2, [1, 0, 0, 0]);
    leaves.set(0x4000_0000, [0x4000_0001, word(HYPERVISOR, 0), word(HYPERVISOR, 4), word(HYPERVISOR, 8)]);
    leaves.set(0x4000_0001, [KVM_FEATURES, 0, 0, 0]);
    const highest = Math.max(...[...leaves.keys()].filter(leaf => leaf < 0x4000_0000));
    leaves.set(0, [highest, ...identity]);
    if (brand !== '') leaves.set(0x8000_0000, [0x8000_0008, ...identity]);
  }

  #set(feature: CpuFeature): void {
    const [leaf, register, bit] = CPUID_BITS[feature];
    const answer = this.#leaves.get(leaf) ?? [0, 0, 0, 0];
    answer[register]! |= 1 << bit;
    this.#leaves.set(leaf, answer);
  }

  /** @param cr4 which leaf 1 mirrors in OSXSAVE. @param subleaf ECX. */
  read(leaf: number, subleaf: number, cr4: number): CpuidResult {
    const number = leaf >>> 0;
    const answer = this.#leaves.get(number);
    if (!answer) return NOTHING;
    if (number === 0xd) return this.#xsave(subleaf, answer[EAX]!);
    if (number === 7 && subleaf !== 0) return NOTHING;
    const [eax, ebx, ecx, edx] = answer as unknown as CpuidResult;
    return number === 1 && cr4 & CR4.osxsave ? [eax, ebx, ecx | OSXSAVE, edx] : [eax, ebx, ecx, edx];
  }

  /** Leaf 0D: what XSAVE saves. All of it lies in the legacy area, whatever XCR0 enables. */
  #xsave(subleaf: number, options: number): CpuidResult {
    if (subleaf === 0) return [XSTATE.x87 | XSTATE.sse, XSAVE_SIZE, XSAVE_SIZE, 0];
    return subleaf === 1 ? [options, 0, 0, 0] : NOTHING;
  }
}
const OSXSAVE = 1 << 27;
