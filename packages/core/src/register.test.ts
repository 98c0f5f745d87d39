import { describe, expect, test } from '@jest/globals';
import { bit, bits, checkRegisters, RegisterFile, type RegisterTable } from './register.ts';

const table = {
  LCR: { at: 3, size: 1, access: 'rw', reset: 0x03, fields: { WLS: bits(1, 0), DLAB: bit(7) } },
  COUNT: { at: 4, size: 2, access: 'rw' },
  WIDE: { at: 8, size: 4, access: 'rw', reset: 0xffff_ffff, fields: { TOP: bit(31), ALL: bits(31, 0) } },
} as const satisfies RegisterTable;
// biome-ignore lint/suspicious/noExplicitAny: the accessors are typed where a device is defined
const open = (file: RegisterFile): any => file.accessors;

describe('values and fields', () => {
  test('a register holds its reset value at first', () => {
    const { LCR, COUNT, WIDE } = open(new RegisterFile(table));
    expect([LCR.value, COUNT.value, WIDE.value]).toEqual([3, 0, 0xffff_ffff]);
  });

  test('one bit is a boolean, several are a number', () => {
    const { LCR, WIDE } = open(new RegisterFile(table));
    expect([LCR.WLS, LCR.DLAB, WIDE.TOP, WIDE.ALL]).toEqual([3, false, true, 0xffff_ffff]);
    LCR.DLAB = true;
    LCR.WLS = 1;
    WIDE.TOP = false;
    expect([LCR.value, WIDE.value]).toEqual([0x81, 0x7fff_ffff]);
  });

  test('what does not fit is cut off', () => {
    const { LCR, COUNT } = open(new RegisterFile(table));
    COUNT.value = 0x1_2345;
    LCR.WLS = 0xff;
    expect([COUNT.value, LCR.value]).toEqual([0x2345, 0x03]);
  });

  test('save and restore are copies; a name that the snapshot lacks gets its reset value', () => {
    const file = new RegisterFile(table);
    open(file).COUNT.value = 7;
    const saved = file.save();
    expect(saved).toEqual({ LCR: 3, COUNT: 7, WIDE: 0xffff_ffff });
    file.restore({ COUNT: 9 });
    expect(file.save()).toEqual({ LCR: 3, COUNT: 9, WIDE: 0xffff_ffff });
    file.restore(saved);
    expect(open(file).COUNT.value).toBe(7);
    file.restore({ LCR: 0x1ff }); // more than a register holds, from who knows where
    expect(file.save().LCR).toBe(0xff);
  });

  test('a reset leaves what a battery keeps', () => {
    const file = new RegisterFile(table);
    open(file).COUNT.value = 7;
    open(file).LCR.value = 0;
    file.reset(new Set(['COUNT']));
    expect(file.save()).toEqual({ LCR: 3, COUNT: 7, WIDE: 0xffff_ffff });
  });
});

describe('declarations that contradict themselves', () => {
  test('two registers for one read', () => {
    expect(() => checkRegisters({ A: { at: 0, size: 2, access: 'ro' }, B: { at: 1, size: 1, access: 'rw' } })).toThrow(
      'Registers A and B both answer a read at offset 0x1; make one read-only and the other write-only, or move one.',
    );
  });

  test('one to read and one to write share an offset', () => {
    expect(() =>
      checkRegisters({ RBR: { at: 0, size: 1, access: 'ro' }, THR: { at: 0, size: 1, access: 'wo' } }),
    ).not.toThrow();
  });

  test('a field beyond its register', () => {
    expect(() => checkRegisters({ A: { at: 0, size: 1, access: 'rw', fields: { X: bits(8, 7) } } })).toThrow(
      'Field A.X lies outside',
    );
  });
});
