import type { Accelerator, CpuBus } from '@mainboard/core';
import { type CpuModelName, cpuModel, DEFAULT_CPU } from './cpu-models.ts';
import type { JitMode } from './jit/jit-mode.ts';
import { SoftVcpu } from './vcpu.ts';

export interface SoftOptions {
  /** `on` (the default) compiles what runs often, `off` leaves all to the interpreter, `eager` compiles at first sight, for tests. */
  readonly jit?: JitMode;
  /** What the guest finds: `max` unless given; see {@link CPU_MODELS}. */
  readonly cpu?: CpuModelName;
}

/** Runs processors in software: any host, Node or browser. */
export class SoftAccelerator implements Accelerator {
  readonly name = 'soft';
  readonly #jit: JitMode;
  readonly #cpu: CpuModelName;
  #bus: CpuBus | undefined;

  constructor({ jit = 'on', cpu = DEFAULT_CPU }: SoftOptions = {}) {
    this.#jit = jit;
    this.#cpu = cpu;
  }

  attach(bus: CpuBus): void {
    this.#bus = bus;
  }

  createVcpu(index: number): SoftVcpu {
    if (!this.#bus) throw new Error('createVcpu before attach');
    return new SoftVcpu(index, this.#bus, this.#jit, cpuModel(this.#cpu));
  }

  dispose(): void {
    this.#bus = undefined;
  }
}
