/** A machine of the registry for a benchmark, on Node's clock, with its serial port at hand. */
import { NodeHost } from '@mainboard/backends';
import { buildMachine, Chardev, Host } from '@mainboard/core';
import { machines, unplugged } from '@mainboard/machines';
import { FakeChardev } from '@mainboard/testing';
import { Container } from 'inversify';

/** The accelerators of this host, by name, and why others are missing. */
export async function accelerators() {
  const { softModule } = await import('@mainboard/accelerator/x86');
  const { kvmModule, kvmIrqchipModule, probeKvm } = await import('@mainboard/accelerator/kvm');
  const probe = probeKvm();
  console.log(probe.detail);
  const found = { soft: softModule };
  return probe.usable ? { ...found, kvm: kvmModule, 'kvm, its own chips': kvmIrqchipModule } : found;
}

export function power(name, accelerator, options) {
  const serial = new FakeChardev();
  const container = new Container();
  container.load(machines[name].module, unplugged, accelerator);
  container.bind(Host).toConstantValue(new NodeHost());
  container.bind(Chardev).toConstantValue(serial).whenNamed('com1');
  const machine = buildMachine(machines[name].definition, options, container, { onReset: 'stop' });
  machine.start();
  return { machine, serial };
}

/** The last that a serial port sent. */
export const tail = serial => String.fromCharCode(...serial.sent.slice(-32));

export const firmware = bytes => ({ memory: 16 << 20, firmware: { name: 'guest', bytes } });
export const sleep = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));
export const median = values => values.toSorted((a, b) => a - b)[values.length >> 1];

/** @param rows of cells; the first row is the head. */
export function table(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map(row => String(row[i]).length)));
  for (const row of rows)
    console.log(
      row.map((cell, i) => (i === 0 ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i]))).join('  '),
    );
}
