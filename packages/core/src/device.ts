import { ContainerModule } from 'inversify';
import type { Clock } from './clock.ts';
import type { DmaPort } from './dma.ts';
import { listed, MainboardError } from './errors.ts';
import type { PinDeclaration, PinsOf } from './pin.ts';
import type { PropertyTable, ValuesOf } from './property.ts';
import type { RegisterDeclaration, RegisterOf, RegisterTable } from './register.ts';
import type { StateOf, StateTable } from './state.ts';
import { type Served, type Token, token } from './token.ts';
import type { DeviceTrace } from './trace.ts';
import type { HandlerBehaviour, RegisterBehaviour, RegisterWindow, Window, WindowDeclaration } from './window.ts';

/** The table at the top of a device: all that snapshot, reset, monitor, documentation and fuzzer need to know. */
export interface DeviceSpec {
  /** Document and edition. */
  readonly spec: string;
  /** One line for people. */
  readonly description?: string;
  readonly properties?: PropertyTable;
  readonly pins?: Readonly<Record<string, PinDeclaration>>;
  readonly windows?: Readonly<Record<string, WindowDeclaration>>;
  /** What the device needs from the host, by token. */
  readonly backends?: Readonly<Record<string, symbol>>;
  /** All that can change and is no register. */
  readonly state?: StateTable;
  /** Names of registers and state that a battery keeps over a reset. */
  readonly battery?: readonly string[];
  /** The device reads and writes guest memory: its context has `memory`. */
  readonly dma?: boolean;
}

type UnionToIntersection<U> = (U extends unknown ? (x: U) => void : never) extends (x: infer I) => void ? I : never;
type Of<S, K extends keyof DeviceSpec> = S extends { readonly [P in K]: infer T } ? T : Record<never, never>;
type TablesOf<W> = { [K in keyof W]: W[K] extends RegisterWindow<infer M> ? M : never }[keyof W];
/** All registers of a device; their names are unique over its windows. */
export type RegistersOf<S extends DeviceSpec> =
  UnionToIntersection<TablesOf<Of<S, 'windows'>>> extends infer M extends RegisterTable ? M : Record<never, never>;
type PinTable<S> = {
  readonly [K in keyof Of<S, 'pins'>]: Of<S, 'pins'>[K] extends PinDeclaration ? PinsOf<Of<S, 'pins'>[K]> : never;
};
type KeysOfKind<T, Kind> = { [K in keyof T]: T[K] extends { readonly kind: Kind } ? K : never }[keyof T];

/** An answer for some of the names; where there is no name, there is nothing to answer. */
type Answers<K extends PropertyKey, A> = [K] extends [never]
  ? Readonly<Record<string, never>>
  : { readonly [P in K]?: A };

/** What a behaviour works with. */
export interface DeviceContext<S extends DeviceSpec> {
  /** Role on the board: `com1`. */
  readonly name: string;
  readonly props: ValuesOf<Of<S, 'properties'>>;
  readonly pins: PinTable<S>;
  readonly regs: {
    readonly [R in keyof RegistersOf<S>]: RegistersOf<S>[R] extends RegisterDeclaration
      ? RegisterOf<RegistersOf<S>[R]>
      : never;
  };
  readonly state: StateOf<Of<S, 'state'>>;
  readonly backends: { readonly [K in keyof Of<S, 'backends'>]: Served<Of<S, 'backends'>[K]> };
  /** Its timers belong to the device: they are cancelled at reset, restore and dispose; `update()` arms them again. */
  readonly clock: Clock;
  /** Guest memory, for a device that declares `dma: true`. */
  readonly memory: S extends { readonly dma: true } ? DmaPort : undefined;
  readonly trace: DeviceTrace;
}

