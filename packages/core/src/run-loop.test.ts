import { describe, expect, test } from '@jest/globals';
import { bench, MS, slice } from './machine.fixture.ts';
import type { Exit } from './ports/accelerator.ts';

describe('the run loop', () => {
  test('a slice is 5 ms, or up to the next timer', () => {
    const { machine, host, vcpu, bus, spin } = bench({}, 2 * MS);
    vcpu.script = spin;
    machine.start();
    host.turn();
    expect(vcpu.slices).toEqual([5 * MS]);
    bus.portWrite(0x40, 1, 1);
    host.turn();
    host.turn();
    expect(vcpu.slices.slice(1)).toEqual([2 * MS, 2 * MS]);
  });

  test('after a slice the event loop gets its turn', () => {
    const { machine, host, vcpu, spin } = bench();
    vcpu.script = spin;
    machine.start();
    host.turn();
    host.turn();
    expect([vcpu.calls.run, host.busy]).toEqual([2, true]);
  });

  test('runs that end early share a turn of 1 ms', () => {
    const { machine, host, vcpu } = bench();
    vcpu.script = () => {
      host.time += 100_000;
      return slice;
    };
    machine.start();
    host.turn();
    expect(vcpu.calls.run).toBe(10);
  });

  test('a timer that is armed for within the slice ends it', () => {
    const { machine, host, vcpu, bus } = bench();
    vcpu.script = () => {
      if (vcpu.calls.run === 1) {
        bus.portWrite(0x40, 1, 1); // due in 1 ms, the slice has 5
        expect(vcpu.calls.kick).toBe(1);
      }
      host.time += MS;
      return slice;
    };
    machine.start();
    host.turn();
    expect(vcpu.slices).toEqual([5 * MS]);
  });

  test('an interrupt while guest code runs reaches the processor at once, and ends the run', () => {
    const { machine, host, vcpu, bus, irq } = bench();
    const seen: unknown[] = [];
    vcpu.script = () => {
      if (vcpu.calls.run > 1) return { kind: 'halt' };
      irq.set(true);
      seen.push(vcpu.intr, vcpu.calls.kick, bus.acknowledge(), vcpu.intr);
      return slice;
    };
    machine.start();
    host.turn();
    expect(seen).toEqual([true, 1, 0x20, false]);
  });

  test('a halted processor sleeps until the next timer, and is not run before an interrupt', () => {
    const { machine, host, vcpu, bus } = bench({}, 3 * MS);
    vcpu.script = () => {
      if (vcpu.intr) bus.acknowledge();
      return { kind: 'halt' };
    };
    machine.start();
    host.turn();
    bus.portWrite(0x40, 1, 1);
    host.turn();
    const { run } = vcpu.calls;
    expect([host.busy, host.nextWake]).toEqual([false, 3 * MS]);
    host.advance(30 * MS);
    expect([vcpu.calls.run - run, machine.devices.get('pic0')!.save().state]).toEqual([10, { edges: 10 }]);
  });

  test('nothing to wait for: one long sleep', () => {
    const { machine, host, vcpu } = bench();
    machine.start();
    host.turn();
    host.advance(10_000 * MS);
    expect([vcpu.calls.run, host.busy, host.nextWake]).toEqual([1, false, 60_000 * MS]);
  });

  test('a line that rises wakes a halted processor', () => {
    const { machine, host, vcpu, irq } = bench();
    machine.start();
    host.turn();
    irq.set(true);
    host.turn();
    expect([vcpu.calls.run, vcpu.intr]).toEqual([2, true]);
  });

  test('so does an NMI', () => {
    const { machine, host, vcpu } = bench();
    machine.start();
    host.turn();
    machine.board.cpus[0].nmi.drive(true);
    host.turn();
    expect([vcpu.nmi, vcpu.calls.run]).toEqual([true, 2]);
  });

  test('a reset by the embedder wakes a halted processor', () => {
    const { machine, host, vcpu } = bench();
    machine.start();
    host.turn();
    machine.reset();
    expect([host.busy, vcpu.calls.reset]).toEqual([true, 2]);
    host.turn();
    expect(vcpu.calls.run).toBe(2);
  });

  test('ticks that the host was late for come one after the other, each with a slice to take it', () => {
    const { machine, host, vcpu, bus } = bench({}, MS);
    const vectors: number[] = [];
    vcpu.script = nanoseconds => {
      if (vcpu.intr) vectors.push(bus.acknowledge());
      host.time += Math.min(nanoseconds, 20_000);
      return slice;
    };
    machine.start();
    bus.portWrite(0x40, 1, 1);
    host.time += 8 * MS; // the host was busy elsewhere
    for (let i = 0; i < 10; i++) host.turn();
    expect(vectors.length).toBeGreaterThanOrEqual(8);
    expect(machine.devices.get('pic0')!.save().state).toEqual({ edges: vectors.length });
  });

  test('a timer that is armed for now again and again stops neither the guest nor the host', () => {
    const { machine, host, vcpu } = bench();
    vcpu.script = nanoseconds => {
      host.time += nanoseconds;
      return slice;
    };
    const timer = machine.clock.timer(() => timer.arm(0));
    timer.arm(0);
    machine.start();
    for (let i = 0; i < 3; i++) host.turn();
    expect(vcpu.calls.run).toBeGreaterThan(2);
  });

  test('a processor in another thread: a promise; pause and dispose wait for it, each time', async () => {
    const { accelerator, machine, host, vcpu, log } = bench();
    let finish!: (exit: Exit) => void;
    vcpu.script = () => new Promise(resolve => (finish = resolve));
    machine.start();
    host.turn();
    const paused = [1, 2].map(n => machine.pause().then(() => log.push(`paused ${n}`)));
    await Promise.resolve();
    expect(log.at(-1)).toBe('running → paused');
    expect(vcpu.calls.kick).toBeGreaterThan(0);
    expect(() => machine.save()).toThrow('in the middle of an instruction');
    finish(slice);
    await Promise.all(paused);
    expect([log.slice(-2), host.busy]).toEqual([['paused 1', 'paused 2'], false]);
    machine.start();
    host.turn();
    expect(vcpu.calls.run).toBe(2);
    const disposed = [1, 2].map(n => machine.dispose().then(() => log.push(`disposed ${n}`)));
    await Promise.resolve();
    expect([log.at(-1), accelerator.disposed]).toEqual(['running → disposed', false]);
    finish({ kind: 'halt' });
    await Promise.all(disposed);
    expect([log.slice(-2), accelerator.disposed]).toEqual([['disposed 1', 'disposed 2'], true]);
  });

  test('an interrupt between a remote halt and its arrival is not slept over', async () => {
    const { machine, host, vcpu, irq } = bench();
    let finish!: (exit: Exit) => void;
    vcpu.script = () => new Promise(resolve => (finish = resolve));
    machine.start();
    host.turn();
    finish({ kind: 'halt' });
    irq.set(true);
    await new Promise(resolve => setImmediate(resolve));
    host.turn();
    expect(vcpu.calls.run).toBe(2);
  });

  test('a remote failure fails the machine', async () => {
    const { machine, host, vcpu } = bench();
    vcpu.script = () => Promise.reject(new Error('worker gone'));
    const error = machine.until('error');
    machine.start();
    host.turn();
    await expect(error).resolves.toMatchObject({ message: 'The machine stopped on an internal error: worker gone' });
  });
});
