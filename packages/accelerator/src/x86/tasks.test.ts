import { describe, expect, test } from '@jest/globals';
import type { JitMode } from './jit/jit-mode.ts';
import { FLAG } from './state.ts';
import { AT, VcpuBench } from './vcpu-bench.ts';

const TIERS: readonly JitMode[] = ['off', 'eager'];
const SELECTOR = { code: 0x08, data: 0x10, first: 0x18, second: 0x20, gate: 0x28, none: 0x38, userCode: 0x43 } as const;
/** Two TSSs of 32 bits, and the code of the second task. */
const FIRST = 0xb000;
const SECOND = 0xb800;
const TASK = AT.code + 0x1000;
const TASK_STACK = AT.stack - 0x800;
/** Offsets in a TSS (SDM vol. 3 figure 7-2). */
const FIELD = {
  link: 0,
  cr3: 0x1c,
  eip: 0x20,
  eflags: 0x24,
  ecx: 0x2c,
  esp: 0x38,
  es: 0x48,
  cs: 0x4c,
  ss: 0x50,
  ds: 0x54,
  fs: 0x58,
  gs: 0x5c,
  ldt: 0x60,
  trap: 0x64,
} as const;
const TASK_GATE = 0x8500;
const BUSY = 0x8b00;
const AVAILABLE = 0x8900;
const NT = FLAG.nt;

/** Protected mode in the first of two tasks, whose switch to the other one is to be seen. */
class Tasks extends VcpuBench {
  constructor(tier: JitMode) {
    super(tier);
    this.protected();
    this.descriptor(SELECTOR.first, FIRST, BUSY);
    this.descriptor(SELECTOR.second, SECOND, AVAILABLE);
    this.gate(AT.gdt + SELECTOR.gate, SELECTOR.second);
    this.view.setUint32(AT.gdt + (SELECTOR.userCode & ~7), 0xffff, true);
    this.view.setUint32(AT.gdt + (SELECTOR.userCode & ~7) + 4, 0x00cf_fb00, true);
    for (const [field, value] of [
      ['eip', TASK],
      ['eflags', 2],
      ['esp', TASK_STACK],
      ['es', SELECTOR.data],
      ['cs', SELECTOR.code],
      ['ss', SELECTOR.data],
      ['ds', SELECTOR.data],
      ['fs', SELECTOR.data],
      ['gs', SELECTOR.data],
    ] as const)
      this.field(SECOND, field, value);
    const { segments } = this.vcpu.save();
    const tr = { selector: SELECTOR.first, base: BigInt(FIRST), limit: 0x67, rights: 0x8b };
    this.set({ gdtr: { base: BigInt(AT.gdt), limit: 0x47 }, segments: { ...segments, tr } });
    this.put(TASK, 'f4');
  }

  descriptor(selector: number, base: number, type: number): void {
    this.view.setUint32(AT.gdt + selector, 0x67 | (base << 16), true);
    this.view.setUint32(AT.gdt + selector + 4, type | (base >>> 16), true);
  }
  gate(at: number, selector: number): void {
    this.view.setUint32(at, selector << 16, true);
    this.view.setUint32(at + 4, TASK_GATE, true);
  }
  field(tss: number, name: keyof typeof FIELD, value: number): void {
    this.view.setUint32(tss + FIELD[name], value, true);
  }
  get(tss: number, name: keyof typeof FIELD): number {
    return this.view.getUint32(tss + FIELD[name], true);
  }
  /** Type of the descriptor of a TSS. */
  type(selector: number): number {
    return this.view.getUint32(AT.gdt + selector + 4, true) & 0xff00;
  }
  get flags(): number {
    return Number(this.vcpu.save().rflags);
  }
  /** Halts, and tells at which address, or in the handler of which exception, with its error code and EIP. */
  outcome(code = ''): unknown {
    expect(this.run(code)).toEqual({ kind: 'halt' });
    const { exception } = this;
    return exception === undefined ? this.rip - 1 : [exception, this.stack(0, 4), this.stack(1, 4)];
  }
}

const JMP = 'ea 00000000 2000';
const CALL = '9a 00000000 2000';
const CALL_GATE = '9a 00000000 2800';
const INT = 'cd 30';

