import { type CounterState, NEVER } from './i8254-counter-state.ts';

const LSB = 1;
const BOTH = 3;

const fromBcd = (bcd: number): number =>
  (bcd >> 12) * 1000 + ((bcd >> 8) & 15) * 100 + ((bcd >> 4) & 15) * 10 + (bcd & 15);
const toBcd = (n: number): number =>
  (Math.floor(n / 1000) << 12) | (Math.floor((n % 1000) / 100) << 8) | (Math.floor((n % 100) / 10) << 4) | (n % 10);

/**
 * One counter of an 8254 (231164-005, "Operational Description"). The state names one point of the count, and every
 * level and value of a later cycle follows from it in closed form: a counter costs nothing while nobody looks.
 *
 * An event (a write, an edge of GATE) in cycle `t` takes effect in cycle `t + 1`, as counts load and decrement on the
 * falling edge of CLK.
 */
export class Counter {
  /** The level of GATE. Set it to follow the pin when that moved unseen (a restore); {@link setGate} tells of edges. */
  gate = true;
  readonly #s: CounterState;

  constructor(state: CounterState) {
    this.#s = state;
  }

  /** 0–5; the control words 6 and 7 mean modes 2 and 3 (M2 is a don't-care there). */
  get #mode(): number {
    const mode = (this.#s.control >> 1) & 7;
    return mode > 5 ? mode - 4 : mode;
  }

