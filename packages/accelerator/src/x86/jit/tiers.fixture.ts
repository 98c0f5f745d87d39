import { expect, test } from '@jest/globals';
import { type Assembler, assembler } from '@mainboard/guests/assembler';
import { AT, VcpuBench } from '../vcpu-bench.ts';
import type { JitMode } from './jit-mode.ts';

/** Turns of a loop after which sampling has found it, whatever the loop's length. */
export const HOT = 60_000;
/** Times that a scenario is heated. */
const ROUNDS = 4;
/** A TSS with a stack for level 0 and one for page faults, so that faults of the stack itself can be delivered. */
export const TSS = 0xb000;
export const FAULT_STACK = 0xd000;
/** A page that {@link Guest.hide} takes away, with mapped ones on both sides. */
export const HOLE = 0x6_0000;

const NAMES = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
type Name =
  | `r${'a' | 'b' | 'c' | 'd'}x`
  | `r${'sp' | 'bp' | 'si' | 'di'}`
  | `r${'8' | '9' | '10' | '11' | '12' | '13' | '14' | '15'}`;
export type RegisterValues = Partial<Record<Name, number | bigint>>;

export interface Scenario {
  /** What happens hangs on where a slice ends, which is up to the tier: only what `run` expects counts. */
  readonly ownWay?: boolean;
  /** Where the code runs: `long` at {@link AT.code} unless told otherwise. */
  readonly mode?: 'long' | 'protected' | 'real';
  /** The code; runs begin at its label `start` unless told otherwise. */
  readonly code: (a: Assembler) => void;
  /** Segments, tables and the like, before anything has run. */
  readonly prepare?: (guest: Guest) => void;
  /**
   * Registers of a first run to HLT that makes the code hot. Without it, `run` does so itself and says when by
   * {@link Guest.expectCompiled}.
   */
  readonly heat?: RegisterValues | ((guest: Guest) => RegisterValues);
  /** What is tested, with what it must come to. */
  readonly run: (guest: Guest) => void;
}

/** A guest program on one tier. Its methods leave compiled code alone, other than {@link VcpuBench.set}. */
export class Guest extends VcpuBench {
  readonly tier: JitMode;
  /** States at which the tiers are compared, the last one apart. */
  readonly seen: unknown[] = [];
  #labels: (name: string) => bigint = () => 0n;

  constructor(tier: JitMode, { mode = 'long', code, prepare }: Scenario) {
    super(tier);
    this.tier = tier;
    this[mode]();
    const bits = mode === 'long' ? 64 : mode === 'protected' ? 32 : 16;
    const origin = Number(this.vcpu.save().rip);
    const a = assembler({ bits, origin });
    code(a);
    this.write(origin, a.assemble());
    this.#labels = name => a.address(name);
    if (mode === 'long') this.#taskState();
    prepare?.(this);
  }

