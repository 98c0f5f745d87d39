import { describe, expect, test } from '@jest/globals';
import { AddressSpace, type Mappable } from './address-space.ts';
import { createRam, createRom } from './memory.ts';
import type { Window } from './window.ts';

const window = (name: string, size: number): Window => ({
  kind: 'window',
  name,
  size,
  peek: () => 0,
  read: () => 0,
  write() {},
});
const ports = () => new AddressSpace('ports', 0x1_0000);
const shown = (space: AddressSpace) =>
  space
    .pieces()
    .map(
      ({ base, end, what, offset }) => `${base.toString(16)}-${end.toString(16)} ${what.name}+${offset.toString(16)}`,
    );

describe('mapping', () => {
  test('an address belongs to what is mapped there', () => {
    const space = ports();
    const com1 = window('com1.regs', 8);
    space.map({ 1016: com1, 32: window('pic0.regs', 2) });
    expect(space.at(0x3ff)).toMatchObject({ base: 0x3f8, end: 0x400, what: com1 });
    expect([space.at(0x400), space.at(0x3f7), space.at(0x22)]).toEqual([undefined, undefined, undefined]);
    expect(space.at(0x21)?.what.name).toBe('pic0.regs');
  });

  test('an overlap names both sides', () => {
    const space = ports();
    space.map({ 1016: window('com1.regs', 8) });
    expect(() => space.map({ 1020: window('com2.regs', 8) })).toThrow(
      'ports: com2.regs at 0x3fc–0x403 overlaps com1.regs at 0x3f8–0x3ff; move one of them, or place one with a higher priority.',
    );
    expect(shown(space)).toEqual(['3f8-400 com1.regs+0']);
  });

  test('what ends beyond the space does not fit', () => {
    expect(() => ports().map({ 65534: window('x', 4) })).toThrow(
      'x (0x4 bytes) does not fit at 0xfffe in ports, which ends at 0x10000.',
    );
    expect(() => ports().place(-1, window('x', 4))).toThrow('does not fit');
  });

  test('what does not exist, and memory among the ports, in a file that nobody has type-checked', () => {
    const space = new AddressSpace<Window>('ports', 0x1_0000, ['window']);
    expect(() => space.map({ 64: undefined as never })).toThrow(
      'What is to be mapped at 0x40 in ports does not exist; check the window',
    );
    expect(() => space.map({ 64: createRam('ram', 16) as never })).toThrow(
      'ram is a ram and cannot be mapped at 0x40 in ports, which takes a window.',
    );
  });

  test('the same thing twice is an alias', () => {
    const space = new AddressSpace('memory', 2 ** 52);
    const bios = createRom('bios', 0x4_0000, new Uint8Array(0x4_0000));
    space.map({ 917504: bios.slice(0x2_0000, 0x4_0000), 4294705152: bios });
    expect(shown(space)).toEqual(['e0000-100000 bios[0x20000..0x40000]+0', 'fffc0000-100000000 bios+0']);
  });
});

describe('overlays', () => {
  test('the higher priority is seen, the lower one around it', () => {
    const space = new AddressSpace('memory', 2 ** 52);
    space.place(0, createRam('ram', 0x10_0000));
    space.place(0xa_0000, window('vga.fb', 0x2_0000), 1);
    expect(shown(space)).toEqual(['0-a0000 ram+0', 'a0000-c0000 vga.fb+0', 'c0000-100000 ram+c0000']);
  });

  test('taken away, the lower one shows again, in one piece', () => {
    const space = new AddressSpace('memory', 2 ** 52);
    space.place(0, createRam('ram', 0x10_0000));
    const hole = space.place(0xa_0000, window('vga.fb', 0x2_0000), 1);
    hole.remove();
    expect([shown(space), hole.mapped]).toEqual([['0-100000 ram+0'], false]);
    hole.move(0xc_0000);
    expect([shown(space)[1], hole.base, hole.mapped]).toEqual(['c0000-e0000 vga.fb+0', 0xc_0000, true]);
  });
});

describe('changes at run time', () => {
  test('each change notifies once, a batch once', () => {
    const space = ports();
    let changes = 0;
    space.onChange(() => changes++);
    space.map({ 0: window('a', 1), 8: window('b', 1) });
    expect(changes).toBe(1);
    const c = space.place(16, window('c', 4));
    c.move(16);
    c.move(32);
    expect(changes).toBe(3);
    space.batch(() => {
      c.remove();
      c.move(64);
    });
    expect([changes, space.at(66)?.what.name]).toEqual([4, 'c']);
  });

  test('a move onto another mapping is refused and changes nothing', () => {
    const space = ports();
    space.map({ 0: window('a', 4) });
    const b = space.place(8, window('b', 4));
    expect(() => b.move(2)).toThrow('overlaps a at 0x0–0x3');
    expect(shown(space)).toEqual(['0-4 a+0', '8-c b+0']);
    b.move(10); // onto part of itself
    expect(b.base).toBe(10);
  });

  test('the flattened map is the same array until it changes', () => {
    const space = ports();
    const what: Mappable = window('a', 4);
    space.map({ 0: what });
    const before = space.pieces();
    expect(space.pieces()).toBe(before);
    space.place(8, what);
    expect(space.pieces()).not.toBe(before);
  });
});
