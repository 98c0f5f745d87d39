import { expect, jest, test } from '@jest/globals';
import {
  Accelerator,
  buildMachine,
  Chardev,
  Host,
  KeyboardInput,
  type KeyboardSink,
  type Machine,
} from '@mainboard/core';
import { machines } from '@mainboard/machines';
import { FakeAccelerator, FakeChardev, FakeHost, Random } from '@mainboard/testing';
import { Container } from 'inversify';

jest.setTimeout(120_000);

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const STEPS = 50_000;
const MEMORY = 4 << 20;
const TIMES = [0, 100, 10_000, 1_000_000, 50_000_000, 2_000_000_000];
const KEYS = ['KeyA', 'Enter', 'ShiftLeft', 'Pause', 'ArrowUp', 'NoSuchKey'];

/** A whole board in a test's hands, with a processor that does nothing. */
class Board {
  readonly machine: Machine;
  readonly host = new FakeHost();
  readonly serial = new FakeChardev();
  readonly #random: Random;
  /** Ports at which something answers, and the edges of each piece. */
  readonly #ports: readonly number[];
  readonly #addresses: readonly number[];
  #keyboard: KeyboardSink | undefined;

  constructor(name: string, seed: number) {
    this.#random = new Random(seed);
    const container = new Container();
    container.load(machines[name]!.module);
    container.bind(Accelerator).toConstantValue(new FakeAccelerator());
    container.bind<Host>(Host).toConstantValue(this.host);
    container.bind<Chardev>(Chardev).toConstantValue(this.serial);
    container.bind<KeyboardInput>(KeyboardInput).toConstantValue({
      attach: sink => {
        this.#keyboard = sink;
      },
    });
    const firmware = { name: 'rom', bytes: new Uint8Array(0x1_0000).fill(0xf4) };
    this.machine = buildMachine(machines[name]!.definition, { memory: MEMORY, firmware }, container);
    this.machine.start();
    const { ports, memory } = this.machine.board;
    this.#ports = ports.pieces().flatMap(({ base, end }) => Array.from({ length: end - base }, (_, i) => base + i));
    this.#addresses = memory.pieces().flatMap(({ base, end }) => [base, end]);
  }

  /** One thing that a guest, the outside or time can do. */
  step(): void {
    const random = this.#random;
    const { bus } = this.machine;
    const size = random.pick([1, 2, 4]);
    switch (random.below(12)) {
      case 0:
      case 1:
      case 2:
        bus.portRead(this.#port(), size);
        break;
      case 3:
      case 4:
      case 5:
        bus.portWrite(this.#port(), size, this.#value(size));
        break;
      case 6:
        bus.memoryRead(this.#address(), size);
        break;
      case 7:
        bus.memoryWrite(this.#address(), size, this.#value(size));
        break;
      case 8:
        bus.acknowledge();
        break;
      case 9:
        this.serial.send([random.below(256)]);
        this.serial.capacity = random.below(64);
        this.serial.accept(random.below(64));
        break;
      case 10:
        this.#keyboard?.key(random.pick(KEYS), random.below(2) === 0);
        break;
      default:
        this.host.advance(random.pick(TIMES));
    }
    // The debug exit and the power register end it: turn it on again.
    if (this.machine.state !== 'running') {
      this.machine.reset();
      this.machine.start();
    }
  }

  #port(): number {
    return this.#random.below(8) === 0 ? this.#random.below(0x1_0000) : this.#random.pick(this.#ports);
  }
  #address(): number {
    const random = this.#random;
    if (random.below(2) === 0) return random.u32();
    const edge = random.pick(this.#addresses) + random.below(16) - 8;
    return Math.min(Math.max(edge, 0), 2 ** 40);
  }
  #value(size: number): number {
    return this.#random.u32() >>> (32 - 8 * size);
  }
}

/** RAM under the hole below 1 MiB and the ROM, which no access may change. */
function untouched(machine: Machine): boolean {
  const { guest, board } = machine;
  return board.blocks.every(({ contents, offset }) =>
    contents === undefined
      ? guest.bytes.subarray(offset + 0xa_0000, offset + 0x10_0000).every(byte => byte === 0)
      : guest.bytes.subarray(offset, offset + contents.length).every((byte, i) => byte === contents[i]),
  );
}

test.each(Object.keys(machines))('%s: no access, byte, key or time makes the board throw', async name => {
  for (const seed of SEEDS) {
    const board = new Board(name, seed);
    const errors: string[] = [];
    board.machine.on('error', error => errors.push(error.message));
    for (let i = 0; i < STEPS; i++) {
      try {
        board.step();
      } catch (error) {
        throw new Error(`seed ${seed}, step ${i}: ${error instanceof Error ? error.stack : error}`);
      }
    }
    expect({ seed, errors, untouched: untouched(board.machine) }).toEqual({ seed, errors: [], untouched: true });
    await board.machine.dispose();
    board.host.turn(); // a step that was called off
    const { busy, nextWake } = board.host;
    expect({ busy, nextWake, next: board.machine.clock.queue.next }).toEqual({
      busy: false,
      nextWake: Number.POSITIVE_INFINITY,
      next: Number.POSITIVE_INFINITY,
    });
  }
});
