import type { DeviceSpec, DeviceType, OutPin, RegisterDeclaration, Window } from '@mainboard/core';
import { difference } from './difference.ts';
import { Random } from './random.ts';
import { type Testbench, type TestbenchOptions, testbench } from './testbench.ts';

/** How a device is put on the bench for the contract. */
export interface ContractSetup<S extends DeviceSpec> {
  /** Options for a new bench; called for each, so that backends are new too. */
  readonly options?: () => TestbenchOptions<S>;
  /** Something that happens from outside, now and then: bytes that arrive, a key that is pressed. */
  readonly stimulate?: (bench: Testbench<S>, random: Random) => void;
  /** Steps of time, in nanoseconds, to choose from. */
  readonly steps?: readonly number[];
}

/** One rule of the contract, to be run by a test framework. */
export interface ContractCheck {
  readonly name: string;
  /** @throws Error when the device breaks the rule; the message says after which seed and step. */
  run(): void;
}

const SEEDS = [1, 2, 3, 4];
const STEPS = 200;
const TIMES: readonly number[] = [0, 100, 1_000, 100_000, 2_000_000];

/**
 * The rules that every device obeys, as checks with names:
 * `test.each(deviceContract(i8254))('$name', ({ run }) => run())`.
 * @param setups by name, when there are several ways to configure the device.
 */
export function deviceContract<S extends DeviceSpec>(
  type: DeviceType<S>,
  setups: Readonly<Record<string, ContractSetup<S>>> = { '': {} },
): ContractCheck[] {
  return Object.entries(setups).flatMap(([name, setup]) => {
    const prefix = `${type.type}${name === '' ? '' : ` (${name})`}`;
    return RULES.map(({ rule, check }) => ({
      name: `${prefix}: ${rule}`,
      run: () => {
        for (const seed of SEEDS) check(new Trial(type, setup, seed) as unknown as Trial<DeviceSpec>);
      },
    }));
  });
}

/** Everything of a device that can be seen from outside. */
interface Observation {
  readonly saved: unknown;
  readonly outputs: Record<string, boolean>;
  /** Virtual time of the next deadline. */
  readonly deadline: number;
}

/** One device on the bench, and a seed that decides what happens to it. */
class Trial<S extends DeviceSpec> {
  readonly seed: number;
  readonly random: Random;
  bench: Testbench<S>;
  readonly #type: DeviceType<S>;
  readonly #setup: ContractSetup<S>;
  #step = 0;

  constructor(type: DeviceType<S>, setup: ContractSetup<S>, seed: number) {
    this.#type = type;
    this.#setup = setup;
    this.seed = seed;
    this.random = new Random(seed);
    this.bench = this.#newBench();
  }

  observe(): Observation {
    return { saved: this.bench.device.save(), outputs: this.bench.levels(), deadline: this.bench.clock.queue.next };
  }

  windows(): readonly Window[] {
    return Object.values(this.bench.device.windows).filter(window => window.size > 0);
  }

  /** Random accesses, input levels and time. @returns what the accesses read. */
  act(count: number, random = this.random, stimulated = false): number[] {
    const seen: number[] = [];
    for (let i = 0; i < count; i++) {
      this.#step++;
      try {
        this.#act(random, seen, stimulated);
      } catch (error) {
        throw new Error(
          `Seed ${this.seed}, step ${this.#step}: ${error instanceof Error ? (error.stack ?? error.message) : error}`,
        );
      }
    }
    return seen;
  }

  /** @throws Error that says where `a` and `b` differ. */
  same(what: string, a: unknown, b: unknown): void {
    const found = difference(a, b);
    if (found !== undefined) throw new Error(`Seed ${this.seed}, step ${this.#step}: ${what}: ${found}`);
  }

