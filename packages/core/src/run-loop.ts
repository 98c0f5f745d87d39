import type { VirtualClock } from './clock.ts';
import type { Exit, Vcpu } from './ports/accelerator.ts';
import type { Host } from './ports/host.ts';

const MS = 1_000_000;
/** The longest time that guest code runs without the loop looking up. */
const MAX_SLICE = 5 * MS;
/** The shortest, so that the guest gets on even when timers are overdue. */
const MIN_SLICE = 20_000;
/** After so long the embedder's event loop gets a turn. */
const TURN = MS;
/** A shorter wait is spent in turns of the event loop, as host timers are coarser than this. */
const SHORT_WAIT = 200_000;
/** Overdue deadlines at a time: a device that a guest makes re-arm for now stops neither the guest nor the host. */
const MAX_DEADLINES = 1000;
/** The longest sleep of a halted processor while somebody waits for a condition, which may be one of time. */
const WATCHED_SLEEP = 10 * MS;
/** The longest sleep else; it only serves to keep the host's event loop alive. */
const MAX_SLEEP = 60_000 * MS;

/** What the loop reports to its machine. */
export interface RunLoopOwner {
  /** INTR or NMI announces something that the processor has not taken. */
  interruptPending(): boolean;
  /** The processor stands at an instruction boundary: carry out requests, which may stop the loop. */
  boundary(): void;
  /** Somebody waits for a condition: boundaries are to come also while nothing happens. */
  watched(): boolean;
  /** `shutdown`, `debug` and `error`. */
  exited(exit: Exit): void;
  /** A device, a listener or the accelerator threw. */
  failed(error: unknown): void;
}

/**
 * Runs one processor in the embedder's thread, slice by slice: due timers, guest code, a turn of the event loop. A
 * halted processor sleeps until a timer is due or something wakes it.
 */
export class RunLoop {
  readonly #host: Host;
  readonly #clock: VirtualClock;
  readonly #vcpu: Vcpu;
  readonly #owner: RunLoopOwner;
  #running = false;
  /** `run` is on the stack or its promise is open. */
  #inRun = false;
  #halted = false;
  /** Something happened for which a halted processor must look up. */
  #woken = false;
  #sliceEnd = 0;
  #lastTurn = 0;
  /** The next step waits for a timer. */
  #asleep = false;
  /** Cancels the scheduled step. */
  #cancel: (() => void) | undefined;
  #whenStopped: (() => void)[] = [];

  constructor(host: Host, clock: VirtualClock, vcpu: Vcpu, owner: RunLoopOwner) {
    this.#host = host;
    this.#clock = clock;
    this.#vcpu = vcpu;
    this.#owner = owner;
    clock.queue.onEarlier = () => {
      if (this.#inRun) {
        if (this.#clock.queue.next < this.#sliceEnd) this.#vcpu.kick();
      } else if (this.#asleep) this.#schedule(0);
    };
  }

  get running(): boolean {
    return this.#running;
  }

  /** Whether guest code is being executed: the processor's state is not to be touched. */
  get inRun(): boolean {
    return this.#inRun;
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#clock.start();
    this.#woken = true;
    if (!this.#inRun) this.#schedule(0);
  }

  /** Stops at the next instruction boundary, at once unless guest code is being executed. Resolves then. */
  stop(): Promise<void> {
    this.#running = false;
    this.#clock.stop();
    this.#unschedule();
    if (!this.#inRun) return Promise.resolve();
    this.#vcpu.kick();
    return new Promise(resolve => this.#whenStopped.push(resolve));
  }

  /** An interrupt line rose or a request waits: makes the processor look up. */
  attend(): void {
    this.#woken = true;
    if (this.#inRun) this.#vcpu.kick();
    else if (this.#asleep) this.#schedule(0);
  }

  /** Somebody has begun to wait: a sleep is cut short, and a halted processor goes on halting. */
  lookUp(): void {
    if (this.#asleep) this.#schedule(0);
  }

  #schedule(wait: number): void {
    this.#unschedule();
    let cancelled = false;
    const step = (): void => {
      if (cancelled) return;
      this.#cancel = undefined;
      this.#asleep = false;
      this.#lastTurn = this.#host.now();
      this.#guarded(() => this.#turn());
    };
    if (wait < SHORT_WAIT) {
      this.#host.soon(step);
      this.#cancel = () => {
        cancelled = true;
      };
    } else {
      this.#asleep = true;
      this.#cancel = this.#host.after(wait, step);
    }
  }

  #unschedule(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#asleep = false;
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#leftRun();
      this.#running = false;
      this.#clock.stop();
      this.#unschedule();
      this.#owner.failed(error);
    }
  }

  /** Runs until the event loop is due a turn, the processor halts or the loop is stopped. */
  #turn(): void {
    while (this.#running) {
      this.#owner.boundary();
      if (!this.#running) return;
      this.#fireTimers();
      if (!this.#running) return;
      if (this.#halted && !this.#woken) {
        const longest = this.#owner.watched() ? WATCHED_SLEEP : MAX_SLEEP;
        this.#schedule(Math.min(this.#clock.queue.next - this.#clock.now(), longest));
        return;
      }
      const exit = this.#run();
      if ('then' in exit) {
        exit.then(
          result => this.#guarded(() => this.#resume(result)),
          error =>
            this.#guarded(() => {
              throw error;
            }),
        );
        return;
      }
      this.#returned(exit);
      if (this.#running && this.#host.now() - this.#lastTurn >= TURN) {
        this.#schedule(0);
        return;
      }
    }
  }

  /** Goes on after a run in another thread. */
  #resume(exit: Exit): void {
    this.#returned(exit);
    if (this.#running) this.#schedule(0);
  }

  #run(): Exit | Promise<Exit> {
    const now = this.#clock.now();
    const wait = this.#clock.queue.next - now;
    const slice = Math.min(MAX_SLICE, Math.max(MIN_SLICE, wait));
    this.#sliceEnd = now + slice;
    this.#woken = false;
    this.#halted = false;
    this.#inRun = true;
    return this.#vcpu.run(slice);
  }

  #returned(exit: Exit): void {
    this.#leftRun();
    if (exit.kind === 'halt') this.#halted = true;
    if (exit.kind !== 'halt' && exit.kind !== 'slice') this.#owner.exited(exit);
  }

  #leftRun(): void {
    this.#inRun = false;
    const waiting = this.#whenStopped;
    this.#whenStopped = [];
    for (const resolve of waiting) resolve();
  }

  /**
   * One deadline after the other, but only until an interrupt is announced: when the host was late, the guest gets a
   * short slice to take it before the next tick comes, or ticks would merge in the controller and be lost.
   */
  #fireTimers(): void {
    const now = this.#clock.now();
    for (let fired = 0; fired < MAX_DEADLINES && this.#clock.queue.fireNext(now); fired++)
      if (!this.#running || this.#owner.interruptPending()) return;
  }
}
