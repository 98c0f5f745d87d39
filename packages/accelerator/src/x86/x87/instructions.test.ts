import { beforeEach, describe, expect, test } from '@jest/globals';
import { X87 as ISA_ROWS } from '../isa/x87.ts';
import type { X87Cpu } from './cpu.ts';
import { Float80 } from './float80.ts';
import { x87Instruction } from './instructions.ts';
import { X87, X87_LAYOUT } from './state.ts';
import { FSW } from './status.ts';

const operand = new DataView(new ArrayBuffer(128));
let fpu: X87;
let cpu: X87Cpu & { present: boolean; stored: number[]; ax: number };

beforeEach(() => {
  fpu = new X87(new DataView(new ArrayBuffer(X87_LAYOUT.size)), 0);
  fpu.initialize();
  cpu = {
    operand,
    present: true,
    stored: [],
    ax: 0,
    load: () => cpu.present,
    store: size => {
      if (cpu.present) cpu.stored.push(size);
      return cpu.present;
    },
    probeStore: () => cpu.present,
    eflags: 0x8d7,
    setAx: value => {
      cpu.ax = value;
    },
    environment: 'protected32',
  };
});

const execute = (first: number, modrm: number): boolean =>
  x87Instruction(first, modrm)!.execute(fpu, cpu, modrm >= 0xc0 ? modrm & 7 : 0);
const bytes = (): string => Buffer.from(fpu.view.buffer as ArrayBuffer).toString('hex');
function st(i: number): number[] {
  const v = new Float80();
  fpu.read(i, v);
  return [v.se, v.hi >>> 0, v.lo >>> 0];
}
const INDEFINITE = [0xffff, 0xc0000000, 0];
const fld1 = () => execute(0xd9, 0xe8);
const fldz = () => execute(0xd9, 0xee);

describe('the table', () => {
  test('agrees with the decoder’s on what exists, its name, and whether it waits', () => {
    const rows = ISA_ROWS as readonly ((typeof ISA_ROWS)[number] & { ext?: number; rm?: number; mod?: string })[];
    const of = (first: number, modrm: number) =>
      rows.find(
        r =>
          r.byte === first &&
          r.mod === (modrm < 0xc0 ? 'mem' : 'reg') &&
          r.ext === ((modrm >> 3) & 7) &&
          (r.rm === undefined || r.rm === (modrm & 7)),
      );
    for (let first = 0xd8; first <= 0xdf; first++) {
      for (let modrm = 0; modrm < 256; modrm++) {
        const mine = x87Instruction(first, modrm);
        const theirs = of(first, modrm);
        const name = `${first.toString(16)} ${modrm.toString(16)}`;
        expect([name, mine === undefined]).toEqual([name, theirs === undefined]);
        if (mine === undefined || theirs === undefined) continue;
        // An alias carries a digit here.
        expect([theirs.mnemonic, `${theirs.mnemonic}${mine.mnemonic.slice(-1)}`]).toContain(mine.mnemonic);
        expect([name, mine.waits]).toEqual([name, theirs.unit === 'x87']);
      }
    }
  });
});

describe('a memory operand that faults leaves everything as it was', () => {
  test('every instruction with memory, on a stack with two numbers', () => {
    fld1();
    fldz();
    cpu.present = false;
    const before = bytes();
    for (let first = 0xd8; first <= 0xdf; first++) {
      for (let reg = 0; reg < 8; reg++) {
        if (x87Instruction(first, reg << 3) === undefined) continue;
        expect([first, reg, execute(first, reg << 3)]).toEqual([first, reg, false]);
        expect([first, reg, bytes()]).toEqual([first, reg, before]);
      }
    }
  });
});

