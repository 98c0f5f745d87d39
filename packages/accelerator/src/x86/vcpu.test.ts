import { beforeEach, describe, expect, test } from '@jest/globals';
import { FLAG } from './state.ts';
import { AT, VcpuBench } from './vcpu-bench.ts';

let bench: VcpuBench;
beforeEach(() => {
  bench = new VcpuBench();
});

const IF = 0x202n;
const TF = 0x102n;
/** RIP at which the interrupted code would go on, from a stack without error code. */
const returnAddress = (): number => bench.stack(0);

describe('interrupts (SDM vol. 3 §6.8)', () => {
  test('§6.8.1 IF set: INTR is taken between instructions', () => {
    bench.long().set({ rflags: IF });
    bench.vcpu.setIntr(true);
    bench.vcpu.setIntr(true);
    expect(bench.run('ffc0 f4')).toEqual({ kind: 'halt' });
    expect([bench.exception, returnAddress(), bench.gpr(0)]).toEqual([0x20, AT.code, 0]);
  });

  test('§6.8.1 IF clear: INTR waits, and does not wake HLT', () => {
    bench.long();
    bench.vcpu.setIntr(true);
    expect(bench.run('ffc0 f4')).toEqual({ kind: 'halt' });
    expect([bench.rip, bench.gpr(0)]).toEqual([AT.code + 3, 1]);
    expect(bench.run()).toEqual({ kind: 'halt' });
    bench.vcpu.setNmi(true);
    bench.run();
    expect(bench.exception).toBe(2);
  });

  test('an interrupt that a device raises during OUT is taken right after it', () => {
    bench.long().set({ rflags: IF });
    bench.onOut = () => bench.vcpu.setIntr(true);
    bench.run('e680 ffc0 f4');
    expect([bench.exception, returnAddress(), bench.gpr(0)]).toEqual([0x20, AT.code + 2, 0]);
  });

  test('§6.8.3 STI lets one more instruction run first', () => {
    bench.long();
    bench.vcpu.setIntr(true);
    bench.run('fb ffc0 ffc0 f4');
    expect([bench.exception, returnAddress(), bench.gpr(0)]).toEqual([0x20, AT.code + 3, 1]);
  });

  test('STI; HLT with an interrupt waiting wakes up at once', () => {
    bench.long();
    bench.vcpu.setIntr(true);
    bench.run('fb f4 ffc0 f4');
    expect([bench.exception, returnAddress(), bench.gpr(0)]).toEqual([0x20, AT.code + 2, 0]);
  });

  test('STI with nothing waiting: an interrupt that the next instruction raises is taken right after that', () => {
    bench.long();
    bench.onOut = () => bench.vcpu.setIntr(true);
    bench.run('fb e680 ffc0 f4');
    expect([bench.exception, returnAddress(), bench.gpr(0)]).toEqual([0x20, AT.code + 3, 0]);
  });

  test('a run that ends right after STI: one more instruction comes before an interrupt of the time between', () => {
    bench.long();
    const start = AT.code + 0x1000 - 8; // STI is the last byte of its page and so of its block
    bench.set({ rip: BigInt(start) });
    bench.onRead = () => bench.vcpu.kick();
    bench.put(start, '8b042500001000 fb 90 f4'); // MOV EAX, [window]; STI; NOP; HLT
    expect(bench.vcpu.run(1e9)).toEqual({ kind: 'slice' });
    expect([bench.rip, bench.vcpu.save().interruptShadow]).toEqual([start + 8, true]);
    bench.vcpu.setIntr(true);
    bench.run();
    expect([bench.exception, returnAddress()]).toEqual([0x20, start + 9]);
    expect(bench.vcpu.save().interruptShadow).toBe(false);
  });

  test('STI; HLT in one run: an interrupt of the time after wakes up', () => {
    bench.long();
    bench.run('fb f4');
    expect([bench.rip, bench.vcpu.save().interruptShadow]).toEqual([AT.code + 2, false]);
    bench.vcpu.setIntr(true);
    bench.run();
    expect([bench.exception, returnAddress()]).toEqual([0x20, AT.code + 2]);
  });

  test('§6.8.3 MOV SS: one more instruction; nothing is lost if that one faults', () => {
    bench.protected().set({ rflags: IF });
    bench.vcpu.setIntr(false);
    bench.onOut = () => bench.vcpu.setIntr(true);
    // OUT in the shadow of MOV SS
    bench.run('8cd3 8ed3 e680 ffc0 f4');
    expect([bench.exception, bench.stack(0, 4), bench.gpr(0)]).toEqual([0x20, AT.code + 6, 0]);
  });

  test('§6.7.1 a second NMI waits for IRET', () => {
    bench.long();
    bench.vcpu.setNmi(true);
    bench.run('90');
    expect(bench.exception).toBe(2);
    bench.vcpu.setNmi(false);
    bench.vcpu.setNmi(true);
    bench.put(bench.rip, '48cf'); // IRETQ
    bench.run('');
    expect([bench.exception, bench.vcpu.save().nmiMasked]).toEqual([2, true]);
    expect(returnAddress()).toBe(AT.code);
  });

  test('REP MOVS lets an interrupt in between two iterations, and counts each', () => {
    bench.long().set({ rflags: IF });
    const state = bench.vcpu.save();
    bench.set({ gpr: state.gpr.with(1, 300_000n).with(6, BigInt(AT.data)).with(7, BigInt(AT.data)) });
    bench.put(AT.code, '31db f3a6 f4'); // REPE CMPSB on itself
    bench.vcpu.run(0);
    const left = bench.gpr(1);
    expect(left).toBeLessThan(300_000);
    expect(bench.rip).toBe(AT.code + 2);
    bench.vcpu.setIntr(true);
    bench.run();
    expect([bench.exception, returnAddress(), bench.gpr(1)]).toEqual([0x20, AT.code + 2, left]);
  });
});

