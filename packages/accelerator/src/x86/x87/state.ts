import { Context } from './context.ts';
import { type Float80, setIndefinite } from './float80.ts';
import { EXCEPTIONS, FSW, PRE_COMPUTATION } from './status.ts';

/**
 * Where the FPU's state lies, in bytes from a base that the processor chooses. A register takes 16 bytes, so that MMX
 * register i is the low 64 bits of physical register i (SDM vol. 1 §9.2). All fields are little-endian.
 */
export const X87_LAYOUT = {
  /** Eight physical registers: 8 bytes of significand, 2 of sign and exponent, 6 that stay 0. */
  registers: 0,
  /** FCW, 16 bits. */
  control: 128,
  /** FSW with TOP, 16 bits. */
  status: 130,
  /** The abridged tag word of FXSAVE, 8 bits: bit i says that physical register i is not empty. */
  tags: 132,
  /** FOP, 16 bits: the 11 bits of the last non-control instruction's opcode. */
  opcode: 134,
  /** FIP, 64 bits. */
  instructionPointer: 136,
  /** FDP, 64 bits. */
  dataPointer: 144,
  /** FCS, 16 bits. */
  instructionSelector: 152,
  /** FDS, 16 bits. */
  dataSelector: 154,
  /** Of the whole; a multiple of 16. */
  size: 160,
} as const;

const PRECISIONS = [24, 64, 53, 64] as const;

/** The x87 FPU's registers (SDM vol. 1 §8.1) in somebody's memory, and the stack discipline over them. */
export class X87 {
  readonly context: Context = new Context();
  /** Replaced by the owner when the memory behind it moves. */
  view: DataView;
  readonly base: number;

  /** @param base offset of the state in `view`; see {@link X87_LAYOUT}. */
  constructor(view: DataView, base: number) {
    this.view = view;
    this.base = base;
  }

  get control(): number {
    return this.view.getUint16(this.base + X87_LAYOUT.control, true);
  }
  /** Bit 6 reads as one, whatever is written. */
  set control(value: number) {
    this.view.setUint16(this.base + X87_LAYOUT.control, (value & 0x1f3f) | 0x40, true);
    this.status = this.status; // exceptions that were masked may be pending now, and the other way round
  }

  get status(): number {
    return this.view.getUint16(this.base + X87_LAYOUT.status, true);
  }
  /** ES and B are not taken from `value`: they say whether an exception flag is set and unmasked. */
  set status(value: number) {
    const pending = (value & ~this.control & EXCEPTIONS) !== 0;
    const status = pending ? value | FSW.ES | FSW.B : value & ~(FSW.ES | FSW.B);
    this.view.setUint16(this.base + X87_LAYOUT.status, status, true);
  }

  /** The abridged tag word: bit i says that physical register i is not empty. */
  get tags(): number {
    return this.view.getUint8(this.base + X87_LAYOUT.tags);
  }
  set tags(value: number) {
    this.view.setUint8(this.base + X87_LAYOUT.tags, value);
  }

  get top(): number {
    return (this.status >> 11) & 7;
  }
  set top(value: number) {
    const at = this.base + X87_LAYOUT.status;
    this.view.setUint16(at, (this.view.getUint16(at, true) & ~FSW.TOP) | ((value & 7) << 11), true);
  }

  /** Whether the next waiting instruction must report an exception: #MF, or FERR# when CR0.NE is 0 (§8.7). */
  pending(): boolean {
    return (this.status & FSW.ES) !== 0;
  }

  /** FNINIT (SDM vol. 2): registers keep their contents. */
  initialize(): void {
    const { view, base } = this;
    view.setUint16(base + X87_LAYOUT.control, 0x037f, true);
    view.setUint16(base + X87_LAYOUT.status, 0, true);
    this.tags = 0;
    this.setPointers(0, 0, 0, 0, 0, 0, 0);
  }

  /** The initial configuration of XRSTOR (SDM vol. 1 §13.6): as after FNINIT, with zeros in all registers. */
  clear(): void {
    this.initialize();
    for (let at = 0; at < X87_LAYOUT.control; at += 4) this.view.setUint32(this.base + at, 0, true);
  }

  /** The state after RESET: single precision, all exceptions unmasked, zeros in all registers, none empty (vol. 3 table 9-1). */
  reset(): void {
    this.clear();
    this.view.setUint16(this.base + X87_LAYOUT.control, 0x0040, true);
    this.tags = 0xff;
  }

