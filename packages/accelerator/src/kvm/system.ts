import { KVM_API_VERSION, KVM_CAP } from './abi/constants.ts';
import * as io from './abi/ioctls.ts';
import { Struct } from './abi/layout.ts';
import { kvmMsrList } from './abi/structs.ts';
import { type CpuidEntry, cpuidBuffer, readCpuid } from './cpuid.ts';
import { KvmError, openError } from './errors.ts';
import { Descriptor } from './ioctl.ts';
import { E2BIG, errnoName, type Libc, openLibc } from './libc.ts';

const O_RDWR = 2;
const O_CLOEXEC = 0o2000000;

/** What we cannot do without, each with the kernel that brought it. */
const REQUIRED: readonly (readonly [keyof typeof KVM_CAP, string])[] = [
  ['USER_MEMORY', '2.6.25'],
  ['SET_TSS_ADDR', '2.6.26'],
  ['EXT_CPUID', '2.6.26'],
  ['DESTROY_MEMORY_REGION_WORKS', '2.6.29'],
  ['USER_NMI', '2.6.29'],
  ['VCPU_EVENTS', '2.6.33'],
  ['DEBUGREGS', '2.6.35'],
  ['IMMEDIATE_EXIT', '4.13'],
];

/** The first of KVM's three levels: what the host's KVM is and can do (`/dev/kvm`). */
export class KvmSystem {
  readonly libc: Libc;
  readonly #kvm: Descriptor;

  /** @throws {@link KvmError} with what to do when KVM is missing, forbidden or too old. */
  constructor(path = '/dev/kvm') {
    this.libc = openLibc();
    // SAFETY: a C string that koffi makes for the call.
    const fd = this.libc.open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) throw openError(errnoName(this.libc.errno()));
    this.#kvm = new Descriptor(this.libc, fd);
    try {
      this.#requireApi();
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  apiVersion(): number {
    return this.#kvm.call(io.KVM_GET_API_VERSION);
  }

  /** @returns 0 when the extension is missing; else 1, or the number that it stands for. */
  extension(name: keyof typeof KVM_CAP): number {
    return this.#kvm.call(io.KVM_CHECK_EXTENSION, KVM_CAP[name]);
  }

  /** All the extensions that we know by name. */
  extensions(): Record<keyof typeof KVM_CAP, number> {
    const names = Object.keys(KVM_CAP) as (keyof typeof KVM_CAP)[];
    return Object.fromEntries(names.map(name => [name, this.extension(name)])) as Record<keyof typeof KVM_CAP, number>;
  }

  /** CPUID as the host's processor and KVM together can give it to a guest. */
  supportedCpuid(): CpuidEntry[] {
    for (let room = 128; ; room *= 2) {
      const buffer = cpuidBuffer(room);
      const errno = this.#kvm.tryStruct(io.KVM_GET_SUPPORTED_CPUID, buffer);
      if (errno === 0) return readCpuid(buffer);
      if (errno !== E2BIG || room > 4096)
        throw new KvmError('system-call', `KVM does not tell its CPUID (${errnoName(errno)}).`, errnoName(errno));
    }
  }

  /** Numbers of the model-specific registers that KVM saves and restores. */
  msrIndices(): Set<number> {
    // A list without room is refused and comes back with the room it needs.
    const probe = new Struct(kvmMsrList);
    this.#kvm.tryStruct(io.KVM_GET_MSR_INDEX_LIST, probe);
    const list = new Struct(kvmMsrList, 4 * probe.get('nmsrs'));
    list.set('nmsrs', probe.get('nmsrs'));
    this.#kvm.callStruct(io.KVM_GET_MSR_INDEX_LIST, list);
    return new Set(Array.from({ length: list.get('nmsrs') }, (_, i) => list.view.getUint32(4 + 4 * i, true)));
  }

  /** Bytes of a vCPU's shared area: `struct kvm_run` and the pages behind it. */
  vcpuMmapSize(): number {
    return this.#kvm.call(io.KVM_GET_VCPU_MMAP_SIZE);
  }

  /** @returns a new VM's descriptor, which the caller closes. */
  createVm(): Descriptor {
    return new Descriptor(this.libc, this.#kvm.call(io.KVM_CREATE_VM));
  }

  dispose(): void {
    this.#kvm.close();
  }

  #requireApi(): void {
    const version = this.apiVersion();
    if (version !== KVM_API_VERSION)
      throw new KvmError(
        'kvm-too-old',
        `KVM has API version ${version}; ${KVM_API_VERSION} is needed. Use --accel soft.`,
      );
    for (const [name, since] of REQUIRED)
      if (this.extension(name) === 0)
        throw new KvmError(
          'kvm-too-old',
          `KVM lacks KVM_CAP_${name}: a Linux kernel of version ${since} or newer is needed. Use --accel soft.`,
        );
  }
}
