import type { AnyMachineDefinition } from '@mainboard/core';
import type { ContainerModule } from 'inversify';
import { bare } from './bare/bare.board.ts';
import { bareModule } from './bare/bare.module.ts';
import { microvm } from './microvm/microvm.board.ts';
import { microvmModule } from './microvm/microvm.module.ts';

/** A machine with the module that binds its chips. */
export interface RegisteredMachine {
  readonly definition: AnyMachineDefinition;
  readonly module: ContainerModule;
}

/** The machines that come with Mainboard, by name. */
export const machines: Readonly<Record<string, RegisteredMachine>> = {
  bare: { definition: bare, module: bareModule },
  microvm: { definition: microvm, module: microvmModule },
};

export { unplugged } from './unplugged.module.ts';
export { bare, bareModule, microvm, microvmModule };
