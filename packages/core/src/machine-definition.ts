import type { Board } from './board.ts';
import type { PropertyTable, ValuesOf } from './property.ts';

/** A kind of machine: its options, and how it is put together. */
export interface MachineDefinition<P extends PropertyTable> {
  readonly kind: 'machine';
  readonly name: string;
  /** One line for people. */
  readonly description: string;
  readonly options: P;
  build(board: Board<ValuesOf<P>>): void;
}
// biome-ignore lint/suspicious/noExplicitAny: a definition takes the board of its own options, so only `any` covers all
export type AnyMachineDefinition = MachineDefinition<any>;

/**
 * Defines a kind of machine.
 * @param name as on the command line, or name and description.
 * @param build adds chips, maps windows and wires pins; runs once for each machine.
 */
export function defineMachine<const P extends PropertyTable>(
  name: string | { readonly name: string; readonly description: string },
  options: P,
  build: (board: Board<ValuesOf<P>>) => void,
): MachineDefinition<P> {
  const title = typeof name === 'string' ? { name, description: '' } : name;
  return { kind: 'machine', name: title.name, description: title.description, options, build };
}

/** Whether something, such as what a file exports, is a machine definition. */
export const isMachineDefinition = (what: unknown): what is AnyMachineDefinition =>
  typeof what === 'object' &&
  what !== null &&
  (what as Partial<AnyMachineDefinition>).kind === 'machine' &&
  typeof (what as Partial<AnyMachineDefinition>).build === 'function';
