import type { Ending, Machine, MainboardError } from '@mainboard/core';
import { type Outcome, STATUS } from './errors.ts';

/** Why a run is over. */
type End =
  | { readonly kind: 'ended'; readonly ending: Ending; readonly error: MainboardError | undefined }
  | { readonly kind: 'signal'; readonly status: number }
  | { readonly kind: 'quit' }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'output'; readonly channel: string; readonly error: Error };

const SIGNALS = { SIGINT: STATUS.INTERRUPT, SIGTERM: STATUS.TERMINATE, SIGHUP: STATUS.HANGUP } as const;
/** How long a run that was broken off waits for a slow reader of its output. */
const PATIENCE_MS = 1000;

const HELP = `
  Ctrl-A x       end the machine
  Ctrl-A b       send a break (Linux: SysRq)
  Ctrl-A Ctrl-A  send Ctrl-A
  Ctrl-A h       this help
`;

/** One run of a machine, from its start to the process's exit status. */
export class Session {
  /** Resolves when the run is over, for the first reason there is. */
  readonly #over: Promise<End>;
  #finish: (end: End) => void = () => {};

  constructor() {
    this.#over = new Promise(resolve => {
      this.#finish = resolve;
    });
  }

  note(text: string): void {
    process.stderr.write(`mainboard: ${text}\n`);
  }

  quit(): void {
    this.#finish({ kind: 'quit' });
  }

  help(): void {
    process.stderr.write(HELP);
  }

  failed(channel: string, error: Error): void {
    this.#finish({ kind: 'output', channel, error });
  }

  /**
   * Runs the machine to its end, then disposes it and closes what it was connected to.
   * @param timeout seconds; undefined for none.
   * @param close gives back the channels when everything is written.
   */
  async run(machine: Machine, timeout: number | undefined, close: () => Promise<void>): Promise<Outcome> {
    const releases: (() => void)[] = [];
    let error: MainboardError | undefined;
    machine.on('error', problem => {
      error = problem;
    });
    machine.on('exit', ending => this.#finish({ kind: 'ended', ending, error }));
    const signalled = new Promise<void>(resolve => {
      for (const [signal, status] of Object.entries(SIGNALS)) {
        const heard = (): void => {
          this.#finish({ kind: 'signal', status });
          resolve();
        };
        process.once(signal, heard); // a second one ends the process at once
        releases.push(() => process.off(signal, heard));
      }
    });
    if (timeout !== undefined) {
      const timer = setTimeout(() => this.#finish({ kind: 'timeout' }), timeout * 1000);
      releases.push(() => clearTimeout(timer));
    }
    machine.start();
    const end = await this.#over;
    await machine.dispose();
    const brokenOff = end.kind === 'ended' ? signalled.then(pause) : pause();
    const closed = await Promise.race([close().then(() => true), brokenOff.then(() => false)]);
    for (const release of releases) release();
    return { status: this.#tell(end, timeout), abandonOutput: !closed };
  }

  #tell(end: End, timeout: number | undefined): number {
    switch (end.kind) {
      case 'signal':
        return end.status;
      case 'quit':
        return STATUS.OK;
      case 'timeout':
        this.note(`timeout: the machine was stopped after ${timeout} s`);
        return STATUS.TIMEOUT;
      case 'output':
        if ('code' in end.error && end.error.code === 'EPIPE') return STATUS.PIPE;
        this.note(`${end.channel} cannot be written any more: ${end.error.message}`);
        return STATUS.FAILED;
      case 'ended':
        return end.error === undefined ? this.#tellEnding(end.ending) : this.#tellError(end.error);
    }
  }

  #tellEnding({ reason, status }: Ending): number {
    if (reason === 'triple-fault') this.note('the guest ended in a triple fault, which resets the machine');
    return status;
  }

  #tellError(error: MainboardError): number {
    const { cause } = error.data;
    if (!(cause instanceof Error)) {
      this.note(error.message);
      return STATUS.FAILED;
    }
    this.note(`internal error: ${cause.stack ?? cause.message}`);
    return STATUS.BUG;
  }
}

const pause = (): Promise<void> => new Promise(resolve => setTimeout(resolve, PATIENCE_MS).unref());
