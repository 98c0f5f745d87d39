import { defineDevice, inputs, oneOf, output, registers, vectorSinks, vectorSource } from '@mainboard/core';

/** What the writes to the data port are taken for, while ICW1 is being followed up. */
const AWAITS = { icw1: 0, icw2: 1, icw3: 2, icw4: 3, nothing: 4 } as const;

const ICW1 = { IC4: 0x01, SNGL: 0x02, LTIM: 0x08, SELECT: 0x10 } as const;
const ICW4 = { AEOI: 0x02, MASTER: 0x04, BUF: 0x08, SFNM: 0x10 } as const;
const OCW2 = { EOI: 0x20, SL: 0x40, R: 0x80 } as const;
const OCW3 = { RIS: 0x01, RR: 0x02, P: 0x04, SELECT: 0x08, SMM: 0x20, ESMM: 0x40 } as const;

/** On the PC/AT the timer, the keyboard, the cascade, the clock and the coprocessor are edge-triggered for good. */
const ELCR_WRITABLE = { master: 0xf8, slave: 0xde } as const;

/**
 * Programmable interrupt controller. A pair: the slave's `int` goes to an `ir` of the master, its `inta` to the
 * `cascade` line of the same number.
 *
 * NOT IMPLEMENTED: the CALL sequence and its address interval (ICW1.ADI, ICW4.µPM = 0; "MCS-80/85 Mode"): the
 * acknowledge cycle is always the 8086's. DEVIATION "Cascade Mode": a slave answers on the line that it is wired to
 * and does not compare the ID in its ICW3.
 */
