import * as io from './abi/ioctls.ts';
import { Struct } from './abi/layout.ts';
import { kvmMsrEntry, kvmMsrs } from './abi/structs.ts';
import type { Descriptor } from './ioctl.ts';

const range = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);

/**
 * The model-specific registers that hold a processor's state (Intel SDM vol. 4 §2.1, AMD APM vol. 2 appendix A). EFER,
 * FS_BASE, GS_BASE and APIC_BASE travel with the other registers; KVM's own (0x4b564d00…) belong to an interface that
 * our CPUID does not announce. In the order of writing: the deadline counts from the time-stamp counter.
 */
const STATE_MSRS: readonly number[] = [
  0x10, // TIME_STAMP_COUNTER
  0x3b, // TSC_ADJUST
  0x48, // SPEC_CTRL
  ...range(0x174, 0x176), // SYSENTER_CS, _ESP, _EIP
  0x1a0, // MISC_ENABLE
  0x1d9, // DEBUGCTL
  ...range(0x200, 0x20f), // MTRR_PHYSBASE, _PHYSMASK
  0x250, // MTRR_FIX64K
  ...range(0x258, 0x259), // MTRR_FIX16K
  ...range(0x268, 0x26f), // MTRR_FIX4K
  0x277, // PAT
  0x2ff, // MTRR_DEF_TYPE
  0x6e0, // TSC_DEADLINE
  0xda0, // XSS
  ...range(0xc000_0081, 0xc000_0084), // STAR, LSTAR, CSTAR, FMASK
  0xc000_0102, // KERNEL_GS_BASE
  0xc000_0103, // TSC_AUX
];

/** The model-specific registers of one vCPU, those of the list that its KVM has. */
export class Msrs {
  readonly #vcpu: Descriptor;
  readonly #indices: readonly number[];

  constructor(vcpu: Descriptor) {
    this.#vcpu = vcpu;
    // KVM's own list leaves out the MTRRs, so each is asked for.
    this.#indices = STATE_MSRS.filter(index => vcpu.callStruct(io.KVM_GET_MSRS, buffer([[index, 0n]])) === 1);
  }

  read(): Map<number, bigint> {
    const entries = buffer(this.#indices.map(index => [index, 0n]));
    this.#vcpu.callStruct(io.KVM_GET_MSRS, entries);
    return new Map(
      this.#indices.map((index, i) => [
        index,
        entries.view.getBigUint64(kvmMsrs.size + i * kvmMsrEntry.size + kvmMsrEntry.fields.data.offset, true),
      ]),
    );
  }

  /** Writes those that this KVM has. A value that it refuses is left as it is, as on a processor without the feature. */
  write(values: ReadonlyMap<number, bigint>): void {
    let rest = this.#indices.filter(index => values.has(index));
    while (rest.length > 0) {
      const written = this.#vcpu.callStruct(io.KVM_SET_MSRS, buffer(rest.map(index => [index, values.get(index)!])));
      // KVM stops at the first that it refuses.
      rest = rest.slice(written + 1);
    }
  }
}

const buffer = (entries: readonly (readonly [index: number, data: bigint])[]): Struct<'nmsrs' | 'entries'> => {
  const msrs = new Struct(kvmMsrs, entries.length * kvmMsrEntry.size);
  msrs.set('nmsrs', entries.length);
  entries.forEach(([index, data], i) => {
    const at = kvmMsrs.size + i * kvmMsrEntry.size;
    msrs.view.setUint32(at, index, true);
    msrs.view.setBigUint64(at + kvmMsrEntry.fields.data.offset, data, true);
  });
  return msrs;
};
