import type { FLAG } from '../state.ts';
import type { AddressWidth, Width } from './form.ts';

export type BinaryOperator =
  | 'add'
  | 'sub'
  | 'mul'
  | 'and'
  | 'or'
  | 'xor'
  | 'shl'
  | 'shr'
  | 'sar'
  | 'rotl'
  | 'rotr'
  | 'divU'
  | 'divS'
  | 'remU'
  | 'remS';
export type UnaryOperator = 'not' | 'neg' | 'clz' | 'ctz' | 'popcnt';
export type Comparison = 'eq' | 'ne' | 'ltU' | 'ltS' | 'gtU' | 'geU' | 'geS' | 'leU';
export type StatusFlag = 'cf' | 'pf' | 'af' | 'zf' | 'sf' | 'of';
export type SystemFlag = Exclude<keyof typeof FLAG, StatusFlag>;
/** A segment by role: the effective segment of the memory operand, or a fixed one. */
export type SegmentRole = 'effective' | 'es' | 'ss';

/** Model-specific registers that descriptions use. */
export type FrequentMsr = 'star' | 'lstar' | 'fmask' | 'tscAux' | 'sysenterCs' | 'sysenterEsp' | 'sysenterEip';

export type X87Word = 'control' | 'status' | 'tags';
/** Number of a register that is none: for what an instruction needs on its way. */
export const X87_TEMPORARY = 10;

/** The low part of a vector, as a number. */
export type Lane = 'i32' | 'i64' | 'f32' | 'f64';

/**
 * What many iterations of a repeated string instruction do, forwards in memory; addresses are linear. `move`: from `a`
 * to `b`. `fill`: the value `b` at `a`. `skipEqual`, `skipOther`: over the bytes at `a` that are, or are not, the byte
 * `b`. `skipSame`: over the elements at `a` and `b` as long as they agree.
 */
export type StringRun = 'move' | 'fill' | 'skipEqual' | 'skipOther' | 'skipSame';

/**
 * Whether vectors of singles or doubles are, lane by lane and without rounding, x + y or x × y = r. 0 also where that is
 * hard to say: results that are not finite, or small ones.
 */
export type ExactFunction = 'sum32' | 'sum64' | 'product32' | 'product64';

/**
 * Functions on x87 registers (by their physical numbers) in the usual case; 0 says that this was none and that nothing
 * has changed. `add` to `div` (to, a, b): rounded as the control word says, with C1 and exception flags. `fromF32`,
 * `fromF64`, `fromInteger` (to, bits): exact. `toF32`, `toF64` (to, from) and `toInteger` (to, from, rounding control):
 * bits in place of the significand, status flags in place of sign and exponent. `compare` (a, b) alone returns
 * condition codes, C2 for 0.
 */
export type X87Function =
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'fromF32'
  | 'fromF64'
  | 'fromInteger'
  | 'toF32'
  | 'toF64'
  | 'toInteger'
  | 'compare';

/** A value that changes while an instruction runs. */
export interface Cell<V> {
  get(): V;
  set(value: V): void;
}

/**
 * The vocabulary in which instructions are described, once, for every engine. `V` is whatever the engine computes
 * with: a WebAssembly value, a line of a listing, nothing at all.
 *
 * Rules: integers of 8 and 16 bits are zero-extended; conditions are 32-bit values, 0 or 1; everything that may fault
 * comes before everything that changes a register or a flag, so that a fault leaves the instruction undone.
 */
export interface Ops<V> {
  // ---- integers
  constant(w: Width, n: number | bigint): V;
  binary(op: BinaryOperator, w: Width, a: V, b: V): V;
  unary(op: UnaryOperator, w: Width, a: V): V;
  /** @returns a condition. */
  compare(op: Comparison, w: Width, a: V, b: V): V;
  select(condition: V, w: Width, yes: V, no: V): V;
  zeroExtend(from: Width, to: Width, a: V): V;
  signExtend(from: Width, to: Width, a: V): V;
  truncate(from: Width, to: Width, a: V): V;

  // ---- operands, by position
  read(operand: number): V;
  write(operand: number, value: V): void;
  /** Reads, then writes what `change` makes of it; the write cannot fault once `change` is called. */
  modify(operand: number, change: (old: V) => V): void;
  /** Offset of a memory operand in its segment, as wide as addresses are. */
  offset(operand: number): V;
  /** Linear address of a memory operand, 64 bits wide. */
  linear(operand: number): V;

