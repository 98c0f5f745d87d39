import { describe, expect, test } from '@jest/globals';
import { AddressSpace } from './address-space.ts';
import { MachineBus } from './bus.ts';
import { BusDma } from './dma.ts';
import { ACCELERATOR_ARENA, GuestMemory } from './guest-memory.ts';
import { createRam, createRom } from './memory.ts';
import { Trace } from './trace.ts';
import type { Window } from './window.ts';

const ROM_AT = ACCELERATOR_ARENA + 0x2_0000;

/** A window of bytes that counts up from its base, and a record of what reaches it. */
function probe(name: string, size: number): Window & { log: string[] } {
  const log: string[] = [];
  const value = (offset: number, count: number) => {
    let result = 0;
    for (let i = count - 1; i >= 0; i--) result = result * 256 + ((offset + i) & 0xff);
    return result;
  };
  return {
    kind: 'window',
    name,
    size,
    log,
    peek: value,
    read(offset, count) {
      log.push(`r${count} ${offset}`);
      return value(offset, count);
    },
    write(offset, count, v) {
      log.push(`w${count} ${offset} ${v.toString(16)}`);
    },
  };
}

/** 128 KiB of RAM at 0, a ROM of 8 KiB at 0xf0000, a window of 16 bytes at 0xfec00000, windows at ports. */
function bench() {
  const memory = new AddressSpace('memory', 2 ** 52);
  const ports = new AddressSpace<Window>('ports', 65_536, ['window']);
  const trace = new Trace(() => 7);
  const guest = new GuestMemory(0x4_0000);
  const ram = createRam('ram', 0x2_0000);
  ram.block.offset = ACCELERATOR_ARENA;
  const rom = createRom('bios', 0x2000, new Uint8Array(0x2000));
  rom.block.offset = ROM_AT;
  guest.bytes.fill(0xb1, ROM_AT, ROM_AT + 0x2000);
  const apic = probe('apic', 16);
  const pic = probe('pic', 2);
  const pit = probe('pit', 4);
  memory.map({ 0: ram, 983040: rom, 4273995776: apic });
  ports.map({ 32: pic, 34: pit, 65534: probe('last', 2) });
  const bus = new MachineBus({
    guest,
    memory,
    ports,
    trace,
    acknowledge: () => 0x30,
    now: () => 7,
    wallClock: () => 9,
  });
  return { memory, ports, trace, guest, ram, rom, apic, pic, pit, bus, dma: new BusDma(() => bus) };
}

describe('ports', () => {
  test('an access goes to the window with its offset', () => {
    const { bus, pic, pit } = bench();
    expect([bus.portRead(0x21, 1), bus.portRead(0x22, 4)]).toEqual([1, 0x0302_0100]);
    bus.portWrite(0x24, 2, 0xbeef);
    expect([pic.log, pit.log]).toEqual([['r1 1'], ['r4 0', 'w2 2 beef']]);
  });

  test('over the end of a window it goes byte by byte to the next one, or to nothing', () => {
    const { bus, ports, pic, pit } = bench();
    expect(bus.portRead(0x21, 2)).toBe(0x0001);
    bus.portWrite(0x21, 4, 0x4433_2211);
    expect([pic.log, pit.log]).toEqual([
      ['r1 1', 'w1 1 11'],
      ['r1 0', 'w1 0 22', 'w1 1 33', 'w1 2 44'],
    ]);
    expect([bus.portRead(0x25, 2), bus.portRead(0xffff, 4), ports.unhandled.reads]).toEqual([0xff03, 0xffff_ff01, 4]);
  });

  test('nothing there: ones, and it is counted', () => {
    const { bus, ports } = bench();
    expect([bus.portRead(0x80, 1), bus.portRead(0x80, 2), bus.portRead(0x80, 4)]).toEqual([0xff, 0xffff, 0xffff_ffff]);
    bus.portWrite(0x80, 1, 1);
    bus.portWrite(0x80, 4, 1);
    expect(ports.unhandled).toEqual({ reads: 7, writes: 5 });
  });

  test('a wide access just before a window reaches it', () => {
    const { bus, pic } = bench();
    expect(bus.portRead(0x1f, 2)).toBe(0x00ff);
    expect(pic.log).toEqual(['r1 0']);
  });

  test('a debugger peeks without effect', () => {
    const { bus, pic, pit, ports } = bench();
    expect([bus.portPeek(0x20, 2), bus.portPeek(0x21, 2), bus.portPeek(0x80, 4)]).toEqual([
      0x0100, 0x0001, 0xffff_ffff,
    ]);
    expect([pic.log, pit.log, ports.unhandled.reads]).toEqual([[], [], 0]);
  });

  test('a window that is moved answers at its new ports', () => {
    const { bus, ports, pic } = bench();
    const bar = ports.place(0x1000, pic);
    bar.move(0x2000);
    expect([bus.portRead(0x1001, 1), bus.portRead(0x2001, 1)]).toEqual([0xff, 1]);
  });
});

