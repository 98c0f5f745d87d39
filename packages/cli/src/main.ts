import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { CliError, type Outcome, STATUS } from './errors.ts';
import { findMachineArgument } from './machine-argument.ts';
import type { LoadedMachine } from './machine-source.ts';
import { suggest } from './suggest.ts';

/** Commands whose options depend on the machine that they name. */
const TAKES_MACHINE = ['run', 'describe'];

/**
 * The command `mainboard`.
 * @param args without node and the script.
 * @returns how to end. Throws for mistakes and defects: see `explain`.
 */
export async function main(args: readonly string[]): Promise<Outcome> {
  const named = TAKES_MACHINE.includes(args[0] ?? '') ? findMachineArgument(args.slice(1)) : undefined;
  const machine = named === undefined ? undefined : await (await import('./machine-source.ts')).loadMachine(named);
  let outcome: Outcome = { status: STATUS.OK };
  const program = await build(machine, ended => {
    outcome = ended;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { status: STATUS.OK };
    throw asMistake(error, program, args, machine);
  }
  return outcome;
}

async function build(machine: LoadedMachine | undefined, done: (outcome: Outcome) => void): Promise<Command> {
  const program = new Command('mainboard')
    .description('Composes PCs in TypeScript and runs them, on KVM or on a software x86-64 CPU.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ outputError: () => {}, writeErr: () => {} })
    .action(() => {
      process.stdout.write(program.helpInformation());
    });
  const { runCommand } = await import('./commands/run.ts');
  const { describeCommand } = await import('./commands/describe.ts');
  const { devicesCommand, doctorCommand, machinesCommand } = await import('./commands/lists.ts');
  for (const command of [
    runCommand(machine, done),
    machinesCommand(),
    devicesCommand(),
    describeCommand(machine),
    doctorCommand(),
  ]) {
    program.addCommand(command.copyInheritedSettings(program));
  }
  return program;
}

function version(): string {
  const about = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(about) as { version: string }).version;
}

/** What commander found wrong, in our words: what there is, and which of it was probably meant. */
function asMistake(error: CommanderError, program: Command, args: readonly string[], machine?: LoadedMachine): Error {
  const command = program.commands.find(candidate => candidate.name() === args[0]) ?? program;
  const title = [program.name(), ...(command === program ? [] : [command.name()])].join(' ');
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? '';
  if (error.code === 'commander.unknownOption') {
    const names = command.options.map(option => option.long ?? '').filter(name => name !== '');
    const owner = machine === undefined ? title : `${title} ${machine.definition.name}`;
    return new CliError(
      `${owner} has no option ${quoted}.${suggest(quoted, names)}\nIts options: ${names.sort().join(' ')}`,
    );
  }
  if (error.code === 'commander.missingArgument')
    return new CliError(
      `${title} needs to know which ${quoted || 'machine'}: give a name that mainboard machines lists, or a .ts file.`,
    );
  if (command === program && args[0] !== undefined && !args[0].startsWith('-')) {
    const names = program.commands.map(candidate => candidate.name());
    return new CliError(
      `There is no command "${args[0]}".${suggest(args[0], names)}\nThe commands: ${names.join(', ')}; mainboard --help explains them.`,
    );
  }
  const message = error.message.replace(/^error: /, '');
  return new CliError(`${message}${/[.?)]$/.test(message) ? '' : '.'}\n${title} --help lists what it takes.`);
}
