import type { SoftOptions } from '@mainboard/accelerator/x86';
import { nodeModule } from '@mainboard/backends';
import { buildMachine, type Machine } from '@mainboard/core';
import { unplugged } from '@mainboard/machines';
import { Container } from 'inversify';
import { chooseAccelerator } from './accelerators.ts';
import { openChannels } from './channels.ts';
import { withDefaultGuest } from './default-guest.ts';
import type { Outcome } from './errors.ts';
import { machineOptions } from './machine-options.ts';
import type { LoadedMachine } from './machine-source.ts';
import { plugged } from './plugged-board.ts';
import { Session } from './session.ts';
import { parseTrace, TraceOutput } from './trace-output.ts';

export interface RunRequest {
  readonly accel: string;
  /** What is asked of the software CPU. */
  readonly soft: SoftOptions;
  /** `stdio`, when undefined. */
  readonly serial: string | undefined;
  readonly debugcon: string | undefined;
  readonly trace: string | undefined;
  /** Seconds. */
  readonly timeout: number | undefined;
  readonly onReboot: 'exit' | 'reboot';
  /** The parsed command line, for the machine's own options. */
  readonly given: Readonly<Record<string, unknown>>;
}

/** Builds a machine and runs it to its end. */
export async function runMachine(loaded: LoadedMachine, request: RunRequest): Promise<Outcome> {
  const session = new Session();
  const options = await withDefaultGuest(loaded.definition, machineOptions(loaded.definition, request.given));
  const traceRequest = request.trace === undefined ? undefined : parseTrace(request.trace);
  const accelerator = await chooseAccelerator(request.accel, request.soft);
  const channels = await openChannels({ serial: request.serial ?? 'stdio', debugcon: request.debugcon }, session);
  let trace: TraceOutput | undefined;
  let machine: Machine | undefined;
  try {
    trace = traceRequest && new TraceOutput(traceRequest);
    const container = new Container();
    container.load(nodeModule, unplugged, accelerator.module, ...loaded.modules);
    const definition = plugged(loaded, container, {
      serial: channels.serial.chardev,
      debugcon: channels.debugcon?.chardev,
      asked: (['serial', 'debugcon'] as const).filter(name => request[name] !== undefined),
    });
    machine = buildMachine(definition, options, container, {
      onReset: request.onReboot === 'exit' ? 'stop' : 'continue',
    });
    trace?.listen(machine);
    if (accelerator.note !== undefined) session.note(accelerator.note);
    return await session.run(machine, request.timeout, () => channels.close());
  } finally {
    await machine?.dispose();
    trace?.close();
    if (machine === undefined) await channels.close();
  }
}
