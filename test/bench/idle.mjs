/**
 * What an idle guest costs: processor time of this process, all threads, while the embedded guest waits at its prompt
 * and while Debian's amd64 kernel waits at its shell. The goal is under 2 % of a core.
 *
 *   npm run build && node test/bench/idle.mjs [seconds]
 */
import { embeddedGuest } from '@mainboard/guests';
import { debian, SHELL } from './debian.mjs';
import { accelerators, firmware, power, sleep, table, tail } from './machine.mjs';

const SECONDS = Number(process.argv[2] ?? 60);
const GOAL = 2;
/** Seconds from the prompt to the measurement. */
const SETTLED = 20;

const rows = [['guest', '% of a core', `below ${GOAL} %`, 'wake-ups a second']];

async function measure(what, powered, prompt) {
  const { machine, serial } = powered ?? {};
  if (machine) await machine.until(() => tail(serial).includes(prompt));
  // What the host's compilers and collector still have to do after the boot is not the idle guest's.
  await sleep(SETTLED * 1000);
  let runs = 0;
  if (machine) {
    const [vcpu] = machine.vcpus;
    const { run } = vcpu;
    vcpu.run = nanoseconds => {
      runs++;
      return run.call(vcpu, nanoseconds);
    };
  }
  const start = process.cpuUsage();
  await sleep(SECONDS * 1000);
  const { user, system } = process.cpuUsage(start);
  const share = (user + system) / 1e4 / SECONDS;
  rows.push([what, share.toFixed(2), share < GOAL ? 'yes' : 'no', machine ? (runs / SECONDS).toFixed(0) : '']);
  await machine?.dispose();
}

const ways = await accelerators();
await measure('none');
for (const [name, module] of Object.entries(ways))
  await measure(`${name}: embedded`, power('microvm', module, firmware(embeddedGuest())), '\n> ');
const linux = debian('amd64');
if (linux) {
  await measure('soft: Debian amd64', power('microvm', ways.soft, linux), SHELL);
  // A Linux that knows the rate of its TSC stops its tick; one that could not measure it ticks 250 times a second.
  const told = { ...linux, append: `${linux.append} tsc_early_khz=1000000` };
  await measure('soft: Debian amd64, TSC known', power('microvm', ways.soft, told), SHELL);
}
table(rows);
