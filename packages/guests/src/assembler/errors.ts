export type AssemblerErrorCode =
  | 'no-such-form'
  | 'size-unknown'
  | 'label-undefined'
  | 'label-twice'
  | 'out-of-range'
  | 'org-backwards'
  | 'image-too-big';

/** What is wrong with a program, found while it is assembled. */
export class AssemblerError extends Error {
  readonly code: AssemblerErrorCode;

  constructor(code: AssemblerErrorCode, message: string) {
    super(message);
    this.name = 'AssemblerError';
    this.code = code;
  }
}
