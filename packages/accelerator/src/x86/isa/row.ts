import { type Opcode, parseOpcode } from './opcode.ts';
import { type OperandSpec, parseOperands } from './operand.ts';

/** Bits of EFLAGS that {@link Attributes.undef} speaks of (Intel SDM vol. 1 §3.4.3). */
export const CF = 0x001;
export const PF = 0x004;
export const AF = 0x010;
export const ZF = 0x040;
export const SF = 0x080;
export const OF = 0x800;

/**
 * Names of CPUID feature bits as the SDM spells them, in lower case. A row without one exists on every x86 processor
 * since the 80486.
 */
export type Feature =
  | '3dnowprefetch'
  | 'adx'
  | 'aes'
  | 'bmi1'
  | 'bmi2'
  | 'cet'
  | 'clflushopt'
  | 'clfsh'
  | 'clwb'
  | 'cmov'
  | 'cx16'
  | 'cx8'
  | 'fpu'
  | 'fsgsbase'
  | 'fxsr'
  | 'invpcid'
  | 'lahf64'
  | 'lm'
  | 'lzcnt'
  | 'mmx'
  | 'monitor'
  | 'movbe'
  | 'msr'
  | 'pclmulqdq'
  | 'popcnt'
  | 'rdpid'
  | 'rdrand'
  | 'rdseed'
  | 'rdtscp'
  | 'sep'
  | 'sha'
  | 'smap'
  | 'sse'
  | 'sse2'
  | 'sse3'
  | 'sse4.1'
  | 'sse4.2'
  | 'ssse3'
  | 'syscall'
  | 'tsc'
  | 'wbnoinvd'
  | 'xsave'
  | 'xsavec'
  | 'xsaveopt'
  | 'xsaves';

/** What an instruction form asks for beyond its encoding. All optional: an absent attribute asks for nothing. */
export interface Attributes {
  /** Undefined in 64-bit mode (superscript i64 in the manual's maps). */
  readonly i64?: true;
  /** Defined in 64-bit mode only (o64). */
  readonly o64?: true;
  /** In 64-bit mode the operand size is 64 unless a 66 prefix makes it 16; 32 cannot be encoded (d64). */
  readonly d64?: true;
  /** In 64-bit mode the operand size is 64, whatever the prefixes say (f64). */
  readonly f64?: true;
  /** A LOCK prefix is allowed when operand 0 is in memory; everywhere else it is #UD. */
  readonly lock?: true;
  /** The CPUID feature that brings this form. Without it the encoding belongs to the row below it (`tzcnt` → `bsf`). */
  readonly cpuid?: Feature;
  /** `cpl0`: #GP unless CPL is 0. `iopl`: CPL against IOPL. `io`: IOPL or else the I/O permission bitmap. */
  readonly privilege?: 'cpl0' | 'iopl' | 'io';
  /** #UD in real and virtual-8086 mode. */
  readonly protectedOnly?: true;
  /**
   * Which extension's availability rules apply. `x87`: #NM by CR0.EM or TS, then #MF when one is pending;
   * `x87-nowait`: #NM alone. `wait`: #NM by MP and TS together, then #MF. `mmx`: #UD by EM, #NM by TS, #MF pending.
   * `sse`: #UD by EM or not OSFXSR, #NM by TS. `sse+mmx`: both of these. `xsave`: #UD by not OSXSAVE, #NM by TS
   * (`xgetbv` and `xsetbv` ask for the former only).
   */
  readonly unit?: 'x87' | 'x87-nowait' | 'wait' | 'mmx' | 'sse' | 'sse+mmx' | 'xsave';
  /** SSE exception type (SDM vol. 2 §2.5): 1, 2 and 4 fault on a 16-byte memory operand that is not aligned. */
  readonly exception?: 1 | 2 | 3 | 4 | 5 | 7;
  /** A type 4 form whose memory operand may lie anywhere (`movdqu`, `pcmpistri`). */
  readonly unaligned?: true;
  /** String operation: `rep` repeats by count; `repz` also ends on ZF, and F2 and F3 differ. */
  readonly rep?: 'rep' | 'repz';
  /** Memory at DS, or at the overriding segment, that no operand names (`xlat`, `maskmovq`, `monitor`). */
  readonly impliedMemory?: true;
  /** ModRM.mod is ignored: rm names a register (`mov` to and from control and debug registers). */
  readonly anyMod?: true;
  /** Flags with no defined value afterwards, for at least some operands (a mask of CF, PF, AF, ZF, SF, OF). */
  readonly undef?: number;
}

/** One form of an instruction: a line of the manual. */
export interface Row<M extends string = string> extends Attributes, Opcode {
  /** As written in the table: `'01'`, `'0f b6'`, `'f3 0f 6f'`, `'80 /5'`, `'d9 c0+i'`, `'50+r'`. */
  readonly opcode: string;
  /** The manual's name in lower case. Forms that differ in operand size only share the first: `cbw`, `iret`, `movs`. */
  readonly mnemonic: M;
  readonly operands: readonly OperandSpec[];
  /** Position in `ROWS`; dense. Set when the tables are put together. */
  readonly index: number;
}

/** A line of a table. Parts of a row that do not parse throw here, when the table's module is loaded. */
export function row<const M extends string>(
  opcode: string,
  mnemonic: M,
  operands: string,
  ...attributes: readonly Attributes[]
): Row<M> {
  return Object.assign({ opcode, mnemonic, index: -1 }, parseOpcode(opcode), ...attributes, {
    operands: parseOperands(operands),
  });
}