  /** A new device of the same kind, at the same time, with the same levels at its inputs and the same memory. */
  twin(): Trial<S> {
    const twin = new Trial(this.#type, this.#setup, this.seed);
    twin.#step = this.#step;
    twin.bench.clock.time = this.bench.clock.time;
    twin.bench.host.time = this.bench.host.time;
    twin.bench.ram.set(this.bench.ram);
    Object.assign(twin.bench.vectors, this.bench.vectors);
    twin.bench.scope.settling = true;
    const levels = this.#switches().map(pin => pin.level);
    twin.#switches().forEach((pin, i) => {
      pin.set(levels[i]!);
    });
    twin.bench.scope.settling = false;
    twin.bench.device.restore(this.bench.device.save());
    twin.bench.log.length = 0;
    return twin;
  }

  #newBench(): Testbench<S> {
    return testbench(this.#type, this.#setup.options?.());
  }

  #switches(): OutPin[] {
    return Object.values(this.bench.drive as Record<string, OutPin | OutPin[]>).flat();
  }

  #act(random: Random, seen: number[], stimulated: boolean): void {
    const { bench } = this;
    const windows = this.windows();
    const switches = this.#switches();
    const kind = random.below(10);
    if (kind < 7 && windows.length > 0) {
      const { window, offset, size } = this.#access(random, windows);
      if (random.below(2) === 0) seen.push(window.read(offset, size));
      else window.write(offset, size, this.#value(random, size));
    } else if (kind === 7 && switches.length > 0) random.pick(switches).set(random.below(2) === 1);
    else if (kind === 8) bench.clock.advance(random.pick(this.#setup.steps ?? TIMES));
    else if (stimulated && this.#setup.stimulate !== undefined) this.#setup.stimulate(bench, random);
    else this.#acknowledge(random, seen);
  }

  /** Most accesses hit a register as it is; the others are of any size at any place. */
  #access(random: Random, windows: readonly Window[]): { window: Window; offset: number; size: number } {
    const window = random.pick(windows);
    const key = window.name.slice(window.name.lastIndexOf('.') + 1);
    const declared = (this.#type.spec as DeviceSpec).windows![key]!;
    const rows: RegisterDeclaration[] = declared.kind === 'registers' ? Object.values(declared.registers) : [];
    if (rows.length > 0 && random.below(4) > 0) {
      const { at, size } = random.pick(rows);
      return { window, offset: at, size };
    }
    const size = random.pick([1, 2, 4].filter(n => n <= window.size));
    return { window, offset: random.below(window.size - size + 1), size };
  }

  #value(random: Random, size: number): number {
    const limit = size === 4 ? 0xffff_ffff : 2 ** (8 * size) - 1;
    return (random.pick([random.u32(), random.u32(), 0, limit, 2 ** random.below(8 * size)]) & limit) >>> 0;
  }

  #acknowledge(random: Random, seen: number[]): void {
    const sources = Object.values(this.bench.device.pins)
      .flat()
      .filter(pin => pin.kind === 'vector-source');
    if (sources.length > 0) seen.push(random.pick(sources).acknowledge());
  }
}

interface Rule {
  readonly rule: string;
  check(trial: Trial<DeviceSpec>): void;
}

const RULES: readonly Rule[] = [
  {
    rule: 'reset is idempotent',
    check(trial) {
      trial.act(STEPS);
      trial.bench.device.reset();
      const once = trial.observe();
      trial.bench.device.reset();
      trial.same('a second reset changes something', once, trial.observe());
    },
  },
  {
    rule: 'update() changes nothing when nothing has changed',
    check(trial) {
      for (let i = 0; i < STEPS; i += 10) {
        trial.act(10);
        const before = trial.observe();
        trial.bench.device.update();
        trial.same('update() changes something', before, trial.observe());
      }
    },
  },
  {
    rule: 'restore of save is the identity, and nothing is remembered elsewhere',
    check(trial) {
      for (let i = 0; i < STEPS; i += 25) {
        trial.act(25);
        const twin = trial.twin();
        trial.same('a restored device differs', trial.observe(), twin.observe());
        trial.bench.log.length = 0;
        const seed = trial.random.u32();
        const seen = trial.act(25, new Random(seed));
        const seenByTwin = twin.act(25, new Random(seed));
        trial.same('a restored device reads differently after the same accesses', seen, seenByTwin);
        trial.same(
          'a restored device drives its outputs differently after the same accesses',
          trial.bench.log,
          twin.bench.log,
        );
        trial.same('a restored device is in another state after the same accesses', trial.observe(), twin.observe());
      }
    },
  },
  {
    rule: 'peek has no side effect',
    check(trial) {
      for (let i = 0; i < STEPS; i += 25) {
        trial.act(25);
        const before = trial.observe();
        trial.bench.log.length = 0;
        const first = peekAll(trial.windows());
        const second = peekAll(trial.windows());
        trial.same('a second peek sees something else', first, second);
        trial.same('peek changes something', before, trial.observe());
        trial.same('peek moves an output', [], trial.bench.log);
      }
    },
  },
  {
    rule: 'no access, input or time makes it throw',
    check(trial) {
      trial.act(10 * STEPS, trial.random, true);
    },
  },
  {
    rule: 'dispose leaves no timer armed',
    check(trial) {
      trial.act(STEPS);
      trial.bench.device.dispose();
      trial.same('a timer is still armed', trial.bench.clock.queue.next, Number.POSITIVE_INFINITY);
    },
  },
];

function peekAll(windows: readonly Window[]): number[] {
  const seen: number[] = [];
  for (const window of windows) {
    for (const size of [1, 2, 4]) {
      // a frame buffer is too large to be read at every step; its ends tell enough
      for (let offset = 0; offset + size <= window.size; offset += window.size > 4096 ? 509 : 1)
        seen.push(window.peek(offset, size));
    }
  }
  return seen;
}
