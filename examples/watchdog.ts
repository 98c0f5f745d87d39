import { bit, defineDevice, output, registers, u32 } from '@mainboard/core';

const MOST = 0xff;

/** A two-stage watchdog: left alone for LOAD ticks it raises `irq`, left alone for as many again it raises `bite`. */
export const watchdog = defineDevice(
  'watchdog',
  {
    spec: 'examples/README.md, "The watchdog"',
    description: 'watchdog with two stages: an interrupt, then a reset',
    properties: { tick: u32(100_000_000, { min: 1000 }).about('nanoseconds') },
    pins: { irq: output(), bite: output() },
    windows: {
      regs: registers({
        LOAD: { at: 0, size: 1, access: 'rw', reset: MOST }, //                                                    §1
        VALUE: { at: 1, size: 1, access: 'ro' }, //                                                                §2
        CTRL: { at: 2, size: 1, access: 'rw', writable: 3, fields: { ENABLE: bit(0), BITE: bit(1) } }, //          §3
        STATUS: { at: 3, size: 1, access: 'w1c', fields: { EXPIRED: bit(0) } }, //                                 §4
        KICK: { at: 4, size: 1, access: 'wo' }, //                                                                 §5
      }),
    },
    state: { deadline: 0, expiries: 0 },
  },
  ({ props, pins, regs: { LOAD, CTRL, STATUS }, state, clock }) => {
    const timer = clock.timer(() => {
      state.expiries++;
      STATUS.EXPIRED = true;
      restart();
    }, 'watchdog');
    const bitten = () => CTRL.BITE && state.expiries > 1;

    /** Outputs and timer follow from registers and state alone, so they are right after a reset or restore too. */
    function update() {
      pins.irq.set(CTRL.ENABLE && STATUS.EXPIRED);
      pins.bite.set(bitten());
      if (CTRL.ENABLE && !bitten()) timer.arm(state.deadline);
      else timer.cancel();
    }
    function restart() {
      state.deadline = clock.now() + Math.max(1, LOAD.value) * props.tick;
      update();
    }
    function kick() {
      state.expiries = 0;
      restart();
    }
    const ticksLeft = () => Math.min(MOST, Math.max(0, Math.ceil((state.deadline - clock.now()) / props.tick)));
    return {
      update,
      registers: {
        VALUE: { value: () => (CTRL.ENABLE ? ticksLeft() : LOAD.value) },
        LOAD: { onWrite: restart },
        CTRL: { onWrite: kick },
        STATUS: { onWrite: update },
        KICK: { onWrite: kick },
      },
    };
  },
);
