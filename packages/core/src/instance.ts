import type { Clock, Timer } from './clock.ts';
import {
  type AnyDeviceType,
  allRegisters,
  type DeviceBehaviour,
  type DeviceImplementation,
  type DeviceSpec,
} from './device.ts';
import type { DmaPort } from './dma.ts';
import { listed, MainboardError } from './errors.ts';
import { createPins, type InPin, type Pin, type PinScope, type VectorSource } from './pin.ts';
import { resolveProperties } from './property.ts';
import { RegisterFile } from './register.ts';
import { assignState, copyState, type StateTable } from './state.ts';
import { DeviceTrace, type Trace } from './trace.ts';
import { CompiledWindow, HandledWindow, type HandlerBehaviour, type RegisterBehaviour, type Window } from './window.ts';

/** All that a device remembers, as plain data. */
export interface DeviceSnapshot {
  readonly type: string;
  readonly registers: Readonly<Record<string, number>>;
  readonly state: StateTable;
}

/** What a device is put into. */
export interface DeviceSurroundings {
  readonly clock: Clock;
  readonly trace: Trace;
  readonly scope: PinScope;
  readonly memory: DmaPort;
  /** @throws MainboardError `missing-binding` */
  implementation(type: AnyDeviceType): DeviceImplementation<DeviceSpec>;
  /** @param key the device's name for it. @throws MainboardError `missing-binding` */
  backend(token: symbol, device: string, key: string): unknown;
}

/** The device's own clock: it knows its timers, so that none outlives a reset. */
class DeviceClock implements Clock {
  readonly #clock: Clock;
  readonly #name: string;
  readonly timers: Timer[] = [];

  constructor(clock: Clock, name: string) {
    this.#clock = clock;
    this.#name = name;
  }

  now(): number {
    return this.#clock.now();
  }

  timer(fire: () => void, name = 'timer'): Timer {
    const timer = this.#clock.timer(fire, `${this.#name}.${name}`);
    this.timers.push(timer);
    return timer;
  }

  cancelAll(): void {
    for (const timer of this.timers) timer.cancel();
  }
}

interface LooseBehaviour {
  inputs?: Record<string, InPin['onChange']>;
  vectors?: Record<string, VectorSource['answer']>;
  registers?: Record<string, RegisterBehaviour>;
  windows?: Record<string, HandlerBehaviour>;
}

/** One device of a machine, as the machine sees it. */
export class DeviceInstance {
  readonly name: string;
  readonly type: AnyDeviceType;
  readonly properties: Readonly<Record<string, unknown>>;
  /** By name, arrays as arrays. */
  readonly pins: Readonly<Record<string, Pin | readonly Pin[]>>;
  readonly windows: Readonly<Record<string, Window>>;
  readonly registers: RegisterFile;
  readonly state: StateTable;
  readonly #behaviour: DeviceBehaviour<DeviceSpec>;
  readonly #clock: DeviceClock;
  readonly #battery: ReadonlySet<string>;

