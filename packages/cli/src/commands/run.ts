import type { JitMode, SoftOptions } from '@mainboard/accelerator/x86';
import { Command } from 'commander';
import { CPUS, cpuModelName } from '../accelerators.ts';
import { CliError, type Outcome } from '../errors.ts';
import { addMachineOptions } from '../machine-options.ts';
import type { LoadedMachine } from '../machine-source.ts';

/** `mainboard run`. @param done takes how it ended. */
export function runCommand(machine: LoadedMachine | undefined, done: (outcome: Outcome) => void): Command {
  const command = new Command('run')
    .description('run a machine; without a kernel it boots the embedded guest')
    .argument('<machine>', 'a name that `mainboard machines` lists, or a .ts file that exports a machine')
    .option('--accel <auto|kvm|soft>', 'what runs the processor', 'auto')
    .option('--jit <on|off|eager>', 'what the software CPU compiles: hot code (on), nothing, or all at first sight')
    .option(
      `--cpu <${CPUS.join('|')}>`,
      'the model of the software CPU: what a guest finds by CPUID; max, unless given',
    )
    .option('--serial <channel>', 'stdio (default), file:PATH, tcp:HOST:PORT[,server] or none')
    .option('--debugcon <channel>', 'the debug console: stdio, file:PATH or none')
    .option('--trace <categories>', 'device,register,port,memory,pin,irq,exit,unhandled or all; file=PATH')
    .option('--timeout <seconds>', 'end with status 124 after so long')
    .option('--on-reboot <exit|reboot>', 'what a reset by the guest does', 'exit');
  addMachineOptions(command, machine?.definition);
  return command
    .addHelpText('after', '\nOn a terminal: Ctrl-A x ends the machine, Ctrl-A h lists the other keys.')
    .action(async (_name: string, options: Record<string, string>) => {
      const { runMachine } = await import('../run-machine.ts');
      done(
        await runMachine(machine!, {
          accel: options.accel!,
          soft: softOptions(options),
          serial: options.serial,
          debugcon: options.debugcon,
          trace: options.trace,
          timeout: seconds(options.timeout),
          onReboot: onReboot(options.onReboot!),
          given: options,
        }),
      );
    });
}

function seconds(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  const value = /^\d+(\.\d+)?$/.test(given) ? Number(given) : 0;
  if (value > 0 && value <= 2_000_000) return value;
  throw new CliError(`--timeout must be a number of seconds, such as 30 or 0.5, not "${given}".`);
}

/** Only what was given. */
function softOptions({ jit, cpu }: Record<string, string | undefined>): SoftOptions {
  return {
    ...(jit === undefined ? {} : { jit: jitMode(jit) }),
    ...(cpu === undefined ? {} : { cpu: cpuModelName(cpu) }),
  };
}

function jitMode(given: string): JitMode {
  if (given === 'on' || given === 'off' || given === 'eager') return given;
  throw new CliError(`--jit must be on, off or eager, not "${given}".`);
}

function onReboot(given: string): 'exit' | 'reboot' {
  if (given === 'exit' || given === 'reboot') return given;
  throw new CliError(`--on-reboot must be exit or reboot, not "${given}".`);
}
