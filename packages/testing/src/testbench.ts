import {
  ACCELERATOR_ARENA,
  AddressSpace,
  type AnyDeviceType,
  BusDma,
  Chardev,
  Clock,
  createRam,
  type DeviceContext,
  type DeviceHandle,
  type DeviceImplementation,
  DeviceInstance,
  type DeviceSpec,
  type DeviceType,
  type GivenProperties,
  GuestMemory,
  Host,
  InPin,
  KeyboardInput,
  MachineBus,
  OutPin,
  type Pin,
  PinScope,
  type PinsOf,
  PowerControl,
  Trace,
  VectorSink,
  VectorSource,
  type Window,
} from '@mainboard/core';
import { FakeChardev } from './fake-chardev.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeHost } from './fake-host.ts';
import { FakeKeyboard } from './fake-keyboard.ts';

/** What a device on the bench is given. */
export interface TestbenchOptions<S extends DeviceSpec> {
  readonly name?: string;
  readonly properties?: GivenProperties<S>;
  /** By the keys of the device's table; what is missing is a fake where there is one. */
  readonly backends?: Partial<DeviceContext<S>['backends']>;
  /** Another implementation of the type, such as an accelerator's. */
  readonly implementation?: DeviceImplementation<S>;
  /** Bytes of RAM at address 0 for a device with `dma`; 1 MiB unless told. */
  readonly memory?: number;
}

/** The far ends of a device's inputs, as many as there are: `drive.ir[3].set(true)`. */
export type Drives<S extends DeviceSpec> = {
  readonly [K in keyof NonNullable<S['pins']> as NonNullable<S['pins']>[K] extends { readonly kind: 'in' }
    ? K
    : never]: PinsOf<{ kind: 'out'; count: NonNullable<S['pins']>[K]['count'] }>;
};

/** One device by itself: its windows and outputs in reach, its inputs on switches, time in the test's hand. */
export interface Testbench<S extends DeviceSpec> {
  readonly device: DeviceInstance;
  /** Pins and windows, as a board sees them. */
  readonly handle: DeviceHandle<S>;
  readonly drive: Drives<S>;
  /** What answers the acknowledge cycles that the device starts, by `pin` or `pin[index]`: a vector, 0–255. */
  readonly vectors: Record<string, number>;
  readonly backends: DeviceContext<S>['backends'];
  readonly clock: FakeClock;
  readonly host: FakeHost;
  readonly trace: Trace;
  readonly scope: PinScope;
  /** Every change of an output since the last look: `irq=1`. */
  readonly log: string[];
  /** Exit statuses that the device asked for. */
  readonly exits: number[];
  /** Guest RAM from address 0 on, for a device with `dma`. */
  readonly ram: Uint8Array;
  /** Every output's level, by name without the device. */
  levels(): Record<string, boolean>;
}

/** Puts a device on the bench and resets it. @throws MainboardError for wrong properties or a missing backend */
export function testbench<S extends DeviceSpec>(type: DeviceType<S>, options: TestbenchOptions<S> = {}): Testbench<S> {
  const spec: DeviceSpec = type.spec;
  const name = options.name ?? 'dut';
  const clock = new FakeClock();
  const host = new FakeHost();
  const scope = new PinScope();
  const trace = new Trace(() => clock.now());
  const log: string[] = [];
  const exits: number[] = [];
  const bus = spec.dma === true ? ramBus(options.memory ?? 2 ** 20, trace) : undefined;
  const fakes = new Map<symbol, () => unknown>([
    [Chardev, () => new FakeChardev()],
    [Clock, () => clock],
    [Host, () => host],
    [KeyboardInput, () => new FakeKeyboard()],
    [
      PowerControl,
      () => ({ exit: (status: number) => exits.push(status) }) satisfies { exit(status: number): unknown },
    ],
  ]);
  const backends = Object.fromEntries(
    Object.entries(spec.backends ?? {}).map(([key, token]) => {
      const given = (options.backends as Record<string, unknown> | undefined)?.[key] ?? fakes.get(token)?.();
      if (given === undefined)
        throw new Error(`${type.type} needs a ${token.description}; pass it as backends: { ${key}: … }.`);
      return [key, given];
    }),
  );
  const device = new DeviceInstance(
    name,
    type as AnyDeviceType,
    options.properties as Record<string, unknown> | undefined,
    {
      clock,
      trace,
      scope,
      memory: new BusDma(() => bus!),
      implementation: () => (options.implementation ?? type.implementation) as never,
      backend: (_token, _name, key) => backends[key],
    },
  );

  const drive: Record<string, OutPin | OutPin[]> = {};
  const vectors: Record<string, number> = {};
  const outputs: OutPin[] = [];
  const local = (pin: Pin): string => pin.name.slice(name.length + 1);
  for (const [key, pins] of Object.entries(device.pins)) {
    const ends = [pins].flat().map(pin => {
      if (pin instanceof OutPin) outputs.push(pin);
      if (pin instanceof VectorSink) {
        const source = new VectorSource(`bench.${local(pin)}`);
        source.answer = () => vectors[local(pin)] ?? 0xff;
        pin.source = source;
      }
      const source = new OutPin(`bench.${local(pin)}`, scope);
      if (pin instanceof InPin) source.connect(pin);
      return source;
    });
    if ([pins].flat()[0] instanceof InPin) drive[key] = Array.isArray(pins) ? ends : ends[0]!;
  }
  scope.onChange = pin => {
    if (outputs.includes(pin)) log.push(`${local(pin)}=${pin.level ? 1 : 0}`);
  };
  device.reset();
  log.length = 0;
  return {
    device,
    handle: device.handle as DeviceHandle<S>,
    drive: drive as Drives<S>,
    vectors,
    backends: backends as DeviceContext<S>['backends'],
    clock,
    host,
    trace,
    scope,
    log,
    exits,
    ram: bus === undefined ? new Uint8Array(0) : new BusDma(() => bus).view(0, options.memory ?? 2 ** 20)!,
    levels: () => Object.fromEntries(outputs.map(pin => [local(pin), pin.level])),
  };
}

/** A bus with nothing but RAM. */
function ramBus(size: number, trace: Trace): MachineBus {
  const memory = new AddressSpace('memory', 2 ** 52);
  const ram = createRam('ram', size);
  ram.block.offset = ACCELERATOR_ARENA;
  memory.map({ 0: ram });
  return new MachineBus({
    guest: new GuestMemory(size),
    memory,
    ports: new AddressSpace<Window>('ports', 65_536, ['window']),
    trace,
    acknowledge: () => 0xff,
    now: () => 0,
    wallClock: () => 0,
  });
}
