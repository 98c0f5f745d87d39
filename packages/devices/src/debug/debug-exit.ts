import { defineDevice, PowerControl, registers } from '@mainboard/core';

/**
 * Ends the machine: writing v gives the host's process the status `(v << 1) | 1`, which is never 0, so that a test
 * guest that died otherwise cannot be taken for one that passed. GUEST: test kernels; QEMU has it at F4h by habit.
 */
export const debugExit = defineDevice(
  'debug-exit',
  {
    spec: 'QEMU docs, isa-debug-exit',
    description: 'a port that ends the machine with a status',
    backends: { power: PowerControl },
    windows: { regs: registers({ EXIT: { at: 0, size: 4, access: 'wo' } }) },
  },
  ({ backends: { power } }) => ({
    registers: {
      EXIT: { onWrite: value => power.exit(((value << 1) | 1) & 0xff) },
    },
  }),
);
