import { expect, jest, test } from '@jest/globals';
import { Booted } from '../support/boot.ts';
import { trespasses } from '../support/bounds.ts';
import { longNoise, pureNoise, realNoise } from '../support/noise.ts';
import { SteppingHost } from '../support/stepping-host.ts';
import { soft } from '../support/ways.ts';

jest.setTimeout(300_000);

const SEEDS = Array.from({ length: 40 }, (_, i) => i + 1);
/** Virtual nanoseconds from one look at the clock to the next, and of a whole run: a million instructions or two. */
const STEP = 100_000;
const RUN = 1_500_000;

/** Runs noise for a while. @returns what it did that no guest may do, and where it has come to. */
async function run(firmware: Uint8Array) {
  const host = new SteppingHost(STEP);
  const guest = new Booted('microvm', soft, firmware, { host });
  const { machine } = guest;
  let thrown: unknown;
  try {
    machine.start();
    host.run(RUN, () => machine.state !== 'running');
  } catch (error) {
    thrown = error;
  }
  const found = [...guest.errors, ...trespasses(machine)];
  if (thrown !== undefined) found.push(String(thrown));
  const { gpr, rip, rflags } = machine.vcpus[0].save();
  await machine.dispose();
  return { found, state: { gpr, rip, rflags, ending: machine.ending, sent: guest.serial.text, time: host.time } };
}

test.each([
  ['real mode, reset vector and all', pureNoise],
  ['real mode, going on after faults', realNoise],
  ['64-bit mode, going on after faults', longNoise],
])('random bytes as firmware neither throw nor reach beyond guest memory: %s', async (_name, noise) => {
  const wrong: string[] = [];
  for (const seed of SEEDS) for (const what of (await run(noise(seed))).found) wrong.push(`seed ${seed}: ${what}`);
  expect(wrong).toEqual([]);
});

test.each([
  ['real', realNoise],
  ['64-bit', longNoise],
])('the same noise under the same clock comes to the same end: %s mode', async (_name, noise) => {
  for (const seed of SEEDS.slice(0, 8)) expect((await run(noise(seed))).state).toEqual((await run(noise(seed))).state);
});
