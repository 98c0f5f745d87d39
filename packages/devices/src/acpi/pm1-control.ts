import { bit, bits, defineDevice, output, registers } from '@mainboard/core';

/** SLP_TYP of soft-off. GUEST: every guest that powers QEMU's PCs off by writing 2000h to port 604h. */
const SOFT_OFF = 0;

/**
 * The PM1 control register alone: a guest's way to turn its power off, without the ACPI tables that would tell of it.
 *
 * NOT IMPLEMENTED: the other sleep states, SCI_EN, the PM1 event registers.
 */
export const pm1Control = defineDevice(
  'pm1-control',
  {
    spec: 'ACPI 6.5',
    description: 'a register that turns the power off',
    pins: { poweroff: output() },
    windows: {
      regs: registers({
        PM1_CNT: {
          at: 0,
          size: 2,
          access: 'rw',
          writable: 0b111 << 10, // SLP_EN reads as zero
          fields: { SLP_TYP: bits(12, 10), SLP_EN: bit(13) },
        }, // §4.8.3.2.1
      }),
    },
  },
  ({ pins, regs: { PM1_CNT } }) => ({
    registers: {
      PM1_CNT: {
        onWrite(value) {
          if (value & (1 << 13) && PM1_CNT.SLP_TYP === SOFT_OFF) pins.poweroff.pulse();
        },
      },
    },
  }),
);
