import type { MainboardError } from './errors.ts';
import type { Exit } from './ports/accelerator.ts';

/**
 * `built`: wired and frozen, never reset. `running` and `paused` change as told. `stopped`: the guest ended it (a
 * reset starts anew). `failed`: the accelerator could not go on. `disposed`: everything is given back.
 */
export type MachineState = 'built' | 'running' | 'paused' | 'stopped' | 'failed' | 'disposed';

export type ResetReason =
  /** The embedder's {@link Machine.reset}, the first one included. */
  | 'host'
  /** The board's reset line. */
  | 'guest'
  | 'triple-fault';

/** How a machine came to its end. */
export interface Ending {
  readonly reason: 'poweroff' | 'exit' | 'reset' | 'triple-fault' | 'error';
  /** For the host; 0 unless the guest named another or there was an error. */
  readonly status: number;
}

export interface MachineEvents {
  state(state: MachineState, previous: MachineState): void;
  /** Before the reset is carried out, and also when it ends the machine. */
  reset(reason: ResetReason): void;
  /** A triple fault; a reset follows. */
  shutdown(): void;
  poweroff(): void;
  /** The machine has ended; its state is `stopped` or `failed`. */
  exit(ending: Ending): void;
  /** A debug event that the embedder asked the accelerator for; the machine is paused. */
  debug(exit: Exit & { kind: 'debug' }): void;
  error(error: MainboardError): void;
}

export interface MachineSettings {
  /** Whether a reset by the guest, triple faults included, starts it anew (`continue`, the default) or ends it. */
  readonly onReset?: 'continue' | 'stop';
}
