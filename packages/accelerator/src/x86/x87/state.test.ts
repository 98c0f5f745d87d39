import { describe, expect, test } from '@jest/globals';
import { type EnvironmentFormat, readState, stateSize, writeEnvironment, writeState } from './environment.ts';
import { Float80 } from './float80.ts';
import { readFxsave, writeFxsave } from './fxsave.ts';
import { X87, X87_LAYOUT } from './state.ts';
import { FSW } from './status.ts';

const BASE = 64;
function fpu(): X87 {
  const made = new X87(new DataView(new ArrayBuffer(BASE + X87_LAYOUT.size)), BASE);
  made.initialize();
  return made;
}
const image = (): DataView => new DataView(new ArrayBuffer(512));
const hex = (view: DataView, size: number): string => Buffer.from(view.buffer, 0, size).toString('hex');
function push(x87: X87, se: number, hi: number, lo: number): void {
  const v = new Float80();
  v.set(se, hi | 0, lo | 0);
  x87.push(v);
}
/** Four registers in use: a normal number, zero, infinity and a denormal, the denormal on top. */
function filled(): X87 {
  const x87 = fpu();
  push(x87, 0x3fff, 0x80000000, 1);
  push(x87, 0x8000, 0, 0);
  push(x87, 0x7fff, 0x80000000, 0);
  push(x87, 0, 0, 7);
  x87.setPointers(0x5c1, 0x1234, 0x56789abc, 0, 0x4321, 0xcba98765, 0);
  return x87;
}

describe('§8.1.3 status word', () => {
  test('ES and B follow the exception flags and their masks', () => {
    const x87 = fpu();
    x87.status = FSW.ZE | FSW.PE;
    expect([x87.pending(), x87.status & FSW.B]).toEqual([false, 0]);
    x87.control = 0x037f & ~FSW.ZE;
    expect([x87.pending(), x87.status & FSW.B]).toEqual([true, FSW.B]);
    x87.control = 0x037f;
    expect(x87.pending()).toBe(false);
    x87.status = FSW.ES | FSW.B;
    expect(x87.status).toBe(0);
  });
});

describe('vol. 3 table 9-1: power-up and FINIT', () => {
  test('RESET', () => {
    const x87 = filled();
    x87.reset();
    writeEnvironment(x87, image(), 'protected32');
    const stored = image();
    writeState(x87, stored, 'protected16');
    expect(hex(stored, 94)).toBe(`400000005555${'00'.repeat(88)}`);
  });
  test('FINIT keeps the registers and empties them', () => {
    const x87 = filled();
    x87.initialize();
    const v = new Float80();
    x87.readPhysical(7, v);
    expect([x87.control, x87.status, x87.tags, v.lo]).toEqual([0x37f, 0, 0, 1]);
  });
});

describe('§8.1.10 figures 8-9 to 8-12: the environment', () => {
  test.each([
    ['protected32', `7f03ffff0020ffffff1affff${'bc9a7856'}${'3412c105'}${'6587a9cb'}${'2143ffff'}`],
    // Tags: 7 valid, 6 zero, 5 and 4 special, the others empty. CS × 16 + IP = 5679bdfc, DS × 16 + DP = cbadb975
    ['real32', `7f03ffff0020ffffff1affff${'fcbdffff'}${'c1956705'}${'75b9ffff'}${'00d0ba0c'}`],
    ['protected16', '7f030020ff1abc9a3412658721' + '43'],
    ['real16', '7f030020ff1afcbdc19575b900d0'],
  ] as [EnvironmentFormat, string][])('%s', (format, bytes) => {
    const stored = image();
    writeEnvironment(filled(), stored, format);
    expect(hex(stored, bytes.length / 2)).toBe(bytes);
  });
  test.each(['protected32', 'protected16'] as EnvironmentFormat[])('FRSTOR takes back what FSAVE gave: %s', format => {
    const stored = image();
    writeState(filled(), stored, format);
    const other = fpu();
    readState(other, stored, format);
    const again = image();
    writeState(other, again, format);
    expect(hex(again, stateSize(format))).toBe(hex(stored, stateSize(format)));
    expect(other.tags).toBe(0xf0);
  });
  test.each(['real32', 'real16'] as EnvironmentFormat[])('the pointers stay linear addresses: %s', format => {
    const stored = image();
    writeState(filled(), stored, format);
    const other = fpu();
    readState(other, stored, format);
    const again = image();
    writeState(other, again, format);
    expect(hex(again, stateSize(format))).toBe(hex(stored, stateSize(format)));
  });
});

describe('§10.5.1 table 10-2: FXSAVE', () => {
  test('the abridged tag word is by physical register, the registers by their place in the stack', () => {
    const area = image();
    writeFxsave(filled(), area, false);
    expect(area.getUint8(4)).toBe(0xf0);
    expect(area.getUint16(6, true)).toBe(0x5c1);
    expect([area.getUint32(8, true), area.getUint16(12, true)]).toEqual([0x56789abc, 0x1234]);
    expect([area.getUint32(16, true), area.getUint16(20, true)]).toEqual([0xcba98765, 0x4321]);
    expect(area.getUint8(32)).toBe(7);
    expect(area.getUint16(32 + 16 + 8, true)).toBe(0x7fff);
  });
  test.each([false, true])('FXRSTOR takes it back; 64-bit pointers: %p', wide => {
    const x87 = filled();
    x87.setPointers(0x123, 0, 0x89abcdef, wide ? 0xffff8000 : 0, 0, 0x12345678, wide ? 0x7fff : 0);
    const area = image();
    writeFxsave(x87, area, wide);
    const other = fpu();
    readFxsave(other, area, wide);
    const again = image();
    writeFxsave(other, again, wide);
    expect(hex(again, 160)).toBe(hex(area, 160));
  });
});

describe('§9.2, §9.6.2: MMX', () => {
  test('register i is the low part of physical register i; every instruction resets TOP and the tags', () => {
    const x87 = filled();
    expect(x87.view.getInt32(BASE + X87_LAYOUT.registers + 7 * 16, true)).toBe(1);
    x87.enterMmx();
    expect([x87.top, x87.tags]).toEqual([0, 0xff]);
    x87.emms();
    expect(x87.tags).toBe(0);
  });
});
