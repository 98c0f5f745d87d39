import { ESCAPES } from '../../packages/accelerator/src/x86/escapes/index.ts';
import type { Feature, Row } from '../../packages/accelerator/src/x86/isa/row.ts';
import { ROWS } from '../../packages/accelerator/src/x86/isa/rows.ts';
import { descriptionOf } from '../../packages/accelerator/src/x86/semantics/index.ts';
import type { Bits } from './case.ts';

/** Escapes that a user process may run, whose outcome depends on nothing but registers and memory. */
const ORDINARY =
  /^(enter|popf|crc32|adcx|adox|endbr64|endbr32|ud0|ud1|ud2|int3|clflush|clflushopt|clwb|[lms]fence|prefetch.*|sti|hlt|ins?|outs?|aa[amds]|da[as]|pusha|popa|bound|into|arpl)$/;
/** Privileged, but not #GP at CPL 3 everywhere: AMD has no SYSEXIT in long mode, and #UD for MONITOR and MWAIT. */
const ODD = /^(sysret|sysexit|monitor|mwait)$/;
/** They change or show what is the same for all cases. */
const BASES = /^(rd|wr)[fg]sbase$/;

/** Their outcome is the system's, not the processor's alone. Those of the kernel's would be real calls. */
const SYSTEM = /^(int|int1|iret|syscall|sysenter|cpuid|rdtscp?|rdpmc|rdpid|rdrand|rdseed|xgetbv|s[gil]dt|str|smsw)$/;

/** Raises an exception whatever the operands are. */
export const alwaysFaults = ({ mnemonic, privilege }: Row): boolean => privilege !== undefined || /^ud/.test(mnemonic);

/** Depends on what the operating system keeps in segment registers. */
const touchesSegments = ({ operands }: Row): boolean =>
  operands.some(({ addressing }) => addressing === 'S' || addressing === 'seg');

/** Whether something runs it: `semantics/` or an escape. */
const isThere = ({ mnemonic, unit, privilege }: Row): boolean =>
  descriptionOf(mnemonic) !== undefined ||
  ORDINARY.test(mnemonic) ||
  privilege === 'cpl0' ||
  (unit !== undefined && unit !== 'xsave' && ESCAPES[mnemonic] !== undefined);

/** The rows of instructions that can run in user mode, or are refused there. */
export function userRows(bits: Bits, has: (feature: Feature) => boolean): Row[] {
  return ROWS.filter(
    row =>
      !(bits === 64 ? row.i64 : row.o64) &&
      isThere(row) &&
      !ODD.test(row.mnemonic) &&
      !SYSTEM.test(row.mnemonic) &&
      !BASES.test(row.mnemonic) &&
      !touchesSegments(row) &&
      (row.cpuid === undefined || has(row.cpuid)),
  );
}
