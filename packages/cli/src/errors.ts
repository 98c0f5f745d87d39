/** Exit statuses of the command. The guest's own, from a debug exit, is passed on as it is. */
export const STATUS = {
  OK: 0,
  /** The machine could not go on. */
  FAILED: 1,
  /** What was asked for cannot be: the message says what to do. */
  MISTAKE: 2,
  /** A defect of ours (EX_SOFTWARE of sysexits.h). */
  BUG: 70,
  /** As by timeout(1). */
  TIMEOUT: 124,
  /** 128 and the number of the signal, as shells say it. */
  HANGUP: 129,
  INTERRUPT: 130,
  PIPE: 141,
  TERMINATE: 143,
} as const;

/** How the command ends. */
export interface Outcome {
  readonly status: number;
  /** Output that nobody takes is given up: the process does not wait for it. */
  readonly abandonOutput?: boolean;
}

/** What was asked for cannot be. The message says what is wrong and what to do, in a line or two. */
export class CliError extends Error {
  override readonly name = 'CliError';
}

/** Errors that say what to do, by name: no package must be loaded to tell that an option is unknown. */
const MISTAKES = new Set(['CliError', 'MainboardError', 'KvmError', 'BackendError']);

/** @returns what to print on stderr and the status to end with. */
export function explain(error: unknown): { readonly text: string; readonly status: number } {
  if (!(error instanceof Error)) return { text: `mainboard: internal error: ${error}`, status: STATUS.BUG };
  if (MISTAKES.has(error.name)) return { text: `mainboard: ${error.message}`, status: STATUS.MISTAKE };
  return { text: `mainboard: internal error: ${error.stack ?? error.message}`, status: STATUS.BUG };
}
