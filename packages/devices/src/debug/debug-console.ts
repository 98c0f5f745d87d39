import { Chardev, defineDevice, registers, u32 } from '@mainboard/core';

/** Bytes that wait for a slow chardev at most. */
const MOST_WAITING = 4096;

/**
 * A port that prints what is written to it. GUEST: Bochs and QEMU have it at E9h, SeaBIOS and OVMF write to 402h; both
 * find out that it is there by reading E9h.
 *
 * What the chardev does not take waits here; a guest that never stops writing loses its oldest waiting bytes, since
 * the port has no way to tell it to wait.
 */
export const debugConsole = defineDevice(
  'debug-console',
  {
    spec: 'Bochs user manual, "port_e9_hack"; QEMU docs/specs, isa-debugcon',
    description: 'a port that prints what is written to it',
    properties: { present: u32(0xe9, { max: 0xff }).about('what a read gives') },
    backends: { chardev: Chardev },
    windows: { regs: registers({ DATA: { at: 0, size: 1, access: 'rw' } }) },
    state: { waiting: [] },
  },
  ({ props, state: { waiting }, backends: { chardev } }) => {
    function update() {
      while (waiting.length > 0 && chardev.write(waiting[0]!)) waiting.shift();
    }
    chardev.attach({ room: () => 0, receive() {}, drained: update });
    return {
      update,
      registers: {
        DATA: {
          value: () => props.present,
          onWrite(byte) {
            if (waiting.length >= MOST_WAITING) waiting.shift();
            waiting.push(byte);
            update();
          },
        },
      },
    };
  },
);
