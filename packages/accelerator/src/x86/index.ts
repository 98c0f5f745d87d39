export { SoftAccelerator, type SoftOptions } from './accelerator.ts';
export { CPU_MODELS, type CpuModel, type CpuModelName, DEFAULT_CPU } from './cpu-models.ts';
export type { JitMode } from './jit/jit-mode.ts';
export { softModule, softModuleWith } from './module.ts';
export { SoftVcpu } from './vcpu.ts';
