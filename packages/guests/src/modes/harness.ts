import {
  type Assembler,
  ax,
  type Bits,
  byte,
  ds,
  dword,
  eax,
  es,
  esp,
  type LabelRef,
  type Mem,
  qword,
  type Reg,
  rax,
  sp,
  word,
} from '../assembler/index.ts';
import { gate, SEG, SYSTEM } from '../descriptors.ts';
import { RAM, SEL, V } from './layout.ts';

export type Mode = 'real' | 'protected' | 'long';

export const BITS = { real: 16, protected: 32, long: 64 } as const satisfies Record<Mode, Bits>;

/** One line of the self-test. */
export interface Check {
  /** What is printed; unique. */
  readonly name: string;
  /**
   * Emits the check. It runs at ring 0 with flat segments, interrupts off and the direction flag clear, may clobber
   * every register but the stack pointer, and must leave the mode as it found it.
   */
  emit(c: Context): void;
}

export interface Trap {
  readonly vector: number;
  /** 0 also for exceptions without an error code. */
  readonly error?: number;
  readonly cr2?: number | bigint;
}

/** The instruction pointer that an exception should save. */
export type Where = string | number | LabelRef;

/** What a check is written with: the assembler, and the assertions of its mode. */
export class Context {
  readonly a: Assembler;
  readonly mode: Mode;
  #step = 0;

  constructor(a: Assembler, mode: Mode) {
    this.a = a;
    this.mode = mode;
  }

  /** Fails the check, with the number of this assertion. */
  fail(): void {
    this.a.mov(byte(V.step), ++this.#step);
    this.a.jmp(`${this.mode} failed`);
  }

  /** The assertion that the zero flag is set, as a comparison leaves it. */
  expectZero(): void {
    const ok = this.a.fresh('ok');
    this.a.je(ok);
    this.fail();
    this.a.label(ok);
  }

  expectCarry(set: boolean): void {
    const ok = this.a.fresh('ok');
    if (set) this.a.jc(ok);
    else this.a.jnc(ok);
    this.fail();
    this.a.label(ok);
  }

  equal(operand: Reg | Mem, value: Reg | number | bigint | LabelRef | string): void {
    this.a.cmp(operand, value);
    this.expectZero();
  }

  /** The assertion that of the flags in `mask`, just those in `set` are set. Clobbers eax. */
  flags(mask: number, set: number): void {
    const { a } = this;
    if (this.mode === 'long') {
      a.pushfq();
      a.pop(rax);
    } else {
      a.pushfd();
      a.pop(eax);
    }
    a.and(eax, mask);
    this.equal(eax, set);
  }

  /**
   * The assertion that `body` ends in this exception, at its first instruction or at the place it returns. Execution
   * goes on at ring 0 with interrupts off and flat segments: one that the check loaded must be loaded again. Clobbers
   * eax.
   */
  traps(trap: Trap, body: (() => Where) | (() => void)): void {
    const { a } = this;
    const site = a.fresh('site');
    const resume = a.fresh('resume');
    if (this.mode === 'real') {
      a.mov(word(trap.vector * 4), resume);
      a.mov(word(V.savedSp), sp);
    } else {
      a.mov(dword(V.resume), resume);
      a.mov(dword(V.savedSp), esp);
    }
    a.label(site);
    const where = body() ?? site;
    this.fail();
    a.label(resume);
    if (this.mode === 'real') this.#realTrap(trap, where);
    else this.#protectedTrap(trap, where);
  }

  #realTrap(trap: Trap, where: Where): void {
    const { a } = this;
    a.xor(ax, ax);
    a.mov(ds, ax);
    a.mov(es, ax);
    a.pop(ax);
    a.mov(sp, word(V.savedSp));
    a.mov(word(trap.vector * 4), 'real unexpected');
    this.equal(ax, where);
  }

  #protectedTrap(trap: Trap, where: Where): void {
    const { a } = this;
    this.equal(dword(V.vector), trap.vector);
    this.equal(dword(V.error), trap.error ?? 0);
    this.equal(dword(V.trapIp), where);
    if (trap.cr2 === undefined) return;
    if (this.mode === 'long') {
      a.mov(rax, trap.cr2);
      this.equal(qword(V.cr2), rax);
    } else this.equal(dword(V.cr2), Number(trap.cr2));
  }

  /** Writes a descriptor into the GDT. */
  descriptor(selector: number, value: bigint): void {
    const place = RAM.gdt + (selector & ~7);
    this.a.mov(dword(place), value & 0xffff_ffffn);
    this.a.mov(dword(place + 4), value >> 32n);
  }

  /** Points a gate of the IDT at `label`, for callers of ring 3 too if `dpl` is 3. Clobbers eax in long mode. */
  gate(vector: number, label: string, dpl: 0 | 3 = 0, ist = 0): void {
    const { a } = this;
    const long = this.mode === 'long';
    const flags = SYSTEM.interruptGate | SEG.present | (dpl === 3 ? SEG.dpl3 : 0) | ist;
    const place = RAM.idt + vector * (long ? 16 : 8);
    const [low, high] = [gate(long ? SEL.code64 : SEL.code32, 0, flags) & 0xffff_ffffn, flags];
    a.mov(eax, label);
    a.mov(word(place), ax);
    a.shr(eax, 16);
    a.mov(word(place + 6), ax);
    a.mov(word(place + 2), low >> 16n);
    a.mov(word(place + 4), high);
    if (long) a.mov(qword(place + 8), 0);
  }

  /** Points a gate back at the handler that `traps` works with. Clobbers eax. */
  restoreGate(vector: number): void {
    this.gate(vector, vector < 32 ? `${this.mode} vector ${vector}` : `${this.mode} unexpected`);
  }
}
