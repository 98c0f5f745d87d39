import { ACCELERATOR_ARENA, type CpuBus, GuestMemory } from '@mainboard/core';
import { Cpu } from '../cpu.ts';
import { DECODE, Decoded, OPERAND_KIND } from '../decode/decoded.ts';
import { Decoder } from '../decode/decoder.ts';
import { ESCAPES } from '../escapes/index.ts';
import { ROWS } from '../isa/rows.ts';
import { MODE } from '../mode.ts';
import { PRIVILEGE } from '../privilege.ts';
import { RECORDS, SEGMENT, STATE, TLB } from '../state.ts';
import { x87Opcode } from '../x87/opcode.ts';
import { generateInterpreter } from './generate.ts';
import { HandlerTable } from './handler-table.ts';
import { ADDRESSING, isRegister, RECORD, STOP } from './record.ts';
import { SPECIAL } from './special.ts';

/** Bytes of guest RAM, from address 0. */
const RAM = 0x1_0000;

/**
 * Runs single instructions of 64-bit mode through the interpreter's handlers, without code in memory, paging or a run
 * loop; so also those whose CPUID bit we do not set yet. For tests. Memory operands are addressed by a base register.
 */
export class InstructionBench {
  readonly cpu: Cpu;
  readonly #decoder = new Decoder();
  readonly #handlers: HandlerTable;
  readonly #run: (record: number) => number;
  readonly #insn = new Decoded(ROWS[0]!);

  constructor() {
    const guest = new GuestMemory(RAM);
    const bus: CpuBus = {
      guest,
      regions: () => [{ base: 0, size: RAM, kind: 'ram', offset: ACCELERATOR_ARENA }],
      onRegionsChanged: () => {},
      onWrite: () => {},
      portRead: () => 0xff,
      portWrite: () => {},
      memoryRead: () => 0xff,
      memoryWrite: () => {},
      acknowledge: () => 0,
      now: () => 0,
    };
    this.cpu = new Cpu(bus);
    const { cpu } = this;
    cpu.r.i32[STATE.codeKey / 4] = 2 | MODE.flat | MODE.wholeCode | MODE.vex;
    cpu.mmu.tlb.flush();
    const interpreter = generateInterpreter();
    this.#handlers = new HandlerTable(interpreter);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(interpreter.bytes)), {
      env: {
        memory: guest.memory,
        translate: (low: number, high: number, info: number) =>
          cpu.mmu.translate(low, high, info, PRIVILEGE.supervisor),
        commit: () => cpu.mmu.commit(),
        escape: () => this.#escape(),
        timestamp: () => {},
        segmentFault: () => {},
      },
    });
    this.#run = instance.exports.enter as (record: number) => number;
    cpu.r.i32[STATE.tlb / 4] = TLB.base;
  }

  #escape(): number {
    const { cpu } = this;
    try {
      return ESCAPES[this.#insn.row.mnemonic]!(cpu, this.#insn) ?? STOP.next;
    } catch (thrown) {
      if (thrown !== cpu.fault) throw thrown;
      cpu.r.i32[STATE.faultVector / 4] = cpu.fault.vector;
      return STOP.fault;
    }
  }

  /**
   * Carries out the instruction at the start of `code`.
   * @returns the vector of its fault, 0 without one.
   */
  execute(code: Uint8Array): number {
    const insn = this.#insn;
    if (this.#decoder.decode(code, 0, code.length, 64, insn) !== DECODE.ok) return 6;
    const { u8, u16, u32, i32 } = this.cpu.r;
    const handlers = this.#handlers;
    const state = handlers.state(insn, 64, true, true);
    let handler = handlers.find(insn.row, state, insn.isMem ? ADDRESSING.flat64 : ADDRESSING.none);
    if (handler < 0) handler = handlers.find(insn.row, state, ADDRESSING.slot);
    if (handler < 0) throw new Error(`${insn.row.mnemonic} has no handler`);
    const at = RECORDS.base;
    u8.fill(0, at, at + 2 * RECORD.size);
    u32[(at + RECORD.handler) >> 2] = handler;
    u32[(at + RECORD.size + RECORD.handler) >> 2] = SPECIAL.stale;
    u8[at + RECORD.length] = insn.length;
    const bases: Readonly<Record<number, number>> = {
      [OPERAND_KIND.gpr]: STATE.gpr,
      [OPERAND_KIND.mm]: STATE.x87,
      [OPERAND_KIND.xmm]: STATE.xmm,
    };
    let field: number = RECORD.a;
    for (const { kind, reg } of insn.operands.slice(0, insn.count)) {
      if (!isRegister(kind) || field > (insn.isMem ? RECORD.b : RECORD.base)) continue;
      u16[(at + field) >> 1] =
        kind === OPERAND_KIND.st ? reg : bases[kind]! + (kind === OPERAND_KIND.gpr ? 8 : 16) * reg;
      field += 2;
    }
    i32[(at + RECORD.imm) >> 2] = insn.immLo;
    i32[(at + RECORD.imm + 4) >> 2] = insn.immHi;
    u16[(at + RECORD.segment) >> 1] = STATE.segments + SEGMENT.size * Math.max(insn.seg, 0);
    if (insn.isMem) u16[(at + RECORD.base) >> 1] = insn.base >= 0 ? STATE.gpr + 8 * insn.base : STATE.zero;
    u16[(at + RECORD.index) >> 1] = STATE.zero;
    i32[(at + RECORD.disp) >> 2] = insn.disp;
    if (insn.row.unit === 'x87') u16[(at + RECORD.opcode) >> 1] = x87Opcode(insn);
    if (insn.isMem) this.cpu.r.u64[STATE.address / 8] = this.cpu.offset(insn);
    const stop = this.#run(at);
    return stop === STOP.fault ? i32[STATE.faultVector / 4]! : 0;
  }
}
