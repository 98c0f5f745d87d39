import { EventEmitter } from 'eventemitter3';
import type { BoardAssembly } from './board.ts';
import { MachineBus } from './bus.ts';
import type { VirtualClock } from './clock.ts';
import type { Cpu } from './cpu.ts';
import { MainboardError } from './errors.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { DeviceInstance } from './instance.ts';
import type { MachineDefinition } from './machine-definition.ts';
import type { Ending, MachineEvents, MachineSettings, MachineState, ResetReason } from './machine-events.ts';
import type { InPin, PinScope } from './pin.ts';
import type { Accelerator, Exit, Vcpu } from './ports/accelerator.ts';
import type { Host } from './ports/host.ts';
import type { PropertyTable } from './property.ts';
import { RunLoop, type RunLoopOwner } from './run-loop.ts';
import { settle } from './settle.ts';
import { type MachineSnapshot, restoreMemory, saveMemory } from './snapshot.ts';
import type { Trace } from './trace.ts';
import { Waiters } from './waiters.ts';

/** What a machine is made of; see {@link buildMachine}. */
export interface MachineParts {
  readonly definition: MachineDefinition<PropertyTable>;
  readonly board: BoardAssembly<unknown>;
  readonly scope: PinScope;
  readonly clock: VirtualClock;
  readonly trace: Trace;
  readonly host: Host;
  readonly accelerator: Accelerator;
  readonly settings: MachineSettings;
}

/** A machine: chips, guest memory and a processor, with a life. Any number of them live in one process. */
export class Machine extends EventEmitter<MachineEvents> {
  readonly definition: MachineDefinition<PropertyTable>;
  readonly board: BoardAssembly<unknown>;
  readonly clock: VirtualClock;
  readonly trace: Trace;
  readonly accelerator: Accelerator;
  readonly guest: GuestMemory;
  readonly bus: MachineBus;
  readonly vcpus: readonly [Vcpu, ...Vcpu[]];
  readonly settings: MachineSettings;
  readonly #scope: PinScope;
  readonly #loop: RunLoop;
  #state: MachineState = 'built';
  #ending: Ending | undefined;
  #pendingReset: ResetReason | undefined;
  #pendingEnding: Ending | undefined;
  #pendingInit = false;
  #disposal: Promise<void> | undefined;
  readonly #waiters: Waiters;