/** What a device does. Every part is optional. */
export interface DeviceBehaviour<S extends DeviceSpec> {
  /** Derives every output and timer from registers, state and input levels. Called after reset and restore too. */
  update?(): void;
  /** Called when the level of an input changed while the machine lives; not for changes by reset and restore. */
  inputs?: Answers<KeysOfKind<Of<S, 'pins'>, 'in'>, (level: boolean, index: number) => void>;
  /** The answer to an interrupt-acknowledge cycle: a vector, 0–255. */
  vectors?: Answers<KeysOfKind<Of<S, 'pins'>, 'vector-source'>, (index: number) => number>;
  registers?: Answers<keyof RegistersOf<S>, RegisterBehaviour>;
  windows?: Answers<KeysOfKind<Of<S, 'windows'>, 'handlers'>, HandlerBehaviour>;
  /** What a reset does beyond the declared values (a loader fills guest memory); `update()` follows. */
  reset?(): void;
  /** Runs before registers and state are saved: fetches what lives elsewhere, in the kernel say. */
  capture?(): void;
  /** Gives back what the device holds of the host. */
  dispose?(): void;
}

/** One implementation of a device type; an accelerator may bind another to the type's token. */
export interface DeviceImplementation<S extends DeviceSpec> {
  create(context: DeviceContext<S>): DeviceBehaviour<S>;
}

/** A kind of chip: its table, its token and its default implementation. */
export interface DeviceType<S extends DeviceSpec> {
  readonly id: Token<DeviceImplementation<S>>;
  readonly type: string;
  readonly spec: S;
  readonly implementation: DeviceImplementation<S>;
}
// biome-ignore lint/suspicious/noExplicitAny: a behaviour takes its own context and no wider one, so only `any` covers all types
export type AnyDeviceType = DeviceType<any>;

/** What a board sees of a device: pins and windows. */
export type DeviceHandle<S extends DeviceSpec> = PinTable<S> & { readonly [K in keyof Of<S, 'windows'>]: Window };
/** Values for some of the properties. */
export type GivenProperties<S extends DeviceSpec> = Partial<ValuesOf<Of<S, 'properties'>>>;

/**
 * Defines a kind of device.
 * @param type part number, kebab-case or as on the chip: `i8254`.
 * @throws MainboardError `duplicate-name`, `bad-declaration`
 */
export function defineDevice<const S extends DeviceSpec>(
  type: string,
  spec: S,
  create: (context: DeviceContext<S>) => DeviceBehaviour<S>,
): DeviceType<S> {
  checkSpec(type, spec);
  return { id: token(type), type, spec, implementation: { create } };
}

/** Binds the default implementation of each type that has none yet: modules of machines with common chips go together. */
export function deviceModule(...types: readonly AnyDeviceType[]): ContainerModule {
  return new ContainerModule(({ bind, isBound }) => {
    for (const { id, implementation } of types) if (!isBound(id)) bind(id).toConstantValue(implementation);
  });
}

/** The register tables of a device's windows, in one. */
export function allRegisters(spec: DeviceSpec): RegisterTable {
  return Object.assign(
    {},
    ...Object.values(spec.windows ?? {}).map(window => (window.kind === 'registers' ? window.registers : {})),
  ) as RegisterTable;
}

function checkSpec(type: string, spec: DeviceSpec): void {
  const unique = (what: string, names: readonly string[]): void => {
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined)
      throw new MainboardError('duplicate-name', `${type} has two ${what} named ${twice}; rename one.`, {
        type,
        name: twice,
      });
  };
  const windows = Object.values(spec.windows ?? {});
  const registerNames = windows.flatMap(window => (window.kind === 'registers' ? Object.keys(window.registers) : []));
  const stateNames = Object.keys(spec.state ?? {});
  unique('registers', registerNames);
  unique('pins or windows', [...Object.keys(spec.pins ?? {}), ...Object.keys(spec.windows ?? {})]);
  for (const name of spec.battery ?? []) {
    if (!registerNames.includes(name) && !stateNames.includes(name)) {
      throw new MainboardError(
        'bad-declaration',
        `${type}: the battery cannot keep ${name}; there are ${listed([...registerNames, ...stateNames])}.`,
        { type, name },
      );
    }
  }
}
