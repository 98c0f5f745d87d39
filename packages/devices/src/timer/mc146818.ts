import { bit, bits, bytes, defineDevice, file, Host, MainboardError, output, registers, size } from '@mainboard/core';
import { Calendar, CMOS } from './calendar.ts';
import { fillMemorySize } from './cmos-memory.ts';
import { cyclesAt, timeOfCycle } from './cycles.ts';

const UIP = 0x80;
const B = { SET: 0x80, PIE: 0x40, AIE: 0x20, UIE: 0x10, SQWE: 0x08 } as const;
/** Flags in register C sit where their enables sit in B. */
const C = { IRQF: 0x80, PF: 0x40, AF: 0x20, UF: 0x10 } as const;
const VRT = 0x80;

const SECOND = 1e9;
/** "Divider Control": the first update begins half a second after the divider chain is let go. */
const HALF_SECOND = 5e8;
/** tBUC, "Update Cycle": UIP is high for so long before an update begins. */
const BEFORE_UPDATE = 244_000;
/** The divider chain seen at twice its fastest tap, so that the half of each period is a whole number. */
const HALF_TICK_HZ = 65_536;

/**
 * Real-time clock and CMOS memory of the PC/AT. Date and time are the host's when the device is made, and follow
 * virtual time from there; they are worked out when somebody asks, and a timer runs only towards an enabled interrupt.
 *
 * NOT IMPLEMENTED: daylight saving (B.DSE is kept and does nothing); the square-wave output (B.SQWE likewise); the
 * divider's test modes (A.DV 3–5 stop the chain); the power-sense pin PS, so D.VRT is always set.
 * DEVIATION "Register A": the crystal is the one that A.DV asks for.
 */
