import { kvmIrqchipModule, kvmModule, probeKvm } from '@mainboard/accelerator/kvm';
import { softModule } from '@mainboard/accelerator/x86';
import type { ContainerModule } from 'inversify';

/** A way to run a board on this host. */
export interface Way {
  readonly name: string;
  /** Loaded after the machine's chips. */
  readonly module: ContainerModule;
  /** Why this host cannot do it. */
  readonly missing: string | undefined;
  /** Guests run every instruction that they are entitled to; an emulating KVM refuses some. */
  readonly complete: boolean;
}

const probe = probeKvm();
const missing = probe.usable ? undefined : probe.detail;

export const soft: Way = { name: 'in software', module: softModule, missing: undefined, complete: true };
export const kvm: Way = { name: 'on KVM', module: kvmModule, missing, complete: probe.nativeKernelMode };
/** The board file is the same; its interrupt controllers and timer are the kernel's. */
export const kvmIrqchip: Way = { ...kvm, name: 'on KVM with its own chips', module: kvmIrqchipModule };

/** Why a test that needs all instructions does not run on KVM. */
export const incomplete: string | undefined = missing ?? (probe.nativeKernelMode ? undefined : probe.detail);