export const i8259 = defineDevice(
  'i8259',
  {
    spec: 'Intel 8259A (231468-003); ELCR: Intel 82371AB (290562-001) §4.1.6',
    description: 'programmable interrupt controller, with the edge/level register of PCI chipsets',
    properties: {
      role: oneOf('master', 'slave').about('the level of SP/EN, which counts unless ICW4 chooses buffered mode'),
    },
    pins: { ir: inputs(8), int: output(), inta: vectorSource(), cascade: vectorSinks(8) },
    windows: {
      regs: registers({
        COMMAND: { at: 0, size: 1, access: 'wo' }, // "Initialization Command Words", "Operation Command Words"
        STATUS: { at: 0, size: 1, access: 'ro' }, // "Reading the 8259A Status"
        DATA: { at: 1, size: 1, access: 'wo' }, // ICW2–ICW4; OCW1
        IMR: { at: 1, size: 1, access: 'ro' }, // "Interrupt Mask Register"
      }),
      elcr: registers({
        ELCR: { at: 0, size: 1, access: 'rw' }, // 82371AB §4.1.6: a 1 makes the input level-triggered
      }),
    },
    state: {
      awaits: AWAITS.icw1,
      icw1: 0,
      icw2: 0,
      icw3: 0,
      icw4: 0,
      /** The edge-sense latches: requests of edge-triggered inputs. */
      edges: 0,
      isr: 0,
      /** The input of lowest priority; the next one is the highest. */
      lowest: 7,
      specialMask: false,
      rotateInAutoEoi: false,
      readIsr: false,
      poll: false,
    },
  },
  ({ props, pins, regs: { IMR, ELCR }, state }) => {
    const levelTriggered = () => ((state.icw1 & ICW1.LTIM) !== 0 ? 0xff : ELCR.value);
    const isMaster = () => ((state.icw4 & ICW4.BUF) !== 0 ? (state.icw4 & ICW4.MASTER) !== 0 : props.role === 'master');
    /** The inputs that have a slave. */
    const slaves = () => ((state.icw1 & ICW1.SNGL) === 0 && isMaster() ? state.icw3 : 0);

    /** IRR: latched edges, and the present level of level-triggered inputs. */
    function requests(): number {
      const levels = levelTriggered();
      let irr = state.edges & ~levels;
      if (levels !== 0) for (let n = 0; n < 8; n++) if (pins.ir[n]!.level) irr |= levels & (1 << n);
      return irr;
    }

    /** The input of highest priority among the bits of `set`, or -1. */
    function highest(set: number): number {
      for (let i = 1; i <= 8; i++) {
        const n = (state.lowest + i) & 7;
        if ((set & (1 << n)) !== 0) return n;
      }
      return -1;
    }
    const rank = (n: number): number => (n - state.lowest - 1) & 7;

    /** In-service bits as priorities see them: special mask mode takes the masked ones out. */
    const inService = () => (state.specialMask ? state.isr & ~IMR.value : state.isr);

    /** The request that the priority resolver lets through, or -1: "Fully Nested Mode". */
    function winner(): number {
      if (state.awaits !== AWAITS.nothing) return -1;
      const n = highest(requests() & ~IMR.value);
      if (n < 0) return -1;
      const serving = highest(inService());
      if (serving < 0 || rank(n) < rank(serving)) return n;
      // "The Special Fully Nested Mode": a slave in service is not locked out
      const nested = n === serving && (state.icw4 & ICW4.SFNM) !== 0 && (slaves() & (1 << n)) !== 0;
      return nested ? n : -1;
    }

    function update(): void {
      pins.int.set(winner() >= 0);
    }

    /** Takes a request into service, at the first INTA pulse or at the read of a poll. */
    function serve(n: number): void {
      state.edges &= ~(1 << n);
      if ((state.icw4 & ICW4.AEOI) === 0) state.isr |= 1 << n;
      else if (state.rotateInAutoEoi) state.lowest = n;
    }

    /** "Interrupt Sequence", both INTA pulses. */
    function acknowledge(): number {
      const n = winner();
      // The request went away before INTA: "Edge and Level Triggered Modes", a default IR7, not in service.
      if (n < 0) return (state.icw2 & 0xf8) | 7;
      const cascaded = (slaves() & (1 << n)) !== 0;
      serve(n);
      const vector = cascaded ? pins.cascade[n]!.acknowledge() : (state.icw2 & 0xf8) | n;
      // INT goes low with INTA, so that a master sees an edge for what is still pending here.
      pins.int.set(false);
      update();
      return vector;
    }

    function endOfInterrupt(command: number): void {
      const specific = (command & OCW2.SL) !== 0;
      const n = specific ? command & 7 : highest(inService()); // "Special Mask Mode": EOI spares masked levels
      if (n < 0) return;
      state.isr &= ~(1 << n);
      if ((command & OCW2.R) !== 0) state.lowest = n;
    }

    function initialize(icw1: number): void {
      state.icw1 = icw1;
      state.icw3 = 7; // "Initialization Command Words" (d): slave mode address 7
      state.icw4 = 0; // (f): without IC4 all functions of ICW4 are off
      state.edges = 0; // (a): inputs must go low and high to request again
      state.isr = 0;
      IMR.value = 0; // (b)
      state.lowest = 7; // (c)
      state.specialMask = false; // (e)
      state.readIsr = false; // (e)
      state.rotateInAutoEoi = false;
      state.poll = false;
      state.awaits = AWAITS.icw2;
    }

    function ocw2(command: number): void {
      switch (command & (OCW2.R | OCW2.SL | OCW2.EOI)) {
        case OCW2.R:
          state.rotateInAutoEoi = true;
          break;
        case 0:
          state.rotateInAutoEoi = false;
          break;
        case OCW2.R | OCW2.SL:
          state.lowest = command & 7; // "Specific Rotation": set priority
          break;
        case OCW2.SL:
          break; // no operation
        default:
          endOfInterrupt(command);
      }
    }

    function ocw3(command: number): void {
      if ((command & OCW3.ESMM) !== 0) state.specialMask = (command & OCW3.SMM) !== 0;
      if ((command & OCW3.P) !== 0) state.poll = true;
      else if ((command & OCW3.RR) !== 0) state.readIsr = (command & OCW3.RIS) !== 0;
    }

    function nextInitialization(): number {
      if (state.awaits === AWAITS.icw2 && (state.icw1 & ICW1.SNGL) === 0) return AWAITS.icw3;
      return state.awaits < AWAITS.icw4 && (state.icw1 & ICW1.IC4) !== 0 ? AWAITS.icw4 : AWAITS.nothing;
    }

    /** "Poll Command": bit 7 says whether there is a request, the low bits which. */
    function pollByte(): number {
      const n = winner();
      return n < 0 ? 0 : 0x80 | n;
    }
    /** "Poll Command": the read after it is the acknowledge, at either address. */
    function afterRead(): void {
      if (!state.poll) return;
      state.poll = false;
      const n = winner();
      if (n >= 0) serve(n);
      update();
    }

    return {
      update,
      inputs: {
        ir(level, n) {
          // "Edge and Level Triggered Modes": a request that goes low before INTA is gone. (KVM's chip keeps it.)
          state.edges = level ? state.edges | (1 << n) : state.edges & ~(1 << n);
          update();
        },
      },
      vectors: { inta: acknowledge },
      registers: {
        COMMAND: {
          onWrite(command) {
            if ((command & ICW1.SELECT) !== 0) initialize(command);
            else if ((command & OCW3.SELECT) !== 0) ocw3(command);
            else ocw2(command);
            update();
          },
        },
        DATA: {
          onWrite(value) {
            if (state.awaits === AWAITS.icw1 || state.awaits === AWAITS.nothing) {
              IMR.value = value;
            } else {
              if (state.awaits === AWAITS.icw2) state.icw2 = value;
              else if (state.awaits === AWAITS.icw3) state.icw3 = value;
              else state.icw4 = value;
              state.awaits = nextInitialization();
            }
            update();
          },
        },
        STATUS: {
          value: () => (state.poll ? pollByte() : state.readIsr ? state.isr : requests()),
          onRead: afterRead,
        },
        IMR: { value: () => (state.poll ? pollByte() : IMR.value), onRead: afterRead },
        ELCR: {
          onWrite(value) {
            ELCR.value = value & ELCR_WRITABLE[props.role];
            update();
          },
        },
      },
    };
  },
);