  // ---- registers that the instruction implies
  gpr(w: Width, n: number): V;
  /** A 32-bit write clears the upper half; narrower ones leave the rest alone. */
  setGpr(w: Width, n: number, value: V): void;
  /** AH: bits 15:8 of rAX. */
  ah(): V;
  setAh(value: V): void;
  /** Address of the next instruction, `w` bits wide. */
  nextRip(w: Width): V;

  // ---- memory
  /** Linear address of an offset in a segment, 64 bits wide, limit and access checked. */
  segment(role: SegmentRole, aw: AddressWidth, offset: V, bytes: number, write: boolean): V;
  load(w: Width, linear: V): V;
  store(w: Width, linear: V, value: V): void;
  /** Faults now if a later store of `bytes` there would. */
  probeWrite(bytes: number, linear: V): void;

  // ---- flags (SDM vol. 1 §3.4.3)
  /** All six flags after `a + b`; `carry` is set when a carry was added as well. */
  flagsAdd(w: Width, a: V, b: V, result: V, carry?: boolean): void;
  /** All six flags after `a - b`; `borrow` is set when a borrow was subtracted as well. */
  flagsSub(w: Width, a: V, b: V, result: V, borrow?: boolean): void;
  /** All but CF after `a + 1` or `a - 1`. */
  flagsStep(op: 'add' | 'sub', w: Width, a: V, result: V): void;
  /** ZF, SF and PF of a result; the others as given (conditions), 0 where not. */
  flagsResult(w: Width, result: V, others?: { cf?: V; of?: V; af?: V }): void;
  /** Sets some flags to conditions, leaves the rest. */
  setFlags(flags: { [F in StatusFlag]?: V }): void;
  flag(name: StatusFlag): V;
  /** The condition of jcc, setcc and cmovcc with this code. */
  condition(code: number): V;
  systemFlag(name: SystemFlag): V;
  setSystemFlag(name: SystemFlag, condition: V): void;
  /** RFLAGS as PUSHF stores them: RF and VM read as 0. */
  rflags(): V;
  /** A condition: CLI and the like are allowed here (CPL ≤ IOPL, no virtual interrupt flag to mind). */
  mayChangeIf(): V;
  /** A condition: CPL is 0. */
  atLevel0(): V;
  /** Sets EFLAGS.AC to a condition at CPL 0, and with it whether SMAP lets user pages be touched (SDM vol. 3 §4.6.1). */
  setUserAccess(condition: V): void;
  /** Replaces RFLAGS; RF and VM become 0. Nothing that follows from IOPL or AC is worked out. */
  setRflags(value: V): void;
  /** CF, PF, AF, ZF and SF as LAHF packs them. */
  packFlags(): V;
  /** The reverse of {@link packFlags}; OF stays. */
  unpackFlags(value: V): void;

  // ---- levels and events
  /**
   * A condition: nobody waits for the run to end with this instruction. No NMI or interrupt is announced, no breakpoint
   * armed, no NMI under way, and the budget goes on. Without it, {@link escape} has what lets events in.
   */
  uninterrupted(): V;
  /** STI's: interrupts wait until after the next instruction. */
  holdInterrupts(): void;
  /** A condition: EFER.SCE is set. */
  systemCallsEnabled(): V;
  /** A condition: RDTSC is allowed here. */
  mayReadTimestamp(): V;
  /** The time-stamp counter (64 bits). */
  timestamp(): V;
  /** 64 bits. */
  msr(name: FrequentMsr): V;
  /** A condition: RDFSBASE and its kin are allowed. */
  mayUseBases(): V;
  /** 64 bits. */
  segmentBase(n: 'fs' | 'gs'): V;
  setSegmentBase(n: 'fs' | 'gs', value: V): void;
  /** Exchanges the base of GS with IA32_KERNEL_GS_BASE. */
  swapGs(): void;
  /**
   * A condition: IRETQ, or IRETD in {@link inFlatMode}, may load these selectors (32 bits) at level 0 by
   * {@link flatCode} and {@link flatStack}, as the GDT has just the segments for them that those make, and the data
   * segments may stay. A null `ss` stands for itself; IRETD to the same level loads none.
   */
  returnsFlat(cs: V, ss: V, bits: 32 | 64): V;
  /** Loads SS with all 4 GiB; the level is the selector's RPL. */
  flatStack(selector: V): void;
  /**
   * Loads a segment register operand with a selector (32 bits) if that is an easy case: DS, ES, FS or GS, in protected
   * mode, with no segment or with a data segment of the GDT that was used before, so that the mode stays what it is.
   * @returns a condition: 0 if it is none, and nothing has changed.
   */
  loadData(operand: number, selector: V): V;
  /** A condition: in protected mode, not IA-32e mode, with CS, SS, DS and ES flat and of 32 bits. */
  inFlatMode(): V;
  /**
   * Loads CS with flat code, of 64 bits unless told otherwise, and the level (0 or 3) with the selector's RPL. RFLAGS
   * has been loaded. To and from 32 bits: {@link inFlatMode}.
   */
  flatCode(selector: V, bits?: 32 | 64): void;