  constructor(parts: MachineParts) {
    super();
    const { board, clock, trace, accelerator, host } = parts;
    this.definition = parts.definition;
    this.board = board;
    this.clock = clock;
    this.trace = trace;
    this.accelerator = accelerator;
    this.settings = parts.settings;
    this.#scope = parts.scope;
    this.#waiters = new Waiters(this, clock);
    this.guest = board.freeze();
    const [cpu] = board.cpus;
    this.bus = new MachineBus({
      guest: this.guest,
      memory: board.memory,
      ports: board.ports,
      trace,
      acknowledge: () => cpu.inta.acknowledge(),
      now: () => clock.now(),
      wallClock: () => host.wallClock(),
    });
    accelerator.attach(this.bus);
    const vcpu = accelerator.createVcpu(0);
    this.vcpus = [vcpu];
    this.#loop = new RunLoop(host, clock, vcpu, this.#owner(cpu));
    this.#connectCpu(cpu, vcpu);
    onRise(board.reset, () => this.#request({ reset: 'guest' }));
    onRise(board.poweroff, () => this.#request({ ending: { reason: 'poweroff', status: 0 } }));
  }

  get name(): string {
    return this.definition.name;
  }

  get state(): MachineState {
    return this.#state;
  }

  get devices(): ReadonlyMap<string, DeviceInstance> {
    return this.board.devices;
  }

  /** How the machine ended; undefined while it has not. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** Runs, or runs on. The first start resets. @throws MainboardError `wrong-state` */
  start(): void {
    if (this.#state === 'running') return;
    this.#mustBe('start', 'built', 'paused');
    if (this.#state === 'built') this.#reset('host');
    this.#enter('running');
    this.#loop.start();
  }

  /** Stops at the next instruction boundary; the virtual clock stands still. Resolves then. */
  async pause(): Promise<void> {
    if (this.#state !== 'running' && this.#state !== 'paused') return;
    const stopped = this.#loop.stop(); // paused already, it may still be on its way to the boundary
    this.#enter('paused');
    await stopped;
  }

  /** Resets the whole machine, at once or, while guest code runs, at the next instruction boundary. */
  reset(): void {
    this.#mustBe('reset', 'built', 'running', 'paused', 'stopped', 'failed');
    if (this.#loop.inRun) {
      this.#request({ reset: 'host' });
      return;
    }
    this.#reset('host');
    if (this.#state !== 'running') this.#enter('paused');
  }

  /** Ends the machine as {@link PowerControl} does. @param status exit status for the host, 0–255. */
  exit(status: number): void {
    this.#request({ ending: { reason: 'exit', status: status & 0xff } });
  }

  /**
   * Waits until a condition holds or an event comes. The machine must be running, or be started, for anything to
   * happen. A condition is tried after every slice, and every 10 ms while the processor halts.
   * @param timeout virtual nanoseconds.
   * @returns what the event carried.
   * @throws MainboardError `timeout`, or `ended` when the machine ends first.
   */
  until(condition: () => boolean, timeout?: number): Promise<void>;
  until<E extends keyof MachineEvents>(event: E, timeout?: number): Promise<Parameters<MachineEvents[E]>[0]>;
  until(what: (() => boolean) | keyof MachineEvents, timeout = Number.POSITIVE_INFINITY): Promise<unknown> {
    const over = this.#state === 'stopped' || this.#state === 'failed' || this.#state === 'disposed';
    const come = this.#waiters.wait(what, timeout, over ? this.#endedError() : undefined);
    this.#loop.lookUp();
    return come;
  }

  /**
   * The whole machine as plain data, up to date: timers that are overdue fire first, and requests are carried out.
   * @throws MainboardError `wrong-state` while guest code runs.
   */
  save(): MachineSnapshot {
    this.#mustBe('save', 'running', 'paused', 'stopped');
    this.#mustBeAtBoundary('save');
    this.clock.catchUp(); // an edge that is overdue would be one that a restore must not make
    this.#boundary();
    return {
      machine: this.name,
      now: this.clock.now(),
      devices: Object.fromEntries([...this.devices].map(([name, device]) => [name, device.save()])),
      cpus: this.vcpus.map(vcpu => vcpu.save()),
      memorySize: this.guest.size,
      memory: saveMemory(this.guest),
    };
  }

  /** Puts the machine into a saved state. @throws MainboardError `bad-snapshot`, `wrong-state` */
  restore(snapshot: MachineSnapshot): void {
    this.#mustBe('restore', 'built', 'running', 'paused', 'stopped', 'failed');
    this.#mustBeAtBoundary('restore');
    const missing = [...this.devices.keys()].find(name => snapshot.devices[name] === undefined);
    if (snapshot.machine !== this.name || missing !== undefined || snapshot.cpus.length !== this.vcpus.length) {
      throw new MainboardError(
        'bad-snapshot',
        `The snapshot is of machine ${snapshot.machine}${missing === undefined ? '' : ` without ${missing}`}, this one is ${this.name}; build it with the options of then.`,
        {
          snapshot: snapshot.machine,
          machine: this.name,
        },
      );
    }
    for (const [name, device] of this.devices) device.checkSnapshot(snapshot.devices[name]!); // before anything changes
    restoreMemory(this.guest, snapshot, (offset, size) => this.bus.announceWrite(offset, size));
    this.clock.set(snapshot.now);
    settle(this.devices, this.#scope, () => {
      for (const [name, device] of this.devices) device.restoreState(snapshot.devices[name]!);
    });
    this.vcpus.forEach((vcpu, i) => {
      vcpu.restore(snapshot.cpus[i]!);
    });
    this.#drivePins();
    if (this.#state !== 'running') this.#enter('paused');
  }

  /** Gives back everything: descriptors, threads, timers. Resolves when that is done, also the second time. */
  dispose(): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  async #dispose(): Promise<void> {
    const stopped = this.#loop.stop();
    const inRun = this.#loop.inRun;
    this.#enter('disposed');
    this.#waiters.fail(this.#endedError());
    if (inRun) await stopped;
    try {
      for (const device of this.devices.values()) device.dispose();
    } finally {
      this.accelerator.dispose();
    }
  }

  #owner(cpu: Cpu): RunLoopOwner {
    return {
      interruptPending: () => cpu.intr.level || cpu.nmi.level,
      boundary: () => this.#boundary(),
      watched: () => this.#waiters.watching,
      exited: exit => this.#exited(exit),
      failed: error => this.#failed(error),
    };
  }

  #connectCpu(cpu: Cpu, vcpu: Vcpu): void {
    cpu.intr.onChange = level => {
      vcpu.setIntr(level);
      if (level) this.#loop.attend();
    };
    cpu.nmi.onChange = level => {
      vcpu.setNmi(level);
      if (level) this.#loop.attend();
    };
    cpu.a20.onChange = () => vcpu.setA20(cpu.a20Enabled);
    onRise(cpu.init, () => {
      this.#pendingInit = true;
      this.#loop.attend();
    });
  }

  #request({ reset, ending }: { reset?: ResetReason; ending?: Ending }): void {
    this.#pendingReset ??= reset;
    this.#pendingEnding ??= ending;
    this.#loop.attend();
  }

  #boundary(): void {
    if (this.#pendingEnding !== undefined) {
      this.#end(this.#pendingEnding);
      return;
    }
    if (this.#pendingReset !== undefined) this.#resetAsAsked(this.#pendingReset);
    else if (this.#pendingInit) {
      this.#pendingInit = false;
      this.vcpus[0].reset();
      this.#drivePins();
    }
    this.#waiters.check();
  }

  #resetAsAsked(reason: ResetReason): void {
    if (reason === 'host' || this.settings.onReset !== 'stop') {
      this.#reset(reason);
      return;
    }
    this.emit('reset', reason);
    this.#end({ reason: reason === 'guest' ? 'reset' : reason, status: 0 });
  }

  /** Devices first, all at once as far as they can tell, then the processors. */
  #reset(reason: ResetReason): void {
    this.emit('reset', reason);
    this.#ending = undefined;
    this.#pendingReset = undefined;
    this.#pendingEnding = undefined;
    this.#pendingInit = false;
    for (const { contents, offset } of this.board.blocks) {
      if (contents === undefined) continue;
      this.bus.announceWrite(offset, contents.length);
      this.guest.bytes.set(contents, offset);
    }
    settle(this.devices, this.#scope, () => {
      for (const device of this.devices.values()) device.resetState();
    });
    for (const vcpu of this.vcpus) vcpu.reset();
    this.#drivePins();
  }

  /** Brings the processors' pins to the level of their lines. */
  #drivePins(): void {
    this.vcpus.forEach((vcpu, i) => {
      const cpu = this.board.cpus[i]!;
      vcpu.setA20(cpu.a20Enabled);
      vcpu.setNmi(cpu.nmi.level);
      vcpu.setIntr(cpu.intr.level);
    });
    this.#loop.attend(); // whether it halts, the next run will tell
  }

  #exited(exit: Exit): void {
    if (this.trace.mask !== 0) this.trace.emit('exit', 'cpu0', exit.kind);
    if (exit.kind === 'shutdown') {
      this.emit('shutdown');
      this.#request({ reset: 'triple-fault' });
    } else if (exit.kind === 'debug') {
      void this.pause();
      this.emit('debug', exit);
    } else if (exit.kind === 'error') {
      this.#fail(
        new MainboardError(
          'accelerator-failed',
          `${this.accelerator.name} cannot go on (${exit.code}): ${exit.detail}`,
          { code: exit.code, detail: exit.detail },
        ),
      );
    }
  }

  #failed(cause: unknown): void {
    const error =
      cause instanceof MainboardError
        ? cause
        : new MainboardError(
            'accelerator-failed',
            `The machine stopped on an internal error: ${cause instanceof Error ? cause.message : cause}`,
            { cause },
          );
    const heard = this.listenerCount('error') > 0;
    this.#fail(error);
    if (!heard) throw cause;
  }

  #fail(error: MainboardError): void {
    void this.#loop.stop();
    this.#ending = { reason: 'error', status: 1 };
    this.#enter('failed');
    this.emit('error', error);
    this.emit('exit', this.#ending);
    this.#waiters.fail(error);
  }

  #end(ending: Ending): void {
    void this.#loop.stop();
    this.#pendingEnding = undefined;
    this.#pendingReset = undefined;
    this.#ending = ending;
    this.#enter('stopped');
    if (ending.reason === 'poweroff') this.emit('poweroff');
    this.emit('exit', ending);
    this.#waiters.fail(this.#endedError());
  }

  #endedError(): MainboardError {
    const how = this.#ending === undefined ? this.#state : `${this.#state} (${this.#ending.reason})`;
    return new MainboardError('ended', `The machine is ${how}, so what was waited for cannot come.`, {
      ending: this.#ending,
    });
  }

  #enter(state: MachineState): void {
    const previous = this.#state;
    if (previous === state) return;
    this.#state = state;
    this.emit('state', state, previous);
  }

  #mustBe(verb: string, ...allowed: MachineState[]): void {
    if (allowed.includes(this.#state)) return;
    const advice =
      this.#state === 'disposed'
        ? 'build a new one'
        : this.#state === 'built'
          ? 'start or reset it first'
          : 'reset it first';
    throw new MainboardError('wrong-state', `A machine that is ${this.#state} cannot ${verb}; ${advice}.`, {
      state: this.#state,
    });
  }

  #mustBeAtBoundary(verb: string): void {
    if (this.#loop.inRun)
      throw new MainboardError(
        'wrong-state',
        `The machine cannot ${verb} in the middle of an instruction; pause it first.`,
        { state: this.#state },
      );
  }
}

function onRise(pin: InPin, rise: () => void): void {
  pin.onChange = level => {
    if (level) rise();
  };
}
