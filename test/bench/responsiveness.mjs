/**
 * How late the embedder's own timer is while a guest spins: setInterval(10 ms) beside one machine, and beside two. The
 * goal is a median of 10 ms at most; what is late is the slice of guest code that was running, 5 ms at the longest.
 *
 *   npm run build && node test/bench/responsiveness.mjs [seconds]
 */
import { countGuest, haltGuest } from '@mainboard/guests/small';
import { accelerators, firmware, median, power, sleep, table } from './machine.mjs';

const SECONDS = Number(process.argv[2] ?? 5);
const PERIOD = 10;

/** @returns how late each call of a 10 ms interval was, in ms after the call before it plus 10. */
async function lateness() {
  const late = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    late.push(now - last - PERIOD);
    last = now;
  }, PERIOD);
  await sleep(SECONDS * 1000);
  clearInterval(timer);
  return late;
}

const rows = [['guest', 'median ms', '99 % ms', 'worst ms', 'calls']];
async function measure(what, ...powered) {
  await sleep(300); // compiled by then
  const late = await lateness();
  for (const { machine } of powered) await machine.dispose();
  const sorted = late.toSorted((a, b) => a - b);
  const at = part => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))].toFixed(2);
  rows.push([what, median(late).toFixed(2), at(0.99), at(1), late.length]);
}

const ways = await accelerators();
await measure('none');
for (const [name, module] of Object.entries(ways)) {
  await measure(`${name}: spins`, power('microvm', module, firmware(countGuest())));
  const two = [1, 2].map(() => power('microvm', module, firmware(countGuest())));
  await measure(`${name}: two spin`, ...two);
  await measure(`${name}: halted`, power('microvm', module, firmware(haltGuest())));
}
table(rows);