  // ---- control
  if(condition: V, yes: () => void, no?: () => void): void;
  cell(w: Width, initial: V): Cell<V>;
  /** Repeats the body until it calls `stop`, which must be in the branch of an `if`. */
  repeat(body: (stop: () => void) => void): void;
  /**
   * One iteration of a repeated string instruction is done and its registers are up to date: counts it, and lets an
   * interrupt in, which resumes at this same instruction.
   */
  iteration(): void;
  /**
   * Does up to `limit` (32 bits, at least 0) iterations of a repeated string instruction at once and counts them, as
   * long as that needs no look at a page that is not at hand, and no interrupt has to be let in. The registers are the
   * caller's. `a` and `b` are 64 bits wide.
   * @returns how many (32 bits); 0 often enough, so that a single step has to go on.
   */
  iterations(run: StringRun, w: Width, limit: V, a: V, b: V): V;
  /** Goes to the branch target in the instruction if the condition holds (always, without one), else on. */
  branch(condition?: V): void;
  /** Goes to an address of `w` bits. */
  jump(w: Width, target: V): void;
  /** Raises a fault (#DE, #UD…) at this instruction. */
  raise(vector: number, error?: number): void;
  /** Leaves the rest to the engine's own code for this instruction (`escapes/`): rare or too long to say here. */
  escape(): void;

  // ---- SSE
  /** Whether host arithmetic does what MXCSR asks for, as in `FLOAT_STATE`; DAZ and FTZ apart. */
  floatState(): V;
  /** A condition: MXCSR has DE and UE set, and neither DAZ nor FTZ, so that denormals are numbers like others. */
  denormalsNoted(): V;
  exact(what: ExactFunction, x: V, y: V, r: V): V;
  /** Sets exception flags other than PE in MXCSR; {@link floatState} says that all are masked. */
  setFloatFlags(flags: number): void;
  /** A vector operand; an MMX register or narrower memory is zero-extended. #GP(0) as the form's `aligned` says. */
  readVector(operand: number): V;
  writeVector(operand: number, value: V): void;
  /** The low part of an XMM, MMX or memory operand. */
  readLane(operand: number, lane: Lane): V;
  /** An XMM register operand's low part becomes `value`, the rest stays. */
  writeLane(operand: number, lane: Lane, value: V): void;
  selectVector(condition: V, yes: V, no: V): V;
  xmm(n: number): V;
  setXmm(n: number, value: V): void;
  vectorConstant(bytes: readonly number[]): V;
  /** An operator of WebAssembly's vector and floating-point vocabulary, by its name in the text format. */
  vector(op: string, ...args: V[]): V;
  lane(op: string, lane: number, ...args: V[]): V;
  shuffle(a: V, b: V, lanes: readonly number[]): V;

  // ---- x87
  /** A condition: the unit may be used now and masks all exceptions. Without it, {@link escape} has the instruction. */
  x87Ready(): V;
  /** A word of the unit's state (32 bits): `tags` has bit i set where physical register i is not empty. */
  x87Word(name: X87Word): V;
  setX87Word(name: X87Word, value: V): void;
  /** The i of an operand ST(i). */
  x87Index(operand: number): V;
  /** Significand (64 bits) of a physical register, or of {@link X87_TEMPORARY}. */
  x87Significand(register: V): V;
  /** Sign and biased exponent. */
  x87Exponent(register: V): V;
  setX87(register: V, significand: V, exponent: V): void;
  x87(name: X87Function, ...args: V[]): V;
  /** Makes this instruction the last that was no control instruction (SDM vol. 1 §8.1.8). */
  x87Pointers(): void;
}
