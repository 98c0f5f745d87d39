import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, expect, test as jestTest } from '@jest/globals';
import { KvmAccelerator } from './accelerator.ts';
import { BareBus } from './bare-bus.ts';
import { openError } from './errors.ts';
import { inspectKvm, probeKvm } from './probe.ts';
import { StubMachine } from './stub-machine.ts';
import { KvmSystem } from './system.ts';

const kvm = probeKvm();
const test = kvm.usable
  ? jestTest
  : (name: string, _body: () => void) => jestTest.skip(`${name} (${kvm.detail})`, () => {});

const descriptors = (): number => readdirSync('/proc/self/fd').length;
const threads = (): number => readdirSync('/proc/self/task').length;
/** Mappings of vCPUs. */
const mappings = (): number =>
  readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter(line => line.includes('kvm')).length;
/** POSIX timers of this process. */
const timers = (): number =>
  readFileSync('/proc/self/timers', 'utf8')
    .split('\n')
    .filter(line => line.startsWith('ID:')).length;
const held = () => ({ descriptors: descriptors(), threads: threads(), mappings: mappings(), timers: timers() });

const machines: StubMachine[] = [];
afterEach(() => {
  for (const machine of machines.splice(0)) machine.accelerator.dispose();
});

test('ten machines at once take turns in one thread, and give everything back', () => {
  const before = held();
  // Each counts in ring 3 and tells its number by the port: inc eax; out 10h, al; jmp back
  for (let i = 0; i < 10; i++)
    machines.push(
      new StubMachine('long-user', [0xff, 0xc0, 0xe6, 0x10, 0xeb, 0xfa], state => {
        state.gpr[0] = BigInt(10 * i);
      }),
    );
  expect(held()).toMatchObject({ mappings: before.mappings + 10, timers: before.timers + 10 });
  for (let round = 0; round < 3; round++)
    for (const { bus, vcpu } of machines) {
      bus.onAccess = () => vcpu.kick();
      expect(vcpu.run(1e9)).toEqual({ kind: 'slice' });
    }
  machines.forEach(({ log }, i) => {
    expect(log).toEqual([1, 2, 3].map(n => `out 10/1 ${(10 * i + n).toString(16)}`));
  });
  for (const machine of machines) machine.accelerator.dispose();
  expect(held()).toEqual(before);
});

test('the end of one slice does not end the next', () => {
  const spin = new StubMachine('long-user', [0xeb, 0xfe]);
  const halt = new StubMachine('real', [0xe6, 0x10, 0xf4]);
  machines.push(spin, halt);
  for (let i = 0; i < 20; i++) {
    // About as long as a run takes to start: the signal comes before, in and after KVM_RUN.
    expect(spin.vcpu.run(1 + 1500 * i)).toEqual({ kind: 'slice' });
    halt.vcpu.reset();
    const state = halt.vcpu.save();
    state.segments.cs = { ...state.segments.cs, selector: 0, base: 0n };
    halt.vcpu.restore({ ...state, rip: 0x8000n });
    expect(halt.vcpu.run(1e9)).toEqual({ kind: 'halt' });
  }
});

test('a signal that comes when the run has ended otherwise does not end the next', () => {
  const slow = new StubMachine('real', [0xe6, 0x10, 0xf4]);
  const halt = new StubMachine('real', [0xf4]);
  machines.push(slow, halt);
  slow.bus.onAccess = () => {
    slow.vcpu.kick();
    // A device that takes its time: the timer goes off here, and the run ends by the kick.
    const end = process.hrtime.bigint() + 3_000_000n;
    while (process.hrtime.bigint() < end);
  };
  expect(slow.vcpu.run(1_500_000)).toEqual({ kind: 'slice' });
  expect(slow.log).toEqual(['out 10/1 0']);
  expect(halt.vcpu.run(1e9)).toEqual({ kind: 'halt' });
});

test('pins, runs and a second dispose after dispose reach nothing', () => {
  const { accelerator, vcpu } = new StubMachine('real', [0xf4]);
  accelerator.dispose();
  vcpu.setIntr(true);
  vcpu.setNmi(true);
  vcpu.kick();
  expect(vcpu.run(1e6)).toMatchObject({ kind: 'error', code: 'host-failed' });
  accelerator.dispose();
});

test('a failed start gives everything back', () => {
  const before = held();
  const accelerator = new KvmAccelerator();
  const bus = new BareBus(0x1_0000);
  const [ram] = bus.regions();
  bus.regions = () => [{ ...ram!, size: 0x1234 }];
  expect(() => accelerator.attach(bus)).toThrow(/whole pages of 4 KiB/);
  accelerator.dispose();
  expect(held()).toEqual(before);
});

test('misuse is told', () => {
  const accelerator = new KvmAccelerator();
  try {
    expect(() => accelerator.createVcpu(0)).toThrow(/Attach the accelerator/);
    accelerator.attach(new BareBus(0x1_0000));
    expect(() => accelerator.attach(new BareBus(0x1_0000))).toThrow(/each needs one of its own/);
    expect(() => accelerator.createVcpu(1)).toThrow(/one processor/);
  } finally {
    accelerator.dispose();
  }
});

test('what doctor asks for', () => {
  const before = held();
  const { apiVersion, extensions } = inspectKvm();
  expect(apiVersion).toBe(12);
  expect(extensions).toMatchObject({ USER_MEMORY: 1, IMMEDIATE_EXIT: 1 });
  const probe = probeKvm();
  expect(probe).toMatchObject({ usable: true, detail: expect.stringMatching(/instructions\/s/) });
  if (probe.usable) for (const rate of Object.values(probe.rates)) expect(rate).toBeGreaterThan(0);
  expect(held()).toEqual(before);
});

jestTest('no /dev/kvm: what to do', () => {
  expect(() => new KvmSystem('/dev/no-such-kvm')).toThrow(
    expect.objectContaining({ code: 'kvm-missing', message: expect.stringMatching(/VT-x or AMD-V.*--accel soft/) }),
  );
});

jestTest('/dev/kvm forbidden: what to do', () => {
  expect(openError('EACCES')).toMatchObject({
    code: 'kvm-forbidden',
    message: expect.stringMatching(/usermod -aG kvm/),
  });
  expect(openError('EMFILE')).toMatchObject({ code: 'system-call', errno: 'EMFILE' });
});
