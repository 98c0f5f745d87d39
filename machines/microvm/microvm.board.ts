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

    memory.map({ 0: dram.slice(0, 0xa_0000), 1048576: dram.slice(0x10_0000, dram.size) });
    bootFirmware(board);
    // biome-ignore format: a port map reads as a table
    ports.map({
      32: pic0.regs, 160: pic1.regs, 1232: pic0.elcr, 1233: pic1.elcr, 64: pit.regs,      112: rtc.regs,
      96: kbc.data,  100: kbc.command, 97: sysb.regs, 146: sysa.regs, 1016: com1.regs,
      233: debugcon.regs, 1026: debugcon.regs, 244: exit.regs, 1540: power.regs,
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
