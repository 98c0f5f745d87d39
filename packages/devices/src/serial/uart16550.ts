import { bit, bits, Chardev, type ChardevSink, defineDevice, flag, input, output, registers } from '@mainboard/core';

/** XTAL on the PC's serial ports, in Hz (IBM PC/AT TR, serial adapter). */
const CRYSTAL = 1_843_200;
/** Clocks of the baud generator in one bit (§Programmable baud generator). */
const CLOCKS_PER_BIT = 16;
const NS_PER_SECOND = 1_000_000_000;
const FIFO_DEPTH = 16;
/** RX trigger levels by FCR7:6 (§FCR). */
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;
/** A character timeout takes four characters' time (§FIFO interrupt mode operation). */
const TIMEOUT_CHARACTERS = 4;

// LSR bits that travel through the RX FIFO with their character, in bits 15:8 of an entry.
const PE = 1 << 2;
const FE = 1 << 3;
const BI = 1 << 4;
const OE = 1 << 1;
const LINE_FAULT = { parity: PE, framing: FE, break: BI | FE } as const;

// IIR3:0 in order of priority (§IIR, table 5).
const IIR_LINE_STATUS = 0x6;
const IIR_DATA = 0x4;
const IIR_TIMEOUT = 0xc;
const IIR_THRE = 0x2;
const IIR_MODEM = 0x0;
const IIR_NONE = 0x1;

// Modem lines as MSR7:4; the deltas are the same lines shifted down by 4.
const CTS = 0x10;
const DSR = 0x20;
const RI = 0x40;
const DCD = 0x80;

/** IER.ETBEI */
const ETBEI = 1 << 1;

/** No character in the transmitter's shift register. */
const IDLE = -1;

/**
 * A 16550 serial port with 16-byte FIFOs. Bytes are lost in neither direction: the transmitter keeps what the chardev
 * does not take (THRE stays low meanwhile), and what the receiver has no room for waits in the chardev.
 *
 * Modem pins are logical: high means asserted. An input that is not wired reads asserted (RI: not), as with a
 * null-modem plug.
 *
 * DEVIATION §Reset: the divisor latch and the scratch register begin anew too.
 * DEVIATION §Autoflow control: RTS comes back below the trigger level, not only when the FIFO is empty.
 * NOT IMPLEMENTED: the DMA pins TXRDY and RXRDY; stick parity and word length (bytes travel whole); set break.
 */
