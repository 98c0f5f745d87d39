import { OPERAND_KIND } from '../decode/decoded.ts';
import type { Description } from './description.ts';
import type { Form } from './form.ts';
import type { Cell, Ops } from './ops.ts';

/** What an instruction does to the status flags and to memory, as far as a compiler must know before it compiles. */
export interface Effects {
  /** Looks at flags before it has set all of them. */
  readonly readsFlags: boolean;
  /** Sets all flags, whatever happens. */
  readonly setsFlags: boolean;
  /** May set flags in a branch. */
  readonly branchesSetFlags: boolean;
  /** May fault or go by TypeScript before it has set flags: somebody else will see them. */
  readonly exits: boolean;
  /** Writes its memory operand. */
  readonly writesMemory: boolean;
}

type Name = keyof Ops<Nothing>;
/** The value of everything. */
type Nothing = Readonly<Record<string, never>>;
const NOTHING: Nothing = {};
/** The linear address of the memory operand. */
const LINEAR: Nothing = {};

const READS: ReadonlySet<Name> = new Set([
  'flag',
  'condition',
  'rflags',
  'packFlags',
  'unpackFlags',
  'setFlags',
  'flagsStep',
]);
const SETS: ReadonlySet<Name> = new Set([
  'flagsAdd',
  'flagsSub',
  'flagsStep',
  'flagsResult',
  'setFlags',
  'setRflags',
  'unpackFlags',
]);
const ACCESSES: ReadonlySet<Name> = new Set(['load', 'store', 'probeWrite', 'raise', 'escape', 'iteration']);
/** With the operand's number first. */
const OPERAND_READS: ReadonlySet<Name> = new Set(['read', 'readVector', 'readLane']);
const OPERAND_WRITES: ReadonlySet<Name> = new Set(['write', 'writeVector', 'modify']);

/** Describes an instruction to somebody who only takes notes. */
export function effectsOf(description: Description, form: Form): Effects {
  const found = { readsFlags: false, setsFlags: false, branchesSetFlags: false, exits: false, writesMemory: false };
  let depth = 0;
  let branchEscapes = false;
  const nested = (body: (() => void) | undefined): void => {
    depth++;
    body?.();
    depth--;
  };
  const inMemory = (operand: number): boolean => {
    const { kind } = form.operands[operand]!;
    return kind === OPERAND_KIND.mem || kind === OPERAND_KIND.moffs;
  };
  const note = (name: Name, args: readonly unknown[]): void => {
    const onOperand = OPERAND_READS.has(name) || OPERAND_WRITES.has(name);
    const memory = onOperand && inMemory(args[0] as number);
    if (READS.has(name) && !found.setsFlags) found.readsFlags = true;
    if ((ACCESSES.has(name) || memory) && !found.setsFlags) found.exits = true;
    const stores = (name === 'store' || name === 'probeWrite') && args[1] === LINEAR;
    if (stores || (memory && OPERAND_WRITES.has(name))) found.writesMemory = true;
    if (name === 'escape' && depth > 0) branchEscapes = true;
    if (!SETS.has(name)) return;
    if (depth > 0) found.branchesSetFlags = true;
    else found.setsFlags = true;
  };
  const special: Partial<Record<Name, (...args: never[]) => unknown>> = {
    if: (_condition: Nothing, yes: () => void, no?: () => void) => {
      nested(yes);
      nested(no);
    },
    repeat: (body: (stop: () => void) => void) => nested(() => body(() => {})),
    linear: () => LINEAR,
    cell: (): Cell<Nothing> => ({ get: () => NOTHING, set: () => {} }),
    modify: (_operand: number, change: (old: Nothing) => Nothing) => {
      change(NOTHING);
    },
  };
  const notes = new Proxy({} as Ops<Nothing>, {
    get:
      (_, name) =>
      (...args: never[]) => {
        note(name as Name, args);
        return special[name as Name]?.(...args) ?? NOTHING;
      },
  });
  description.run(notes, form);
  // An escape does to flags what the usual case does: nothing, or what is known afterwards only.
  if (branchEscapes && found.setsFlags) found.branchesSetFlags = true;
  return found;
}