describe('runs', () => {
  test('kick ends the run after OUT, and the next run goes on', () => {
    bench.long();
    bench.onOut = () => bench.vcpu.kick();
    bench.put(AT.code, 'e680 ffc0 f4');
    expect(bench.vcpu.run(1e9)).toEqual({ kind: 'slice' });
    expect([bench.rip, bench.gpr(0)]).toEqual([AT.code + 2, 0]);
    expect(bench.vcpu.run(1e9)).toEqual({ kind: 'halt' });
  });

  test('kick before a run makes it return at once; also while halted', () => {
    bench.long();
    bench.run('f4');
    bench.vcpu.kick();
    expect(bench.vcpu.run(1e9)).toEqual({ kind: 'slice' });
    expect(bench.vcpu.run(1e9)).toEqual({ kind: 'halt' });
  });

  test('kick in the middle of a block ends the run with the block; what ran is counted', () => {
    bench.long();
    bench.onRead = () => bench.vcpu.kick();
    const before = bench.vcpu.instructions;
    bench.put(AT.code, `8b042500001000 ${'ffc3'.repeat(5)} ebfe`); // MOV EAX, [window]; INC EBX; JMP $
    expect(bench.vcpu.run(1e9)).toEqual({ kind: 'slice' });
    expect([bench.gpr(3), bench.rip, bench.vcpu.instructions - before]).toEqual([5, AT.code + 17, 7]);
  });

  test('instructions are counted exactly across slices, faults and interrupts', () => {
    bench.long();
    const state = bench.vcpu.save();
    bench.set({ gpr: state.gpr.with(1, 1_000_000n) });
    const before = bench.vcpu.instructions;
    bench.run('48ffc9 75fb f4');
    expect(bench.vcpu.instructions - before).toBe(2_000_001);
  });

  test('what takes long counts for more: few FSIN between two looks at the clock', () => {
    bench.long();
    const state = bench.vcpu.save();
    bench.set({ gpr: state.gpr.with(1, 1_000_000n) });
    bench.put(AT.code, 'd9eb d9fe 48ffc9 75f9 f4'); // FLDPI; FSIN in a loop
    bench.vcpu.run(0);
    expect(1_000_000 - bench.gpr(1)).toBeLessThan(1000);
  });

  test('a loop of faults is looked at like any other', () => {
    bench.long();
    bench.put(AT.handlers + 6 * 16, '48cf'); // #UD: return to the instruction
    bench.put(AT.code, '0f0b');
    expect(bench.vcpu.run(0)).toEqual({ kind: 'slice' });
  });

  test('a triple fault shuts down', () => {
    bench.long().set({ idtr: { base: 0n, limit: 0 } });
    expect(bench.run('0f0b')).toEqual({ kind: 'shutdown' });
  });

  test('save and restore between two slices change nothing', () => {
    bench.long();
    bench.put(AT.code, '48ffc0 48ffc3 48ffc9 75f5 f4');
    const state = bench.vcpu.save();
    bench.set({ gpr: state.gpr.with(1, 200_000n) });
    while (bench.vcpu.run(0).kind === 'slice') bench.vcpu.restore(bench.vcpu.save());
    expect([bench.gpr(0), bench.gpr(3), bench.gpr(1)]).toEqual([200_000, 200_000, 0]);
  });
});

