import type { Clock, KeyboardSink, KeyCode, StateOf } from '@mainboard/core';
import { hasKey, type ScanCodeSet, scanCodes } from './scan-codes.ts';

const NS_PER_MS = 1_000_000;
/** Scan codes that wait for the controller; one more place tells of the overrun ("Keyboard buffer"). */
const BUFFER_SIZE = 16;
/** 500 ms, then 10.9 characters a second ("Set typematic rate/delay", the default). */
const DEFAULT_TYPEMATIC = 0x2b;
const TYPEMATIC_UNIT_NS = 4.17 * NS_PER_MS;

const ACK = 0xfa;
const RESEND = 0xfe;
const ECHO = 0xee;
const SELF_TEST_PASSED = 0xaa;
const ID = [0xab, 0x83];
/** ACK and the ID, and one byte sent again: a guest that asks again without reading gets no more than these. */
const MOST_ANSWERS = 1 + ID.length + 1;

/** Commands from the system, by their names in the manual. */
const COMMAND = {
  setIndicators: 0xed,
  echo: 0xee,
  selectScanCodes: 0xf0,
  readId: 0xf2,
  setTypematic: 0xf3,
  enable: 0xf4,
  defaultDisable: 0xf5,
  setDefault: 0xf6,
  setAllTypematic: 0xf7,
  setAllMakeBreak: 0xf8,
  setAllMake: 0xf9,
  setAllTypematicMakeBreak: 0xfa,
  setKeyTypematic: 0xfb,
  setKeyMakeBreak: 0xfc,
  setKeyMake: 0xfd,
  resend: 0xfe,
  reset: 0xff,
} as const;

/** The keyboard's part of its controller's state; names carry its prefix. */
export const ps2KeyboardState = {
  /** Answers to commands; they go before scan codes. */
  kbdAnswers: [],
  /** The keyboard buffer. */
  kbdCodes: [],
  /** The command whose parameter comes next, or 0. */
  kbdCommand: 0,
  /** The byte that RESEND repeats. */
  kbdLast: 0,
  kbdScanning: true,
  kbdSet: 2,
  kbdIndicators: 0,
  kbdTypematic: DEFAULT_TYPEMATIC,
  /** The key that repeats while it is down, or none. */
  kbdHeld: '',
  kbdRepeatAt: 0,
} as const;

/** What the controller sees at the other end of the cable. */
export interface Ps2Keyboard extends KeyboardSink {
  /** A byte from the controller. */
  command(byte: number): void;
  /** Whether a byte waits to be sent. */
  waiting(): boolean;
  /** The next byte. Call it when {@link waiting} says that there is one. */
  take(): number;
  /** Arms the repeat timer as the state says. */
  update(): void;
}

/**
 * An IBM enhanced keyboard (IBM PS/2 HITR, keyboards 101- and 102-key).
 *
 * DEVIATION "Power-on routine": the self-test takes no time. Every key of set 3 is typematic and has a break code.
 * NOT IMPLEMENTED: the shift states that change the codes of arrows and PrintScreen; Ctrl-Break.
 *
 * @param changed a byte has become available where there was none
 */