describe.each(TIERS)('task switches, JIT %s (SDM vol. 3 §7.3)', tier => {
  test.each([
    ['JMP', JMP, false],
    ['CALL', CALL, true],
    ['CALL by a task gate', CALL_GATE, true],
    ['INT by a task gate', INT, true],
  ])('%s: where the old task goes on, busy bits, link and NT', (_name, code, nested) => {
    const bench = new Tasks(tier);
    bench.gate(AT.idt + 8 * 0x30, SELECTOR.second);
    expect(bench.outcome(code)).toBe(TASK);
    const length = code.replaceAll(' ', '').length / 2;
    expect([bench.get(FIRST, 'eip'), bench.get(FIRST, 'esp')]).toEqual([AT.code + length, AT.stack]);
    expect([bench.type(SELECTOR.first), bench.type(SELECTOR.second)]).toEqual([nested ? BUSY : AVAILABLE, BUSY]);
    expect(bench.get(SECOND, 'link')).toBe(nested ? SELECTOR.first : 0);
    expect(bench.flags & NT).toBe(nested ? NT : 0);
    expect(Number(bench.vcpu.save().cr0) & 8).toBe(8); // TS
  });

  test('nested: IRET goes back, and again from the place where it left', () => {
    const bench = new Tasks(tier);
    bench.put(TASK, '41 cf 41 cf'); // INC ECX; IRET; INC ECX; IRET
    expect(bench.outcome(`${CALL} ${CALL} f4`)).toBe(AT.code + 14);
    expect([bench.type(SELECTOR.first), bench.type(SELECTOR.second)]).toEqual([BUSY, AVAILABLE]);
    expect([bench.get(SECOND, 'ecx'), bench.get(SECOND, 'eip'), bench.get(SECOND, 'eflags') & NT]).toEqual([
      2,
      TASK + 4,
      0,
    ]);
  });

  test('a task that is busy: #GP, IRET to one that is not: #TS', () => {
    const bench = new Tasks(tier);
    expect(bench.outcome('9a 00000000 1800')).toEqual([13, SELECTOR.first, AT.code]);
    const back = new Tasks(tier);
    back.set({ rflags: BigInt(2 | NT) });
    back.view.setUint16(FIRST, SELECTOR.second, true);
    expect(back.outcome('cf')).toEqual([10, SELECTOR.second, AT.code]);
  });

  test.each([
    ['JMP', JMP],
    ['CALL', CALL],
    ['INT', INT],
  ])('%s: a segment that the new task may not have is #TS in the new task', (_name, code) => {
    const bench = new Tasks(tier);
    bench.gate(AT.idt + 8 * 0x30, SELECTOR.second);
    bench.field(SECOND, 'ds', SELECTOR.none);
    expect(bench.outcome(code)).toEqual([10, SELECTOR.none, TASK]);
    expect(bench.gpr(4)).toBe(TASK_STACK - 16);
    expect(bench.vcpu.save().segments.tr.selector).toBe(SELECTOR.second);
    // What comes after it is left null
    expect(bench.vcpu.save().segments.fs.rights & 0x1_0000).not.toBe(0);
  });

  test('IRET to a task whose segments are gone: #TS there', () => {
    const bench = new Tasks(tier);
    bench.put(TASK, `66 c7 05 ${le(FIRST + FIELD.gs)} ${le(SELECTOR.none).slice(0, 4)} cf`); // MOV word [GS of the first]
    expect(bench.outcome(CALL)).toEqual([10, SELECTOR.none, AT.code + 7]);
  });

  test('EIP beyond the limit of CS: #GP(0) in the new task', () => {
    const bench = new Tasks(tier);
    bench.view.setUint32(AT.gdt + SELECTOR.none, 0xff, true);
    bench.view.setUint32(AT.gdt + SELECTOR.none + 4, 0x0040_9b00, true);
    bench.field(SECOND, 'cs', SELECTOR.none);
    expect(bench.outcome(JMP)).toEqual([13, 0, TASK]);
  });

  test('the T flag: #DB before the first instruction of the new task, DR6.BT', () => {
    const bench = new Tasks(tier);
    bench.field(SECOND, 'trap', 1);
    bench.run(JMP);
    expect([bench.exception, bench.stack(0, 4)]).toEqual([1, TASK]);
    expect(Number(bench.vcpu.save().dr[6]) & 0x8000).toBe(0x8000);
    expect(bench.stack(2, 4) & FLAG.rf).toBe(0);
  });

  test('the local breakpoints of DR7 go, the global ones stay', () => {
    const bench = new Tasks(tier);
    bench.set({ dr: { ...bench.vcpu.save().dr, 7: 0x4ffn } });
    expect(bench.outcome(JMP)).toBe(TASK);
    expect(bench.vcpu.save().dr[7]).toBe(0x4aan);
  });

  test('a task of level 3, and from there by a gate of DPL 3 to a task of level 0', () => {
    const bench = new Tasks(tier);
    bench.field(SECOND, 'cs', SELECTOR.userCode);
    bench.view.setUint32(AT.gdt + SELECTOR.none, 0xffff, true);
    bench.view.setUint32(AT.gdt + SELECTOR.none + 4, 0x00cf_f300, true);
    for (const name of ['ss', 'ds', 'es', 'fs', 'gs'] as const) bench.field(SECOND, name, SELECTOR.none | 3);
    bench.put(TASK, 'cf'); // IRET needs no privilege to go back
    expect(bench.outcome(`${CALL} f4`)).toBe(AT.code + 7);
    expect(bench.vcpu.save().segments.cs.selector & 3).toBe(0);
  });

  test('an exception by a task gate: the error code on the new stack, CPL and EIP of the fault saved', () => {
    const bench = new Tasks(tier);
    bench.gate(AT.idt + 8 * 13, SELECTOR.second);
    expect(bench.outcome('8e d9')).toBe(TASK); // MOV DS, CX with a selector beyond the table
    const wrong = new Tasks(tier);
    wrong.gate(AT.idt + 8 * 13, SELECTOR.second);
    wrong.set({ gpr: wrong.vcpu.save().gpr.with(1, BigInt(0x58)) });
    expect(wrong.outcome('90 8e d9')).toBe(TASK);
    expect([wrong.stack(0, 4), wrong.get(FIRST, 'eip')]).toEqual([0x58, AT.code + 1]);
  });
});

const le = (value: number): string =>
  [0, 8, 16, 24].map(shift => ((value >>> shift) & 0xff).toString(16).padStart(2, '0')).join('');