describe('memory', () => {
  test('windows are called, RAM is read and written, ROM is read only', () => {
    const { bus, apic, guest } = bench();
    bus.memoryWrite(0x1000, 4, 0x8765_4321);
    bus.memoryWrite(0xf_0000, 4, 0);
    bus.memoryWrite(0xfec0_0004, 4, 5);
    expect([bus.memoryRead(0x1000, 4), bus.memoryRead(0x1002, 2), bus.memoryRead(0xf_0000, 1)]).toEqual([
      0x8765_4321, 0x8765, 0xb1,
    ]);
    expect([bus.memoryRead(0xfec0_0000, 2), apic.log]).toEqual([0x0100, ['w4 4 5', 'r2 0']]);
    expect(guest.view.getUint32(ACCELERATOR_ARENA + 0x1000, true)).toBe(0x8765_4321);
  });

  test('over a border it goes byte by byte; holes read ones and are counted', () => {
    const { bus, memory, guest } = bench();
    bus.memoryWrite(0x1_fffe, 4, 0xddcc_bbaa);
    expect([bus.memoryRead(0x1_fffe, 4), memory.unhandled]).toEqual([0xffff_bbaa, { reads: 2, writes: 2 }]);
    expect(guest.bytes[ACCELERATOR_ARENA + 0x1_ffff]).toBe(0xbb);
    expect([bus.memoryRead(2 ** 40, 4), bus.memoryPeek(2 ** 40, 4), memory.unhandled.reads]).toEqual([
      0xffff_ffff, 0xffff_ffff, 6,
    ]);
  });

  test('a write to RAM by the bus is announced beforehand', () => {
    const { bus, guest } = bench();
    const seen: unknown[] = [];
    bus.onWrite((offset, size) => seen.push([offset - ACCELERATOR_ARENA, size, guest.bytes[offset]]));
    bus.memoryWrite(0x10, 2, 0xffff);
    bus.memoryWrite(0xf_0000, 2, 0xffff);
    bus.memoryWrite(0xfec0_0000, 2, 0xffff);
    expect(seen).toEqual([[0x10, 2, 0]]);
  });

  test('what answered last is forgotten when the map changes', () => {
    const { bus, memory, apic } = bench();
    bus.memoryWrite(0x1000, 1, 0x55);
    const hole = memory.place(0x1000, apic, 1);
    expect(bus.memoryRead(0x1000, 1)).toBe(0);
    hole.remove();
    expect(bus.memoryRead(0x1000, 1)).toBe(0x55);
  });
});

