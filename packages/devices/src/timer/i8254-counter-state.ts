/** What one counter remembers. All times are CLK cycles; {@link NEVER} stands for none. */
export interface CounterState {
  /** D5–D0 of the last control word, as the read-back command returns them. */
  control: number;
  /** CR, the count register, as written: binary or four BCD digits. */
  count: number;
  /** CR got a whole count since the control word. */
  written: boolean;
  /** CR holds a count, or waits for one, that CE did not take over yet. */
  pending: boolean;
  /** The cycle in which CE takes CR over, at most one cycle ahead. */
  loadAt: number;
  /** CE counts: it was loaded, and nothing but a level-sensitive GATE holds it. */
  armed: boolean;
  /** The cycle at which CE was `from`. */
  since: number;
  /** CE at `since`, 1–65536 after a load. */
  from: number;
  /** Modes 0, 1, 4, 5: this count reached zero before `since`, and OUT has had its effect. */
  expired: boolean;
  /** Modes 4 and 5: the cycle of a strobe that reached zero before `since`. */
  strobeAt: number;
  /** Mode 3: OUT in the half cycle that began at `since`. */
  high: boolean;
  /** The low byte of a count of which the high byte is still to come, or -1. */
  lowByte: number;
  /** The next read returns the high byte. */
  readHigh: boolean;
  /** OL, the latched count, or -1 while it follows CE. */
  latch: number;
  /** The latched status byte, or -1. */
  status: number;
}

export const NEVER = -1;

/** Before its first control word a counter is undefined by the datasheet; ours stands still with OUT low. */
const POWER_ON: Readonly<CounterState> = {
  control: 0x30,
  count: 0,
  written: false,
  pending: true,
  loadAt: NEVER,
  armed: false,
  since: 0,
  from: 0,
  expired: false,
  strobeAt: NEVER,
  high: true,
  lowByte: -1,
  readHigh: false,
  latch: -1,
  status: -1,
};

/** The states of several counters as a device keeps them: a list per field, flags as 0 and 1. */
export type CounterTable = { readonly [K in keyof CounterState]: Float64Array };
const FIELDS = Object.keys(POWER_ON) as (keyof CounterState)[];

/** `count` counters after power-on. */
export const counterTable = (count: number): CounterTable =>
  Object.fromEntries(
    FIELDS.map(field => [field, new Float64Array(count).fill(Number(POWER_ON[field]))]),
  ) as CounterTable;

/**
 * One counter of the table. Accessors are written out, since a processor that polls the timer waits for them: made in
 * a loop they share their code, and the engine compiles each access as one to any field of any counter.
 */
export class CounterRow implements CounterState {
  readonly #t: CounterTable;
  readonly #i: number;

  constructor(table: CounterTable, index: number) {
    this.#t = table;
    this.#i = index;
  }

  get control(): number {
    return this.#t.control[this.#i]!;
  }
  set control(value: number) {
    this.#t.control[this.#i] = value;
  }

  get count(): number {
    return this.#t.count[this.#i]!;
  }
  set count(value: number) {
    this.#t.count[this.#i] = value;
  }

  get written(): boolean {
    return this.#t.written[this.#i] !== 0;
  }
  set written(value: boolean) {
    this.#t.written[this.#i] = value ? 1 : 0;
  }

  get pending(): boolean {
    return this.#t.pending[this.#i] !== 0;
  }
  set pending(value: boolean) {
    this.#t.pending[this.#i] = value ? 1 : 0;
  }

  get loadAt(): number {
    return this.#t.loadAt[this.#i]!;
  }
  set loadAt(value: number) {
    this.#t.loadAt[this.#i] = value;
  }

  get armed(): boolean {
    return this.#t.armed[this.#i] !== 0;
  }
  set armed(value: boolean) {
    this.#t.armed[this.#i] = value ? 1 : 0;
  }

  get since(): number {
    return this.#t.since[this.#i]!;
  }
  set since(value: number) {
    this.#t.since[this.#i] = value;
  }

  get from(): number {
    return this.#t.from[this.#i]!;
  }
  set from(value: number) {
    this.#t.from[this.#i] = value;
  }

  get expired(): boolean {
    return this.#t.expired[this.#i] !== 0;
  }
  set expired(value: boolean) {
    this.#t.expired[this.#i] = value ? 1 : 0;
  }

  get strobeAt(): number {
    return this.#t.strobeAt[this.#i]!;
  }
  set strobeAt(value: number) {
    this.#t.strobeAt[this.#i] = value;
  }

  get high(): boolean {
    return this.#t.high[this.#i] !== 0;
  }
  set high(value: boolean) {
    this.#t.high[this.#i] = value ? 1 : 0;
  }

  get lowByte(): number {
    return this.#t.lowByte[this.#i]!;
  }
  set lowByte(value: number) {
    this.#t.lowByte[this.#i] = value;
  }

  get readHigh(): boolean {
    return this.#t.readHigh[this.#i] !== 0;
  }
  set readHigh(value: boolean) {
    this.#t.readHigh[this.#i] = value ? 1 : 0;
  }

  get latch(): number {
    return this.#t.latch[this.#i]!;
  }
  set latch(value: number) {
    this.#t.latch[this.#i] = value;
  }

  get status(): number {
    return this.#t.status[this.#i]!;
  }
  set status(value: number) {
    this.#t.status[this.#i] = value;
  }
}
