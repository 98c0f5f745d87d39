import type { Accelerator, CpuBus } from '@mainboard/core';
import { KvmError } from './errors.ts';
import { KvmSystem } from './system.ts';
import { KvmVcpu } from './vcpu.ts';
import { KvmVm } from './vm.ts';

export interface KvmOptions {
  /** Where the interrupt controllers and the PIT live: devices of the board (default), or KVM's own in the kernel. */
  readonly irqchip?: 'board' | 'kernel';
}

/**
 * Runs one machine's processor on KVM, in the thread that makes it.
 *
 * NOT IMPLEMENTED: more than one vCPU.
 */
export class KvmAccelerator implements Accelerator {
  readonly name = 'kvm';
  readonly #system: KvmSystem;
  readonly #irqchip: boolean;
  readonly #vcpus: KvmVcpu[] = [];
  #vm: KvmVm | undefined;

  /** Opens /dev/kvm. @throws {@link KvmError} with what to do when that fails. */
  constructor({ irqchip = 'board' }: KvmOptions = {}) {
    this.#system = new KvmSystem();
    this.#irqchip = irqchip === 'kernel';
  }

  /** The VM, from {@link attach} to {@link dispose}: for the chips that live in it. */
  get vm(): KvmVm | undefined {
    return this.#vm;
  }

  attach(bus: CpuBus): void {
    if (this.#vm)
      throw new KvmError('wrong-state', 'This accelerator has its machine already; each needs one of its own.');
    this.#vm = new KvmVm(this.#system, bus, this.#irqchip);
  }

  createVcpu(index: number): KvmVcpu {
    if (!this.#vm)
      throw new KvmError('wrong-state', 'Attach the accelerator to its machine before it makes processors.');
    if (index !== 0)
      throw new KvmError(
        'unsupported',
        'KVM runs one processor for a machine so far; leave the others out of the board.',
      );
    const vcpu = new KvmVcpu(this.#vm, index);
    this.#vcpus.push(vcpu);
    return vcpu;
  }

  dispose(): void {
    for (const vcpu of this.#vcpus) vcpu.dispose();
    this.#vm?.dispose();
    this.#system.dispose();
  }
}
