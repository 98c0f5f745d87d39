import { explain, STATUS } from './errors.ts';

/** Runs the command and ends the process with its status. */
export async function start(args: readonly string[]): Promise<void> {
  process.stdout.on('error', brokenPipe);
  process.stderr.on('error', brokenPipe);
  process.on('uncaughtException', error => {
    const { text } = explain(error);
    process.stderr.write(`${text}\n`, () => process.exit(STATUS.BUG));
  });
  const status = await run(args);
  await Promise.all([written(process.stdout), written(process.stderr)]);
  process.exit(status);
}

async function run(args: readonly string[]): Promise<number> {
  try {
    const { main } = await import('./main.ts');
    return await main(args);
  } catch (error) {
    const { text, status } = explain(error);
    process.stderr.write(`${text}\n`);
    return status;
  }
}

/** Whoever read our output has gone: nobody is left to be told. */
function brokenPipe(): void {
  process.exit(STATUS.PIPE);
}

function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise(resolve => {
    if (stream.writableLength === 0) resolve();
    else stream.write('', () => resolve());
  });
}