export const mc146818 = defineDevice(
  'mc146818',
  {
    spec: 'Motorola MC146818 (ADI-856-R2); IBM PC/AT Technical Reference (6280070) §1, "Real-Time Clock"',
    description: 'real-time clock with 128 bytes of CMOS memory',
    properties: {
      memory: size(0).about('RAM below 4 GiB that CMOS tells the BIOS of; 0 leaves the bytes alone'),
      memoryAbove4G: size(0).about('RAM above 4 GiB that CMOS tells the BIOS of'),
      cmos: file().about('first contents of CMOS; the clock and its registers, 00h–0Dh, are not taken from it'),
    },
    backends: { host: Host },
    pins: {
      irq: output(),
      /** Bit 7 of the index port: masks the NMI on the PC/AT. */
      nmiMask: output(),
    },
    windows: {
      regs: registers({
        INDEX: { at: 0, size: 1, access: 'wo', reset: 0x80, fields: { ADDRESS: bits(6, 0), NMI_MASK: bit(7) } }, // PC/AT §1
        DATA: { at: 1, size: 1, access: 'rw' }, // "Address Map"
      }),
    },
    state: {
      /** Registers A and B and the memory as they are; time and date as of the update numbered `updates`. */
      cmos: bytes(128),
      /** PF, AF and UF as of `updates` and `pulses`. */
      flags: 0,
      /** When the divider chain started from zero: virtual nanoseconds. */
      chainStart: 0,
      /** The last update that time and flags contain, counted from the start of the chain; the first is 0. */
      updates: -1,
      /** The last periodic edge that the flags contain, counted likewise; the first is 1. */
      pulses: 0,
    },
    battery: ['cmos', 'chainStart', 'updates', 'pulses'],
  },
  ({ name, props, pins, regs: { INDEX }, state, backends: { host }, clock }) => {
    const { cmos } = state;
    const calendar = new Calendar(cmos);
    const timer = clock.timer(update, 'interrupt');
    /** When register C was last looked at; a read clears what it has shown and nothing that came later. */
    let shownAt = 0;

    powerOn();
    function powerOn(): void {
      if (props.cmos !== undefined) {
        const { name: image, bytes: contents } = props.cmos;
        if (contents.length > cmos.length) {
          throw new MainboardError(
            'bad-property',
            `${name}: ${image} has ${contents.length} bytes, and CMOS holds ${cmos.length}; give ${cmos.length} or fewer.`,
          );
        }
        cmos.set(contents);
      }
      cmos.fill(0, 0, CMOS.D + 1);
      cmos[CMOS.A] = 0x26; // as the PC/AT's setup leaves it: 32.768 kHz, 1024 Hz
      cmos[CMOS.B] = 0x02; // 24 hours, BCD
      if (props.memory > 0) fillMemorySize(cmos, props.memory, props.memoryAbove4G);
      const wall = host.wallClock();
      const seconds = Math.floor(wall / 1000);
      calendar.set(seconds);
      // the seconds of the guest end when those of the host do
      const ended = clock.now() - Math.floor((wall - seconds * 1000) * 1e6);
      state.chainStart = ended - HALF_SECOND - updateTime() + SECOND;
    }

    /** "Divider Control": 0–2 run, 6 and 7 hold the chain in reset. */
    function divider(): number {
      return (cmos[CMOS.A]! >> 4) & 7;
    }
    function chainRuns(): boolean {
      return divider() <= 2;
    }
    /** tUC, "Update Cycle". */
    function updateTime(): number {
      return divider() === 2 ? 1_984_000 : 248_000;
    }
    function updating(): boolean {
      return chainRuns() && (cmos[CMOS.B]! & B.SET) === 0;
    }

    /** The number of the last update that has begun at `t`. */
    function begun(t: number): number {
      return Math.floor((t - state.chainStart - HALF_SECOND) / SECOND);
    }
    /** When update `n` ends, and its time can be read. */
    function endOf(n: number): number {
      return state.chainStart + HALF_SECOND + updateTime() + n * SECOND;
    }
    /** Updates that have ended and are not in `state` yet. */
    function due(t: number): number {
      return updating() ? Math.max(0, begun(t - updateTime()) - state.updates) : 0;
    }

    /** Register A, UIP: an update is going on, or begins within 244 µs. */
    function updateInProgress(t: number): boolean {
      if (!updating()) return false;
      const next = begun(t - updateTime()) + 1;
      return next > state.updates && t >= endOf(next) - updateTime() - BEFORE_UPDATE;
    }

    /** "Periodic Interrupt Selection": half a period, in cycles of 65,536 Hz; 0 for none. */
    function halfPeriod(): number {
      const rate = cmos[CMOS.A]! & 15;
      if (rate === 0 || !chainRuns()) return 0;
      return 2 ** (rate < 3 && divider() === 2 ? rate + 6 : rate - 1);
    }
    /** Periodic edges since the start of the chain; figure "Update-Ended and Periodic": midway between updates. */
    function pulsesAt(t: number): number {
      const half = halfPeriod();
      return half === 0 ? 0 : Math.floor((cyclesAt(t - state.chainStart, HALF_TICK_HZ) + half) / (2 * half));
    }

    /** PF, AF and UF at `t`: they are set whether enabled or not. */
    function flagsAt(t: number): number {
      const updates = due(t);
      return (
        state.flags |
        (halfPeriod() !== 0 && pulsesAt(t) > state.pulses ? C.PF : 0) |
        (updates > 0 ? C.UF : 0) |
        (updates > 0 && calendar.untilAlarm() <= updates ? C.AF : 0)
      );
    }

    /** Brings state up to `t`; what it says does not change by that. */
    function settle(t: number): void {
      const updates = due(t);
      state.flags = flagsAt(t);
      state.pulses = pulsesAt(t);
      calendar.advance(updates);
      state.updates += updates;
    }

    function update(): void {
      const enabled = cmos[CMOS.B]!;
      const interrupts = (flagsAt(clock.now()) & enabled) !== 0;
      pins.irq.set(interrupts);
      pins.nmiMask.set(INDEX.NMI_MASK);
      let next = Number.POSITIVE_INFINITY;
      // With no enabled flag set, the updates and edges that `state` lacks are none that count below.
      if (!interrupts) {
        if (updating()) {
          if ((enabled & B.UIE) !== 0) next = endOf(state.updates + 1);
          else if ((enabled & B.AIE) !== 0) next = endOf(state.updates + calendar.untilAlarm());
        }
        const half = halfPeriod();
        if ((enabled & B.PIE) !== 0 && half !== 0) {
          const edge = (2 * state.pulses + 1) * half;
          next = Math.min(next, state.chainStart + timeOfCycle(edge, HALF_TICK_HZ));
        }
      }
      if (next < Number.POSITIVE_INFINITY) timer.arm(next);
      else timer.cancel();
    }

    function writeA(value: number, t: number): void {
      const ran = chainRuns();
      cmos[CMOS.A] = value & ~UIP;
      if (!ran && chainRuns()) {
        state.chainStart = t;
        state.updates = -1;
      }
      state.pulses = pulsesAt(t);
    }

    function writeB(value: number, t: number): void {
      const updated = updating();
      // "Register B": SET going high clears UIE
      cmos[CMOS.B] = (value & B.SET) !== 0 ? value & ~B.UIE : value;
      if (!updated && updating()) state.updates = begun(t); // one that has begun without us goes by
    }

    function write(address: number, value: number): void {
      const t = clock.now();
      settle(t);
      if (address === CMOS.A) writeA(value, t);
      else if (address === CMOS.B) writeB(value, t);
      else if (address !== CMOS.C && address !== CMOS.D) cmos[address] = value;
      update();
    }

    function read(address: number): number {
      const t = clock.now();
      switch (address) {
        case CMOS.A:
          return cmos[CMOS.A]! | (updateInProgress(t) ? UIP : 0);
        case CMOS.C: {
          shownAt = t;
          const flags = flagsAt(t);
          return flags | ((flags & cmos[CMOS.B]!) !== 0 ? C.IRQF : 0);
        }
        case CMOS.D:
          return VRT;
        default:
          return calendar.byte(address, due(t));
      }
    }

    return {
      update,
      /** "Reset": the battery keeps time and memory; interrupt enables and flags are cleared. */
      reset() {
        settle(clock.now());
        cmos[CMOS.B]! &= ~(B.PIE | B.AIE | B.UIE | B.SQWE);
        state.flags = 0;
      },
      registers: {
        INDEX: { onWrite: () => pins.nmiMask.set(INDEX.NMI_MASK) },
        DATA: {
          value: () => read(INDEX.ADDRESS),
          onRead() {
            if (INDEX.ADDRESS !== CMOS.C) return;
            settle(shownAt);
            state.flags = 0;
            update();
          },
          onWrite: value => write(INDEX.ADDRESS, value),
        },
      },
    };
  },
);
