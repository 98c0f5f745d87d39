/** Offsets of the clock's bytes in CMOS: "Address Map". */
export const CMOS = {
  SECONDS: 0x00,
  SECONDS_ALARM: 0x01,
  MINUTES: 0x02,
  MINUTES_ALARM: 0x03,
  HOURS: 0x04,
  HOURS_ALARM: 0x05,
  DAY_OF_WEEK: 0x06,
  DATE: 0x07,
  MONTH: 0x08,
  YEAR: 0x09,
  A: 0x0a,
  B: 0x0b,
  C: 0x0c,
  D: 0x0d,
  /** The PC's addition; counts on when YEAR wraps. */
  CENTURY: 0x32,
} as const;

/** The bits of register B that say how the bytes are to be read. */
const B_24_HOURS = 0x02;
const B_BINARY = 0x04;
const PM = 0x80;
const DONT_CARE = 0xc0;

const DAY = 86_400;
/** Every fourth year is a leap year here, 00 included ("Time, Calendar, and Alarm Locations"). */
const DAYS_PER_CENTURY = 36_525;
const MONTH_STARTS = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

const isLeap = (year: number): boolean => year % 4 === 0;
const daysBeforeYear = (year: number): number => 365 * year + Math.floor((year + 3) / 4);
/** @param month 1–13. */
const daysBeforeMonth = (month: number, year: number): number =>
  MONTH_STARTS[month - 1]! + (month > 2 && isLeap(year) ? 1 : 0);

/**
 * The ten bytes of time, calendar and alarm, in the format that register B selects. Nothing here changes the bytes
 * but {@link advance} and {@link set}; values that are no time (month 0, BCD digits beyond 9) are taken as far as
 * they make sense.
 */
export class Calendar {
  readonly #cmos: Uint8Array;

  constructor(cmos: Uint8Array) {
    this.#cmos = cmos;
  }

  get #binary(): boolean {
    return (this.#cmos[CMOS.B]! & B_BINARY) !== 0;
  }

