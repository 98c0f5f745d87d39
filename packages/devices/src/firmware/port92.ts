import { bit, defineDevice, output, registers } from '@mainboard/core';

/** Bits that are wired: the others read 0 (no hard disk light, no password, no watchdog). */
const WRITABLE = 0b11;

/**
 * System control port A, port 92h: the fast way to A20 and to a processor reset.
 *
 * DEVIATION: bit 0 resets the system where a PS/2 resets its processor only; boards without firmware have nobody to
 * tell the two apart.
 * NOT IMPLEMENTED: the security lock (bit 3), the watchdog status (bit 4), the activity light (bits 7:6).
 */
export const port92 = defineDevice(
  'port92',
  {
    spec: 'IBM PS/2 Hardware Interface Technical Reference: System Control Port A',
    description: 'system control port A: fast A20 and reset',
    pins: { a20: output(), reset: output() },
    windows: {
      regs: registers({
        PORT_A: { at: 0, size: 1, access: 'rw', writable: WRITABLE, fields: { RESET: bit(0), A20: bit(1) } }, // "Port hex 0092"
      }),
    },
  },
  ({ pins, regs: { PORT_A } }) => {
    function update() {
      pins.a20.set(PORT_A.A20);
    }
    return {
      update,
      registers: {
        PORT_A: {
          onWrite(_value, previous) {
            update();
            if (PORT_A.RESET && !(previous & 1)) pins.reset.pulse(); // it takes a change from 0 to 1
          },
        },
      },
    };
  },
);
