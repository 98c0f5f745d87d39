import { nodeModule } from '@mainboard/backends';
import { buildMachine, describeMachine, type MachineDescription } from '@mainboard/core';
import { unplugged } from '@mainboard/machines';
import { Container } from 'inversify';
import { withDefaultGuest } from './default-guest.ts';
import { machineOptions } from './machine-options.ts';
import type { LoadedMachine } from './machine-source.ts';
import { paperModule } from './paper-accelerator.ts';
import { plugged } from './plugged-board.ts';

/** Builds a machine with nothing plugged in, and says what it is made of. @param given the parsed command line. */
export async function describe(
  loaded: LoadedMachine,
  given: Readonly<Record<string, unknown>>,
): Promise<MachineDescription> {
  const options = await withDefaultGuest(loaded.definition, machineOptions(loaded.definition, given));
  const container = new Container();
  container.load(nodeModule, unplugged, paperModule, ...loaded.modules);
  const definition = plugged(loaded, container, { serial: undefined, debugcon: undefined });
  const machine = buildMachine(definition, options, container);
  try {
    return describeMachine(machine);
  } finally {
    await machine.dispose();
  }
}
