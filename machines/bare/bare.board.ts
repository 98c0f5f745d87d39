import { defineMachine, size } from '@mainboard/core';
import { bootFirmware, bootOptions, debugConsole, debugExit, pm1Control, uart16550 } from '@mainboard/devices';

/** A processor, RAM and ways to talk to the host: for guests that need no PC. Port map: README.md. */
export const bare = defineMachine(
  { name: 'bare', description: 'RAM, a serial port, debug console and exit' },
  { memory: size('64M', { min: 2 ** 21, max: 7 * 2 ** 29, align: 4096 }).about('RAM'), ...bootOptions },
  board => {
    const { options, memory, ports } = board;
    const com1 = board.add('com1', uart16550);
    const debugcon = board.add('debugcon', debugConsole);
    const exit = board.add('exit', debugExit);
    const power = board.add('power', pm1Control);
    const dram = board.ram(options.memory);

    memory.map({ 0: dram.slice(0, 0xa_0000), 0x10_0000: dram.slice(0x10_0000, dram.size) });
    bootFirmware(board);
    // biome-ignore format: a port map reads as a table
    ports.map({
      0x3f8: com1.regs, 0xe9: debugcon.regs, 0x402: debugcon.regs, 0xf4: exit.regs, 0x604: power.regs,
    });
    // Without an interrupt controller nothing drives the data bus during the acknowledge: the vector reads as FFh.
    board.wire([
      [com1.irq, board.cpus[0].intr],
      [power.poweroff, board.poweroff],
    ]);
  },
);
