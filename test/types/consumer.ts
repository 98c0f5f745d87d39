import { softModule } from '@mainboard/accelerator/x86';
import { bit, buildMachine, defineDevice, type Machine, output, registers } from '@mainboard/core';
import { i8254 } from '@mainboard/devices';
import { microvm, microvmModule, unplugged } from '@mainboard/machines';
import { deviceContract, FakeHost, testbench } from '@mainboard/testing';
import { Container } from 'inversify';

// A program of somebody else's, for declarations.test.ts: it uses a little of each host-neutral package.
const lamp = defineDevice(
  'lamp',
  {
    spec: 'this file',
    pins: { light: output() },
    windows: { regs: registers({ SWITCH: { at: 0, size: 1, access: 'rw', fields: { ON: bit(0) } } }) },
  },
  ({ pins, regs: { SWITCH } }) => {
    const update = () => pins.light.set(SWITCH.ON);
    return { update, registers: { SWITCH: { onWrite: update } } };
  },
);
export const checks = deviceContract(lamp);
testbench(i8254).drive.gate[2].set(true);

const container = new Container();
container.load(microvmModule, unplugged, softModule);
export const machine: Machine = buildMachine(
  microvm,
  { memory: 2 ** 26, firmware: { name: 'halt.rom', bytes: new Uint8Array(16).fill(0xf4) } },
  container,
);
export const bytes: number = machine.guest.memory.buffer.byteLength;
export const host = new FakeHost();
