import type { AnyMachineDefinition } from '@mainboard/core';
import type { ContainerModule } from 'inversify';
import { CliError } from './errors.ts';
import { suggest } from './suggest.ts';

/** A machine that can be built. */
export interface LoadedMachine {
  readonly definition: AnyMachineDefinition;
  /** Bindings that come with it; chips without one get their default implementation. */
  readonly modules: readonly ContainerModule[];
  /** The file that it is from, absolute; undefined for ours. */
  readonly file?: string;
}

const isPath = (given: string): boolean => /[/\\]|\.[mc]?[jt]s$/.test(given);

/** A machine by its name, or the one that a file exports. @throws CliError */
export async function loadMachine(given: string): Promise<LoadedMachine> {
  if (isPath(given)) return (await import('./user-file.ts')).loadUserFile(given);
  const { machines } = await import('@mainboard/machines');
  const found = Object.hasOwn(machines, given) ? machines[given] : undefined;
  if (found !== undefined) return { definition: found.definition, modules: [found.module] };
  const names = Object.keys(machines);
  throw new CliError(
    `There is no machine "${given}".${suggest(given, names)}\nThe machines: ${names.join(', ')}; a file of your own must end in .ts.`,
  );
}