  get #access(): number {
    return this.#s.control >> 4;
  }

  get #bcd(): boolean {
    return (this.#s.control & 1) !== 0;
  }

  /** How far CE counts from a load of CR; a written 0 is the largest count. */
  get #length(): number {
    const { count } = this.#s;
    return this.#bcd ? fromBcd(count) || 10_000 : count || 0x1_0000;
  }

  /** In modes 1 and 5 GATE only triggers; in the others low holds the count. */
  get #enabled(): boolean {
    const mode = this.#mode;
    return mode === 1 || mode === 5 || this.gate;
  }

  #loaded(t: number): boolean {
    return this.#s.loadAt !== NEVER && t >= this.#s.loadAt;
  }

  /** The cycle at which the current stretch of counting began. */
  #origin(t: number): number {
    return this.#loaded(t) ? this.#s.loadAt : this.#s.since;
  }

  /** CE at {@link #origin}. */
  #start(t: number): number {
    return this.#loaded(t) ? this.#length : this.#s.from;
  }

  #counting(t: number): boolean {
    return (this.#s.armed || this.#loaded(t)) && this.#enabled;
  }

  /** Cycles counted since {@link #origin}. */
  #elapsed(t: number): number {
    return this.#counting(t) ? t - this.#origin(t) : 0;
  }

  /** Mode 3: for how many cycles OUT is high or low in one period of `length` (odd counts are high for one more). */
  #half(length: number, high: boolean): number {
    return high ? (length + 1) >> 1 : length >> 1;
  }

  /** The length of the period (mode 2) or half cycle (mode 3) that began at {@link #origin}. */
  #firstStretch(t: number): number {
    const start = this.#start(t);
    return this.#mode === 2 ? start : this.#half(start, this.#loaded(t) || this.#s.high);
  }

  /** Modes 2 and 3: the last cycle up to `t` at which CE was loaded, by itself or from outside. */
  #reloadedAt(t: number): number {
    const origin = this.#origin(t);
    const first = this.#firstStretch(t);
    const beyond = this.#elapsed(t) - first;
    if (beyond < 0) return origin;
    const length = this.#length;
    const inPeriod = beyond % length;
    const periodStart = t - inPeriod;
    if (this.#mode === 2) return periodStart;
    const second = this.#half(length, !(this.#loaded(t) || this.#s.high));
    return inPeriod < second ? periodStart : periodStart + second;
  }

  /** Mode 3: OUT in cycle `t`, GATE apart. */
  #square(t: number): boolean {
    const first = this.#loaded(t) || this.#s.high;
    const beyond = this.#elapsed(t) - this.#firstStretch(t);
    if (beyond < 0) return first;
    const length = this.#length;
    return beyond % length < this.#half(length, !first) ? !first : first;
  }

  /** CE in cycle `t`, as a number from 0 to 65536. */
  #element(t: number): number {
    const elapsed = this.#elapsed(t);
    const mode = this.#mode;
    if (elapsed === 0) return mode === 3 ? this.#start(t) & ~1 : this.#start(t); // "Mode 3": odd counts load one less
    if (mode === 2 || mode === 3) {
      const loadedAt = this.#reloadedAt(t);
      const length = loadedAt === this.#origin(t) ? this.#start(t) : this.#length;
      return mode === 2 ? length - (t - loadedAt) : (length & ~1) - 2 * (t - loadedAt);
    }
    const modulus = this.#bcd ? 10_000 : 0x1_0000;
    const left = (this.#start(t) - elapsed) % modulus; // past zero the count wraps and goes on
    return left < 0 ? left + modulus : left;
  }

  /** Modes 0, 1, 4, 5: CE has reached zero since it was loaded. */
  #expired(t: number): boolean {
    if (this.#s.expired && !this.#loaded(t)) return true;
    const elapsed = this.#elapsed(t);
    return elapsed > 0 && elapsed >= this.#start(t);
  }

  #strobes(t: number): boolean {
    if (this.#s.strobeAt === t && !this.#loaded(t)) return true;
    if (this.#s.expired && !this.#loaded(t)) return false;
    const elapsed = this.#elapsed(t);
    return elapsed > 0 && elapsed === this.#start(t);
  }

  /** The level of OUT in cycle `t`, if nothing happens until then. */
  out(t: number): boolean {
    switch (this.#mode) {
      case 0:
      case 1:
        return this.#expired(t);
      case 2:
        return !this.#counting(t) || this.#element(t) !== 1;
      case 3:
        return !this.#counting(t) || this.#square(t);
      default:
        return !this.#strobes(t);
    }
  }

  /** The first cycle after `t` in which OUT changes, if nothing happens until then; Infinity for none. */
  nextEdge(t: number): number {
    const { loadAt } = this.#s;
    if (loadAt > t) return this.out(loadAt) !== this.out(t) ? loadAt : this.nextEdge(loadAt);
    const origin = this.#origin(t);
    const start = this.#start(t);
    const mode = this.#mode;
    if (mode > 3 && this.#strobes(t)) return t + 1;
    if (!this.#counting(t)) return Number.POSITIVE_INFINITY;
    if (mode === 2) {
      // A count of 1 is illegal here; it leaves OUT low.
      const loadedAt = this.#reloadedAt(t);
      const length = loadedAt === origin ? start : this.#length;
      if (t - loadedAt < length - 1) return loadedAt + length - 1;
      return this.#length === 1 ? Number.POSITIVE_INFINITY : loadedAt + length;
    }
    if (mode === 3) {
      const high = this.#square(t);
      const loadedAt = this.#reloadedAt(t);
      // A count of 1 is illegal here; it leaves OUT high.
      if (high && this.#length === 1) return Number.POSITIVE_INFINITY;
      return loadedAt + this.#half(loadedAt === origin ? start : this.#length, high);
    }
    return this.#expired(t) ? Number.POSITIVE_INFINITY : origin + start;
  }

  /** Moves the named point up to cycle `t`, so that what happens now leaves the past alone. */
  #settle(t: number): void {
    const s = this.#s;
    if (this.#loaded(t)) {
      s.since = s.loadAt;
      s.from = this.#length;
      s.armed = true;
      s.expired = false;
      s.strobeAt = NEVER;
      s.high = true;
      s.pending = false;
      s.loadAt = NEVER;
    }
    const elapsed = this.#elapsed(t);
    if (elapsed === 0) return;
    const mode = this.#mode;
    if (mode === 2 || mode === 3) {
      const loadedAt = this.#reloadedAt(t);
      if (loadedAt === s.since) return;
      s.high = mode === 2 || this.#square(t);
      s.since = loadedAt;
      s.from = this.#length;
      s.pending = false;
    } else {
      if (mode > 3 && !s.expired && elapsed >= s.from) s.strobeAt = s.since + s.from;
      const left = this.#element(t);
      s.expired = this.#expired(t);
      s.from = left;
      s.since = t;
    }
  }

  /** Stops CE at its value of cycle `t`. */
  #hold(t: number): void {
    this.#settle(t);
    this.#s.from = this.#element(t);
    this.#s.since = t;
    this.#s.armed = false;
  }

  /** "Control Word Format": selects mode, access and code; OUT takes its initial level at once. */
  program(word: number, t: number): void {
    const s = this.#s;
    this.#hold(t);
    s.control = word & 0x3f;
    s.written = false;
    s.pending = true;
    s.loadAt = NEVER;
    s.expired = this.#mode !== 0; // the level that modes 0 and 1 have at their end is low and high before the start
    s.strobeAt = NEVER;
    s.high = true;
    s.lowByte = -1;
    s.readHigh = false;
    s.latch = -1;
    s.status = -1;
  }

  /** "Write Operations": one byte of a count, by the access that the control word chose. */
  write(byte: number, t: number): void {
    const s = this.#s;
    const access = this.#access;
    if (access !== BOTH) {
      this.#setCount(access === LSB ? byte : byte << 8, t);
    } else if (s.lowByte < 0) {
      s.lowByte = byte;
      if (this.#mode === 0) {
        this.#hold(t); // "Mode 0": the first byte disables counting, and sets OUT low at once
        s.expired = false;
        s.loadAt = NEVER;
      }
    } else {
      const count = s.lowByte | (byte << 8);
      s.lowByte = -1;
      this.#setCount(count, t);
    }
  }

  #setCount(count: number, t: number): void {
    const s = this.#s;
    const mode = this.#mode;
    if (mode === 0) {
      this.#hold(t);
      s.expired = false;
    } else {
      this.#settle(t);
    }
    s.count = count;
    s.pending = true;
    // Modes 1 and 5 wait for a trigger, modes 2 and 3 for the end of a period once they run.
    if (mode === 0 || mode === 4 || ((mode === 2 || mode === 3) && !s.written)) s.loadAt = t + 1;
    s.written = true;
  }

  /** An edge of GATE: "Gate", the summary of its effects. */
  setGate(level: boolean, t: number): void {
    const s = this.#s;
    const mode = this.#mode;
    const triggers = mode !== 0 && mode !== 4;
    // the past is counted with the old level
    if (mode === 2 || mode === 3) this.#hold(t);
    else this.#settle(t);
    this.gate = level;
    if (!level) return;
    if (!triggers) s.since = t;
    else if (s.written) s.loadAt = t + 1;
  }

  /** "Null count": a count was written, or is awaited, and CE does not hold it yet. */
  #nullCount(t: number): boolean {
    const s = this.#s;
    if (!s.pending || this.#loaded(t)) return false;
    const mode = this.#mode;
    return !((mode === 2 || mode === 3) && this.#counting(t) && this.#reloadedAt(t) !== s.since);
  }

  #countRead(t: number): number {
    const element = this.#element(t);
    return this.#bcd ? toBcd(element % 10_000) : element & 0xffff;
  }

  /**
   * "Counter Latch Command": keeps the count for the next read; ignored while a latched count waits. The datasheet is
   * silent on a latch between the two bytes of a read: the low byte comes first again.
   */
  latchCount(t: number): void {
    const s = this.#s;
    if (s.latch >= 0) return;
    s.latch = this.#countRead(t);
    s.readHigh = false;
  }

  /** "Read-Back Command": keeps the status for the next read; ignored while a latched status waits. */
  latchStatus(t: number): void {
    const s = this.#s;
    if (s.status >= 0) return;
    s.status = (this.out(t) ? 0x80 : 0) | (this.#nullCount(t) ? 0x40 : 0) | s.control;
  }

  /** "Read Operations": what the next read returns. */
  read(t: number): number {
    const s = this.#s;
    if (s.status >= 0) return s.status;
    const count = s.latch >= 0 ? s.latch : this.#countRead(t);
    const access = this.#access;
    const high = access === BOTH ? s.readHigh : access !== LSB;
    return high ? count >> 8 : count & 0xff;
  }

  /** What a read does besides: frees the latches, turns the flip-flop. */
  afterRead(): void {
    const s = this.#s;
    if (s.status >= 0) {
      s.status = -1;
      return;
    }
    if (this.#access !== BOTH) {
      s.latch = -1;
      return;
    }
    if (s.readHigh) s.latch = -1;
    s.readHigh = !s.readHigh;
  }
}
