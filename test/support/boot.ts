import { NodeHost } from '@mainboard/backends';
import { buildMachine, Chardev, type Ending, Host, type Machine, type MachineSettings } from '@mainboard/core';
import { machines, unplugged } from '@mainboard/machines';
import { FakeChardev } from '@mainboard/testing';
import { Container } from 'inversify';
import type { Way } from './ways.ts';

const MEMORY = 16 << 20;

type MachineOptions = Readonly<Record<string, unknown>>;

export interface BootSettings extends MachineSettings {
  /** Node's unless told otherwise. */
  readonly host?: Host;
}

/** A machine of the registry with a ROM, its serial port and debug console in the test's hands. */
export class Booted {
  readonly machine: Machine;
  readonly serial: FakeChardev = new FakeChardev();
  readonly debug: FakeChardev = new FakeChardev();
  /** What went wrong with the machine itself. */
  readonly errors: string[] = [];
  /** How the machine ends, whichever way. */
  readonly ended: Promise<Ending>;

  /** @param what a ROM, or the options of the machine. */
  constructor(name: string, way: Way, what: Uint8Array | MachineOptions, settings: BootSettings = {}) {
    const { host = new NodeHost(), onReset = 'stop' } = settings;
    const { definition, module } = machines[name]!;
    const container = new Container();
    container.load(module, unplugged, way.module);
    container.bind<Host>(Host).toConstantValue(host);
    container.bind<Chardev>(Chardev).toConstantValue(this.serial).whenNamed('com1');
    container.bind<Chardev>(Chardev).toConstantValue(this.debug).whenNamed('debugcon');
    const options = what instanceof Uint8Array ? { memory: MEMORY, firmware: { name: 'guest', bytes: what } } : what;
    this.machine = buildMachine(definition, options, container, { onReset });
    this.ended = new Promise(resolve => {
      this.machine.on('exit', resolve);
    });
    this.machine.on('error', error => this.errors.push(error.message));
  }

  /** Runs until the serial port has shown a text. @returns all up to its end, and forgets it. */
  async see(text: string): Promise<string> {
    const found = (): number => this.serial.text.indexOf(text);
    await this.machine.until(() => found() >= 0);
    const end = found() + text.length;
    const seen = this.serial.text.slice(0, end);
    this.serial.sent.splice(0, end);
    return seen;
  }

  /** A dword of the guest's RAM below 640 KiB. */
  dword(address: number): number {
    return this.machine.bus.memoryPeek(address, 4);
  }
}
