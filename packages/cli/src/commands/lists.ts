import { Command } from 'commander';

/** `mainboard machines`. */
export const machinesCommand = (): Command =>
  new Command('machines').description('list the machines that come with Mainboard').action(async () => {
    const { machines } = await import('@mainboard/machines');
    const { columns } = await import('../columns.ts');
    const rows = Object.values(machines).map(({ definition }) => [definition.name, definition.description]);
    process.stdout.write(columns(rows, ''));
  });

/** `mainboard devices`. */
export const devicesCommand = (): Command =>
  new Command('devices')
    .description('list the chips, or show one: properties, pins, registers')
    .argument('[type]', 'a chip by its part number')
    .action(async (type: string | undefined) => {
      const { describeType, listTypes } = await import('../device-types.ts');
      process.stdout.write(type === undefined ? listTypes() : describeType(type));
    });

/** `mainboard doctor`. */
export const doctorCommand = (): Command =>
  new Command('doctor').description('say what KVM and the software CPU can do on this host').action(async () => {
    const { examine } = await import('../doctor.ts');
    process.stdout.write(await examine());
  });
