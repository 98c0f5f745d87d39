import { bit, defineDevice, input, output, registers } from '@mainboard/core';

/** Counter 1 asks for a refresh every 18 cycles of 1.193182 MHz. */
const REFRESH_NS = 15_085;

/**
 * System control port B, at 61h: the gate and output of timer 2, the speaker, and the sources of the NMI.
 */
export const portB = defineDevice(
  'port-b',
  {
    spec: 'IBM PC/AT Technical Reference (6280070) §1, "I/O Addresses, port 61h"',
    description: 'system control port B: timer 2, speaker, NMI sources',
    pins: {
      out2: input(),
      gate2: output(),
      /** What the amplifier gets: OUT2 and the speaker data bit. */
      speaker: output(),
      /** Memory parity error. */
      parity: input(),
      /** I/O CH CK, an expansion board's error, active high here. */
      iochk: input(),
      /** Masks the NMI: bit 7 of port 70h. */
      nmiMask: input(),
      nmi: output(),
    },
    windows: {
      regs: registers({
        PORT_B: {
          at: 0,
          size: 1,
          access: 'rw',
          writable: 0x0f,
          fields: {
            GATE2: bit(0),
            SPEAKER: bit(1),
            PARITY_OFF: bit(2),
            IOCHK_OFF: bit(3),
            IOCHK: bit(6),
            PARITY: bit(7),
          },
        },
      }),
    },
  },
  ({ pins, regs: { PORT_B }, clock }) => {
    /** Bit 4 turns with every refresh request. GUEST: delay loops of BIOSes count its edges. */
    const refresh = () => (Math.floor(clock.now() / REFRESH_NS) % 2 === 0 ? 0 : 0x10);

    function update(): void {
      pins.gate2.set(PORT_B.GATE2);
      pins.speaker.set(PORT_B.SPEAKER && pins.out2.level);
      pins.nmi.set((PORT_B.PARITY || PORT_B.IOCHK) && !pins.nmiMask.level);
    }

    /** The error bits are set by their line while its check is on, and cleared by switching that off. */
    function latch(): void {
      PORT_B.PARITY = !PORT_B.PARITY_OFF && (PORT_B.PARITY || pins.parity.level);
      PORT_B.IOCHK = !PORT_B.IOCHK_OFF && (PORT_B.IOCHK || pins.iochk.level);
      update();
    }

    return {
      update,
      inputs: { out2: update, parity: latch, iochk: latch, nmiMask: update },
      registers: {
        PORT_B: {
          // GUEST: Linux waits for OUT2 in bit 5 to calibrate the time-stamp counter.
          value: () => PORT_B.value | refresh() | (pins.out2.level ? 0x20 : 0),
          onWrite: latch,
        },
      },
    };
  },
);
