/** What can be wrong between a machine and its host. */
export type BackendErrorCode =
  /** A file cannot be created or written. */
  | 'file'
  /** Nobody answers at the address, or the name has no address. */
  | 'connect'
  /** The address cannot be listened on. */
  | 'listen';

/** The message says what to do; `errno` names the system's reason where there is one (`EACCES`). */
export class BackendError extends Error {
  override readonly name = 'BackendError';
  readonly code: BackendErrorCode;
  readonly errno: string | undefined;

  constructor(code: BackendErrorCode, message: string, errno?: string) {
    super(message);
    this.code = code;
    this.errno = errno;
  }
}

/** The system's reason in an error of Node's: `ECONNREFUSED`. */
export const errnoOf = (error: unknown): string => (error as NodeJS.ErrnoException | null)?.code ?? String(error);
