import { Struct } from './abi/layout.ts';
import { itimerspec, kvmSignalMask, sigevent } from './abi/structs.ts';
import { KvmError } from './errors.ts';
import { errnoName, type Libc } from './libc.ts';

const CLOCK_MONOTONIC = 1;
/** Linux only: the signal goes to one thread (<asm-generic/siginfo.h>). */
const SIGEV_THREAD_ID = 4;
const SIG_BLOCK = 0;
/**
 * A real-time signal that neither libc (32, 33) nor libuv nor V8 uses. In our thread it is blocked for good: a child
 * process starts with an empty mask (libuv sees to that), and no other thread is ever sent it.
 */
const SIGNAL = 43;
const NANOSECONDS = 1_000_000_000;

/**
 * Ends a `KVM_RUN` after a given time: a POSIX timer sends this thread a real-time signal, which is blocked except
 * inside `KVM_RUN` (KVM_SET_SIGNAL_MASK). So it never reaches a handler and interrupts nothing else: `KVM_RUN`
 * returns EINTR, at once if the signal came before, and {@link SliceTimer.expired} takes it off the queue. One timer
 * for each vCPU; two vCPUs in one thread run one after the other, and each takes its own signal off before it ends.
 */
export class SliceTimer {
  readonly #libc: Libc;
  readonly #timer: number;
  readonly #set = new Uint8Array(8);
  readonly #threadMask = new Uint8Array(8);
  readonly #new = new Struct(itimerspec);
  readonly #old = new Struct(itimerspec);
  readonly #newWords = new Uint32Array(this.#new.bytes.buffer);
  readonly #oldWords = new Uint32Array(this.#old.bytes.buffer);
  readonly #stop = new Struct(itimerspec);
  readonly #now = new Uint8Array(16);
  #pending = false;
  #disposed = false;

  /** Belongs to the calling thread: `KVM_RUN` of its vCPU must be called there. */
  constructor(libc: Libc) {
    this.#libc = libc;
    this.#set[(SIGNAL - 1) >> 3] = 1 << ((SIGNAL - 1) & 7);
    // SAFETY: two sigsets of the kernel's 8 bytes; changes the calling thread's mask only.
    if (libc.sigprocmask(SIG_BLOCK, this.#set, this.#threadMask) < 0) throw this.#error('rt_sigprocmask');
    const event = new Struct(sigevent);
    event.set('sigev_signo', SIGNAL);
    event.set('sigev_notify', SIGEV_THREAD_ID);
    event.set('_sigev_un._tid', libc.gettid());
    const id = new Int32Array(1);
    // SAFETY: struct sigevent in, one int (the kernel's timer_t) out; deleted in dispose.
    if (libc.timerCreate(CLOCK_MONOTONIC, event.bytes, new Uint8Array(id.buffer)) < 0)
      throw this.#error('timer_create');
    this.#timer = id[0]!;
  }

  /** The argument of KVM_SET_SIGNAL_MASK: the thread's own mask, with our signal let through. */
  signalMask(): Struct<'len' | 'sigset'> {
    const mask = new Struct(kvmSignalMask, this.#threadMask.length);
    mask.set('len', this.#threadMask.length);
    for (let i = 0; i < 8; i++) mask.bytes[4 + i] = this.#threadMask[i]! & ~this.#set[i]!;
    return mask;
  }

  /** @param nanoseconds from now; at least 1, since 0 would stop the timer. */
  arm(nanoseconds: number): void {
    const whole = Math.max(1, Math.floor(nanoseconds));
    this.#newWords[4] = Math.floor(whole / NANOSECONDS);
    this.#newWords[6] = whole % NANOSECONDS;
    // SAFETY: struct itimerspec in and out, both ours for good.
    this.#libc.timerSettime(this.#timer, 0, this.#new.bytes, this.#old.bytes);
    this.#pending = true;
  }

  /** Whether the time is up; asked after EINTR. Takes the signal. */
  expired(): boolean {
    // SAFETY: sigset and timespec of the kernel's sizes; a zero timeout never waits.
    if (this.#libc.sigtimedwait(this.#set, null, this.#now) <= 0) return false;
    this.#pending = false;
    return true;
  }

  /** Stops the timer, and takes a signal that came too late for anybody to see. */
  disarm(): void {
    if (!this.#pending) return;
    // SAFETY: as in arm.
    this.#libc.timerSettime(this.#timer, 0, this.#stop.bytes, this.#old.bytes);
    // No time was left: it went off, and its signal would end the next vCPU's slice.
    if (this.#oldWords[4] === 0 && this.#oldWords[6] === 0) this.expired();
    this.#pending = false;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.disarm();
    this.#disposed = true;
    // SAFETY: ours, and deleted once.
    this.#libc.timerDelete(this.#timer);
  }

  #error(call: string): KvmError {
    const errno = errnoName(this.#libc.errno());
    return new KvmError(
      'system-call',
      `The timer that ends a slice could not be set up: ${call} failed (${errno}).`,
      errno,
    );
  }
}
