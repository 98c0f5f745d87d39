import {
  type AnyDeviceType,
  type AnyMachineDefinition,
  type Board,
  Chardev,
  type DeviceSpec,
  type MachineDefinition,
  type PropertyTable,
  type ValuesOf,
} from '@mainboard/core';
import type { Container } from 'inversify';
import { CliError } from './errors.ts';
import type { LoadedMachine } from './machine-source.ts';
import { tell } from './user-file.ts';

/** The host's ends of a machine's character channels; undefined leaves the chip unplugged. */
export interface Plugs {
  readonly serial: Chardev | undefined;
  readonly debugcon: Chardev | undefined;
  /** Those that the user asked for: a machine without a place for them is refused. */
  readonly asked?: readonly ('serial' | 'debugcon')[];
}
const PLACES = { serial: 'serial port', debugcon: 'debug console' } as const;

/**
 * The machine with the host's channels plugged in as its chips are added: serial into the first chip with a channel
 * that is no debug console, debugcon into the first debug console. A chip that nobody has bound gets its default
 * implementation, so that a user's device needs no module.
 * @throws CliError from `build`, for a channel without a place and for what a user's board throws.
 */
export function plugged({ definition, file }: LoadedMachine, container: Container, plugs: Plugs): AnyMachineDefinition {
  const left = { serial: plugs.serial, debugcon: plugs.debugcon };
  const plug = (name: string, type: AnyDeviceType): void => {
    if (!container.isBound(type.id)) container.bind(type.id).toConstantValue(type.implementation);
    if (!Object.values((type.spec as DeviceSpec).backends ?? {}).includes(Chardev)) return;
    const which = type.type === 'debug-console' ? 'debugcon' : 'serial';
    const chardev = left[which];
    left[which] = undefined;
    if (chardev !== undefined) container.bind<Chardev>(Chardev).toConstantValue(chardev).whenNamed(name);
  };
  const build: MachineDefinition<PropertyTable>['build'] = board => {
    const wrapped = withAdd(board, plug);
    if (file === undefined) definition.build(wrapped);
    else guarded(definition, wrapped);
    for (const name of plugs.asked ?? [])
      if (left[name] !== undefined)
        throw new CliError(`Machine ${definition.name} has no ${PLACES[name]}; leave --${name} away.`);
  };
  return { ...definition, build };
}

function withAdd<O>(board: Board<O>, before: (name: string, type: AnyDeviceType) => void): Board<O> {
  const { options, memory, ports, cpus, reset, poweroff } = board;
  return {
    options,
    memory,
    ports,
    cpus,
    reset,
    poweroff,
    add(name, type, properties) {
      before(name, type);
      return board.add(name, type, properties);
    },
    find: (name, type) => board.find(name, type),
    ram: (size, name) => board.ram(size, name),
    rom: (name, contents) => board.rom(name, contents),
    wire: nets => board.wire(nets),
  };
}

/** A mistake in a user's board is theirs to mend: it is told with its place, and not as a defect of ours. */
function guarded(definition: AnyMachineDefinition, board: Board<ValuesOf<PropertyTable>>): void {
  try {
    definition.build(board);
  } catch (error) {
    throw new CliError(`Machine ${definition.name} cannot be built: ${tell(error)}`);
  }
}