describe('§8.5.1.1 stack faults', () => {
  test('overflow, masked: C1 is set and the indefinite is pushed', () => {
    for (let n = 0; n < 8; n++) fld1();
    execute(0xd9, 0xeb);
    expect(fpu.status & (FSW.IE | FSW.SF | FSW.C1)).toBe(FSW.IE | FSW.SF | FSW.C1);
    expect([fpu.top, st(0)]).toEqual([7, INDEFINITE]);
  });
  test('underflow, masked: C1 is clear and the result is the indefinite', () => {
    fld1();
    execute(0xd8, 0xc1);
    expect(fpu.status & (FSW.IE | FSW.SF | FSW.C1)).toBe(FSW.IE | FSW.SF);
    expect(st(0)).toEqual(INDEFINITE);
  });
  test('unmasked: the registers stay, and the next waiting instruction reports it', () => {
    fpu.control = 0x037e;
    fld1();
    execute(0xde, 0xc1);
    expect([fpu.pending(), fpu.top, st(0)]).toEqual([true, 7, [0x3fff, 0x80000000, 0]]);
    expect(x87Instruction(0xd9, 0xe8)!.waits).toBe(true);
    expect(x87Instruction(0xdb, 0xe2)!.waits).toBe(false);
    execute(0xdb, 0xe2);
    expect(fpu.pending()).toBe(false);
  });
});

describe('stores', () => {
  test('FSTP pops after it has written', () => {
    fld1();
    expect(execute(0xd9, 0x18)).toBe(true);
    expect([cpu.stored, operand.getFloat32(0, true), fpu.tags]).toEqual([[4], 1, 0]);
  });
  test('FIST of an empty register stores the integer indefinite, unless that is unmasked', () => {
    execute(0xdf, 0x10);
    expect(operand.getInt16(0, true)).toBe(-0x8000);
    fpu.control = 0x037e;
    execute(0xdf, 0x10);
    expect(cpu.stored).toEqual([2]);
  });
  test('FISTTP truncates whatever the rounding control says', () => {
    fpu.control = 0x0b7f;
    operand.setFloat64(0, 2.75, true);
    execute(0xdd, 0x00);
    execute(0xdb, 0x08);
    expect(operand.getInt32(0, true)).toBe(2);
  });
  test('FBSTP, FBLD: −1234567890 in packed decimal', () => {
    operand.setInt32(0, -1234567890, true);
    execute(0xdb, 0x00);
    execute(0xdf, 0x30);
    expect(Buffer.from(operand.buffer, 0, 10).toString('hex')).toBe('90785634120000000080');
    execute(0xdf, 0x20);
    execute(0xdb, 0x18);
    expect(operand.getInt32(0, true)).toBe(-1234567890);
  });
});

describe('constants follow the rounding control (SDM vol. 2, FLD1/FLDL2T/…)', () => {
  test.each([
    [0x037f, 0x2168c235],
    [0x077f, 0x2168c234],
    [0x0b7f, 0x2168c235],
    [0x0f7f, 0x2168c234],
  ])('FLDPI with FCW %p', (control, low) => {
    fpu.control = control;
    execute(0xd9, 0xeb);
    expect(st(0)).toEqual([0x4000, 0xc90fdaa2, low]);
  });
});

describe('comparisons', () => {
  test('§8.1.4 table 8-6: FCOM sets the condition codes, FCOMI the flags', () => {
    fld1();
    fldz();
    execute(0xd8, 0xd1);
    expect(fpu.status & (FSW.C0 | FSW.C2 | FSW.C3)).toBe(FSW.C0);
    execute(0xdb, 0xf1);
    expect(cpu.eflags & 0x8d5).toBe(1);
  });
  test('FUCOMI takes a quiet NaN without complaint, FCOMI does not', () => {
    operand.setUint32(0, 0x7fc00000, true);
    execute(0xd9, 0x00);
    fld1();
    execute(0xdb, 0xe9);
    expect([cpu.eflags & 0x45, fpu.status & FSW.IE]).toEqual([0x45, 0]);
    execute(0xdb, 0xf1);
    expect(fpu.status & FSW.IE).toBe(FSW.IE);
  });
  test('FNSTSW AX gives the status word', () => {
    fld1();
    execute(0xd9, 0xe5);
    execute(0xdf, 0xe0);
    expect(cpu.ax).toBe((7 << 11) | FSW.C2);
  });
});
