import { describe, expect, test } from '@jest/globals';
import {
  bit,
  bytes,
  type DeviceType,
  defineDevice,
  input,
  output,
  registers,
  u32,
  vectorSource,
} from '@mainboard/core';
import { deviceContract } from './device-contract.ts';

/** A down-counter that interrupts, with everything that the contract looks at: state, arrays, pins, a timer, a vector. */
const counter = defineDevice(
  'counter',
  {
    spec: 'this test',
    properties: { tick: u32(1000) },
    pins: { gate: input(), irq: output(), inta: vectorSource() },
    windows: {
      regs: registers({
        LOAD: { at: 0, size: 4, access: 'rw' },
        STATUS: { at: 4, size: 1, access: 'ro', fields: { EXPIRED: bit(0), GATED: bit(1) } },
        CLEAR: { at: 4, size: 1, access: 'wo' },
        HISTORY: { at: 5, size: 1, access: 'ro' },
      }),
    },
    state: { deadline: -1, next: 0, history: bytes(4) },
  },
  ({ pins, regs: { STATUS }, state, clock, props }) => {
    const timer = clock.timer(() => {
      STATUS.EXPIRED = true;
      state.deadline = -1;
      update();
    });
    function update(): void {
      pins.irq.set(STATUS.EXPIRED);
      if (state.deadline >= 0) timer.arm(state.deadline);
      else timer.cancel();
    }
    return {
      update,
      inputs: {
        gate(level) {
          STATUS.GATED = level;
        },
      },
      vectors: { inta: () => state.history[0]! },
      registers: {
        LOAD: {
          onWrite(value) {
            state.deadline = clock.now() + (1 + (value & 0xff)) * props.tick;
            state.history[state.next++ & 3] = value;
            update();
          },
        },
        CLEAR: {
          onWrite() {
            STATUS.EXPIRED = false;
            update();
          },
        },
        HISTORY: { value: () => state.history[3]! },
      },
    };
  },
);

// biome-ignore lint/suspicious/noExplicitAny: devices of different tables
const broken = (rule: RegExp, type: DeviceType<any>): string => {
  const check = deviceContract(type).find(({ name }) => rule.test(name))!;
  try {
    check.run();
  } catch (error) {
    return (error as Error).message;
  }
  return 'passed';
};
const regs = registers({ A: { at: 0, size: 1, access: 'rw' }, B: { at: 1, size: 1, access: 'rw' } });

describe('a sound device passes every rule', () => {
  test.each(deviceContract(counter))('$name', ({ run }) => {
    expect(run).not.toThrow();
  });

  test('each setup has its own checks, under its name', () => {
    const names = deviceContract(counter, {
      slow: { options: () => ({ properties: { tick: 1_000_000 } }) },
      fast: {},
    }).map(({ name }) => name);
    expect(names).toHaveLength(12);
    expect(names[0]).toBe('counter (slow): reset is idempotent');
  });
});

describe('a broken device fails the rule that it breaks', () => {
  test('a value() that changes state, though it reads the same and moves no pin', () => {
    const type = defineDevice('x', { spec: 'x', state: { looks: 0 }, windows: { regs } }, ({ state }) => ({
      registers: {
        A: {
          value() {
            state.looks++;
            return 0;
          },
        },
      },
    }));
    expect(broken(/peek/, type)).toMatch(/peek changes something: saved.state.looks/);
  });

  test('a reset that depends on the one before', () => {
    const type = defineDevice('x', { spec: 'x', state: { n: 0 }, battery: ['n'], windows: { regs } }, ({ state }) => ({
      reset() {
        state.n++;
      },
    }));
    expect(broken(/reset/, type)).toMatch(/Seed 1, step 200: a second reset changes something: saved\.state\.n/);
  });

  test('an update() that counts', () => {
    const type = defineDevice('x', { spec: 'x', state: { n: 0 }, windows: { regs } }, ({ state }) => ({
      update() {
        state.n++;
      },
    }));
    expect(broken(/update/, type)).toMatch(/update\(\) changes something: saved\.state\.n/);
  });

  test('an output that is not derived in update()', () => {
    const type = defineDevice('x', { spec: 'x', pins: { irq: output() }, windows: { regs } }, ({ pins }) => ({
      registers: { A: { onWrite: value => pins.irq.set((value & 1) === 1) } },
    }));
    expect(broken(/identity/, type)).toMatch(/a restored device differs: outputs\.irq/);
  });

  test('a timer that is not derived in update()', () => {
    const type = defineDevice('x', { spec: 'x', windows: { regs } }, ({ clock }) => {
      const timer = clock.timer(() => {});
      return { registers: { A: { onWrite: value => timer.arm(clock.now() + 1e9 + value) } } };
    });
    expect(broken(/identity/, type)).toMatch(/a restored device differs: deadline/);
  });

  test('something remembered outside registers and state', () => {
    const type = defineDevice('x', { spec: 'x', windows: { regs } }, () => {
      let hidden = 0;
      return {
        registers: {
          A: {
            onWrite(value) {
              hidden = value;
            },
          },
          B: { value: () => hidden },
        },
      };
    });
    expect(broken(/identity/, type)).toMatch(/a restored device reads differently/);
  });

  test('a read effect in value()', () => {
    const type = defineDevice('x', { spec: 'x', state: { n: 0 }, windows: { regs } }, ({ state }) => ({
      registers: { A: { value: () => state.n++ } },
    }));
    expect(broken(/peek/, type)).toMatch(/a second peek sees something else/);
  });

  test('an access that throws', () => {
    const type = defineDevice('x', { spec: 'x', windows: { regs } }, () => ({
      registers: {
        B: {
          onWrite(value) {
            if (value === 0xff) throw new Error('no such mode');
          },
        },
      },
    }));
    expect(broken(/throw/, type)).toMatch(/Seed \d, step \d+: .*no such mode/);
  });

  test('a timer that outlives dispose', () => {
    const type = defineDevice('x', { spec: 'x', windows: { regs } }, ({ clock }) => ({
      dispose() {
        clock.timer(() => {}).arm(1e12);
      },
    }));
    expect(broken(/dispose/, type)).toMatch(/a timer is still armed/);
  });

  test('stimuli from outside are part of what must not throw', () => {
    const type = defineDevice('x', { spec: 'x', windows: { regs } }, () => ({}));
    let stimuli = 0;
    const checks = deviceContract(type, {
      '': {
        stimulate() {
          stimuli++;
        },
      },
    });
    for (const { run } of checks) run();
    expect(stimuli).toBeGreaterThan(100);
  });
});
