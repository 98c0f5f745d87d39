import { FakeAccelerator, FakeHost } from '@mainboard/testing';
import { Container } from 'inversify';
import { buildMachine } from './build-machine.ts';
import { type AnyDeviceType, defineDevice, deviceModule } from './device.ts';
import { defineMachine } from './machine-definition.ts';
import type { MachineSettings } from './machine-events.ts';
import { input, inputs, type OutPin, output, vectorSource } from './pin.ts';
import { Accelerator, type Exit } from './ports/accelerator.ts';
import { Host } from './ports/host.ts';
import { PowerControl } from './power.ts';
import { size, u32 } from './property.ts';
import { bit } from './register.ts';
import { numbers } from './state.ts';
import { registers } from './window.ts';

export const MS = 1_000_000;

/** An interrupt controller with edges, so that a lost or a doubled one shows. */
export const pic = defineDevice(
  'test-pic',
  {
    spec: 'this test',
    pins: { ir: inputs(8), int: output(), inta: vectorSource() },
    windows: { regs: registers({ EOI: { at: 0, size: 1, access: 'wo' }, IRR: { at: 1, size: 1, access: 'ro' } }) },
    state: { edges: 0 },
  },
  ({ pins, regs: { IRR }, state }) => {
    const update = () => pins.int.set(IRR.value !== 0);
    return {
      update,
      inputs: {
        ir(level, index) {
          if (!level) return;
          state.edges++;
          IRR.value |= 1 << index;
          update();
        },
      },
      vectors: {
        inta() {
          const line = Math.log2(IRR.value & -IRR.value);
          IRR.value &= ~(1 << line);
          update();
          return 0x20 + line;
        },
      },
    };
  },
);

/** Raises its line every `period`, and once when told. */
export const ticker = defineDevice(
  'test-ticker',
  {
    spec: 'this test',
    properties: { period: u32(MS) },
    pins: { irq: output(), reset: output(), off: output(), enable: input() },
    windows: {
      regs: registers({
        CTRL: { at: 0, size: 1, access: 'rw', fields: { RUN: bit(0), RESET: bit(1), OFF: bit(2), EXIT: bit(3) } },
      }),
    },
    backends: { power: PowerControl },
    state: { next: 0, ticks: numbers(1) },
  },
  ({ props, pins, regs: { CTRL }, state, clock, backends: { power } }) => {
    const timer = clock.timer(() => {
      state.ticks[0]!++;
      state.next += props.period;
      pins.irq.pulse();
      update();
    }, 'tick');
    function update(): void {
      pins.irq.set(false);
      pins.reset.set(CTRL.RESET);
      pins.off.set(CTRL.OFF);
      if (CTRL.RUN) timer.arm(state.next);
      else timer.cancel();
    }
    return {
      update,
      registers: {
        CTRL: {
          onWrite(value, previous) {
            if (value & ~previous & 1) state.next = clock.now() + props.period;
            if (value & 8) power.exit(42);
            update();
          },
        },
      },
    };
  },
);

export const definition = defineMachine(
  { name: 'test', description: 'a machine for tests' },
  { memory: size('64K'), period: u32(MS) },
  board => {
    const [cpu] = board.cpus;
    const pic0 = board.add('pic0', pic);
    const tick = board.add('tick', ticker, { period: board.options.period });
    board.memory.map({ 0: board.ram(board.options.memory), 4294901760: board.rom('boot', Uint8Array.of(0xf4, 0x90)) });
    board.ports.map({ 32: pic0.regs, 64: tick.regs });
    board.wire([
      [pic0.int, cpu.intr],
      [pic0.inta, cpu.inta],
      [tick.irq, pic0.ir[0]],
      [tick.reset, board.reset],
      [tick.off, board.poweroff],
    ]);
  },
);

export function container(accelerator = new FakeAccelerator(), host = new FakeHost(), ...types: AnyDeviceType[]) {
  const c = new Container();
  c.bind<Host>(Host).toConstantValue(host);
  c.bind<Accelerator>(Accelerator).toConstantValue(accelerator);
  c.load(deviceModule(pic, ticker, ...types));
  return c;
}

/** A machine whose processor runs a script, and whose host stands still until told. */
export function bench(settings: MachineSettings = {}, period = MS) {
  const host = new FakeHost();
  const accelerator = new FakeAccelerator();
  const machine = buildMachine(definition, { period }, container(accelerator, host), settings);
  const { vcpu } = accelerator;
  const log: string[] = [];
  machine.on('state', (state, previous) => log.push(`${previous} → ${state}`));
  machine.on('reset', reason => log.push(`reset ${reason}`));
  machine.on('shutdown', () => log.push('shutdown'));
  machine.on('poweroff', () => log.push('poweroff'));
  machine.on('exit', ({ reason, status }) => log.push(`exit ${reason} ${status}`));
  /** Guest code that uses up its slice. */
  const spin = (nanoseconds: number): Exit => {
    host.time += nanoseconds;
    return { kind: 'slice' };
  };
  /** The ticker's interrupt line. */
  const irq = machine.devices.get('tick')!.pins.irq as OutPin;
  return { host, machine, vcpu, accelerator, bus: machine.bus, irq, log, spin };
}
export const slice: Exit = { kind: 'slice' };
