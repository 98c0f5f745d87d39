import { bit, defineDevice, KeyboardInput, output, registers } from '@mainboard/core';
import { ps2Keyboard, ps2KeyboardState } from './ps2-keyboard.ts';
import { BREAK, TRANSLATION } from './scan-codes.ts';

/** A byte on the cable: 11 bits at 12.5 kHz ("Keyboard data stream": the clock runs at 10 to 16.7 kHz). */
const FRAME_NS = 880_000;

/** Where it lies in the controller's RAM. */
const COMMAND_BYTE = 0;
// Its bits ("Controller command byte").
const KBD_INT = 1 << 0;
const AUX_INT = 1 << 1;
const SYS = 1 << 2;
const KBD_DISABLE = 1 << 4;
const AUX_DISABLE = 1 << 5;
const TRANSLATE = 1 << 6;
/** What a PC's firmware leaves; the controller itself begins with an untested, disabled keyboard. */
const FIRMWARE_SETTING = KBD_INT | AUX_DISABLE | TRANSLATE;

// Output port ("Input and output ports").
const OUT_NO_RESET = 1 << 0;
const OUT_A20 = 1 << 1;
const OUT_KBD_IRQ = 1 << 4;
const OUT_AUX_IRQ = 1 << 5;
/** Clock and data lines of both devices, at rest. */
const OUT_LINES = 0xcc;
/** Keyboard not locked; both data lines at rest. */
const INPUT_PORT = 0x83;

// Where a byte in the output buffer comes from, in bits 9:8 beside it.
const FROM_AUX = 1 << 8;
const TIMED_OUT = 1 << 9;
/** What the controller puts in the output buffer when a device does not answer. */
const NO_ANSWER = 0xfe | FROM_AUX | TIMED_OUT;
const SELF_TEST_PASSED = 0x55;
const NO_FAULT = 0x00;
const PASSWORD_NOT_INSTALLED = 0xf1;
/** Both devices' clocks at rest ("Read test inputs"). */
const TEST_INPUTS = 0x03;
/** Commands after which the next byte at port 60h is theirs: RAM, output port, output buffers, auxiliary device. */
const takesData = (command: number) => (command >= 0x60 && command <= 0x7f) || (command >= 0xd1 && command <= 0xd4);
/** Answers that wait for the output buffer; a guest that never reads gets no more than these. */
const MOST_ANSWERS = 16;

/**
 * The keyboard and auxiliary device controller of a PS/2, with its keyboard. It drives A20 and the system reset too.
 *
 * DEVIATION: begins with the command byte that a PC's firmware leaves, for kernels that boot without one.
 * NOT IMPLEMENTED: the auxiliary device (the port works, nothing is connected), the password, polling of the input
 * port (C1h, C2h).
 */