  /** What every MMX instruction but EMMS does: TOP = 0, all registers valid (SDM vol. 1 §9.6.2). */
  enterMmx(): void {
    this.top = 0;
    this.tags = 0xff;
  }
  /** EMMS: TOP = 0, all registers empty (SDM vol. 3 table 12-2). */
  emms(): void {
    this.top = 0;
    this.tags = 0;
  }

  /** Address words are unsigned 32-bit halves. */
  setPointers(
    opcode: number,
    selector: number,
    low: number,
    high: number,
    dataSelector: number,
    dataLow: number,
    dataHigh: number,
  ): void {
    const { view, base } = this;
    view.setUint16(base + X87_LAYOUT.opcode, opcode, true);
    view.setUint16(base + X87_LAYOUT.instructionSelector, selector, true);
    view.setUint32(base + X87_LAYOUT.instructionPointer, low, true);
    view.setUint32(base + X87_LAYOUT.instructionPointer + 4, high, true);
    view.setUint16(base + X87_LAYOUT.dataSelector, dataSelector, true);
    view.setUint32(base + X87_LAYOUT.dataPointer, dataLow, true);
    view.setUint32(base + X87_LAYOUT.dataPointer + 4, dataHigh, true);
  }

  isEmpty(i: number): boolean {
    return ((this.tags >> ((this.top + i) & 7)) & 1) === 0;
  }

  /** Reads ST(i), whether or not it is empty. */
  read(i: number, out: Float80): void {
    this.readPhysical((this.top + i) & 7, out);
  }
  readPhysical(register: number, out: Float80): void {
    const at = this.base + 16 * register;
    out.lo = this.view.getInt32(at, true);
    out.hi = this.view.getInt32(at + 4, true);
    out.se = this.view.getUint16(at + 8, true);
  }

  /** Writes ST(i) and marks it valid. */
  write(i: number, value: Float80): void {
    const register = (this.top + i) & 7;
    this.writePhysical(register, value);
    this.tags |= 1 << register;
  }
  writePhysical(register: number, value: Float80): void {
    const at = this.base + 16 * register;
    this.view.setInt32(at, value.lo, true);
    this.view.setInt32(at + 4, value.hi, true);
    this.view.setUint16(at + 8, value.se, true);
  }

  pop(): void {
    const top = this.top;
    this.tags &= ~(1 << top);
    this.top = top + 1;
  }

  /** Marks ST(i) empty. */
  free(i: number): void {
    this.tags &= ~(1 << ((this.top + i) & 7));
  }

  /**
   * Starts an instruction: the context gets the control word's fields and no flags.
   * @param clear the condition codes that it replaces, however it ends.
   */
  begin(clear: number = FSW.C1): Context {
    const c = this.context;
    const control = this.control;
    c.rounding = (control >> 10) & 3;
    c.precision = PRECISIONS[(control >> 8) & 3]!;
    c.masks = control & EXCEPTIONS;
    c.flags = 0;
    c.clear = clear;
    return c;
  }

  /** Ends an instruction: condition codes are replaced, exception flags are sticky. */
  finish(): void {
    const { clear, flags } = this.context;
    this.status = (this.status & ~clear) | flags;
  }

  /**
   * Whether an unmasked exception keeps the instruction from having a result; then its flags are in the status word
   * already, and the instruction is over (SDM vol. 1 §8.5).
   */
  suppressed(): boolean {
    const c = this.context;
    if ((c.flags & ~c.masks & PRE_COMPUTATION) === 0) return false;
    c.flags &= PRE_COMPUTATION;
    this.finish();
    return true;
  }

  /** Notes a stack fault. @param c1 `FSW.C1` for an overflow, 0 for an underflow. @returns whether it is masked. */
  stackFault(c1: number): boolean {
    const c = this.context;
    c.flags = FSW.IE | FSW.SF | c1;
    this.finish();
    return (c.masks & FSW.IE) !== 0;
  }

  /** Stack underflow of an instruction whose result goes to ST(to). */
  underflow(to: number, pop: boolean): void {
    if (!this.stackFault(0)) return;
    setIndefinite(this.context.result);
    this.write(to, this.context.result);
    if (pop) this.pop();
  }

  /** Pushes `value`; the caller has seen that ST(7) is empty, or wants it overwritten. */
  push(value: Float80): void {
    this.top = this.top - 1;
    this.write(0, value);
  }

  /** Stack overflow of an instruction that pushes. */
  overflow(): void {
    if (!this.stackFault(FSW.C1)) return;
    setIndefinite(this.context.result);
    this.push(this.context.result);
  }
}
