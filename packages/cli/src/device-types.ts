import type { AnyDeviceType, DeviceSpec, PinDeclaration, WindowDeclaration } from '@mainboard/core';
import * as devices from '@mainboard/devices';
import { columns } from './columns.ts';
import { CliError } from './errors.ts';
import { suggest } from './suggest.ts';

const isType = (what: unknown): what is AnyDeviceType =>
  typeof what === 'object' && what !== null && 'type' in what && 'implementation' in what;

const types: readonly AnyDeviceType[] = Object.values(devices)
  .filter(isType)
  .sort((a, b) => (a.type < b.type ? -1 : 1));
const specOf = ({ spec }: AnyDeviceType): DeviceSpec => spec as DeviceSpec;

/** A line for each chip. */
export function listTypes(): string {
  return columns(
    types.map(type => [type.type, specOf(type).description ?? '', specOf(type).spec]),
    '',
  );
}

/** What a chip's table says. @throws CliError */
export function describeType(name: string): string {
  const found = types.find(({ type }) => type === name);
  if (found === undefined) {
    const names = types.map(({ type }) => type);
    throw new CliError(`There is no device "${name}".${suggest(name, names)}\nThe devices: ${names.join(', ')}`);
  }
  const { spec, description = '', properties = {}, pins = {}, windows = {} } = specOf(found);
  const sections: (readonly [title: string, rows: string[][]])[] = [
    [
      'properties',
      Object.entries(properties).map(([key, p]) => [key, p.type, p.description, `default: ${p.default ?? '-'}`]),
    ],
    ['pins', Object.entries(pins).map(([key, pin]) => [pinName(key, pin), pin.kind])],
    ...Object.entries(windows).map(
      ([key, window]) => [`window ${key}, ${window.size} bytes`, registerRows(window)] as const,
    ),
  ];
  const parts = sections.filter(([, rows]) => rows.length > 0).map(([title, rows]) => `\n${title}\n${columns(rows)}`);
  return `${found.type}: ${description}\n${spec}\n${parts.join('')}`;
}

const pinName = (key: string, { count }: PinDeclaration): string => (count === undefined ? key : `${key}[${count}]`);

function registerRows(window: WindowDeclaration): string[][] {
  if (window.kind === 'handlers') return [];
  return Object.entries(window.registers).map(([name, { at, size, access, fields = {} }]) => [
    `+${at.toString(16)}`,
    name,
    `${8 * size} bits`,
    access,
    Object.keys(fields).join(' '),
  ]);
}
