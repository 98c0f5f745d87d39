import type { Accelerator, CpuBus } from '@mainboard/core';
import { SoftVcpu } from './vcpu.ts';

/** Runs processors in software: any host, Node or browser. */
export class SoftAccelerator implements Accelerator {
  readonly name = 'soft';
  #bus: CpuBus | undefined;

  attach(bus: CpuBus): void {
    this.#bus = bus;
  }

  createVcpu(index: number): SoftVcpu {
    if (!this.#bus) throw new Error('createVcpu before attach');
    return new SoftVcpu(index, this.#bus);
  }

  dispose(): void {
    this.#bus = undefined;
  }
}
