import { defineMachine, u32 } from '@mainboard/core';
import { i8259 } from '@mainboard/devices';
import { microvm } from '@mainboard/machines';
import { watchdog } from './watchdog.ts';

/** `microvm` with a watchdog: registers at FED8 0000h, interrupt 5. */
export const watched = defineMachine(
  { name: 'watched', description: 'microvm with a watchdog' },
  { ...microvm.options, tick: u32(100_000_000, { min: 1000 }).about("the watchdog's tick in nanoseconds") },
  board => {
    microvm.build(board);
    const dog = board.add('dog', watchdog, { tick: board.options.tick });
    const pic0 = board.find('pic0', i8259);

    board.memory.map({ 0xfed8_0000: dog.regs });
    board.wire([
      [dog.irq, pic0.ir[5]],
      [dog.bite, board.reset],
    ]);
  },
);
