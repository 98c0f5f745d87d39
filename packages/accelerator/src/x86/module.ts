import { Accelerator } from '@mainboard/core';
import { ContainerModule } from 'inversify';
import { SoftAccelerator, type SoftOptions } from './accelerator.ts';

/** Binds the software CPU as the accelerator of machines, with options of its own. */
export const softModuleWith = (options: SoftOptions): ContainerModule =>
  new ContainerModule(({ bind }) => {
    bind(Accelerator)
      .toResolvedValue(() => new SoftAccelerator(options))
      .inTransientScope();
  });

/** Binds the software CPU as the accelerator of machines. */
export const softModule: ContainerModule = softModuleWith({});
