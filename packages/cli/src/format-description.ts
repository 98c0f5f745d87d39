import { formatSize, type MachineDescription, type MappingDescription } from '@mainboard/core';
import { columns } from './columns.ts';

/** A machine's description for people. */
export function formatDescription(machine: MachineDescription): string {
  const parts: (readonly [title: string, rows: readonly (readonly string[])[]])[] = [
    ['options', Object.entries(machine.options).map(([name, value]) => [name, option(name, value)])],
    ['memory', machine.memory.map(mapping => mapped(mapping, 8))],
    ['ports', machine.ports.map(mapping => mapped(mapping, 4))],
    [
      'interrupts',
      [...machine.interrupts]
        .sort(byLine)
        .map(({ line, source, cascade }) => [line, source, cascade ? '(cascade)' : '']),
    ],
    ['wires', machine.nets.map(({ from, to }) => [from, to])],
  ];
  const [options, ...maps] = parts.map(([title, rows]) => (rows.length === 0 ? '' : `\n${title}\n${columns(rows)}`));
  const title = machine.description === '' ? machine.name : `${machine.name}: ${machine.description}`;
  return `${title}\n${options}${tree(machine)}${maps.join('')}`;
}

function option(name: string, value: unknown): string {
  if (value === undefined) return '-';
  return name === 'memory' && typeof value === 'number' ? formatSize(value) : String(value);
}

const byLine = (a: { readonly line: string }, b: { readonly line: string }): number =>
  a.line.localeCompare(b.line, 'en', { numeric: true });

/** The chips, each with its windows and backends. */
function tree({ devices }: MachineDescription): string {
  if (devices.length === 0) return '';
  const rows = devices.flatMap((device, i) => {
    const last = i === devices.length - 1;
    const parts = [
      ...device.windows.map(({ name, size }) => `${name}, ${size} ${size === 1 ? 'byte' : 'bytes'}`),
      ...device.backends.map(backend => `backend: ${backend}`),
    ];
    return [
      [`${last ? '└─' : '├─'} ${device.name}`, device.type, device.description],
      ...parts.map((part, j) => [`${last ? '  ' : '│ '} ${j === parts.length - 1 ? '└─' : '├─'} ${part}`]),
    ];
  });
  const width = Math.max(...devices.map(({ name }) => name.length)) + 3;
  const types = Math.max(...devices.map(({ type }) => type.length));
  const lines = rows.map(([name = '', type, description = '']) =>
    type === undefined ? name : `${name.padEnd(width)}  ${type.padEnd(types)}  ${description}`.trimEnd(),
  );
  return `\ndevices\n${lines.map(text => `  ${text}\n`).join('')}`;
}

function mapped({ base, size, kind, name, priority }: MappingDescription, digits: number): string[] {
  const address = (n: number): string => n.toString(16).padStart(digits, '0');
  return [
    `${address(base)}-${address(base + size - 1)}`,
    kind === 'window' ? '' : kind,
    name,
    priority === 0 ? '' : `priority ${priority}`,
  ];
}
