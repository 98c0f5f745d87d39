export { KvmAccelerator, type KvmOptions } from './accelerator.ts';
export { BareBus } from './bare-bus.ts';
export { KvmError, type KvmErrorCode } from './errors.ts';
export { FLAT, type FlatMode, flatState, writeFlatTables } from './flat-modes.ts';
export { kvmModule } from './module.ts';
export { inspectKvm, type KvmProbe, probeKvm } from './probe.ts';
export { KvmSystem } from './system.ts';
export { KvmVcpu } from './vcpu.ts';
export { KvmVm } from './vm.ts';