export const i8042 = defineDevice(
  'i8042',
  {
    spec: 'IBM PS/2 Hardware Interface Technical Reference: Keyboard and Auxiliary Device Controller',
    description: 'keyboard controller with a PS/2 keyboard; A20 and system reset',
    pins: { kbdIrq: output(), auxIrq: output(), a20: output(), reset: output() },
    backends: { keyboard: KeyboardInput },
    windows: {
      data: registers({ DATA: { at: 0, size: 1, access: 'rw' } }), //                "Output buffer", "Input buffer"
      command: registers({
        STATUS: {
          at: 0,
          size: 1,
          access: 'ro',
          reset: 0x10,
          fields: { OBF: bit(0), SYS: bit(2), CMD: bit(3), AUX_OBF: bit(5), TIMEOUT: bit(6) },
        }, //                                                                        "Status register"
        COMMAND: { at: 0, size: 1, access: 'wo' }, //                                "Controller commands"
      }),
    },
    state: {
      ...ps2KeyboardState,
      /** The controller's RAM. Location 0 is the command byte. */
      ram: Uint8Array.from({ length: 32 }, (_, at) => (at === COMMAND_BYTE ? FIRMWARE_SETTING : 0)),
      outputPort: OUT_NO_RESET | OUT_A20,
      outputBuffer: 0,
      /** Bytes of the controller's own that wait for the output buffer, with {@link FROM_AUX} and {@link TIMED_OUT}. */
      answers: [],
      /** The command whose data byte comes next, or 0. */
      pending: 0,
      /** The last code from the keyboard was F0h: the next is a key going up. */
      keyUp: false,
      /** The keyboard's next byte has arrived by then. */
      arrivesAt: 0,
    },
  },
  ({ pins, regs: { STATUS }, state, backends, clock }) => {
    const { ram, answers } = state;
    const keyboard = ps2Keyboard(state, clock, () => {
      if (!arrival.armed) state.arrivesAt = clock.now() + FRAME_NS;
      update();
    });
    const arrival = clock.timer(() => {
      fromKeyboard(keyboard.take());
      update();
    }, 'keyboard');
    backends.keyboard.attach(keyboard);

    const setBits = (flags: number, on: boolean) => {
      ram[COMMAND_BYTE] = on ? ram[COMMAND_BYTE]! | flags : ram[COMMAND_BYTE]! & ~flags;
    };
    const enabled = (flag: number) => (ram[COMMAND_BYTE]! & flag) !== 0;
    const keyboardSends = () => keyboard.waiting() && !enabled(KBD_DISABLE) && !STATUS.OBF && answers.length === 0;

    function fill(entry: number) {
      state.outputBuffer = entry & 0xff;
      STATUS.OBF = true;
      STATUS.AUX_OBF = (entry & FROM_AUX) !== 0;
      STATUS.TIMEOUT = (entry & TIMED_OUT) !== 0;
    }
    function answer(entry: number) {
      if (!STATUS.OBF) fill(entry);
      else if (answers.length < MOST_ANSWERS) answers.push(entry);
    }
    function fromKeyboard(byte: number) {
      if (!enabled(TRANSLATE)) fill(byte);
      else if (byte === BREAK) state.keyUp = true;
      else {
        fill(TRANSLATION[byte]! | (state.keyUp ? 0x80 : 0));
        state.keyUp = false;
      }
      // A swallowed prefix leaves the buffer empty: the next byte takes its own time.
      state.arrivesAt = clock.now() + FRAME_NS;
    }

    function update() {
      STATUS.SYS = enabled(SYS);
      pins.kbdIrq.set(STATUS.OBF && !STATUS.AUX_OBF && enabled(KBD_INT));
      pins.auxIrq.set(STATUS.OBF && STATUS.AUX_OBF && enabled(AUX_INT));
      pins.a20.set((state.outputPort & OUT_A20) !== 0);
      if (keyboardSends()) arrival.arm(state.arrivesAt);
      else arrival.cancel();
      keyboard.update();
    }

    const outputPort = () =>
      OUT_LINES | state.outputPort | (pins.kbdIrq.level ? OUT_KBD_IRQ : 0) | (pins.auxIrq.level ? OUT_AUX_IRQ : 0);
    function setOutputPort(value: number) {
      state.outputPort = (value & OUT_A20) | OUT_NO_RESET;
      update();
      if (!(value & OUT_NO_RESET)) pins.reset.pulse();
    }

    /** A byte at port 60h that belongs to the controller command before it. */
    function data(command: number, value: number) {
      if (command >= 0x60 && command <= 0x7f) ram[command & 0x1f] = value;
      else if (command === 0xd1) setOutputPort(value);
      else if (command === 0xd2) answer(value);
      else if (command === 0xd3) answer(value | FROM_AUX);
      else if (command === 0xd4) answer(NO_ANSWER);
    }

    function command(value: number) {
      state.pending = takesData(value) ? value : 0;
      if (value >= 0x20 && value <= 0x3f) answer(ram[value & 0x1f]!);
      // "Pulse output bits": those that are 0 go low for 6 µs. Only the reset line notices.
      else if (value >= 0xf0 && !(value & OUT_NO_RESET)) pins.reset.pulse();
      else if (value === 0xa4) answer(PASSWORD_NOT_INSTALLED);
      else if (value === 0xa7) setBits(AUX_DISABLE, true);
      else if (value === 0xa8) setBits(AUX_DISABLE, false);
      else if (value === 0xa9 || value === 0xab)
        answer(NO_FAULT); // auxiliary and keyboard interface tests
      else if (value === 0xaa) {
        setBits(SYS, true);
        answer(SELF_TEST_PASSED);
      } else if (value === 0xad) setBits(KBD_DISABLE, true);
      else if (value === 0xae) setBits(KBD_DISABLE, false);
      else if (value === 0xc0) answer(INPUT_PORT);
      else if (value === 0xd0) answer(outputPort());
      // GUEST: boot loaders and DOS extenders of AT clones: A20 off and on in one command
      else if (value === 0xdd) setOutputPort(state.outputPort & ~OUT_A20);
      else if (value === 0xdf) setOutputPort(state.outputPort | OUT_A20);
      else if (value === 0xe0) answer(TEST_INPUTS);
    }

    return {
      update,
      registers: {
        DATA: {
          value: () => state.outputBuffer,
          onRead() {
            if (!STATUS.OBF) return;
            STATUS.OBF = false;
            STATUS.AUX_OBF = false;
            STATUS.TIMEOUT = false;
            // The line falls between two bytes: an edge-triggered controller counts them.
            update();
            if (answers.length > 0) fill(answers.shift()!);
            else state.arrivesAt = clock.now() + FRAME_NS;
            update();
          },
          onWrite(value) {
            STATUS.CMD = false;
            const { pending } = state;
            state.pending = 0;
            if (pending !== 0) data(pending, value);
            else {
              setBits(KBD_DISABLE, false); // a byte for the keyboard enables its interface
              keyboard.command(value);
            }
            update();
          },
        },
        COMMAND: {
          onWrite(value) {
            STATUS.CMD = true;
            command(value);
            update();
          },
        },
      },
    };
  },
);