  /** @throws MainboardError when properties or bindings are wrong. */
  constructor(
    name: string,
    type: AnyDeviceType,
    given: Readonly<Record<string, unknown>> | undefined,
    around: DeviceSurroundings,
  ) {
    const spec = type.spec as DeviceSpec;
    this.name = name;
    this.type = type;
    this.properties = resolveProperties(`${type.type} ${name}`, spec.properties ?? {}, given);
    this.pins = Object.fromEntries(
      Object.entries(spec.pins ?? {}).map(([key, pin]) => [key, createPins(name, key, pin, around.scope)]),
    );
    this.registers = new RegisterFile(allRegisters(spec));
    const state = copyState(spec.state ?? {});
    this.state = state;
    this.#clock = new DeviceClock(around.clock, name);
    this.#battery = new Set(spec.battery);
    const backends = Object.fromEntries(
      Object.entries(spec.backends ?? {}).map(([key, token]) => [key, around.backend(token, name, key)]),
    );
    this.#behaviour = around.implementation(type).create({
      name,
      props: this.properties,
      pins: this.pins,
      regs: this.registers.accessors,
      state,
      backends,
      clock: this.#clock,
      memory: spec.dma === true ? around.memory : undefined,
      trace: new DeviceTrace(around.trace, name),
      // the types of the table were checked where the device was defined; here all devices are alike
    } as never);
    this.#connectBehaviour();
    this.windows = this.#compile(spec, around.trace);
  }

  /** What a board sees. */
  get handle(): Readonly<Record<string, Pin | readonly Pin[] | Window>> {
    return { ...this.pins, ...this.windows };
  }

  /** Timers that will fire. */
  get armedTimers(): number {
    return this.#clock.timers.filter(timer => timer.armed).length;
  }

  /** To the declared values, `battery` excepted, and on from there. */
  reset(): void {
    this.resetState();
    this.update();
  }

  /** The part of a reset before `update()`. A machine does it for all its devices first. */
  resetState(): void {
    this.#clock.cancelAll();
    this.registers.reset(this.#battery);
    assignState(this.state as ReturnType<typeof copyState>, this.#declaredState, this.#battery);
    this.#behaviour.reset?.();
  }

  update(): void {
    this.#behaviour.update?.();
  }

  save(): DeviceSnapshot {
    this.#behaviour.capture?.();
    return { type: this.type.type, registers: this.registers.save(), state: copyState(this.state) };
  }

  /** @throws MainboardError `bad-snapshot` */
  restore(snapshot: DeviceSnapshot): void {
    this.restoreState(snapshot);
    this.update();
  }

  /** @throws MainboardError `bad-snapshot` unless it is one of this type of device. */
  checkSnapshot(snapshot: DeviceSnapshot): void {
    if (snapshot.type === this.type.type) return;
    throw new MainboardError(
      'bad-snapshot',
      `The snapshot of ${this.name} is of a ${snapshot.type}, the device is a ${this.type.type}; restore it into the board that it was taken from.`,
      { device: this.name },
    );
  }

  /** The part of a restore before `update()`. */
  restoreState(snapshot: DeviceSnapshot): void {
    this.checkSnapshot(snapshot);
    this.#clock.cancelAll();
    this.registers.restore(snapshot.registers);
    // what the snapshot lacks begins as declared, as registers do
    for (const from of [this.#declaredState, snapshot.state])
      assignState(this.state as ReturnType<typeof copyState>, from, new Set());
  }

  dispose(): void {
    this.#clock.cancelAll();
    this.#behaviour.dispose?.();
  }

  get #declaredState(): StateTable {
    return (this.type.spec as DeviceSpec).state ?? {};
  }

  #connectBehaviour(): void {
    const behaviour = this.#behaviour as LooseBehaviour;
    this.#checkAnswers('inputs', behaviour.inputs, this.#pinsOfKind('in'));
    this.#checkAnswers('vectors', behaviour.vectors, this.#pinsOfKind('vector-source'));
    this.#checkAnswers('registers', behaviour.registers, this.registers.names);
    const windows = Object.entries((this.type.spec as DeviceSpec).windows ?? {});
    const handled = windows.filter(([, window]) => window.kind === 'handlers').map(([key]) => key);
    this.#checkAnswers('windows', behaviour.windows, handled);
    for (const [key, pins] of Object.entries(this.pins)) {
      for (const pin of Array.isArray(pins) ? (pins as readonly Pin[]) : [pins as Pin]) {
        if (pin.kind === 'in') pin.onChange = behaviour.inputs?.[key];
        else if (pin.kind === 'vector-source') pin.answer = behaviour.vectors?.[key];
      }
    }
  }

  #pinsOfKind(kind: Pin['kind']): string[] {
    return Object.keys(this.pins).filter(key => [this.pins[key]!].flat()[0]?.kind === kind);
  }

  /** An answer under a misspelt name would never be asked for; the compiler sees that in checked files only. */
  #checkAnswers(part: string, answers: object | undefined, names: readonly string[]): void {
    const unknown = Object.keys(answers ?? {}).find(name => !names.includes(name));
    if (unknown === undefined) return;
    throw new MainboardError(
      'bad-declaration',
      `The behaviour of ${this.type.type} answers ${part}.${unknown}, which its table does not have; it has ${listed(names)}.`,
      { device: this.name, part, name: unknown },
    );
  }

  #compile(spec: DeviceSpec, trace: Trace): Record<string, Window> {
    const behaviour = this.#behaviour as LooseBehaviour;
    return Object.fromEntries(
      Object.entries(spec.windows ?? {}).map(([key, window]) => {
        const name = `${this.name}.${key}`;
        if (window.kind === 'registers')
          return [key, new CompiledWindow(name, window, this.registers, behaviour.registers ?? {}, trace)];
        const handler = behaviour.windows?.[key];
        if (handler === undefined) {
          throw new MainboardError(
            'bad-declaration',
            `${this.type.type} declares the window ${key} but its behaviour does not answer it; return windows: { ${key}: … }.`,
            { device: this.name, window: key },
          );
        }
        return [key, new HandledWindow(name, window, handler)];
      }),
    );
  }
}
