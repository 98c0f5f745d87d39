import { explain, type Outcome, STATUS } from './errors.ts';

/** Runs the command and ends the process with its status. */
export async function start(args: readonly string[]): Promise<void> {
  process.stdout.on('error', error => outputFailed(process.stdout, error));
  process.stderr.on('error', error => outputFailed(process.stderr, error));
  process.on('uncaughtException', error => {
    const { text } = explain(error);
    process.stderr.write(`${text}\n`, () => process.exit(STATUS.BUG));
  });
  const { status, abandonOutput = false } = await run(args);
  if (!abandonOutput) await Promise.all([written(process.stdout), written(process.stderr)]);
  process.exit(status);
}

async function run(args: readonly string[]): Promise<Outcome> {
  try {
    const { main } = await import('./main.ts');
    return await main(args);
  } catch (error) {
    const { text, status } = explain(error);
    process.stderr.write(`${text}\n`);
    return { status };
  }
}

/** A reader that has gone needs not be told; a run has its own listener, and ends in good order. */
function outputFailed(stream: NodeJS.WriteStream, error: NodeJS.ErrnoException): void {
  if (stream.listenerCount('error') > 1) return;
  if (error.code === 'EPIPE') process.exit(STATUS.PIPE);
  if (stream === process.stdout) process.stderr.write(`mainboard: the output cannot be written: ${error.message}\n`);
  process.exit(STATUS.FAILED);
}

/** Resolves when the stream has passed on what it was given, or has said why not. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise(resolve => {
    stream.write('', () => setImmediate(resolve));
  });
}
