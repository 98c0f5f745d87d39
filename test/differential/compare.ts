import { type Outcome, TIMEOUT } from './case.ts';

/** Something in which two outcomes differ. */
export interface Difference {
  readonly what: string;
  readonly silicon: string;
  readonly software: string;
}

export const REGISTERS = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
const FLAGS = [
  ['cf', 0x1],
  ['pf', 0x4],
  ['af', 0x10],
  ['zf', 0x40],
  ['sf', 0x80],
  ['df', 0x400],
  ['of', 0x800],
] as const;

export const flagNames = (flags: number): string =>
  FLAGS.filter(([, mask]) => flags & mask)
    .map(([name]) => name)
    .join(' ') || 'none';
const hex = (n: bigint | number): string => `0x${n.toString(16)}`;

/**
 * An access across the top of a flat segment in 32-bit code: processors fault or wrap as they like (SDM vol. 3 §5.3).
 */
const wrapsAtTop = (a: Outcome, b: Outcome): boolean => faultsAtTop(a, b) || faultsAtTop(b, a);
const faultsAtTop = (a: Outcome, b: Outcome): boolean =>
  a.cr2 > 0xffff_fff0n && a.cr2 <= 0xffff_ffffn && (b.vector === 12 || b.vector === 13);

/**
 * What the software CPU is known to do differently. A near transfer beyond the limit of CS faults at its target there, on
 * silicon at the transfer. INT3 with TF set is followed by a single-step trap there, at CPL 0 (POPF may set TF).
 */
const isKnown = (silicon: Outcome, software: Outcome): boolean =>
  (silicon.vector === 13 && software.vector === 13 && silicon.rip < 0x1_0000n && software.rip > 0xffffn) ||
  (software.vector === 1 && software.rip >> 63n === 1n);

/** @param ignored flags that do not count. */
export function differences(silicon: Outcome, software: Outcome, ignored: number): Difference[] {
  const found: Difference[] = [];
  if (silicon.vector === TIMEOUT && software.vector === TIMEOUT) return found; // each was stopped somewhere in its loop
  if (wrapsAtTop(silicon, software) || isKnown(silicon, software)) return found;
  const check = (what: string, a: bigint | number, b: bigint | number, show: (n: never) => string = hex): void => {
    if (a !== b) found.push({ what, silicon: show(a as never), software: show(b as never) });
  };
  check('vector', silicon.vector, software.vector, String);
  check('error code', silicon.error, software.error);
  check('cr2', silicon.cr2, software.cr2);
  check('rip', silicon.rip, software.rip);
  check('flags', silicon.flags & ~ignored, software.flags & ~ignored, flagNames);
  for (const [n, name] of REGISTERS.entries()) check(name, silicon.gpr[n]!, software.gpr[n]!);
  check('quadwords written', silicon.changed, software.changed, String);
  const memory = ({ changes }: Outcome): string => changes.map(([at, value]) => `+${hex(at)}=${hex(value)}`).join(' ');
  if (memory(silicon) !== memory(software))
    found.push({ what: 'memory', silicon: memory(silicon), software: memory(software) });
  return found;
}
