import type { Accelerator, CpuBus } from '@mainboard/core';
import type { JitMode } from './jit/jit.ts';
import { SoftVcpu } from './vcpu.ts';

export interface SoftOptions {
  /** `off` (the default, while the compiler is young) leaves everything to the interpreter, `on` compiles what runs often, `eager` compiles at first sight, for tests. */
  readonly jit?: JitMode;
}

/** Runs processors in software: any host, Node or browser. */
export class SoftAccelerator implements Accelerator {
  readonly name = 'soft';
  readonly #jit: JitMode;
  #bus: CpuBus | undefined;

  constructor({ jit = 'off' }: SoftOptions = {}) {
    this.#jit = jit;
  }

  attach(bus: CpuBus): void {
    this.#bus = bus;
  }

  createVcpu(index: number): SoftVcpu {
    if (!this.#bus) throw new Error('createVcpu before attach');
    return new SoftVcpu(index, this.#bus, this.#jit);
  }

  dispose(): void {
    this.#bus = undefined;
  }
}
