import { defineDevice, inputs, numbers, outputs, registers, u32 } from '@mainboard/core';
import { cyclesAt, timeOfCycle } from './cycles.ts';
import { Counter } from './i8254-counter.ts';
import { CounterRow, counterTable } from './i8254-counter-state.ts';

const READ_BACK = { COUNT: 0x20, STATUS: 0x10 } as const;

/**
 * Programmable interval timer. An unconnected GATE is high, as the PC ties it. Everything follows from virtual time;
 * a timer is armed only for the next edge of an OUT that is wired.
 *
 * Between power-on and its first control word a counter stands still with OUT low (undefined by the datasheet).
 */
export const i8254 = defineDevice(
  'i8254',
  {
    spec: 'Intel 8254 (231164-005)',
    description: 'programmable interval timer, three counters of 16 bits',
    properties: { clk: u32(1_193_182, { min: 1, max: 8_000_000 }).about('frequency of the three CLK inputs in Hz') },
    pins: { gate: inputs(3), out: outputs(3) },
    windows: {
      regs: registers({
        COUNTER0: { at: 0, size: 1, access: 'rw' }, // "Read Operations", "Write Operations"
        COUNTER1: { at: 1, size: 1, access: 'rw' },
        COUNTER2: { at: 2, size: 1, access: 'rw' },
        CONTROL: { at: 3, size: 1, access: 'wo' }, // "Control Word Format"
      }),
    },
    state: {
      ...counterTable(3),
      /** A cycle up to which all edges of each OUT have been driven. */
      drivenAt: numbers(3),
    },
  },
  ({ props: { clk }, pins, state, clock }) => {
    const counters = [0, 1, 2].map(i => new Counter(new CounterRow(state, i)));
    const cycle = () => cyclesAt(clock.now(), clk);
    const timer = clock.timer(update, 'edge');

    /** Brings OUT up to cycle `t`. Late by more than a pulse, as host time can be, it still gives the pulse. */
    function drive(i: number, t: number): void {
      if (pins.out[i]!.sinks.length === 0) return;
      const counter = counters[i]!;
      const edge = counter.nextEdge(state.drivenAt[i]!);
      if (edge <= t) state.drivenAt[i] = t;
      if (edge < t) pins.out[i]!.set(counter.out(edge));
      pins.out[i]!.set(counter.out(t));
    }

    function update(): void {
      const t = cycle();
      let next = Number.POSITIVE_INFINITY;
      for (let i = 0; i < 3; i++) {
        const gate = pins.gate[i]!;
        counters[i]!.gate = gate.level || !gate.connected;
        drive(i, t);
        if (pins.out[i]!.sinks.length > 0) next = Math.min(next, counters[i]!.nextEdge(t));
      }
      if (next < Number.POSITIVE_INFINITY) timer.arm(timeOfCycle(next, clk));
      else timer.cancel();
    }

    /** Does what the guest or GATE asks of a counter, its past up to now driven first. */
    function change(i: number, act: (counter: Counter, t: number) => void): void {
      const t = cycle();
      drive(i, t);
      state.drivenAt[i] = t;
      act(counters[i]!, t);
      update();
    }

    function readBack(command: number): void {
      const t = cycle();
      for (let i = 0; i < 3; i++) {
        if ((command & (2 << i)) === 0) continue;
        if ((command & READ_BACK.COUNT) === 0) counters[i]!.latchCount(t);
        if ((command & READ_BACK.STATUS) === 0) counters[i]!.latchStatus(t);
      }
    }

    const counterRegister = (i: number) => ({
      value: () => counters[i]!.read(cycle()),
      onRead: () => counters[i]!.afterRead(),
      onWrite: (byte: number) => change(i, (counter, t) => counter.write(byte, t)),
    });

    return {
      update,
      inputs: { gate: (level, i) => change(i, (counter, t) => counter.setGate(level, t)) },
      registers: {
        COUNTER0: counterRegister(0),
        COUNTER1: counterRegister(1),
        COUNTER2: counterRegister(2),
        CONTROL: {
          onWrite(word) {
            const select = word >> 6;
            if (select === 3) readBack(word);
            else if ((word & 0x30) === 0) counters[select]!.latchCount(cycle());
            else change(select, (counter, t) => counter.program(word, t));
          },
        },
      },
    };
  },
);
