import { Command } from 'commander';
import { addMachineOptions } from '../machine-options.ts';
import type { LoadedMachine } from '../machine-source.ts';

/** `mainboard describe`. */
export function describeCommand(machine: LoadedMachine | undefined): Command {
  const command = new Command('describe')
    .description('show how a machine is put together: chips, memory and port map, interrupts')
    .argument('<machine>', 'a name that `mainboard machines` lists, or a .ts file that exports a machine')
    .option('--json', 'as JSON');
  return addMachineOptions(command, machine?.definition).action(
    async (_name: string, options: Record<string, unknown>) => {
      const { describe } = await import('../describe-machine.ts');
      const { formatDescription } = await import('../format-description.ts');
      const description = await describe(machine!, options);
      process.stdout.write(
        options.json === true ? `${JSON.stringify(description, null, 2)}\n` : formatDescription(description),
      );
    },
  );
}
