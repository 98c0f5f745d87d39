import { closeSync, openSync, writeSync } from 'node:fs';
import { type Machine, TRACE, type TraceCategory, type TraceEvent } from '@mainboard/core';
import { CliError } from './errors.ts';
import { suggest } from './suggest.ts';

/** Text that is collected before it is written to the file. */
const CHUNK = 65_536;

/** What `--trace` asks for. */
export interface TraceRequest {
  readonly categories: readonly TraceCategory[];
  /** Where to; stderr when undefined. */
  readonly file: string | undefined;
}

/** Reads `port,irq,file=trace.txt`; `all` is every category. @throws CliError */
export function parseTrace(given: string): TraceRequest {
  const known = Object.keys(TRACE) as TraceCategory[];
  const categories = new Set<TraceCategory>();
  let file: string | undefined;
  for (const word of given.split(',')) {
    const category = known.find(name => name === word);
    if (category !== undefined) categories.add(category);
    else if (word === 'all') for (const name of known) categories.add(name);
    else if (/^file=./.test(word)) file = word.slice('file='.length);
    else
      throw new CliError(
        `--trace does not know "${word}".${suggest(word, known)}\nIt takes ${known.join(', ')} or all, and file=PATH, with commas between.`,
      );
  }
  if (categories.size === 0) for (const name of known) categories.add(name);
  return { categories: [...categories], file };
}

const line = ({ at, category, source, text }: TraceEvent): string =>
  `${(at / 1e9).toFixed(9).padStart(15)} ${category.padEnd(9)} ${source} ${text}\n`;

/** Writes a machine's trace until `close`. @throws CliError when the file cannot be written. */
export class TraceOutput {
  readonly #categories: readonly TraceCategory[];
  readonly #fd: number | undefined;
  #waiting = '';
  #stop: () => void = () => {};

  constructor({ categories, file }: TraceRequest) {
    this.#categories = categories;
    this.#fd = file === undefined ? undefined : openTrace(file);
  }

  listen(machine: Machine): void {
    this.#stop = machine.trace.listen(event => this.#write(line(event)), this.#categories);
  }

  close(): void {
    this.#stop();
    this.#flush();
    if (this.#fd !== undefined) closeSync(this.#fd);
  }

  #write(text: string): void {
    if (this.#fd === undefined) {
      process.stderr.write(text);
      return;
    }
    this.#waiting += text;
    if (this.#waiting.length >= CHUNK) this.#flush();
  }

  #flush(): void {
    if (this.#fd !== undefined && this.#waiting !== '') writeSync(this.#fd, this.#waiting);
    this.#waiting = '';
  }
}

function openTrace(file: string): number {
  try {
    return openSync(file, 'w');
  } catch (error) {
    throw new CliError(
      `--trace cannot write ${file}: ${(error as NodeJS.ErrnoException).code}; name a file in a folder of yours.`,
    );
  }
}
