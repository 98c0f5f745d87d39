import type { OperandSpec } from '../isa/operand.ts';
import type { Dimension, Form } from './form.ts';
import type { Ops } from './ops.ts';

/** What an instruction does, in terms every engine understands. */
export interface Description {
  readonly run: <V>(o: Ops<V>, f: Form) => void;
  /** What besides its operands it depends on. */
  readonly dimensions?: readonly Dimension[];
  /** Frequent enough for handlers of its own per addressing form. */
  readonly hot?: boolean;
  /** The instruction after it is not the one that runs next (or not in the same mode): decoding stops here. */
  readonly ends?: boolean;
  /** A memory operand is not accessed where it lies: its offset counts, or nothing. A function: for some operands. */
  readonly ignoresMemory?: boolean | ((operands: readonly OperandSpec[]) => boolean);
}

/** Descriptions by mnemonic. */
export type Descriptions = Readonly<Record<string, Description>>;
