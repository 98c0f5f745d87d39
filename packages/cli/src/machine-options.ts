import { readFileSync } from 'node:fs';
import {
  type AnyMachineDefinition,
  formatSize,
  type Property,
  type PropertyTable,
  parseProperty,
} from '@mainboard/core';
import { type Command, Option } from 'commander';
import { CliError } from './errors.ts';
import { suggest } from './suggest.ts';

/** Options of the commands themselves; a machine's of the same name is reached by `--option`. */
const OF_COMMAND = new Set([
  'accel',
  'jit',
  'serial',
  'debugcon',
  'trace',
  'timeout',
  'on-reboot',
  'option',
  'json',
  'help',
]);

/** What a machine takes that nobody has named yet, for the general help. */
const USUAL: readonly (readonly [flags: string, description: string])[] = [
  ['--memory <size>', 'RAM, such as 256M'],
  ['--kernel <file>', 'a Linux kernel: a bzImage, or an ELF file with a PVH entry'],
  ['--initrd <file>', 'an initial RAM disk for the kernel'],
  ['--append <text>', 'the kernel command line'],
  ['--firmware <file>', 'a ROM image, in place of a kernel'],
];

/** Makes the machine's options the command's own: `--memory 256M`, and `--option memory=256M` for all of them. */
export function addMachineOptions(command: Command, definition: AnyMachineDefinition | undefined): Command {
  if (definition === undefined) for (const [flags, description] of USUAL) command.option(flags, description);
  for (const [name, property] of Object.entries((definition?.options ?? {}) as PropertyTable)) {
    if (OF_COMMAND.has(name)) continue;
    command.addOption(new Option(`--${name} ${placeholder(property)}`, describeProperty(property)));
  }
  return command.option(
    '--option <name=value>',
    'an option of the machine, also one that is named like an option of this command',
    (given: string, before: readonly string[] = []) => [...before, given],
  );
}

const placeholder = ({ type }: Property<unknown>): string => (type === 'flag' ? '[on|off]' : `<${type}>`);

function describeProperty({ description, default: byDefault, type }: Property<unknown>): string {
  const shown =
    type === 'flag' ? (byDefault ? 'on' : 'off') : type === 'size' ? formatSize(byDefault as number) : byDefault;
  return shown === undefined || shown === '' ? description : `${description} (default: ${shown})`;
}

/** The machine's options from a parsed command line, files read. @throws CliError, MainboardError */
export function machineOptions(
  definition: AnyMachineDefinition,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const table = definition.options as PropertyTable;
  const values: Record<string, unknown> = {};
  for (const name of Object.keys(table)) {
    const value = given[name];
    if (value !== undefined && !OF_COMMAND.has(name))
      values[name] = readValue(definition, name, value === true ? 'on' : String(value));
  }
  for (const pair of (given.option ?? []) as readonly string[]) {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
    if (name === undefined || value === undefined)
      throw new CliError(`--option takes a name and a value, such as --option memory=64M, not "${pair}".`);
    if (!Object.hasOwn(table, name))
      throw new CliError(
        `Machine ${definition.name} has no option "${name}".${suggest(name, Object.keys(table))}\nIts options: ${Object.keys(table).join(', ')}`,
      );
    values[name] = readValue(definition, name, value);
  }
  return values;
}

function readValue(definition: AnyMachineDefinition, name: string, text: string): unknown {
  const table = definition.options as PropertyTable;
  if (table[name]!.type === 'file') return { name: text, bytes: readOption(name, text) };
  return parseProperty(`machine ${definition.name}`, table, name, text);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'this user may not read it',
  EPERM: 'this user may not read it',
  ERR_FS_FILE_TOO_LARGE: 'it is larger than 2 GiB',
};

function readOption(name: string, path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new CliError(`--${name} ${path} cannot be read: ${REASONS[code] ?? code}.`);
  }
}
