import { Host } from '@mainboard/core';
import { ContainerModule } from 'inversify';
import { NodeHost } from './node-host.ts';

/** Gives a machine Node's time and event loop. Its character channels are bound by their roles on the board. */
export const nodeModule: ContainerModule = new ContainerModule(({ bind }) => {
  bind<Host>(Host).toConstantValue(new NodeHost());
});
