import type { Layout } from './layout.ts';
import * as s from './structs.ts';

/** An ioctl request: its name for messages, its number, and the struct that its argument points to, if any. */
export interface Ioctl {
  readonly name: string;
  readonly request: number;
  readonly argument?: Layout;
}

// <asm-generic/ioctl.h>: number 7:0, type 15:8, size 29:16, direction 31:30 as the caller sees it.
const WRITE = 1;
const READ = 2;
const KVMIO = 0xae;
const encode = (direction: number, number: number, size: number): number =>
  ((direction << 30) | (size << 16) | (KVMIO << 8) | number) >>> 0;

const io = (name: string, number: number): Ioctl => ({ name, request: encode(0, number, 0) });
const ior = (name: string, number: number, argument: Layout): Ioctl => ({
  name,
  request: encode(READ, number, argument.size),
  argument,
});
const iow = (name: string, number: number, argument: Layout): Ioctl => ({
  name,
  request: encode(WRITE, number, argument.size),
  argument,
});
const iowr = (name: string, number: number, argument: Layout): Ioctl => ({
  name,
  request: encode(READ | WRITE, number, argument.size),
  argument,
});

// System: on the descriptor of /dev/kvm.
export const KVM_GET_API_VERSION = io('KVM_GET_API_VERSION', 0x00);
export const KVM_CREATE_VM = io('KVM_CREATE_VM', 0x01);
export const KVM_GET_MSR_INDEX_LIST = iowr('KVM_GET_MSR_INDEX_LIST', 0x02, s.kvmMsrList);
export const KVM_CHECK_EXTENSION = io('KVM_CHECK_EXTENSION', 0x03);
export const KVM_GET_VCPU_MMAP_SIZE = io('KVM_GET_VCPU_MMAP_SIZE', 0x04);
export const KVM_GET_SUPPORTED_CPUID = iowr('KVM_GET_SUPPORTED_CPUID', 0x05, s.kvmCpuid2);

// VM
export const KVM_CREATE_VCPU = io('KVM_CREATE_VCPU', 0x41);
export const KVM_SET_USER_MEMORY_REGION = iow('KVM_SET_USER_MEMORY_REGION', 0x46, s.kvmUserspaceMemoryRegion);
export const KVM_SET_TSS_ADDR = io('KVM_SET_TSS_ADDR', 0x47);
/** Its argument is a pointer to one `__u64`. */
export const KVM_SET_IDENTITY_MAP_ADDR: Ioctl = {
  name: 'KVM_SET_IDENTITY_MAP_ADDR',
  request: encode(WRITE, 0x48, 8),
};
export const KVM_CREATE_IRQCHIP = io('KVM_CREATE_IRQCHIP', 0x60);
export const KVM_IRQ_LINE = iow('KVM_IRQ_LINE', 0x61, s.kvmIrqLevel);
export const KVM_GET_IRQCHIP = iowr('KVM_GET_IRQCHIP', 0x62, s.kvmIrqchip);
export const KVM_SET_IRQCHIP = ior('KVM_SET_IRQCHIP', 0x63, s.kvmIrqchip);
export const KVM_CREATE_PIT2 = iow('KVM_CREATE_PIT2', 0x77, s.kvmPitConfig);
export const KVM_SET_CLOCK = iow('KVM_SET_CLOCK', 0x7b, s.kvmClockData);
export const KVM_GET_CLOCK = ior('KVM_GET_CLOCK', 0x7c, s.kvmClockData);
export const KVM_GET_PIT2 = ior('KVM_GET_PIT2', 0x9f, s.kvmPitState2);
export const KVM_SET_PIT2 = iow('KVM_SET_PIT2', 0xa0, s.kvmPitState2);
export const KVM_ENABLE_CAP = iow('KVM_ENABLE_CAP', 0xa3, s.kvmEnableCap);

// vCPU
export const KVM_RUN = io('KVM_RUN', 0x80);
export const KVM_GET_REGS = ior('KVM_GET_REGS', 0x81, s.kvmRegs);
export const KVM_SET_REGS = iow('KVM_SET_REGS', 0x82, s.kvmRegs);
export const KVM_GET_SREGS = ior('KVM_GET_SREGS', 0x83, s.kvmSregs);
export const KVM_SET_SREGS = iow('KVM_SET_SREGS', 0x84, s.kvmSregs);
export const KVM_INTERRUPT = iow('KVM_INTERRUPT', 0x86, s.kvmInterrupt);
export const KVM_GET_MSRS = iowr('KVM_GET_MSRS', 0x88, s.kvmMsrs);
export const KVM_SET_MSRS = iow('KVM_SET_MSRS', 0x89, s.kvmMsrs);
export const KVM_SET_SIGNAL_MASK = iow('KVM_SET_SIGNAL_MASK', 0x8b, s.kvmSignalMask);
export const KVM_GET_FPU = ior('KVM_GET_FPU', 0x8c, s.kvmFpu);
export const KVM_SET_FPU = iow('KVM_SET_FPU', 0x8d, s.kvmFpu);
export const KVM_SET_CPUID2 = iow('KVM_SET_CPUID2', 0x90, s.kvmCpuid2);
export const KVM_GET_MP_STATE = ior('KVM_GET_MP_STATE', 0x98, s.kvmMpState);
export const KVM_SET_MP_STATE = iow('KVM_SET_MP_STATE', 0x99, s.kvmMpState);
export const KVM_NMI = io('KVM_NMI', 0x9a);
export const KVM_GET_VCPU_EVENTS = ior('KVM_GET_VCPU_EVENTS', 0x9f, s.kvmVcpuEvents);
export const KVM_SET_VCPU_EVENTS = iow('KVM_SET_VCPU_EVENTS', 0xa0, s.kvmVcpuEvents);
export const KVM_GET_DEBUGREGS = ior('KVM_GET_DEBUGREGS', 0xa1, s.kvmDebugregs);
export const KVM_SET_DEBUGREGS = iow('KVM_SET_DEBUGREGS', 0xa2, s.kvmDebugregs);
export const KVM_GET_TSC_KHZ = io('KVM_GET_TSC_KHZ', 0xa3);
export const KVM_GET_XSAVE = ior('KVM_GET_XSAVE', 0xa4, s.kvmXsave);
export const KVM_SET_XSAVE = iow('KVM_SET_XSAVE', 0xa5, s.kvmXsave);
export const KVM_GET_XCRS = ior('KVM_GET_XCRS', 0xa6, s.kvmXcrs);
export const KVM_SET_XCRS = iow('KVM_SET_XCRS', 0xa7, s.kvmXcrs);