describe('RIP', () => {
  test('of a fault in the middle of a block', () => {
    bench.long();
    bench.run('ffc0 ffc0 0f0b ffc0');
    expect([bench.exception, returnAddress(), bench.gpr(0)]).toEqual([6, AT.code + 4, 2]);
  });

  test('wraps at 4 GiB outside 64-bit mode, and so does what faults there', () => {
    bench.protected();
    // 32-bit paging: the last page is AT.data's, the first is AT.code's, the rest as is.
    const directory = 0x4_0000;
    const { view } = bench;
    view.setUint32(directory, 0x4_1003, true);
    view.setUint32(directory + 0xffc, 0x4_2003, true);
    for (let page = 0; page < 256; page++) view.setUint32(0x4_1000 + 4 * page, (page << 12) | 3, true);
    view.setUint32(0x4_1000, AT.code | 3, true);
    view.setUint32(0x4_2ffc, AT.data | 3, true);
    bench.set({ cr3: BigInt(directory), cr0: 0x8000_0011n, rip: 0xffff_fffcn });
    bench.put(AT.data + 0xffc, '40 85c0 74'); // INC EAX; TEST EAX, EAX; JZ over the end
    bench.put(AT.code, '00 40 0f0b');
    bench.run();
    expect([bench.exception, bench.gpr(0), bench.stack(0, 4)]).toEqual([6, 2, 2]);
    expect(bench.vcpu.save().rip >> 32n).toBe(0n);
  });

  test('vol. 1 §20.1 real mode: beyond the limit of CS is #GP, also within a page', () => {
    bench.real();
    bench.view.setUint16(13 * 4, 0x600, true);
    bench.put(0x600, 'f4');
    const { segments } = bench.vcpu.save();
    bench.set({ segments: { ...segments, cs: { ...segments.cs, limit: 0x7c02 } } });
    bench.put(0x7c00, '40 40 40 40 f4'); // INC AX
    bench.run();
    expect([bench.rip, bench.gpr(0) & 0xffff]).toEqual([0x601, 3]);
    expect(bench.view.getUint16(bench.gpr(4), true)).toBe(0x7c03);
  });
});

