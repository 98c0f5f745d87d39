import { MainboardError } from '@mainboard/core';

/** Why a kernel cannot be booted: `data.reason` of a MainboardError `bad-image`. */
export type BootErrorReason =
  | 'not-a-kernel'
  | 'kernel-truncated'
  | 'kernel-too-old'
  | 'no-64-bit-entry'
  | 'no-pvh-entry'
  | 'memory-too-small'
  | 'memory-map-too-long'
  | 'initrd-does-not-fit'
  | 'command-line-too-long'
  | 'command-line-not-ascii';

export const bootError = (reason: BootErrorReason, message: string): MainboardError =>
  new MainboardError('bad-image', message, { reason });
