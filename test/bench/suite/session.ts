import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly folder?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** A line that a guest sent. */
export interface Line {
  readonly text: string;
  /** When its end arrived here, by `performance.now()`. */
  readonly at: number;
}

/** No answer within the time, or the end of the process. */
export class Silent extends Error {
  readonly isTimeout: boolean;
  constructor(message: string, isTimeout: boolean) {
    super(message);
    this.isTimeout = isTimeout;
  }
}

export interface Outcome {
  readonly ms: number;
  readonly guestMs: number;
  readonly status: number;
  /** What came between BEGIN and END. */
  readonly lines: readonly Line[];
}

/** Milliseconds that a guest has to give up a program after Ctrl-C. */
const PATIENCE = 20_000;

/** A contestant's process with programs/session.sh in it, spoken to through its standard input and output. */
export class Session {
  readonly pid: number;
  readonly #started: number;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Line[] = [];
  #partial = '';
  #ended: string | undefined;
  #wake: () => void = () => {};

  constructor({ program, args, folder, environment }: Command) {
    this.#started = performance.now();
    this.#child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      cwd: folder,
      env: { ...process.env, ...environment },
    });
    this.pid = this.#child.pid ?? 0;
    let complaint = '';
    this.#child.stderr.setEncoding('latin1').on('data', text => {
      complaint = (complaint + text).slice(-500);
    });
    this.#child.stdout.setEncoding('latin1').on('data', text => this.#take(text));
    this.#child.stdin.on('error', () => {}); // its end is what tells
    this.#child.on('error', error => this.#end(error.message));
    this.#child.on('close', (status, signal) =>
      this.#end(`ended with ${status ?? signal} ${complaint.trim()} ${this.#partial.trim()}`.trim()),
    );
  }

  #take(text: string): void {
    const at = performance.now();
    const parts = (this.#partial + text).split('\n');
    this.#partial = parts.pop()!;
    for (const part of parts) this.#lines.push({ text: part.replace(/\r/g, ''), at });
    this.#wake();
  }

  #end(why: string): void {
    this.#ended ??= why;
    this.#wake();
  }

  /** The next line. @param until by `performance.now()`. @throws {Silent} */
  async #next(until: number): Promise<Line> {
    for (;;) {
      const line = this.#lines.shift();
      if (line) return line;
      if (this.#ended !== undefined) throw new Silent(this.#ended, false);
      const left = until - performance.now();
      if (left <= 0) throw new Silent('no answer', true);
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>(resolve => {
        this.#wake = resolve;
        timer = setTimeout(resolve, left);
      });
      clearTimeout(timer);
    }
  }

  /** All lines up to one that starts so, that one included. @throws {Silent} */
  async #upTo(prefix: string, until: number): Promise<Line[]> {
    const lines: Line[] = [];
    do lines.push(await this.#next(until));
    while (!lines.at(-1)!.text.startsWith(prefix));
    return lines;
  }

  /**
   * Waits until programs can be run.
   * @param limit ms.
   * @returns ms from the start of the process to the first line of its initramfs; on the host, to the session's.
   * @throws {Silent}
   */
  async boot(limit: number): Promise<number> {
    const until = this.#started + limit;
    const lines = await this.#upTo('READY', until);
    const booted = lines.find(({ text }) => text.includes('BOOTED')) ?? lines.at(-1)!;
    return booted.at - this.#started;
  }

  /**
   * Runs a program.
   * @param limit ms.
   * @throws {Silent} when it took longer, or the process ended. After a timeout `interrupt` tells if the session goes on.
   */
  async run(name: string, args: readonly (string | number)[], limit: number): Promise<Outcome> {
    this.#child.stdin.write(`${[name, ...args].join(' ')}\n`);
    const begin = (await this.#upTo(`BEGIN ${name}`, performance.now() + PATIENCE + limit)).at(-1)!;
    const lines = await this.#upTo(`END ${name} `, begin.at + limit);
    const end = lines.pop()!;
    const [, , status, nanoseconds] = end.text.split(' ');
    return { ms: end.at - begin.at, guestMs: Number(nanoseconds) / 1e6, status: Number(status), lines };
  }

  /** Presses Ctrl-C. @returns whether the program gave up. */
  async interrupt(name: string): Promise<boolean> {
    this.#child.stdin.write('\x03');
    try {
      await this.#upTo(`END ${name} `, performance.now() + PATIENCE);
      return true;
    } catch {
      return false;
    }
  }

  /** Kills the process. @returns when it is gone. */
  async end(): Promise<void> {
    if (this.#ended !== undefined) return;
    const closed = new Promise<void>(resolve => this.#child.on('close', () => resolve()));
    this.#child.stdout.removeAllListeners('data').resume();
    this.#child.stdin.end();
    this.#child.kill('SIGKILL');
    await closed;
  }
}
