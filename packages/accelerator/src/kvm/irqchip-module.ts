import { Accelerator } from '@mainboard/core';
import { i8254, i8259 } from '@mainboard/devices';
import { ContainerModule } from 'inversify';
import { KvmAccelerator } from './accelerator.ts';
import { KvmError } from './errors.ts';
import { kernelI8254 } from './kernel-i8254.ts';
import { kernelI8259 } from './kernel-i8259.ts';

/**
 * Instead of `kvmModule`, loaded after the devices: KVM with its own interrupt controllers and timer. The board file
 * stays as it is; its `i8259` and `i8254` become the kernel's. For boards that wire them as the PC/AT does, since KVM
 * knows no other way: ports 20h, A0h, 40h, 61h and 4D0h are answered in the kernel, the PIT is IRQ 0.
 */
export const kvmIrqchipModule = new ContainerModule(({ bind, isBound, unbind }) => {
  for (const token of [Accelerator, i8259.id, i8254.id]) if (isBound(token)) unbind(token);
  bind<Accelerator>(Accelerator)
    .toResolvedValue(() => new KvmAccelerator({ irqchip: 'kernel' }))
    .inTransientScope();
  bind(i8259.id)
    .toResolvedValue((accelerator: Accelerator) => kernelI8259(ours(accelerator)), [Accelerator])
    .inTransientScope();
  bind(i8254.id)
    .toResolvedValue((accelerator: Accelerator) => kernelI8254(ours(accelerator)), [Accelerator])
    .inTransientScope();
});

const ours = (accelerator: Accelerator): KvmAccelerator => {
  if (accelerator instanceof KvmAccelerator) return accelerator;
  throw new KvmError(
    'unsupported',
    `The in-kernel chips go with KVM, and the accelerator is ${accelerator.name}; load kvmIrqchipModule last.`,
  );
};
