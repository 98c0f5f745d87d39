import { type Outcome, TIMEOUT } from './case.ts';
import { FXSAVE } from './floating-start.ts';
import type { LeftOpen } from './left-open.ts';
import { withApproximations } from './near.ts';

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

/** Where addresses end that are canonical, in the lower half. */
const TOP = 0x8000_0000_0000n;
/** Where they begin again. */
const UPPER = 0xffff_8000_0000_0000n;
/** More than the base of GS and an operand. */
const LARGEST_BASE = 0x1100_0000n;

/**
 * What the software CPU is known to do differently. A near transfer beyond the limit of CS faults at its target there, on
 * silicon at the transfer. A misaligned operand outside of the stack segment is #SS there, on silicon #GP; an MMX operand
 * outside of its segment is #GP there also where an x87 exception waits, on silicon #MF. An operand of ten bytes is
 * stored in pieces there: one that only ends beyond canonical addresses faults by its page. INT3 with TF set is followed
 * by a single-step trap there, at CPL 0 (POPF may set TF). There is no #AC there, and POPF may set AC. An address that the base of GS makes canonical is so there, as
 * in the SDM (vol. 3 §5.3.1), and #GP on AMD's silicon, where the offset has to be canonical by itself.
 */
const isKnown = (silicon: Outcome, software: Outcome): boolean =>
  (silicon.vector === 13 && software.vector === 13 && silicon.rip < 0x1_0000n && software.rip > 0xffffn) ||
  (software.vector === 1 && software.rip >> 63n === 1n) ||
  silicon.vector === 17 ||
  (silicon.vector === 13 && software.vector === 14 && software.cr2 >= TOP - 16n && software.cr2 < TOP) ||
  (silicon.vector === 13 && software.vector === 14 && software.cr2 >= UPPER && software.cr2 < UPPER + LARGEST_BASE) ||
  (silicon.rip === software.rip && looksAtSegmentLast(silicon, software));

/** Silicon looks at the alignment, and whether an x87 exception waits, before it looks at the segment. */
const looksAtSegmentLast = (silicon: Outcome, software: Outcome): boolean =>
  (silicon.vector === 13 && software.vector === 12) ||
  (silicon.vector === 16 && (software.vector === 12 || software.vector === 13));

/** #SS, #GP or #PF. */
const isAccess = ({ vector }: Outcome): boolean => vector >= 12 && vector <= 14;

const NOTHING: LeftOpen = { flags: 0, approximate: false, memory: [], images: [], pieces: [] };

/** @param open what does not count. */
export function differences(silicon: Outcome, given: Outcome, open: LeftOpen = NOTHING): Difference[] {
  const found: Difference[] = [];
  if (silicon.vector === TIMEOUT && given.vector === TIMEOUT) return found; // each was stopped somewhere in its loop
  if (wrapsAtTop(silicon, given) || isKnown(silicon, given)) return found;
  const software = open.approximate ? withApproximations(given, silicon) : given;
  const check = (what: string, a: bigint | number, b: bigint | number, show: (n: never) => string = hex): void => {
    if (a !== b) found.push({ what, silicon: show(a as never), software: show(b as never) });
  };
  const sameRip = silicon.rip === software.rip;
  if (sameRip && isAccess(silicon) && isAccess(software) && open.images.includes(Number(silicon.rip))) return found;
  const sameVector = silicon.vector === software.vector;
  if (sameRip && !sameVector && isAccess(silicon) && isAccess(software) && open.pieces.includes(Number(silicon.rip)))
    return found;
  check('vector', silicon.vector, software.vector, String);
  check('error code', silicon.error, software.error);
  check('cr2', silicon.cr2, software.cr2);
  check('rip', silicon.rip, software.rip);
  check('flags', silicon.flags & ~open.flags, software.flags & ~open.flags, flagNames);
  for (const [n, name] of REGISTERS.entries()) check(name, silicon.gpr[n]!, software.gpr[n]!);
  checkFpu(silicon.fpu, software.fpu, found);
  if (open.memory.length === 0) check('quadwords written', silicon.changed, software.changed, String);
  const [a, b] = [memory(silicon, open), memory(software, open)];
  if (a !== b) found.push({ what: 'memory', silicon: a, software: b });
  return found;
}

function memory({ changes }: Outcome, { memory: open }: LeftOpen): string {
  const isOpen = (at: number): boolean => open.some(([from, to]) => at >= from && at < to);
  const shown = changes.map(([at, value]) => {
    if (open.length === 0) return `+${hex(at)}=${hex(value)}`;
    let rest = value;
    for (let n = 0; n < 8; n++) if (isOpen(at + n)) rest &= ~(0xffn << BigInt(8 * n));
    const whole = [0, 1, 2, 3, 4, 5, 6, 7].every(n => isOpen(at + n));
    return whole ? '' : `+${hex(at)}=${hex(rest)}`;
  });
  return shown.filter(text => text !== '').join(' ');
}

const hexBytes = (bytes: Uint8Array, at: number, size: number): string =>
  Buffer.from(bytes.subarray(at, at + size))
    .reverse()
    .toString('hex');

function checkFpu(silicon: Uint8Array, software: Uint8Array, found: Difference[]): void {
  if (Buffer.compare(silicon, software) === 0) return;
  const check = (what: string, at: number, size: number): void => {
    const [a, b] = [hexBytes(silicon, at, size), hexBytes(software, at, size)];
    if (a !== b) found.push({ what, silicon: a, software: b });
  };
  check('fcw', FXSAVE.control, 2);
  check('fsw', FXSAVE.status, 2);
  check('tags', FXSAVE.tags, 1);
  check('mxcsr', FXSAVE.mxcsr, 4);
  for (let n = 0; n < 8; n++) check(`st${n}`, FXSAVE.st + 16 * n, 10);
  for (let n = 0; n < 16; n++) check(`xmm${n}`, FXSAVE.xmm + 16 * n, 16);
}
