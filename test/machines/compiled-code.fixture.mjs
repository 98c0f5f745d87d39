/**
 * A process of its own in which a processor compiles code that is given up again, and what stays behind is counted. Run
 * by compiled-code.test.ts. Prints one line of JSON: for each round, regions compiled, and stretches of executable
 * memory without a file, of which each has one at least.
 *
 *   node --expose-gc … compiled-code.fixture.mjs <rounds> <regions a round>
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { AT, VcpuBench } from '../../packages/accelerator/src/x86/vcpu-bench.ts';

const [rounds, regions] = process.argv.slice(2).map(Number);
const bench = new VcpuBench('eager');
bench.long();
const start = bench.vcpu.save();

/** Runs code that no other run has: MOV EAX, n; HLT. @returns whether it was compiled */
function compile(n) {
  bench.vcpu.restore({ ...start, rip: BigInt(AT.code) }); // forgets all code
  bench.view.setUint8(AT.code, 0xb8);
  bench.view.setUint32(AT.code + 1, n, true);
  bench.view.setUint8(AT.code + 5, 0xf4);
  bench.vcpu.cpu.halted = false;
  bench.run();
  return bench.vcpu.regions > 0 && Number(bench.vcpu.cpu.r.gpr64(0)) === n;
}

const executable = () =>
  readFileSync('/proc/self/maps', 'latin1')
    .split('\n')
    .filter(line => / ..xp 0{8} 00:00 0\s*$/.test(line)).length;

const counted = [];
for (let round = 0; round < rounds; round++) {
  let compiled = 0;
  for (let n = 0; n < regions; n++) if (compile(round * regions + n)) compiled++;
  const before = executable();
  for (let i = 0; i < 5; i++) {
    global.gc();
    await sleep(10);
  }
  counted.push({ compiled, before, after: executable() });
}
console.log(JSON.stringify(counted));
