/** Everything that can be wrong with a configuration. A guest can cause none of these. */
export type MainboardErrorCode =
  /** Two mappings, registers or names claim the same place. */
  | 'overlap'
  /** A name is taken: a device, a pin, a register, a ROM. */
  | 'duplicate-name'
  /** A declaration contradicts itself (a register beyond its window, an unknown name in `battery`). */
  | 'bad-declaration'
  /** An address, size or alignment does not fit. */
  | 'bad-range'
  | 'unknown-property'
  /** The board has no such chip. */
  | 'unknown-device'
  | 'bad-property'
  /** Something mapped that does not exist, or memory mapped among the ports. */
  | 'bad-mapping'
  /** A wire that cannot be: made twice, to a sink that has its one source already, or between ends that do not go together. */
  | 'bad-wire'
  /** Guest RAM and ROM exceed what one machine can have. */
  | 'memory-too-large'
  /** A kernel, initrd or ROM image that this machine cannot take; `data.reason` says which way. */
  | 'bad-image'
  /** The container has no binding for something that a machine needs. */
  | 'missing-binding'
  /** The container has several bindings and no rule to choose. */
  | 'ambiguous-binding'
  /** An operation that the machine's state does not allow. */
  | 'wrong-state'
  /** A snapshot of another machine, device or version. */
  | 'bad-snapshot'
  /** What `until` waited for did not happen in time. */
  | 'timeout'
  /** The machine ended before what `until` waited for. */
  | 'ended'
  /** The accelerator could not go on. */
  | 'accelerator-failed';

/** A mistake in a board, a device declaration, an option or the use of a machine. The message says what to do. */
export class MainboardError extends Error {
  override readonly name = 'MainboardError';
  readonly code: MainboardErrorCode;
  /** What the message is about, for programs. */
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: MainboardErrorCode, message: string, data: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

/** An address as the messages write it. */
export const hex = (n: number): string => `0x${n.toString(16)}`;

/** `3, 4 and 5`, for messages that list what is allowed. */
export const listed = (names: Iterable<string>): string => {
  const all = [...names];
  return all.length === 0 ? 'none' : all.length === 1 ? all[0]! : `${all.slice(0, -1).join(', ')} and ${all.at(-1)}`;
};
