export { type ContractCheck, type ContractSetup, deviceContract } from './device-contract.ts';
export { difference } from './difference.ts';
export { FakeAccelerator, FakeVcpu } from './fake-accelerator.ts';
export { FakeChardev } from './fake-chardev.ts';
export { FakeClock } from './fake-clock.ts';
export { FakeHost } from './fake-host.ts';
export { FakeKeyboard } from './fake-keyboard.ts';
export { Random } from './random.ts';
export { type Drives, type Testbench, type TestbenchOptions, testbench } from './testbench.ts';
