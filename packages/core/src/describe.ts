import type { AddressSpace } from './address-space.ts';
import type { DeviceSpec } from './device.ts';
import type { DeviceInstance } from './instance.ts';
import type { Machine } from './machine.ts';
import type { Access } from './register.ts';

export interface RegisterDescription {
  readonly name: string;
  readonly at: number;
  readonly size: number;
  readonly access: Access;
  readonly reset: number;
  readonly fields: readonly { readonly name: string; readonly shift: number; readonly width: number }[];
}
export interface WindowDescription {
  readonly name: string;
  readonly size: number;
  readonly registers: readonly RegisterDescription[];
}
export interface DeviceDescription {
  readonly name: string;
  readonly type: string;
  readonly spec: string;
  readonly description: string;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly pins: readonly { readonly name: string; readonly kind: string }[];
  readonly windows: readonly WindowDescription[];
  readonly backends: readonly string[];
}
export interface MappingDescription {
  readonly base: number;
  readonly size: number;
  readonly kind: 'ram' | 'rom' | 'window';
  readonly name: string;
  readonly priority: number;
}
export interface NetDescription {
  readonly from: string;
  readonly to: string;
}
/** A line into an interrupt controller. */
export interface InterruptDescription {
  /** `pic0.ir[4]` */
  readonly line: string;
  /** `com1.irq` */
  readonly source: string;
  /** The source is itself an interrupt controller. */
  readonly cascade: boolean;
}
/** A machine as plain data, for `mainboard describe`. */
export interface MachineDescription {
  readonly name: string;
  readonly description: string;
  readonly accelerator: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly devices: readonly DeviceDescription[];
  readonly memory: readonly MappingDescription[];
  readonly ports: readonly MappingDescription[];
  readonly nets: readonly NetDescription[];
  readonly interrupts: readonly InterruptDescription[];
}

export function describeMachine(machine: Machine): MachineDescription {
  const { board, definition } = machine;
  const nets = board.nets.map(([from, to]) => ({ from: from.name, to: to.name }));
  const controllers = new Set([...board.devices.values()].filter(isInterruptController).map(device => device.name));
  const owner = (pin: string): string => pin.slice(0, pin.lastIndexOf('.'));
  return {
    name: definition.name,
    description: definition.description,
    accelerator: machine.accelerator.name,
    options: Object.fromEntries(
      Object.entries(board.options as Record<string, unknown>).map(([name, value]) => [name, plain(value)]),
    ),
    devices: [...board.devices.values()].map(describeDevice),
    memory: describeSpace(board.memory),
    ports: describeSpace(board.ports),
    nets,
    interrupts: board.nets
      .filter(([from, to]) => from.kind === 'out' && controllers.has(owner(to.name)))
      .map(([from, to]) => ({ line: to.name, source: from.name, cascade: controllers.has(owner(from.name)) })),
  };
}

export function describeDevice(device: DeviceInstance): DeviceDescription {
  const spec = device.type.spec as DeviceSpec;
  return {
    name: device.name,
    type: device.type.type,
    spec: spec.spec,
    description: spec.description ?? '',
    properties: Object.fromEntries(Object.entries(device.properties).map(([name, value]) => [name, plain(value)])),
    pins: Object.values(device.pins).flatMap(pins => [pins].flat().map(({ name, kind }) => ({ name, kind }))),
    windows: describeWindows(device.name, spec),
    backends: Object.values(spec.backends ?? {}).map(token => token.description ?? ''),
  };
}

function describeWindows(device: string, spec: DeviceSpec): WindowDescription[] {
  return Object.entries(spec.windows ?? {}).map(([key, window]) => ({
    name: `${device}.${key}`,
    size: window.size,
    registers:
      window.kind === 'handlers'
        ? []
        : Object.entries(window.registers).map(([name, { at, size, access, reset = 0, fields = {} }]) => ({
            name,
            at,
            size,
            access,
            reset,
            fields: Object.entries(fields).map(([field, { shift, width }]) => ({ name: field, shift, width })),
          })),
  }));
}

function describeSpace(space: AddressSpace): MappingDescription[] {
  return space.mappings
    .map(({ base, size, what, priority }) => ({ base, size, kind: what.kind, name: what.name, priority }))
    .sort((a, b) => a.base - b.base || b.priority - a.priority);
}

const isInterruptController = (device: DeviceInstance): boolean =>
  Object.values(device.pins).some(pins => [pins].flat().some(pin => pin.kind === 'vector-source'));

/** Files by their names: a description is to be read. */
const plain = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'bytes' in value && 'name' in value ? value.name : value;
