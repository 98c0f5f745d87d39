export { SoftAccelerator, type SoftOptions } from './accelerator.ts';
export type { JitMode } from './jit/jit.ts';
export { softModule, softModuleWith } from './module.ts';
export { SoftVcpu } from './vcpu.ts';
