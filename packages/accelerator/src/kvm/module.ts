import { Accelerator } from '@mainboard/core';
import { ContainerModule } from 'inversify';
import { KvmAccelerator } from './accelerator.ts';

/**
 * Runs a machine on KVM; its chips are the board's. Each machine built from the container gets an accelerator of its
 * own. Building one throws KvmError, with what to do, where KVM is missing or forbidden.
 */
export const kvmModule = new ContainerModule(({ bind }) => {
  bind<Accelerator>(Accelerator)
    .toResolvedValue(() => new KvmAccelerator())
    .inTransientScope();
});
