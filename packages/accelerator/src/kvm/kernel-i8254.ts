import type { DeviceImplementation } from '@mainboard/core';
import type { i8254 } from '@mainboard/devices';
import { Struct } from './abi/layout.ts';
import { kvmPitChannelState, kvmPitState2 } from './abi/structs.ts';
import type { KvmAccelerator } from './accelerator.ts';

/** What KVM gives a channel that has no control word yet: it makes no timer for it. */
const NO_MODE = 0xff;
/** `read_state` and `write_state`: which byte comes next. */
const BYTE = { LOW: 1, HIGH: 2, LOW_OF_BOTH: 3, HIGH_OF_BOTH: 4 } as const;
const NONE = -1;
/** CLK of the in-kernel PIT, in Hz, whatever the board says. */
const CLK = 1_193_182;

/**
 * The 8254 in the kernel, behind the device's table: guest accesses never reach the window, counter 0 raises IRQ 0
 * inside the kernel, and port 61h is answered there too, so `out` and `gate` rest. Saving fetches control words,
 * counts and latches.
 *
 * DEVIATION "Operational Description": KVM has no BCD counting, and it begins a period anew when a state is loaded, so
 * neither save nor restore carry how far a counter has come.
 */
export const kernelI8254 = (accelerator: KvmAccelerator): DeviceImplementation<(typeof i8254)['spec']> => ({
  create({ pins, state, clock }) {
    const size = kvmPitChannelState.size;
    const channelOf = (pit: Uint8Array, i: number): Struct<keyof typeof kvmPitChannelState.fields> => {
      const channel = new Struct(kvmPitChannelState);
      channel.bytes.set(pit.subarray(i * size, (i + 1) * size));
      return channel;
    };

    return {
      /** After reset and restore only: nobody else changes the device's state. */
      update() {
        const pit = new Struct(kvmPitState2);
        for (let i = 0; i < 3; i++) {
          const channel = new Struct(kvmPitChannelState);
          const access = state.control[i]! >> 4;
          const mode = (state.control[i]! >> 1) & 7;
          const [latch, status, lowByte] = [state.latch[i]!, state.status[i]!, state.lowByte[i]!];
          const next = access === 3 ? BYTE.LOW_OF_BOTH : access;
          channel.set('count', state.count[i]!);
          channel.set('latched_count', latch === NONE ? 0 : latch);
          channel.set('count_latched', latch === NONE ? 0 : next);
          channel.set('status_latched', status === NONE ? 0 : 1);
          channel.set('status', status === NONE ? 0 : status);
          channel.set('read_state', state.readHigh[i] !== 0 ? BYTE.HIGH_OF_BOTH : next);
          channel.set('write_state', lowByte === NONE ? next : BYTE.HIGH_OF_BOTH);
          channel.set('write_latch', lowByte === NONE ? 0 : lowByte);
          channel.set('rw_mode', access);
          channel.set('mode', state.written[i] === 0 ? NO_MODE : mode > 5 ? mode - 4 : mode);
          channel.set('bcd', state.control[i]! & 1);
          channel.set('gate', i !== 2 || pins.gate[i]!.level ? 1 : 0);
          pit.bytes.set(channel.bytes, i * size);
        }
        accelerator.vm?.writePit(pit.bytes);
      },
      capture() {
        const vm = accelerator.vm;
        if (!vm) return;
        const pit = vm.readPit();
        const now = Math.floor((clock.now() * CLK) / 1e9);
        for (let i = 0; i < 3; i++) {
          const channel = channelOf(pit, i);
          const begun = channel.get('mode') !== NO_MODE;
          const { control, count, written, pending, armed, since, from, latch, status, lowByte, readHigh } = state;
          control[i] = begun ? (channel.get('rw_mode') << 4) | (channel.get('mode') << 1) | channel.get('bcd') : 0x30;
          count[i] = channel.get('count') & 0xffff;
          written[i] = armed[i] = begun ? 1 : 0;
          pending[i] = begun ? 0 : 1;
          since[i] = now;
          from[i] = begun ? channel.get('count') || 0x1_0000 : 0;
          state.loadAt[i] = state.strobeAt[i] = NONE;
          state.expired[i] = 0;
          state.high[i] = 1;
          latch[i] = channel.get('count_latched') !== 0 ? channel.get('latched_count') : NONE;
          status[i] = channel.get('status_latched') !== 0 ? channel.get('status') : NONE;
          lowByte[i] = channel.get('write_state') === BYTE.HIGH_OF_BOTH ? channel.get('write_latch') : NONE;
          readHigh[i] = channel.get('read_state') === BYTE.HIGH_OF_BOTH ? 1 : 0;
          state.drivenAt[i] = now;
        }
      },
    };
  },
});