describe('regions for accelerators', () => {
  const shown = (bus: MachineBus) =>
    bus
      .regions()
      .map(({ base, size, kind, offset }) => [kind, base, size, offset === 0 ? 0 : offset - ACCELERATOR_ARENA]);

  test('RAM and ROM by pages, windows, no gaps', () => {
    expect(shown(bench().bus)).toEqual([
      ['ram', 0, 0x2_0000, 0],
      ['rom', 0xf_0000, 0x2000, 0x2_0000],
      ['window', 0xfec0_0000, 16, 0],
    ]);
  });

  test('a page that is not all RAM is a window to the accelerator, and served by the bus', () => {
    const { bus, memory, apic } = bench();
    memory.place(0x1_0010, apic, 1);
    expect(shown(bus)).toEqual([
      ['ram', 0, 0x1_0000, 0],
      ['window', 0x1_0000, 0x1000, 0],
      ['ram', 0x1_1000, 0xf000, 0x1_1000],
      ['rom', 0xf_0000, 0x2000, 0x2_0000],
      ['window', 0xfec0_0000, 16, 0],
    ]);
    bus.memoryWrite(0x1_0020, 4, 7);
    expect([bus.memoryRead(0x1_0020, 4), bus.memoryRead(0x1_0010, 1)]).toEqual([7, 0]);
  });

  test('RAM whose pages begin in the middle of a page of the guest memory is a window', () => {
    const { bus, memory, ram } = bench();
    memory.map({ 2097152: ram.slice(0x800, 0x1800) });
    expect(shown(bus)[2]).toEqual(['window', 0x20_0000, 0x1000, 0]);
  });

  test('RAM at an odd address is a window; slices that meet are one region', () => {
    const { bus, memory, ram } = bench();
    memory.map({
      2097408: ram.slice(0, 0x1000),
      3145728: ram.slice(0x1000, 0x2000),
      3149824: ram.slice(0x2000, 0x3000),
    });
    expect(shown(bus).slice(2, 4)).toEqual([
      ['window', 0x20_0100, 0x1000, 0],
      ['ram', 0x30_0000, 0x2000, 0x1000],
    ]);
  });

  test('the same array until the map changes, and then a call', () => {
    const { bus, memory, apic } = bench();
    let changes = 0;
    bus.onRegionsChanged(() => changes++);
    const before = bus.regions();
    expect(bus.regions()).toBe(before);
    memory.place(0x10_0000, apic);
    expect([changes, bus.regions() === before]).toEqual([1, false]);
  });
});

describe('DMA', () => {
  test('bytes are copied over borders, windows and holes', () => {
    const { dma, bus, memory } = bench();
    const written: number[] = [];
    bus.onWrite((offset, size) => written.push(offset - ACCELERATOR_ARENA, size));
    dma.writeBytes(0x1_fffd, Uint8Array.of(1, 2, 3, 4, 5));
    const into = new Uint8Array(5);
    dma.readBytes(0x1_fffd, into);
    expect([[...into], written, memory.unhandled]).toEqual([
      [1, 2, 3, 0xff, 0xff],
      [0x1_fffd, 3],
      { reads: 2, writes: 2 },
    ]);
    const apic = new Uint8Array(2);
    dma.readBytes(0xfec0_0003, apic);
    expect([...apic]).toEqual([3, 4]);
  });

  test('ROM is read and not written', () => {
    const { dma } = bench();
    dma.writeBytes(0xf_0000, Uint8Array.of(0, 0));
    const into = new Uint8Array(2);
    dma.readBytes(0xf_0000, into);
    expect([...into]).toEqual([0xb1, 0xb1]);
  });

  test('a view is the guest’s own memory, and only of RAM in one piece', () => {
    const { dma } = bench();
    dma.write(0x10, 2, 0x1234);
    expect([dma.view(0x10, 2), dma.read(0x10, 1)]).toEqual([Uint8Array.of(0x34, 0x12), 0x34]);
    expect([dma.view(0x1_ffff, 2), dma.view(0xf_0000, 2), dma.view(0xfec0_0000, 2), dma.view(2 ** 40, 2)]).toEqual(
      Array(4).fill(undefined),
    );
  });
});

describe('traces', () => {
  test('accesses by kind, and what nothing answered', () => {
    const { bus, trace } = bench();
    const seen: string[] = [];
    trace.listen(
      ({ category, source, text }) => seen.push(`${category} ${source} ${text}`),
      ['port', 'memory', 'unhandled', 'irq'],
    );
    bus.portWrite(0x20, 1, 0x11);
    bus.portRead(0x80, 1);
    bus.memoryRead(0xfec0_0000, 4);
    bus.acknowledge();
    expect(seen).toEqual([
      'port port out8 0x20 0x11',
      'unhandled ports read8 0x80',
      'port port in8 0x80 0xff',
      'memory memory load32 0xfec00000 0x3020100',
      'irq cpu0 acknowledges vector 0x30',
    ]);
  });
});