export function ps2Keyboard(state: StateOf<typeof ps2KeyboardState>, clock: Clock, changed: () => void): Ps2Keyboard {
  const { kbdAnswers: answers, kbdCodes: codes } = state;
  const repeat = clock.timer(() => {
    enqueue(scanCodes(state.kbdHeld, true, state.kbdSet as ScanCodeSet));
    state.kbdRepeatAt += repeatPeriod();
    update();
    changed();
  }, 'typematic');

  // "Set typematic rate/delay"
  const repeatDelay = () => (1 + ((state.kbdTypematic >> 5) & 3)) * 250 * NS_PER_MS;
  const repeatPeriod = () =>
    Math.round((8 + (state.kbdTypematic & 7)) * 2 ** ((state.kbdTypematic >> 3) & 3) * TYPEMATIC_UNIT_NS);

  /** A sequence that does not fit is lost as a whole, and an overrun code takes the last place. */
  function enqueue(sequence: readonly number[]) {
    if (codes.length > BUFFER_SIZE) return;
    if (codes.length + sequence.length > BUFFER_SIZE) codes.push(state.kbdSet === 1 ? 0xff : 0x00);
    else codes.push(...sequence);
  }
  function release() {
    state.kbdHeld = '';
  }
  function setDefaults() {
    codes.length = 0;
    release();
    state.kbdSet = 2;
    state.kbdTypematic = DEFAULT_TYPEMATIC;
  }
  function update() {
    if (state.kbdHeld === '') repeat.cancel();
    else repeat.arm(state.kbdRepeatAt);
  }

  function parameter(command: number, byte: number) {
    if (command === COMMAND.setIndicators) state.kbdIndicators = byte & 7;
    else if (command === COMMAND.setTypematic) state.kbdTypematic = byte & 0x7f;
    else if (command === COMMAND.selectScanCodes) {
      if (byte > 3) return answers.push(RESEND);
      answers.push(ACK);
      if (byte === 0) return answers.push(state.kbdSet);
      codes.length = 0;
      state.kbdSet = byte;
      return;
    }
    answers.push(ACK);
  }

  /** "Resend": the last byte again, then what was to follow it; a parameter is still awaited. */
  function resend() {
    if (answers.length < MOST_ANSWERS) answers.unshift(state.kbdLast);
  }

  function command(byte: number) {
    switch (byte) {
      case COMMAND.echo:
        return answers.push(ECHO);
      case COMMAND.setIndicators:
      case COMMAND.selectScanCodes:
      case COMMAND.setTypematic:
      case COMMAND.setKeyTypematic:
      case COMMAND.setKeyMakeBreak:
      case COMMAND.setKeyMake:
        state.kbdCommand = byte;
        return answers.push(ACK);
      case COMMAND.setAllTypematic:
      case COMMAND.setAllMakeBreak:
      case COMMAND.setAllMake:
      case COMMAND.setAllTypematicMakeBreak:
        return answers.push(ACK);
      case COMMAND.readId:
        return answers.push(ACK, ...ID);
      case COMMAND.enable:
        codes.length = 0;
        state.kbdScanning = true;
        return answers.push(ACK);
      case COMMAND.defaultDisable:
        setDefaults();
        state.kbdScanning = false;
        return answers.push(ACK);
      case COMMAND.setDefault:
        setDefaults();
        return answers.push(ACK);
      case COMMAND.reset:
        setDefaults();
        state.kbdScanning = true;
        state.kbdIndicators = 0;
        return answers.push(ACK, SELF_TEST_PASSED);
      default:
        return answers.push(RESEND);
    }
  }

  return {
    update,
    waiting: () => answers.length > 0 || codes.length > 0,
    take() {
      state.kbdLast = (answers.length > 0 ? answers.shift() : codes.shift())!;
      return state.kbdLast;
    },
    command(byte) {
      if (byte === COMMAND.resend) resend();
      else {
        const awaiting = state.kbdCommand;
        state.kbdCommand = 0;
        answers.length = 0;
        // A command byte in place of a parameter ends the command it belongs to, and is carried out itself.
        if (awaiting !== 0 && byte < COMMAND.setIndicators) parameter(awaiting, byte);
        else command(byte);
      }
      update();
      changed();
    },
    key(code: KeyCode, down) {
      if (!state.kbdScanning || !hasKey(code)) return;
      enqueue(scanCodes(code, down, state.kbdSet as ScanCodeSet));
      if (down && code !== 'Pause') {
        state.kbdHeld = code;
        state.kbdRepeatAt = clock.now() + repeatDelay();
      } else if (!down && code === state.kbdHeld) release();
      update();
      changed();
    },
  };
}
