import type { AnyMachineDefinition, PropertyTable } from '@mainboard/core';

/** The options, with the embedded guest as firmware when the machine could boot one and none is named. */
export async function withDefaultGuest(
  definition: AnyMachineDefinition,
  options: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  const { firmware } = definition.options as PropertyTable;
  if (firmware?.type !== 'file' || options.firmware !== undefined || options.kernel !== undefined) return options;
  const { embeddedGuest } = await import('@mainboard/guests');
  return { ...options, firmware: { name: 'embedded guest', bytes: embeddedGuest() } };
}