describe('the trap flag (SDM vol. 3 §17.3.1.4)', () => {
  test('traps after each instruction, with DR6.BS', () => {
    bench.long().set({ rflags: TF });
    bench.run('ffc0 ffc0 f4');
    expect([bench.exception, returnAddress(), bench.gpr(0)]).toEqual([1, AT.code + 2, 1]);
    expect(Number(bench.vcpu.save().dr[6]) & 0x4000).toBe(0x4000);
  });

  test('traps after each iteration of a repeated instruction', () => {
    bench.long();
    const state = bench.vcpu.save();
    bench.set({ rflags: TF, gpr: state.gpr.with(1, 3n).with(7, BigInt(AT.data)) });
    bench.run('f3aa f4');
    expect([bench.exception, returnAddress(), bench.gpr(1)]).toEqual([1, AT.code, 2]);
  });

  test('POPF that sets it: after the next instruction', () => {
    bench.long();
    bench.run('9c 66810c24 0001 9d ffc0 ffc0 f4'); // PUSHF; OR WORD [RSP], 0x100; POPF
    expect([bench.exception, returnAddress(), bench.gpr(0)]).toEqual([1, AT.code + 10, 1]);
  });

  test('INT n clears it and does not trap', () => {
    bench.long().set({ rflags: TF });
    bench.run('cd25 f4');
    expect(bench.exception).toBe(0x25);
  });

  test.each([
    // [instruction, its code, distance of the RIP that the trap pushes]
    ['JMP', 'eb10', 0x12],
    ['Jcc that is not taken', '75fe', 2],
    ['CALL', 'e810000000', 0x15],
    ['a load', '8b042500000200', 7],
    ['OUT', 'e680', 2],
    ['CPUID', '0fa2', 2],
    ['STI, whose shadow is for interrupts alone', 'fb', 1],
    ['CLI', 'fa', 1],
    ['MOV CR3', '0f22d8', 3],
    ['WRMSR', '0f30', 2],
    ['SSE', '0f58c1', 3],
    ['x87', 'd9e8', 2],
    ['PUSHF', '9c', 1],
    ['IRETQ that leaves TF set', '48cf', 0x40],
  ])('after %s', (_name, code, next) => {
    bench.long();
    const state = bench.vcpu.save();
    // RAX = CR3, ECX = the MSR TSC_AUX, ZF; a frame for IRETQ
    const gpr = state.gpr
      .with(0, state.cr3)
      .with(1, 0xc000_0103n)
      .with(2, 0n)
      .with(4, BigInt(AT.stack - 40));
    for (const [n, value] of [AT.code + 0x40, 8, 0x102, AT.stack, 0x10].entries())
      bench.view.setBigUint64(AT.stack - 40 + 8 * n, BigInt(value), true);
    bench.set({ rflags: TF | 0x40n, gpr });
    bench.put(AT.code + 0x40, 'f4');
    bench.run(`${code}f4`);
    expect([bench.exception, returnAddress() - AT.code]).toEqual([1, next]);
    expect(bench.stack(2) & 0x100).toBe(0x100);
  });

  test('IRET that sets TF: after the instruction that it goes to', () => {
    bench.long();
    const state = bench.vcpu.save();
    for (const [n, value] of [AT.code + 0x40, 8, 0x102, AT.stack, 0x10].entries())
      bench.view.setBigUint64(AT.stack - 40 + 8 * n, BigInt(value), true);
    bench.set({ gpr: state.gpr.with(4, BigInt(AT.stack - 40)) });
    bench.put(AT.code + 0x40, 'ffc0 f4');
    bench.run('48cf');
    expect([bench.exception, returnAddress()]).toEqual([1, AT.code + 0x42]);
  });

  test('MOV SS holds the trap back for one instruction', () => {
    bench.protected().set({ rflags: TF });
    bench.run('8ed3 ffc0 f4'); // SS := BX, which is null: no
    expect(bench.exception).toBe(13);
    bench.protected();
    const state = bench.vcpu.save();
    bench.set({ rflags: TF, gpr: state.gpr.with(3, 0x10n) });
    bench.run('8ed3 ffc0 ffc0 f4');
    expect([bench.exception, bench.stack(0, 4), bench.gpr(0)]).toEqual([1, AT.code + 4, 1]);
  });

  test('a fault comes instead of the trap', () => {
    bench.long().set({ rflags: TF });
    bench.run('0f0b');
    expect(bench.exception).toBe(6);
  });

  test('RF: set in the image that a fault pushes, clear after the next instruction', () => {
    bench.long();
    bench.run('0f0b');
    expect(bench.stack(2) & FLAG.rf).toBe(FLAG.rf);
    bench.set({ rflags: 0x1_0002n, halted: false });
    bench.run('ffc0 f4');
    expect(Number(bench.vcpu.save().rflags) & FLAG.rf).toBe(0);
  });
});
