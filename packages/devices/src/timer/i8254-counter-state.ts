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

/** One counter of the table. */
export const counterRow = (table: CounterTable, index: number): CounterState => {
  const row = {};
  for (const field of FIELDS) {
    const list = table[field];
    Object.defineProperty(row, field, {
      get: typeof POWER_ON[field] === 'boolean' ? () => list[index] !== 0 : () => list[index],
      set: (value: number | boolean) => {
        list[index] = Number(value);
      },
    });
  }
  return Object.seal(row) as CounterState;
};
