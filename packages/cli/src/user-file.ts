import { statSync } from 'node:fs';
import { register } from 'node:module';
import { relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type AnyMachineDefinition, isMachineDefinition } from '@mainboard/core';
import { ContainerModule } from 'inversify';
import { CliError } from './errors.ts';
import type { LoadedMachine } from './machine-source.ts';

/** Where our own packages are found from; also the sign that the hooks are in place. */
const HOOKS = new URL('../bin/typescript-hooks.mjs', import.meta.url);
const HOOKED = Symbol.for('mainboard.typescript-hooks');

/** Loads a machine from a file in TypeScript (or JavaScript), without a build step. @throws CliError */
export async function loadUserFile(given: string): Promise<LoadedMachine> {
  const file = resolve(given);
  if (!statSync(file, { throwIfNoEntry: false })?.isFile())
    throw new CliError(
      `There is no file ${given}; give the path of a machine's file, or a name from mainboard machines.`,
    );
  stripTypes();
  const exported = await importFile(file, given);
  const modules = Object.values(exported).filter(value => value instanceof ContainerModule);
  return { definition: pick(exported, given), modules, file };
}

/** Once for the process: hooks cannot be taken away. */
function stripTypes(): void {
  const marked = globalThis as { [HOOKED]?: true };
  if (marked[HOOKED]) return;
  marked[HOOKED] = true;
  register(HOOKS, { data: { home: import.meta.url } });
}

async function importFile(file: string, given: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw new CliError(`${given} cannot be loaded: ${tell(error).replace(/[^.)]$/, '$&.')}`);
  }
}

function pick(exported: Readonly<Record<string, unknown>>, given: string): AnyMachineDefinition {
  if (isMachineDefinition(exported.default)) return exported.default;
  const found = new Map<AnyMachineDefinition, string>();
  for (const [name, value] of Object.entries(exported)) if (isMachineDefinition(value)) found.set(value, name);
  const [first] = found.keys();
  if (first === undefined)
    throw new CliError(`${given} exports no machine; write: export default defineMachine(…), from @mainboard/core.`);
  if (found.size > 1)
    throw new CliError(
      `${given} exports several machines (${[...found.values()].join(', ')}); make one the default export.`,
    );
  return first;
}

/** An error from a user's code in one line, with the place in their file where it came from, if it is known. */
export function tell(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const message = shorten(error.message.split('\n', 1)[0]!);
  if (error instanceof SyntaxError && /^\S.*:\d+:\d+: /.test(message)) return message; // from our hooks, with its place
  const place = placeOf(error);
  const named = error.name === 'MainboardError' ? message : `${error.name}: ${message}`;
  return place === undefined ? named : `${named} (${place})`;
}

/** The innermost line of the stack that is neither Node's nor ours; a syntax error's stack begins with its place. */
function placeOf(error: Error): string | undefined {
  const ours = fileURLToPath(new URL('../../..', import.meta.url));
  for (const [, url, position] of (error.stack ?? '').matchAll(/(file:\/\/\S+?):(\d+(?::\d+)?)/g)) {
    const path = fileURLToPath(url!);
    if (
      path.includes('/node_modules/') ||
      /\/(packages|machines)\/.*/.test(path.startsWith(ours) ? path.slice(ours.length - 1) : '')
    )
      continue;
    return `${shorten(path)}:${position}`;
  }
  return undefined;
}

/** Paths as seen from here, when that is shorter. */
function shorten(text: string): string {
  return text.replace(/(?:file:\/\/)?(\/[^\s:'"]+)/g, (whole, path: string) => {
    const near = relative(process.cwd(), path);
    return near !== '' && near.length < whole.length ? near : path;
  });
}
