export { SoftAccelerator } from './accelerator.ts';
export { softModule } from './module.ts';
export { SoftVcpu } from './vcpu.ts';
