import { describe, expect, test } from '@jest/globals';
import { FakeAccelerator, FakeHost } from '@mainboard/testing';
import { buildMachine } from './build-machine.ts';
import { defineDevice } from './device.ts';
import { ACCELERATOR_ARENA } from './guest-memory.ts';
import { bench, container, MS, slice } from './machine.fixture.ts';
import { defineMachine } from './machine-definition.ts';
import { input, output } from './pin.ts';
import { u32 } from './property.ts';
import { registers } from './window.ts';

describe('life cycle', () => {
  test('built → running ⇄ paused → disposed', async () => {
    const { machine, host, vcpu, accelerator, log, spin } = bench();
    vcpu.script = spin;
    expect([machine.state, vcpu.calls.reset]).toEqual(['built', 0]);
    machine.start();
    machine.start();
    host.turn();
    await machine.pause();
    expect([machine.state, vcpu.calls.reset]).toEqual(['paused', 1]);
    const { run } = vcpu.calls;
    host.advance(100 * MS);
    expect([vcpu.calls.run, host.busy]).toEqual([run, false]);
    machine.start();
    host.turn();
    expect(vcpu.calls.run).toBeGreaterThan(run);
    await machine.dispose();
    await machine.dispose();
    expect(log).toEqual([
      'reset host',
      'built → running',
      'running → paused',
      'paused → running',
      'running → disposed',
    ]);
    const { calls } = vcpu;
    const runs = calls.run;
    host.advance(100 * MS);
    expect([accelerator.disposed, calls.run, host.nextWake, machine.clock.queue.next]).toEqual([
      true,
      runs,
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
    ]);
    expect(() => machine.start()).toThrow('A machine that is disposed cannot start; build a new one.');
  });

  test('virtual time begins with the first start and stands still in between', async () => {
    const { machine, host } = bench();
    host.time = 500;
    machine.start();
    host.time = 700;
    expect(machine.clock.now()).toBe(200);
    await machine.pause();
    host.time = 10_000;
    expect([machine.clock.now(), machine.bus.now()]).toEqual([200, 200]);
  });

  test('a guest’s reset starts anew at the next instruction boundary', () => {
    const { machine, host, vcpu, bus, log } = bench();
    vcpu.script = () => {
      if (vcpu.calls.run > 1) return { kind: 'halt' };
      bus.portWrite(0x40, 1, 2);
      expect([vcpu.calls.reset, vcpu.calls.kick]).toEqual([1, 1]);
      return slice;
    };
    machine.start();
    host.turn();
    expect([vcpu.calls.reset, machine.state, bus.portRead(0x40, 1)]).toEqual([2, 'running', 0]);
    expect(log).toEqual(['reset host', 'built → running', 'reset guest']);
  });

  test('onReset: stop ends the machine instead, with status 0', () => {
    const { machine, host, vcpu, bus, log } = bench({ onReset: 'stop' });
    vcpu.script = () => {
      bus.portWrite(0x40, 1, 2);
      return slice;
    };
    machine.start();
    host.turn();
    expect([machine.state, machine.ending, vcpu.calls.reset]).toEqual(['stopped', { reason: 'reset', status: 0 }, 1]);
    expect(log.slice(2)).toEqual(['reset guest', 'running → stopped', 'exit reset 0']);
    expect(() => machine.start()).toThrow('reset it first');
    machine.reset();
    expect([machine.state, machine.ending, vcpu.calls.reset]).toEqual(['paused', undefined, 2]);
  });

  test('a triple fault is a reset with a reason', () => {
    const again = bench();
    again.vcpu.script = () => (again.vcpu.calls.run === 1 ? { kind: 'shutdown' } : { kind: 'halt' });
    again.machine.start();
    again.host.turn();
    expect(again.log.slice(2)).toEqual(['shutdown', 'reset triple-fault']);
    expect(again.vcpu.calls.reset).toBe(2);
    const ends = bench({ onReset: 'stop' });
    ends.vcpu.script = () => ({ kind: 'shutdown' });
    ends.machine.start();
    ends.host.turn();
    expect(ends.log.slice(2)).toEqual(['shutdown', 'reset triple-fault', 'running → stopped', 'exit triple-fault 0']);
  });

  test('power-off ends it, and so does a device with an exit status', () => {
    for (const [value, ending, events] of [
      [4, { reason: 'poweroff', status: 0 }, ['running → stopped', 'poweroff', 'exit poweroff 0']],
      [8, { reason: 'exit', status: 42 }, ['running → stopped', 'exit exit 42']],
    ] as const) {
      const { machine, host, vcpu, bus, log } = bench();
      vcpu.script = () => {
        bus.portWrite(0x40, 1, value);
        return slice;
      };
      machine.start();
      host.turn();
      expect([machine.ending, vcpu.calls.run, log.slice(2)]).toEqual([ending, 1, events]);
    }
  });

  test('an accelerator that cannot go on fails the machine, with what it says', async () => {
    const { machine, host, vcpu } = bench();
    vcpu.script = () => ({ kind: 'error', code: 'emulation-failed', detail: 'cmpxchg16b at 0xffff' });
    machine.start();
    const error = machine.until('error');
    host.turn();
    await expect(error).resolves.toMatchObject({
      code: 'accelerator-failed',
      message: 'fake cannot go on (emulation-failed): cmpxchg16b at 0xffff',
    });
    expect([machine.state, machine.ending]).toEqual(['failed', { reason: 'error', status: 1 }]);
  });

  test('a device that throws fails the machine; unheard, the error goes on', () => {
    for (const heard of [true, false]) {
      const { machine, host, vcpu, bus } = bench();
      const errors: unknown[] = [];
      if (heard) machine.on('error', error => errors.push(error));
      bus.onWrite((_offset, size) => {
        if (size === 1) throw new RangeError('oops');
      });
      vcpu.script = () => {
        bus.memoryWrite(0, 1, 1);
        return slice;
      };
      machine.start();
      if (heard) host.turn();
      else expect(() => host.turn()).toThrow(RangeError);
      expect([machine.state, errors.length, machine.ending?.reason]).toEqual(['failed', heard ? 1 : 0, 'error']);
    }
  });

  test('a debug event pauses', () => {
    const { machine, host, vcpu } = bench();
    vcpu.script = () => ({ kind: 'debug', vector: 3, rip: 0x7c00n });
    const seen: unknown[] = [];
    machine.on('debug', exit => seen.push(exit.rip));
    machine.start();
    host.turn();
    expect([seen, machine.state, vcpu.calls.run]).toEqual([[0x7c00n], 'paused', 1]);
  });

  test('INIT resets the processor and nothing else', () => {
    const host = new FakeHost();
    const accelerator = new FakeAccelerator();
    const type = defineDevice(
      'x',
      {
        spec: 'x',
        pins: { init: output(), irq: output() },
        windows: { regs: registers({ A: { at: 0, size: 1, access: 'rw' } }) },
      },
      ({ pins }) => ({ update: () => pins.irq.set(true), registers: { A: { onWrite: () => pins.init.pulse() } } }),
    );
    const machine = buildMachine(
      defineMachine('m', {}, board => {
        const x = board.add('x', type);
        board.ports.map({ 0: x.regs });
        board.wire([
          [x.init, board.cpus[0].init],
          [x.irq, board.cpus[0].intr],
          [x.irq, board.cpus[0].nmi],
        ]);
      }),
      {},
      container(accelerator, host, type),
    );
    let resets = 0;
    accelerator.vcpu.script = () => {
      if (accelerator.vcpu.calls.run > 1) return { kind: 'halt' };
      machine.bus.portWrite(0, 1, 7);
      return slice;
    };
    accelerator.vcpu.reset = () => {
      resets++;
      Object.assign(accelerator.vcpu, { intr: false, nmi: false, a20: false }); // what it knew of its pins is gone
    };
    machine.start();
    host.turn();
    expect([resets, machine.bus.portPeek(0, 1)]).toEqual([2, 7]);
    expect(accelerator.vcpu).toMatchObject({ intr: true, nmi: true, a20: true });
  });
});

