import { Container } from 'inversify';
import { BoardAssembly } from './board.ts';
import { Clock, VirtualClock } from './clock.ts';
import type { AnyDeviceType, DeviceImplementation, DeviceSpec } from './device.ts';
import { BusDma } from './dma.ts';
import { MainboardError } from './errors.ts';
import type { DeviceSurroundings } from './instance.ts';
import { Machine } from './machine.ts';
import type { MachineDefinition } from './machine-definition.ts';
import type { MachineSettings } from './machine-events.ts';
import { PinScope } from './pin.ts';
import { Accelerator } from './ports/accelerator.ts';
import { Host } from './ports/host.ts';
import { PowerControl } from './power.ts';
import { type PropertyTable, resolveProperties, type ValuesOf } from './property.ts';
import type { Token } from './token.ts';
import { Trace, TraceSink } from './trace.ts';

/**
 * Builds a machine: runs the definition's `build` with a board, freezes it, and joins the accelerator to it.
 *
 * The container says which accelerator, host, backends and device implementations; the machine gets a child of it.
 * A backend is looked up by its token and the device's role: bind it `.whenNamed('com1')`, and what all others get
 * `.whenDefault()`.
 * @throws MainboardError for every mistake in options, board or container.
 */
export function buildMachine<P extends PropertyTable>(
  definition: MachineDefinition<P>,
  options: Partial<ValuesOf<P>>,
  container: Container,
  settings: MachineSettings = {},
): Machine {
  const values = resolveProperties(
    `machine ${definition.name}`,
    definition.options,
    options as Record<string, unknown>,
  ) as ValuesOf<P>;
  const own = new Container({ parent: container });
  const host = mustGet(own, Host, 'Bind Host, for instance by the module of the node backends.');
  const accelerator = mustGet(own, Accelerator, 'Load the module of an accelerator.');
  const clock = new VirtualClock(host);
  const trace = new Trace(() => clock.now());
  const sink = own.get<TraceSink>(TraceSink, { optional: true });
  if (sink !== undefined) trace.listen(sink);
  let machine: Machine | undefined;
  own.bind<Accelerator>(Accelerator).toConstantValue(accelerator); // rebound chips must meet this machine's own
  own.bind<Clock>(Clock).toConstantValue(clock);
  own.bind<PowerControl>(PowerControl).toConstantValue({ exit: status => machine?.exit(status) });

  const scope = new PinScope();
  scope.onChange = pin => {
    if (trace.mask !== 0) trace.emit('pin', pin.name, pin.level ? 'high' : 'low');
  };
  const surroundings: DeviceSurroundings = {
    clock,
    trace,
    scope,
    memory: new BusDma(() => machine!.bus),
    implementation: (type: AnyDeviceType) =>
      mustGet(
        own,
        type.id as Token<DeviceImplementation<DeviceSpec>>,
        `Load deviceModule(…) with the type ${type.type}.`,
      ),
    backend: (token, device) => backend(own, token, device),
  };
  const board = new BoardAssembly(values, scope, surroundings);
  try {
    definition.build(board);
    machine = new Machine({ definition: definition as never, board, scope, clock, trace, host, accelerator, settings });
    return machine;
  } catch (error) {
    for (const device of board.devices.values()) device.dispose();
    accelerator.dispose();
    throw error;
  }
}

function mustGet<T>(container: Container, token: Token<T>, advice: string): T {
  const name = token.description;
  const found = onlyOne(
    () => container.get<T>(token, { optional: true }),
    `Several bindings of ${name} fit; load one module that binds it, and rebind in those that replace it.`,
    { token: name },
  );
  if (found === undefined) {
    throw new MainboardError('missing-binding', `Nothing is bound to ${name}. ${advice}`, { token: name });
  }
  return found;
}

/** The binding for this device, or the one for all. */
function backend(container: Container, token: symbol, device: string): unknown {
  const name = token.description;
  const found = onlyOne(
    () => container.get(token, { name: device, optional: true }) ?? container.get(token, { optional: true }),
    `Several bindings of ${name} fit device ${device}; bind one .whenNamed('${device}') and the one for all others .whenDefault().`,
    { token: name, device },
  );
  if (found === undefined) {
    throw new MainboardError(
      'missing-binding',
      `Device ${device} needs a ${name}, and none is bound; bind one .whenNamed('${device}') or .whenDefault().`,
      { token: name, device },
    );
  }
  return found;
}

/** Turns inversify's complaint about several candidates into ours; it has no error type of its own to tell by. */
function onlyOne<T>(get: () => T, advice: string, data: Readonly<Record<string, unknown>>): T {
  try {
    return get();
  } catch (cause) {
    if (!(cause instanceof Error) || !/^ambiguous/i.test(cause.message)) throw cause;
    throw new MainboardError('ambiguous-binding', advice, data);
  }
}
