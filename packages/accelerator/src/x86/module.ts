import { Accelerator } from '@mainboard/core';
import { ContainerModule } from 'inversify';
import { SoftAccelerator } from './accelerator.ts';

/** Binds the software CPU as the accelerator of machines. */
export const softModule: ContainerModule = new ContainerModule(({ bind }) => {
  bind(Accelerator)
    .toResolvedValue(() => new SoftAccelerator())
    .inTransientScope();
});