test('an exit status has eight bits', () => {
  const { machine, host } = bench();
  machine.start();
  machine.exit(0x1ff);
  host.turn();
  expect(machine.ending).toEqual({ reason: 'exit', status: 0xff });
});

describe('until', () => {
  test('a condition is tried at instruction boundaries', async () => {
    const { machine, host, vcpu, spin } = bench();
    vcpu.script = spin;
    const done = machine.until(() => vcpu.calls.run === 3);
    machine.start();
    for (let i = 0; i < 4; i++) host.turn();
    await expect(done).resolves.toBeUndefined();
    await expect(machine.until(() => true)).resolves.toBeUndefined();
  });

  test('an event, with what it carries', async () => {
    const { machine, host, vcpu, bus } = bench();
    vcpu.script = () => {
      bus.portWrite(0x40, 1, 8);
      return slice;
    };
    const exit = machine.until('exit');
    machine.start();
    host.turn();
    await expect(exit).resolves.toEqual({ reason: 'exit', status: 42 });
  });

  test('a timeout counts machine time', async () => {
    const { machine, host } = bench();
    const never = machine.until(() => false, 20 * MS);
    const outcome = expect(never).rejects.toMatchObject({
      code: 'timeout',
      message: 'The condition did not hold within 0.02 s of machine time.',
    });
    machine.start();
    host.advance(25 * MS);
    await outcome;
    expect(machine.clock.queue.next).toBe(Number.POSITIVE_INFINITY);
  });

  test('a condition of time is tried also while the processor halts, and sleeps', async () => {
    const { machine, host, vcpu } = bench();
    machine.start();
    host.turn();
    host.turn();
    expect(host.nextWake).toBe(60_000 * MS);
    const runs = vcpu.calls.run;
    const done = machine.until(() => machine.clock.now() >= 25 * MS);
    host.turn();
    host.advance(30 * MS);
    await done;
    expect([vcpu.calls.run, host.nextWake]).toEqual([runs, 60_030 * MS]);
  });

  test('a condition that the end itself makes true', async () => {
    const { machine, host, vcpu, bus } = bench();
    vcpu.script = () => {
      bus.portWrite(0x40, 1, 4);
      return slice;
    };
    const done = machine.until(() => machine.state === 'stopped');
    machine.start();
    host.turn();
    await expect(done).resolves.toBeUndefined();
  });

  test('a condition that throws is told to who waits, and the machine runs on', async () => {
    const { machine, host, vcpu, spin } = bench();
    vcpu.script = spin;
    const outcome = expect(
      machine.until(() => {
        if (vcpu.calls.run > 1) throw new Error('no such screen');
        return false;
      }),
    ).rejects.toThrow('no such screen');
    machine.start();
    for (let i = 0; i < 4; i++) host.turn();
    await outcome;
    expect(machine.state).toBe('running');
  });

  test('what cannot come any more is refused', async () => {
    const { machine } = bench();
    const waiting = machine.until('reset');
    const outcome = expect(waiting).rejects.toMatchObject({ code: 'ended' });
    await machine.dispose();
    await outcome;
    await expect(machine.until('exit')).rejects.toThrow('The machine is disposed, so what was waited for cannot come.');
  });
});