  #decode(byte: number): number {
    return this.#binary ? byte : (byte >> 4) * 10 + (byte & 15);
  }

  #encode(value: number): number {
    return this.#binary ? value : (Math.floor(value / 10) << 4) | (value % 10);
  }

  #encodeHour(hour: number): number {
    if ((this.#cmos[CMOS.B]! & B_24_HOURS) !== 0) return this.#encode(hour);
    return this.#encode(hour % 12 || 12) | (hour >= 12 ? PM : 0);
  }

  #hour(): number {
    const byte = this.#cmos[CMOS.HOURS]!;
    if ((this.#cmos[CMOS.B]! & B_24_HOURS) !== 0) return this.#decode(byte);
    return (this.#decode(byte & 0x7f) % 12) + ((byte & PM) !== 0 ? 12 : 0);
  }

  /** Days since the first of January 00. */
  #day(): number {
    const cmos = this.#cmos;
    const year = this.#decode(cmos[CMOS.YEAR]!) % 100;
    const month = Math.min(12, Math.max(1, this.#decode(cmos[CMOS.MONTH]!)));
    return daysBeforeYear(year) + daysBeforeMonth(month, year) + Math.max(1, this.#decode(cmos[CMOS.DATE]!)) - 1;
  }

  /** Seconds since the first of January 00. */
  #seconds(): number {
    const cmos = this.#cmos;
    return (
      this.#day() * DAY +
      this.#hour() * 3600 +
      this.#decode(cmos[CMOS.MINUTES]!) * 60 +
      this.#decode(cmos[CMOS.SECONDS]!)
    );
  }

  /** The byte at `offset` after `updates` update cycles more. */
  byte(offset: number, updates: number): number {
    const now = this.#cmos[offset]!;
    if (updates === 0) return now;
    const seconds = this.#seconds() + updates;
    const days = Math.floor(seconds / DAY);
    switch (offset) {
      case CMOS.SECONDS:
        return this.#encode(seconds % 60);
      case CMOS.MINUTES:
        return this.#encode(Math.floor(seconds / 60) % 60);
      case CMOS.HOURS:
        return this.#encodeHour(Math.floor(seconds / 3600) % 24);
      case CMOS.DAY_OF_WEEK:
        return days === this.#day() ? now : ((now + 6 + days - this.#day()) % 7) + 1;
      case CMOS.CENTURY:
        return days < DAYS_PER_CENTURY
          ? now
          : this.#encode((this.#decode(now) + Math.floor(days / DAYS_PER_CENTURY)) % 100);
      case CMOS.DATE:
      case CMOS.MONTH:
      case CMOS.YEAR:
        return this.#dateByte(offset, days % DAYS_PER_CENTURY);
      default:
        return now;
    }
  }

  #dateByte(offset: number, day: number): number {
    let year = Math.floor(day / 365.25);
    if (day < daysBeforeYear(year)) year--;
    else if (day >= daysBeforeYear(year + 1)) year++;
    if (offset === CMOS.YEAR) return this.#encode(year);
    const inYear = day - daysBeforeYear(year);
    let month = 1;
    while (month < 12 && inYear >= daysBeforeMonth(month + 1, year)) month++;
    return this.#encode(offset === CMOS.MONTH ? month : inYear - daysBeforeMonth(month, year) + 1);
  }

  /** Stores what the bytes are after `updates` update cycles more. */
  advance(updates: number): void {
    if (updates === 0) return;
    const next = CLOCK_BYTES.map(offset => this.byte(offset, updates));
    CLOCK_BYTES.forEach((offset, i) => {
      this.#cmos[offset] = next[i]!;
    });
  }

  /** How many update cycles from now the alarm bytes match the time, 1–86400; Infinity for never. */
  untilAlarm(): number {
    const cmos = this.#cmos;
    const matches = (alarm: number, byte: number): boolean => cmos[alarm]! >= DONT_CARE || cmos[alarm] === byte;
    const second = (s: number): boolean => matches(CMOS.SECONDS_ALARM, this.#encode(s));
    const minute = (m: number): boolean => matches(CMOS.MINUTES_ALARM, this.#encode(m));
    let possible = false;
    for (let s = 0; s < 60 && !possible; s++) possible = second(s);
    if (!possible) return Number.POSITIVE_INFINITY;
    const from = (this.#seconds() + 1) % DAY;
    const fromHour = Math.floor(from / 3600);
    for (let i = 0; i <= 24; i++) {
      if (!matches(CMOS.HOURS_ALARM, this.#encodeHour((fromHour + i) % 24))) continue;
      for (let m = i === 0 ? Math.floor(from / 60) % 60 : 0; m < 60; m++) {
        if (!minute(m)) continue;
        const first = (fromHour + i) * 3600 + m * 60;
        for (let s = Math.max(0, from - first); s < 60; s++) if (second(s)) return first + s - from + 1;
      }
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Sets time and date. @param unixSeconds since 1970-01-01 00:00 UTC. */
  set(unixSeconds: number): void {
    const cmos = this.#cmos;
    const days = Math.floor(unixSeconds / DAY);
    const inDay = unixSeconds - days * DAY;
    const { year, month, date } = gregorian(days);
    cmos[CMOS.SECONDS] = this.#encode(inDay % 60);
    cmos[CMOS.MINUTES] = this.#encode(Math.floor(inDay / 60) % 60);
    cmos[CMOS.HOURS] = this.#encodeHour(Math.floor(inDay / 3600));
    cmos[CMOS.DAY_OF_WEEK] = ((((days + 4) % 7) + 7) % 7) + 1; // 1970-01-01 was a Thursday; Sunday is 1
    cmos[CMOS.DATE] = this.#encode(date);
    cmos[CMOS.MONTH] = this.#encode(month);
    cmos[CMOS.YEAR] = this.#encode(year % 100);
    cmos[CMOS.CENTURY] = this.#encode(Math.floor(year / 100) % 100);
  }
}

const CLOCK_BYTES = [
  CMOS.SECONDS,
  CMOS.MINUTES,
  CMOS.HOURS,
  CMOS.DAY_OF_WEEK,
  CMOS.DATE,
  CMOS.MONTH,
  CMOS.YEAR,
  CMOS.CENTURY,
] as const;

/** The Gregorian date of a day counted from 1970-01-01. Years begin in March here, so that a leap day ends one. */
function gregorian(days: number): { year: number; month: number; date: number } {
  const shifted = days + 719_468; // from 0000-03-01
  const era = Math.floor(shifted / 146_097);
  const inEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (inEra - Math.floor(inEra / 1460) + Math.floor(inEra / 36_524) - Math.floor(inEra / 146_096)) / 365,
  );
  const inYear = inEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * inYear + 2) / 153);
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  return {
    year: era * 400 + yearOfEra + (month <= 2 ? 1 : 0),
    month,
    date: inYear - Math.floor((153 * marchMonth + 2) / 5) + 1,
  };
}