export const uart16550 = defineDevice(
  'uart16550',
  {
    spec: 'TI TL16C550C (SLLS177)',
    description: 'serial port with 16-byte FIFOs',
    properties: {
      paced: flag(false).about('send at the programmed baud rate, not at once'),
      handshake: flag(true).about('receive only while the guest listens: RTS asserted or receive interrupts on'),
    },
    pins: {
      irq: output(),
      rts: output(),
      dtr: output(),
      out1: output(),
      out2: output(),
      cts: input(),
      dsr: input(),
      ri: input(),
      dcd: input(),
    },
    backends: { chardev: Chardev },
    windows: {
      regs: registers({
        RBR: { at: 0, size: 1, access: 'ro' }, // §RBR; DLL if DLAB
        THR: { at: 0, size: 1, access: 'wo' }, // §THR; DLL if DLAB
        IER: {
          at: 1,
          size: 1,
          access: 'rw',
          writable: 0x0f,
          fields: { ERBI: bit(0), ETBEI: bit(1), ELSI: bit(2), EDSSI: bit(3) },
        }, // §IER; DLM if DLAB
        IIR: { at: 2, size: 1, access: 'ro' }, // §IIR
        FCR: { at: 2, size: 1, access: 'wo', writable: 0xc9, fields: { FIFO_ENABLE: bit(0), TRIGGER: bits(7, 6) } }, // §FCR
        LCR: { at: 3, size: 1, access: 'rw', fields: { WLS: bits(1, 0), STB: bit(2), PEN: bit(3), DLAB: bit(7) } }, // §LCR
        MCR: {
          at: 4,
          size: 1,
          access: 'rw',
          writable: 0x3f,
          fields: { DTR: bit(0), RTS: bit(1), OUT1: bit(2), OUT2: bit(3), LOOP: bit(4), AFE: bit(5) },
        }, // §MCR
        LSR: { at: 5, size: 1, access: 'ro' }, // §LSR
        MSR: { at: 6, size: 1, access: 'ro' }, // §MSR
        SCR: { at: 7, size: 1, access: 'rw' }, // §SCR
      }),
    },
    state: {
      /** Divisor latch. 9600 baud, as a PC's firmware leaves it; the datasheet leaves it undefined. */
      divisor: 12,
      /** Received characters, oldest first: byte in 7:0, its LSR fault bits in 15:8. */
      rx: [],
      overrun: false,
      timedOut: false,
      /** When the character timeout comes, in virtual nanoseconds. */
      timeoutAt: 0,
      tx: [],
      /** The character being shifted out when `paced`, or IDLE; it leaves at `shiftedAt`. */
      tsr: IDLE,
      shiftedAt: 0,
      /** The THRE interrupt waits to be seen: reading IIR clears it, though THRE stays. */
      threPending: false,
      /** Modem lines as last seen, as MSR7:4, and what changed since MSR was read, as MSR3:0. */
      lines: CTS | DSR | DCD,
      deltas: 0,
    },
  },
  ({ props, pins, regs: { IER, FCR, LCR, MCR }, state, backends: { chardev }, clock }) => {
    const { rx, tx } = state;
    const timeoutTimer = clock.timer(() => {
      state.timedOut = true;
      update();
    }, 'timeout');
    const shiftTimer = clock.timer(() => update(), 'shift');

    // ---- time
    const characterTime = () => {
      const characterBits = 1 + (5 + LCR.WLS) + (LCR.PEN ? 1 : 0) + (LCR.STB ? 2 : 1);
      return Math.round((characterBits * CLOCKS_PER_BIT * (state.divisor || 1) * NS_PER_SECOND) / CRYSTAL);
    };
    /** §FIFO interrupt mode operation: each character received or read starts the timeout anew. */
    function restartTimeout() {
      state.timedOut = false;
      state.timeoutAt = clock.now() + TIMEOUT_CHARACTERS * characterTime();
    }

    // ---- receiver
    const depth = () => (FCR.FIFO_ENABLE ? FIFO_DEPTH : 1);
    /** §FCR0: without it the other bits count for nothing. */
    const triggerLevel = () => (FCR.FIFO_ENABLE ? TRIGGER_LEVELS[FCR.TRIGGER]! : 1);
    /** Bytes from outside wait in loopback, where SIN is cut off, and until the guest listens. */
    const listening = () => !MCR.LOOP && (!props.handshake || MCR.RTS || IER.ERBI);
    function receive(entry: number) {
      if (rx.length >= depth()) {
        state.overrun = true; // §LSR, OE: with FIFOs the new character is lost, without them the old one
        if (!FCR.FIFO_ENABLE) rx[0] = entry;
      } else {
        rx.push(entry);
      }
      restartTimeout();
    }
    const room = () => (listening() ? depth() - rx.length : 0);

    // ---- transmitter
    /** §Autoflow control: with AFE the transmitter waits for CTS, which is RTS in loopback. */
    const heldByCts = () => MCR.AFE && (currentLines() & CTS) === 0;
    function send(byte: number): boolean {
      if (!MCR.LOOP) return chardev.write(byte);
      receive(byte);
      return true;
    }
    function takeFromThr(): number {
      const byte = tx.shift()!;
      if (tx.length === 0) state.threPending = true;
      return byte;
    }
    /** Moves characters on until one has to wait: for its time to pass, for CTS, or for the chardev. */
    function transmit() {
      if (props.paced) transmitPaced();
      else while (tx.length > 0 && !heldByCts() && send(tx[0]!)) takeFromThr();
    }
    function transmitPaced() {
      for (;;) {
        if (state.tsr === IDLE) {
          if (tx.length === 0 || heldByCts()) return;
          state.tsr = takeFromThr();
          state.shiftedAt = clock.now() + characterTime();
        }
        if (clock.now() < state.shiftedAt || !send(state.tsr)) return;
        state.tsr = IDLE;
      }
    }

    // ---- modem lines
    const wired = (pin: { readonly connected: boolean; readonly level: boolean }, line: number) =>
      !pin.connected || pin.level ? line : 0;
    const currentLines = () =>
      MCR.LOOP
        ? (MCR.RTS ? CTS : 0) | (MCR.DTR ? DSR : 0) | (MCR.OUT1 ? RI : 0) | (MCR.OUT2 ? DCD : 0) // §MCR4
        : wired(pins.cts, CTS) | wired(pins.dsr, DSR) | (pins.ri.level ? RI : 0) | wired(pins.dcd, DCD);
    function sampleLines() {
      const lines = currentLines();
      const changed = lines ^ state.lines;
      state.deltas |= (changed & (CTS | DSR | DCD)) >> 4;
      if (changed & ~lines & RI) state.deltas |= RI >> 4; // §MSR, TERI: the trailing edge only
      state.lines = lines;
    }
    function linesChanged() {
      sampleLines();
      update();
    }

    // ---- status and interrupts
    const lineStatus = () => {
      let lsr = rx.length > 0 ? 1 | (rx[0]! >> 8) : 0;
      if (state.overrun) lsr |= OE;
      if (tx.length === 0) lsr |= state.tsr === IDLE ? 0x60 : 0x20;
      if (FCR.FIFO_ENABLE && rx.some(entry => entry > 0xff)) lsr |= 0x80;
      return lsr;
    };
    const interrupt = () => {
      if (IER.ELSI && (state.overrun || (rx.length > 0 && rx[0]! > 0xff))) return IIR_LINE_STATUS;
      if (IER.ERBI && rx.length >= triggerLevel()) return IIR_DATA;
      if (IER.ERBI && state.timedOut) return IIR_TIMEOUT;
      if (IER.ETBEI && state.threPending) return IIR_THRE;
      if (IER.EDSSI && state.deltas !== 0) return IIR_MODEM;
      return IIR_NONE;
    };

    /** Outputs and timers. */
    function derive() {
      const outputs = !MCR.LOOP; // §MCR4: loopback puts the modem outputs in their inactive state
      const full = MCR.AFE && rx.length >= triggerLevel();
      pins.rts.set(outputs && MCR.RTS && !full);
      pins.dtr.set(outputs && MCR.DTR);
      pins.out1.set(outputs && MCR.OUT1);
      pins.out2.set(outputs && MCR.OUT2);
      // GUEST: all PC software. OUT2 enables the buffer between INTRPT and the bus (IBM PC/AT TR, serial adapter).
      pins.irq.set(outputs && MCR.OUT2 && interrupt() !== IIR_NONE);
      if (FCR.FIFO_ENABLE && rx.length > 0 && !state.timedOut) timeoutTimer.arm(state.timeoutAt);
      else timeoutTimer.cancel();
      if (state.tsr !== IDLE && clock.now() < state.shiftedAt) shiftTimer.arm(state.shiftedAt);
      else shiftTimer.cancel();
    }
    /** Lets bytes move as far as both sides have room, then derives the rest. */
    function update() {
      transmit();
      if (room() > 0) chardev.resume();
      derive();
    }

    const sink: ChardevSink = {
      room,
      receive(byte) {
        receive(byte);
        derive();
      },
      fault(kind, byte) {
        receive(byte | (LINE_FAULT[kind] << 8));
        derive();
      },
      drained: update,
    };
    chardev.attach(sink);

    return {
      update,
      reset() {
        state.lines = currentLines();
      },
      inputs: { cts: linesChanged, dsr: linesChanged, ri: linesChanged, dcd: linesChanged },
      registers: {
        RBR: {
          value: () => (LCR.DLAB ? state.divisor & 0xff : (rx[0] ?? 0) & 0xff),
          onRead() {
            if (LCR.DLAB || rx.length === 0) return;
            rx.shift();
            restartTimeout();
            derive(); // the line falls before the next character comes: an edge-triggered controller counts them
            update();
          },
        },
        THR: {
          onWrite(value) {
            if (LCR.DLAB) {
              state.divisor = (state.divisor & 0xff00) | value;
              return;
            }
            if (tx.length >= depth()) tx.pop(); // §THR: written when it is full, the last character is overwritten
            tx.push(value);
            if (state.threPending) {
              state.threPending = false;
              derive(); // the line falls even if the character leaves at once: the next THRE is an edge of its own
            }
            update();
          },
        },
        IER: {
          value: () => (LCR.DLAB ? state.divisor >> 8 : IER.value),
          onWrite(value, previous) {
            if (LCR.DLAB) {
              IER.value = previous;
              state.divisor = (state.divisor & 0xff) | (value << 8);
              return;
            }
            // GUEST: Linux's 8250 driver tests that enabling the THRE interrupt raises it while THRE is set.
            if (IER.ETBEI && !(previous & ETBEI) && tx.length === 0) state.threPending = true;
            update();
          },
        },
        IIR: {
          value: () => interrupt() | (FCR.FIFO_ENABLE ? 0xc0 : 0),
          onRead() {
            if (interrupt() !== IIR_THRE) return;
            state.threPending = false;
            derive();
          },
        },
        FCR: {
          onWrite(value, previous) {
            const toggled = ((value ^ previous) & 1) !== 0; // §FCR0: a change clears both FIFOs
            if (toggled || (value & 0x03) === 0x03) clearReceiver();
            if (toggled || (value & 0x05) === 0x05) clearTransmitter();
            update();
          },
        },
        LSR: {
          value: lineStatus,
          onRead() {
            if ((lineStatus() & (OE | PE | FE | BI)) === 0) return;
            state.overrun = false;
            if (rx.length > 0) rx[0]! &= 0xff;
            derive();
          },
        },
        LCR: { onWrite: update },
        MCR: { onWrite: linesChanged },
        MSR: {
          value: () => currentLines() | state.deltas,
          onRead() {
            state.deltas = 0;
            derive();
          },
        },
      },
    };

    function clearReceiver() {
      rx.length = 0;
      state.timedOut = false;
    }
    function clearTransmitter() {
      if (tx.length > 0) state.threPending = true;
      tx.length = 0;
    }
  },
);