describe('save and restore', () => {
  test('devices, processor, memory and time come back, and no edge is made or lost', () => {
    const { machine, host, vcpu, bus } = bench({}, 2 * MS);
    machine.start();
    host.turn();
    bus.portWrite(0x40, 1, 1);
    bus.memoryWrite(0x1234, 4, 0xcafe_f00d);
    vcpu.state.rip = 0x7c00n;
    host.advance(5 * MS);
    const saved = machine.save();
    const then = machine.clock.now();
    expect([saved.now, saved.devices.pic0!.state, saved.memory.map(({ at }) => at)]).toEqual([
      then,
      { edges: 2 },
      [0, 0x20_0000],
    ]);
    host.advance(50 * MS);
    bus.memoryWrite(0x1234, 4, 0);
    bus.memoryWrite(0x8000, 1, 1);
    vcpu.state.rip = 0n;
    const written: number[] = [];
    bus.onWrite(offset => written.push(offset - ACCELERATOR_ARENA));
    machine.restore(saved);
    expect([machine.save(), vcpu.state.rip, vcpu.intr, machine.clock.queue.next]).toEqual([
      saved,
      0x7c00n,
      true,
      6 * MS,
    ]);
    expect([bus.memoryPeek(0x1234, 4), bus.memoryPeek(0x8000, 1), written]).toEqual([0xcafe_f00d, 0, [0, 0x20_0000]]);
  });

  test('into a new machine', () => {
    const first = bench();
    first.machine.start();
    first.bus.portWrite(0x40, 1, 1);
    first.host.advance(3 * MS);
    const saved = first.machine.save();
    const second = bench();
    second.machine.restore(saved);
    expect([second.machine.state, second.machine.save(), second.vcpu.intr]).toEqual(['paused', saved, true]);
  });

  test('what is overdue happens before a save, so that no tick is lost in it', () => {
    const { machine, host, bus } = bench({}, 2 * MS);
    machine.start();
    host.turn();
    bus.portWrite(0x40, 1, 1);
    host.time += 5 * MS; // the host was busy elsewhere: two ticks are due
    const saved = machine.save();
    expect(saved.devices.pic0!.state).toEqual({ edges: 2 });
    machine.restore(saved);
    expect(machine.save()).toEqual(saved);
  });

  test('a reset that was asked for happens before a save', () => {
    const { machine, vcpu, bus } = bench();
    machine.reset();
    bus.portWrite(0x40, 1, 2);
    expect([machine.save().devices.tick!.registers, vcpu.calls.reset]).toEqual([{ CTRL: 0 }, 2]);
  });

  test('a snapshot of something else is refused', async () => {
    const { machine, bus } = bench();
    expect(() => machine.save()).toThrow('A machine that is built cannot save; start or reset it first.');
    machine.reset();
    const saved = machine.save();
    expect(() => machine.restore({ ...saved, machine: 'pc' })).toThrow(
      'The snapshot is of machine pc, this one is test;',
    );
    expect(() => machine.restore({ ...saved, memorySize: 1 })).toThrow('The snapshot has 1 bytes of memory');
    expect(() => machine.restore({ ...saved, devices: {} })).toThrow('without pic0');
    bus.memoryWrite(0x100, 1, 7);
    const other = { ...saved.devices, tick: saved.devices.pic0! };
    expect(() => machine.restore({ ...saved, devices: other })).toThrow('The snapshot of tick is of a test-pic');
    expect(bus.memoryRead(0x100, 1)).toBe(7); // refused before anything was changed
  });

  test('memory that was all zero is so again, and the accelerator is told of every chunk that changes', () => {
    const { machine, bus } = bench();
    machine.reset();
    const saved = machine.save();
    bus.memoryWrite(0x100, 1, 7);
    const told: number[][] = [];
    bus.onWrite((offset, size) => told.push([offset - ACCELERATOR_ARENA, size]));
    machine.restore(saved);
    expect(bus.memoryRead(0x100, 1)).toBe(0);
    expect(told).toContainEqual([0, 65_536]);
  });

  test('a reset tells the accelerator of the ROM that it restores', () => {
    const { machine, bus } = bench();
    machine.reset();
    const told: number[][] = [];
    bus.onWrite((offset, size) => told.push([offset - ACCELERATOR_ARENA, size]));
    machine.reset();
    expect(told).toEqual([[2 * 2 ** 20, 2]]);
  });

  test('a reset restores the ROM and leaves the RAM', () => {
    const { machine, bus } = bench();
    machine.reset();
    bus.memoryWrite(0x100, 1, 7);
    const boot = machine.board.blocks.find(({ name }) => name === 'boot')!;
    machine.guest.bytes[boot.offset] = 0;
    machine.reset();
    expect([bus.memoryPeek(0xffff_0000, 2), bus.memoryPeek(0x100, 1)]).toEqual([0x90f4, 7]);
  });
});

