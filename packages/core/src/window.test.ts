import { describe, expect, test } from '@jest/globals';
import { RegisterFile } from './register.ts';
import { Trace } from './trace.ts';
import {
  CompiledWindow,
  HandledWindow,
  handlers,
  type RegisterBehaviour,
  type RegisterWindow,
  registers,
} from './window.ts';

const compile = (
  declaration: RegisterWindow,
  behaviours: Record<string, RegisterBehaviour> = {},
  trace = new Trace(() => 0),
) => {
  const file = new RegisterFile(declaration.registers);
  return { file, window: new CompiledWindow('dev.regs', declaration, file, behaviours, trace) };
};
const uart = registers({
  RBR: { at: 0, size: 1, access: 'ro', reset: 0x41 },
  THR: { at: 0, size: 1, access: 'wo' },
  IER: { at: 1, size: 1, access: 'rw', reset: 0x05 },
  WIDE: { at: 4, size: 4, access: 'rw', reset: 0x4433_2211 },
});

describe('reads', () => {
  test('a register as it is', () => {
    const { window } = compile(uart);
    expect([window.size, window.read(0, 1), window.read(4, 4)]).toEqual([8, 0x41, 0x4433_2211]);
  });

  test('a wider access is taken apart into bytes, little-endian; where nothing is, ones are read', () => {
    const { window } = compile(uart);
    expect(window.read(0, 2)).toBe(0x0541);
    expect(window.read(0, 4)).toBe(0xffff_0541);
    expect(window.read(2, 4)).toBe(0x2211_ffff);
  });

  test('a narrower access reads a part', () => {
    const { window } = compile(uart);
    expect([window.read(4, 1), window.read(5, 2), window.read(7, 1)]).toEqual([0x11, 0x3322, 0x44]);
  });

  test('nothing there, or beyond the end: ones of the size asked for', () => {
    const { window } = compile(uart);
    expect([window.read(2, 1), window.read(2, 2), window.read(100, 4)]).toEqual([0xff, 0xffff, 0xffff_ffff]);
  });

  test('value() replaces the stored value, onRead() runs after it; peek has neither', () => {
    let n = 0;
    const { window } = compile(uart, {
      RBR: {
        value: () => 0x100 + n,
        onRead() {
          n++;
        },
      },
    });
    expect([window.peek(0, 1), window.peek(0, 2), window.read(0, 1), window.read(0, 2), n]).toEqual([
      0, 0x0500, 0, 0x0501, 2,
    ]);
  });

  test('values above 2³¹ stay unsigned', () => {
    const { window } = compile(uart, { WIDE: { value: () => -1 } });
    expect([window.read(4, 4), window.peek(4, 4), window.read(6, 2)]).toEqual([0xffff_ffff, 0xffff_ffff, 0xffff]);
  });
});

describe('writes', () => {
  test('the value is stored, then onWrite() gets it and the one before', () => {
    const seen: unknown[] = [];
    const { window, file } = compile(uart, {
      IER: { onWrite: (value, previous) => seen.push([value, previous, file.save().IER]) },
    });
    window.write(1, 1, 0x0f);
    expect(seen).toEqual([[0x0f, 0x05, 0x0f]]);
  });

  test('bits beyond the access are cut off', () => {
    const seen: number[] = [];
    const { window } = compile(uart, {
      IER: { onWrite: value => seen.push(value) },
      WIDE: { onWrite: value => seen.push(value) },
    });
    window.write(1, 1, 0x1ff);
    window.write(4, 4, -1);
    expect(seen).toEqual([0xff, 0xffff_ffff]);
  });

  test('one goes to the register for writing, the other is read-only', () => {
    const { window, file } = compile(uart);
    window.write(0, 1, 0x7a);
    expect(file.save()).toMatchObject({ RBR: 0x41, THR: 0x7a });
  });

  test('a wider access is taken apart', () => {
    const { window, file } = compile(uart);
    window.write(0, 4, 0xdead_0907);
    expect(file.save()).toMatchObject({ THR: 0x07, IER: 0x09, WIDE: 0x4433_2211 });
  });

  test('a narrower access is merged with what is stored', () => {
    const seen: number[] = [];
    const { window, file } = compile(uart, { WIDE: { onWrite: value => seen.push(value) } });
    window.write(6, 1, 0xee);
    window.write(4, 2, 0xbbaa);
    expect(seen).toEqual([0x44ee_2211, 0x44ee_bbaa]);
    expect(file.save().WIDE).toBe(0x44ee_bbaa);
  });

  test('nothing there, or beyond the end: swallowed', () => {
    const { window, file } = compile(uart);
    const before = file.save();
    window.write(2, 2, 0xffff);
    window.write(100, 4, 0xffff);
    expect(file.save()).toEqual(before);
  });

  test('w1c: ones clear, also in a part; onWrite() gets the bits to clear', () => {
    const seen: number[] = [];
    const { window, file } = compile(registers({ STATUS: { at: 0, size: 2, access: 'w1c', reset: 0xffff } }), {
      STATUS: { onWrite: value => seen.push(value) },
    });
    window.write(0, 2, 0x000f);
    window.write(1, 1, 0x80);
    expect([file.save().STATUS, seen]).toEqual([0x7ff0, [0x000f, 0x8000]]);
  });

  test('writable: the other bits keep their value', () => {
    const { window, file } = compile(registers({ MCR: { at: 0, size: 1, access: 'rw', reset: 0xa0, writable: 0x1f } }));
    window.write(0, 1, 0xff);
    expect(file.save().MCR).toBe(0xbf);
  });
});

describe('declarations', () => {
  test('exact: another offset or size reads ones and writes nothing', () => {
    const { window, file } = compile(
      registers({ DATA: { at: 0, size: 4, access: 'rw', reset: 1 } }, { access: 'exact' }),
    );
    window.write(0, 1, 9);
    window.write(2, 2, 9);
    expect([window.read(0, 1), window.read(2, 2), window.read(0, 4), file.save().DATA]).toEqual([0xff, 0xffff, 1, 1]);
  });

  test('a window can be larger than its registers, not smaller', () => {
    const table = { A: { at: 2, size: 2, access: 'rw' } } as const;
    expect([registers(table).size, registers(table, { size: 16 }).size]).toEqual([4, 16]);
    expect(() => registers(table, { size: 3 })).toThrow('A window of 3 bytes cannot hold registers up to offset 0x4.');
  });

  test('handlers answer a window themselves; read() is peek() unless told', () => {
    const memory = new Uint8Array(4);
    const window = new HandledWindow('vga.fb', handlers(4), {
      peek: offset => memory[offset]! - 1,
      write(offset, _size, value) {
        memory[offset] = value;
      },
    });
    window.write(2, 1, 5);
    expect([window.size, window.peek(2, 1), window.read(2, 1), window.read(0, 4)]).toEqual([4, 4, 4, 0xffff_ffff]);
  });
});

test('accesses are traced by register when somebody listens', () => {
  const trace = new Trace(() => 42);
  const { window } = compile(uart, {}, trace);
  const seen: string[] = [];
  window.read(1, 1);
  const stop = trace.listen(event => seen.push(`${event.at} ${event.source} ${event.text}`), ['register']);
  window.read(1, 1);
  window.write(0, 1, 0x41);
  window.write(2, 1, 0);
  stop();
  window.read(1, 1);
  expect(seen).toEqual([
    '42 dev.regs reads IER 0x5',
    '42 dev.regs writes THR 0x41',
    '42 dev.regs writes offset 0x2 0x0',
  ]);
});
