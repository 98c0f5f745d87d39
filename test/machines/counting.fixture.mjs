/**
 * A process of its own in which ten machines at a time come and go, and what they leave behind is counted. Run by
 * many.test.ts, on the built packages, as strangers use them. Prints one line of JSON.
 *
 *   node --expose-gc counting.fixture.mjs soft,kvm,kvm-chips <rounds>
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { NodeHost } from '@mainboard/backends';
import { buildMachine, Chardev, Host } from '@mainboard/core';
import { embeddedGuest } from '@mainboard/guests';
import { machines, unplugged } from '@mainboard/machines';
import { FakeChardev } from '@mainboard/testing';
import { Container } from 'inversify';

const MACHINES = 10;
const MEMORY = 16 << 20;
/** More than any other mapping of the process has: guest memory, whose first part is the accelerator's. */
const GUEST_MAP = 128 * 2 ** 20;

const MODULES = {
  soft: async () => (await import('@mainboard/accelerator/x86')).softModule,
  kvm: async () => (await import('@mainboard/accelerator/kvm')).kvmModule,
  'kvm-chips': async () => (await import('@mainboard/accelerator/kvm')).kvmIrqchipModule,
};
const modules = await Promise.all(process.argv[2].split(',').map(way => MODULES[way]()));

function power(number) {
  const serial = new FakeChardev();
  const container = new Container();
  container.load(machines.microvm.module, unplugged, modules[number % modules.length]);
  container.bind(Host).toConstantValue(new NodeHost());
  container.bind(Chardev).toConstantValue(serial).whenNamed('com1');
  const firmware = { name: 'embedded', bytes: embeddedGuest() };
  const machine = buildMachine(machines.microvm.definition, { memory: MEMORY, firmware }, container);
  machine.start();
  return { machine, serial };
}

/** Lets the guest do something that takes a while, then asks for a number that it alone was given. */
async function converse({ machine, serial }, number) {
  for (const line of ['bench 10000', `poke 20000 ${number}`, 'peek 20000 1']) {
    await machine.until(() => serial.text.endsWith('\n> '));
    serial.send(`${line}\r`);
  }
  await machine.until(() => /\n[0-9a-f]{16} {2}[0-9a-f]{2} .*\r?\n> $/.test(serial.text));
  return Number(/\n[0-9a-f]{16} {2}([0-9a-f]{2}) .*\r?\n> $/.exec(serial.text)[1]);
}

/** @returns what each machine answered, and what there is while all of them run. */
async function round() {
  const all = Array.from({ length: MACHINES }, (_, number) => power(number));
  const answers = await Promise.all(all.map(converse));
  const running = count();
  await Promise.all(all.map(({ machine }) => machine.dispose()));
  return { answers, running };
}

function count() {
  const maps = readFileSync('/proc/self/maps', 'latin1').split('\n');
  const size = line => {
    const [from, to] = line.split(' ', 1)[0].split('-');
    return Number.parseInt(to, 16) - Number.parseInt(from, 16);
  };
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    timers: (readFileSync('/proc/self/timers', 'latin1').match(/^ID:/gm) ?? []).length, // POSIX ones
    vcpuMaps: maps.filter(line => line.includes('kvm-vcpu')).length,
    guestMaps: maps.filter(line => / rw.[ps] /.test(line) && size(line) > GUEST_MAP).length,
    megabytes: Math.round(process.memoryUsage.rss() / 2 ** 20),
  };
}

/** Guest memory goes when it is collected, and V8 unmaps it a little later. */
async function settled() {
  for (let i = 0; i < 10; i++) {
    global.gc();
    await sleep(10);
  }
  return count();
}

const start = await settled();
const rounds = [];
for (let i = 0; i < Number(process.argv[3]); i++) rounds.push({ ...(await round()), after: await settled() });
console.log(JSON.stringify({ start, rounds }));