  #taskState(): void {
    this.view.setBigUint64(TSS + 4, BigInt(AT.stack), true);
    this.view.setBigUint64(TSS + 0x24, BigInt(FAULT_STACK), true);
    this.view.setUint8(AT.idt + 16 * 14 + 4, 1);
    const { segments } = this.vcpu.save();
    this.set({ segments: { ...segments, tr: { selector: 0x28, base: BigInt(TSS), limit: 0x67, rights: 0x8b } } });
  }

  /** Physical address of a label. */
  at(label: string, plus = 0): number {
    return Number(this.#labels(label)) + plus;
  }

  write(at: number, bytes: Uint8Array): void {
    for (const [i, byte] of bytes.entries()) this.view.setUint8(at + i, byte);
  }

  /** Assembles a piece of code of its own. */
  place(at: number, code: (a: Assembler) => void, bits: 16 | 32 | 64 = 64): void {
    const a = assembler({ bits, origin: at });
    code(a);
    this.write(at, a.assemble());
  }

  /** Changes an entry of the page table and forgets what the TLB knew of the page. */
  remap(linear: number, physical: number, flags = 3n): void {
    this.map(linear, physical, flags);
    this.vcpu.cpu.flushPage(linear);
  }
  hide(linear: number): void {
    this.remap(linear, linear, 2n);
  }

  /** Makes a handler halt, then drop the error code if there is one, then return. */
  returnsFrom(vector: number): void {
    const code = vector === 14 || (vector >= 10 && vector <= 13) ? '4883c408' : '';
    this.put(AT.handlers + 16 * vector, `f4 ${code} 48cf`);
  }

  /** Goes to a place with registers that are 0 unless given. */
  start(at: string | number, registers: RegisterValues = {}, flags = 2): void {
    const { cpu } = this.vcpu;
    for (const [n, name] of NAMES.entries()) {
      const value = registers[name as Name] ?? (name === 'rsp' ? (cpu.protectedMode ? AT.stack : 0x7000) : 0);
      cpu.r.setGpr64(n, BigInt.asUintN(64, BigInt(value)));
    }
    cpu.r.rip = typeof at === 'number' ? BigInt(at) : this.#labels(at);
    cpu.r.flags = flags;
    cpu.halted = false;
    cpu.shadow = false;
  }

  /** Runs on from HLT. */
  goOn(): void {
    this.vcpu.cpu.halted = false;
    this.toHalt();
  }

  /** Runs until the processor halts, and notes the state there. */
  toHalt(): void {
    expect(this.run()).toEqual({ kind: 'halt' });
    this.note();
  }

  /** {@link start} and {@link toHalt}. */
  call(at: string | number, registers?: RegisterValues, flags?: number): void {
    this.start(at, registers, flags);
    this.toHalt();
  }

  /** {@link call}, so that samples of RIP fall on different places of a loop: a step between two shifts them. */
  heat(registers: RegisterValues): void {
    this.start('start', registers);
    for (let slices = 0; slices < 8 && this.vcpu.run(0).kind === 'slice'; slices++) this.vcpu.cpu.shadow = true;
    this.vcpu.cpu.shadow = false;
    this.toHalt();
  }

  /** Notes the state, for comparison with the interpreter's. */
  note(): void {
    const { msrs: _clock, ...state } = this.vcpu.save();
    this.seen.push({ ...state, instructions: this.vcpu.instructions });
  }

  /** 32 bits in memory. */
  dword(at: number): number {
    return this.view.getUint32(at, true);
  }
  register(name: Name): bigint {
    return this.vcpu.cpu.r.gpr64(NAMES.indexOf(name));
  }
  /** Registers as numbers. */
  registers(...names: Name[]): number[] {
    return names.map(name => Number(this.register(name)));
  }
  get cr2(): number {
    return Number(this.vcpu.cpu.r.cr2);
  }
  /** RFLAGS, the status flags alone. */
  get statusFlags(): number {
    return this.vcpu.cpu.r.flags & 0x8d5;
  }

  /** Compiled code is there, unless this is the interpreter. */
  expectCompiled(): void {
    if (this.tier === 'off') expect(this.vcpu.regions).toBe(0);
    else expect(this.vcpu.regions).toBeGreaterThan(0);
  }
}

function memoryOf(guest: Guest): BigUint64Array {
  return new BigUint64Array(guest.view.buffer, guest.view.byteOffset, 0x10_0000 / 8).slice();
}

/** Says where memories differ, without the cost of a matcher on all of them. */
function sameMemory(actual: BigUint64Array, expected: BigUint64Array): void {
  for (let i = 0; i < expected.length; i++)
    if (actual[i] !== expected[i]) expect({ at: i * 8, value: actual[i] }).toEqual({ at: i * 8, value: expected[i] });
}

const TIERS: readonly JitMode[] = ['off', 'eager', 'on'];

/** A test that runs a scenario on every tier: each must do what the scenario expects, and all the same. */
export function onAllTiers(name: string, scenario: Scenario): void {
  test(name, () => {
    let interpreted: { seen: unknown[]; memory: BigUint64Array; accesses: unknown } | undefined;
    for (const tier of TIERS) {
      try {
        const guest = new Guest(tier, scenario);
        if (scenario.heat) {
          for (let round = 0; round < ROUNDS; round++)
            guest.heat(typeof scenario.heat === 'function' ? scenario.heat(guest) : scenario.heat);
          guest.expectCompiled();
        }
        scenario.run(guest);
        guest.note();
        const { seen, accesses } = guest;
        const memory = memoryOf(guest);
        if (interpreted && !scenario.ownWay) {
          expect(seen).toEqual(interpreted.seen);
          expect(accesses).toEqual(interpreted.accesses);
          sameMemory(memory, interpreted.memory);
        } else interpreted ??= { seen, memory, accesses };
      } catch (error) {
        if (error instanceof Error) error.message = `JIT ${tier}: ${error.message}`;
        throw error;
      }
    }
  });
}
