/**
 * What a port access costs under KVM: our `vcpu.run` against a C loop that does the same (kvm-port-exit.c, compiled
 * here with cc). Rounds of the two take turns in one run; the medians and their ratio are printed, for a guest in
 * ring 0 and for one in ring 3 with IOPL 3, since some hosts emulate kernel-mode code. The goal is a ratio of 1.15.
 *
 *   npm run build && node test/bench/kvm-port-exit.mjs [rounds]
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BareBus, FLAT, flatState, KvmAccelerator, writeFlatTables } from '@mainboard/accelerator/kvm';
import { ACCELERATOR_ARENA } from '@mainboard/core';

const ROUNDS = Number(process.argv[2] ?? 41);
const EXITS = 10_000;
const GUEST = [0xe6, 0x10, 0xeb, 0xfc]; // out 0x10, al; jmp -4
const TARGET = 1.15;

class CountingBus extends BareBus {
  vcpu;
  left = 0;
  last = 0;
  portWrite(port, size, value) {
    this.last = port + size + value;
    if (--this.left === 0) this.vcpu.kick();
  }
}

/** @returns a function that runs EXITS exits and gives nanoseconds an exit. */
const ours = ring => {
  const bus = new CountingBus(1 << 20);
  writeFlatTables(bus.guest);
  bus.guest.bytes.set(GUEST, ACCELERATOR_ARENA + FLAT.CODE);
  const accelerator = new KvmAccelerator();
  accelerator.attach(bus);
  const vcpu = accelerator.createVcpu(0);
  bus.vcpu = vcpu;
  vcpu.restore(flatState(vcpu.save(), ring === 3 ? 'long-user' : 'long'));
  return {
    round: () => {
      bus.left = EXITS;
      const start = process.hrtime.bigint();
      // As a machine runs it: in slices of 5 ms.
      while (bus.left > 0) {
        const exit = vcpu.run(5_000_000);
        if (exit.kind !== 'slice') throw new Error(JSON.stringify(exit));
      }
      return Number(process.hrtime.bigint() - start) / EXITS;
    },
    end: () => accelerator.dispose(),
  };
};

const theirs = (program, ring) => {
  const child = spawn(program, [String(ring)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    round: async () => {
      child.stdin.write(`${EXITS}\n`);
      return Number((await lines.next()).value);
    },
    end: () => child.stdin.end(),
  };
};

const median = values => values.toSorted((a, b) => a - b)[values.length >> 1];

const directory = mkdtempSync(join(tmpdir(), 'mainboard-bench-'));
try {
  const program = join(directory, 'kvm-port-exit');
  execFileSync('cc', ['-O2', '-o', program, fileURLToPath(new URL('kvm-port-exit.c', import.meta.url))]);
  for (const ring of [0, 3]) {
    const js = ours(ring);
    const c = theirs(program, ring);
    const [jsTimes, cTimes] = [[], []];
    js.round();
    await c.round();
    for (let i = 0; i < ROUNDS; i++) {
      cTimes.push(await c.round());
      jsTimes.push(js.round());
    }
    c.end();
    js.end();
    const ratio = median(jsTimes) / median(cTimes);
    console.log(
      `ring ${ring}: C ${median(cTimes).toFixed(0)} ns, mainboard ${median(jsTimes).toFixed(0)} ns an exit, ` +
        `ratio ${ratio.toFixed(3)} (${ratio <= TARGET ? 'meets' : 'misses'} ${TARGET}; ${ROUNDS} rounds of ${EXITS})`,
    );
  }
} finally {
  rmSync(directory, { recursive: true });
}
