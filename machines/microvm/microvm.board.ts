import { defineMachine, size } from '@mainboard/core';
import {
  bootFirmware,
  bootOptions,
  debugConsole,
  debugExit,
  i8042,
  i8254,
  i8259,
  mc146818,
  pm1Control,
  port92,
  portB,
  uart16550,
} from '@mainboard/devices';

/** The least PC that a stock Linux kernel takes for one. Port map and IRQ routing: README.md. */
export const microvm = defineMachine(
  { name: 'microvm', description: 'PIC, PIT, RTC, keyboard controller, serial port; boots a kernel directly' },
  { memory: size('256M', { min: 2 ** 21, max: 7 * 2 ** 29, align: 4096 }).about('RAM'), ...bootOptions },
  board => {
    const { options, memory, ports, reset, poweroff } = board;
    const [cpu] = board.cpus;
    const pic0 = board.add('pic0', i8259, { role: 'master' });
    const pic1 = board.add('pic1', i8259, { role: 'slave' });
    const pit = board.add('pit', i8254);
    const rtc = board.add('rtc', mc146818, { memory: options.memory });
    const kbc = board.add('kbc', i8042);
    const sysb = board.add('sysb', portB);
    const sysa = board.add('sysa', port92);
    const com1 = board.add('com1', uart16550);
    const debugcon = board.add('debugcon', debugConsole);
    const exit = board.add('exit', debugExit);
    const power = board.add('power', pm1Control);
    const dram = board.ram(options.memory);

    memory.map({ 0: dram.slice(0, 0xa_0000), 0x10_0000: dram.slice(0x10_0000, dram.size) });
    bootFirmware(board);
    // biome-ignore format: a port map reads as a table
    ports.map({
      0x20: pic0.regs, 0xa0: pic1.regs, 0x4d0: pic0.elcr, 0x4d1: pic1.elcr, 0x40: pit.regs, 0x70: rtc.regs,
      0x60: kbc.data, 0x64: kbc.command, 0x61: sysb.regs, 0x92: sysa.regs, 0x3f8: com1.regs,
      0xe9: debugcon.regs, 0x402: debugcon.regs, 0xf4: exit.regs, 0x604: power.regs,
    });
    // biome-ignore format: a netlist reads as a table
    board.wire([
      [pic0.int, cpu.intr],     [pic0.inta, cpu.inta],    [pic1.int, pic0.ir[2]],   [pic1.inta, pic0.cascade[2]],
      [pit.out[0], pic0.ir[0]], [kbc.kbdIrq, pic0.ir[1]], [com1.irq, pic0.ir[4]],
      [rtc.irq, pic1.ir[0]],    [kbc.auxIrq, pic1.ir[4]],
      [pit.out[2], sysb.out2],  [sysb.gate2, pit.gate[2]], [rtc.nmiMask, sysb.nmiMask], [sysb.nmi, cpu.nmi],
      [kbc.a20, cpu.a20],       [sysa.a20, cpu.a20],
      [kbc.reset, reset],       [sysa.reset, reset],      [power.poweroff, poweroff],
    ]);
  },
);