describe('reset and wiring', () => {
  /** Its output follows its input; as a chain, the order of the chips must not matter. */
  const follower = defineDevice(
    'follower',
    { spec: 'x', properties: { first: u32(0) }, pins: { in: input(), out: output() }, state: { edges: 0 } },
    ({ props, pins, state }) => {
      const update = () => pins.out.set(props.first === 1 || pins.in.level);
      return {
        update,
        inputs: {
          in() {
            state.edges++;
            update();
          },
        },
      };
    },
  );

  test('outputs settle in any order of the chips, and no edge is seen', () => {
    const accelerator = new FakeAccelerator();
    const chain = defineMachine('chain', {}, board => {
      const c = board.add('c', follower);
      const b = board.add('b', follower);
      const a = board.add('a', follower, { first: 1 });
      board.wire([
        [a.out, b.in],
        [b.out, c.in],
        [c.out, board.cpus[0].intr],
        [c.out, board.cpus[0].a20],
      ]);
    });
    const machine = buildMachine(chain, {}, container(accelerator, new FakeHost(), follower));
    machine.reset();
    expect([accelerator.vcpu.intr, accelerator.vcpu.a20, machine.save().devices.c!.state]).toEqual([
      true,
      true,
      { edges: 0 },
    ]);
  });

  test('A20: unconnected it is enabled, connected it follows its drivers', () => {
    const { vcpu, machine } = bench();
    machine.reset();
    expect(vcpu.a20).toBe(true);
    const accelerator = new FakeAccelerator();
    const gated = defineMachine('gated', {}, board => {
      board.wire([[board.add('a', follower).out, board.cpus[0].a20]]);
    });
    buildMachine(gated, {}, container(accelerator, new FakeHost(), follower)).reset();
    expect(accelerator.vcpu.a20).toBe(false);
  });
});
