import { describe, expect, test } from '@jest/globals';
import { deviceContract, type FakeKeyboard, testbench } from '@mainboard/testing';
import { i8042 } from './i8042.ts';

const [OBF, SYS, CMD, INH, AUX_OBF, TIMEOUT] = [0x01, 0x04, 0x08, 0x10, 0x20, 0x40] as const;
const FRAME = 880_000;
const MS = 1_000_000;

function controller() {
  const bench = testbench(i8042);
  const { data, command } = bench.handle;
  const port = {
    ...bench,
    keyboard: bench.backends.keyboard as FakeKeyboard,
    status: () => command.read(0, 1),
    data: () => data.read(0, 1),
    write: (value: number) => data.write(0, 1, value),
    command(value: number, ...then: readonly number[]) {
      command.write(0, 1, value);
      for (const byte of then) data.write(0, 1, byte);
    },
    /** All that comes, the time of a byte in between. */
    drain() {
      const seen: number[] = [];
      for (let idle = 0; idle < 3; ) {
        if (port.status() & OBF) {
          seen.push(port.data());
          idle = 0;
        } else {
          bench.clock.advance(FRAME);
          idle++;
        }
      }
      return seen;
    },
    /** A byte for the keyboard, and its answer. */
    keyboardCommand(...bytes: readonly number[]) {
      return bytes.flatMap(byte => {
        port.write(byte);
        return port.drain();
      });
    },
    /** The command byte of a guest that wants scan codes as they are. */
    untranslated() {
      port.command(0x60, 0x01);
      return port;
    },
  };
  return port;
}

describe('contract', () => {
  test.each(
    deviceContract(i8042, {
      '': {
        stimulate({ backends }, random) {
          const keyboard = backends.keyboard as FakeKeyboard;
          const key = random.pick(['KeyA', 'ArrowUp', 'PrintScreen', 'Pause', 'NoSuchKey']);
          if (random.below(2) === 0) keyboard.press(key);
          else keyboard.release(key);
        },
        steps: [0, 1_000, FRAME, 20 * MS, 600 * MS],
      },
    }),
  )('$name', ({ run }) => run());
});

describe('Status register', () => {
  test('after reset: nothing to read, keyboard not locked', () => {
    expect(controller().status()).toBe(INH);
  });

  test('C/D tells whether 64h or 60h was written last', () => {
    const { command, status, write } = controller();
    command(0xae);
    expect(status() & CMD).toBe(CMD);
    write(0xee);
    expect(status() & CMD).toBe(0);
  });

  test('SYS follows the self-test and the command byte', () => {
    const { command, data, status } = controller();
    command(0xaa);
    expect([data(), status() & SYS]).toEqual([0x55, SYS]);
    command(0x60, 0x61);
    expect(status() & SYS).toBe(0);
  });
});

describe('Controller commands', () => {
  test('20h and 60h read and write the command byte', () => {
    const { command, data } = controller();
    command(0x20);
    expect(data()).toBe(0x61);
    command(0x60, 0x47);
    command(0x20);
    expect(data()).toBe(0x47);
  });

  test('21h–3Fh and 61h–7Fh reach the rest of the RAM', () => {
    const { command, data } = controller();
    command(0x7f, 0xa5);
    command(0x3f);
    expect(data()).toBe(0xa5);
  });

  test.each([
    [0xa4, 0xf1],
    [0xa9, 0x00],
    [0xaa, 0x55],
    [0xab, 0x00],
    [0xc0, 0x83],
    [0xe0, 0x03],
  ])('%i answers %i', (code, answer) => {
    const { command, data, status } = controller();
    command(code);
    expect([status() & (OBF | AUX_OBF), data(), status() & OBF]).toEqual([OBF, answer, 0]);
  });

  test('ADh and AEh, A7h and A8h switch the interfaces in the command byte', () => {
    const { command, data } = controller();
    const commandByte = () => {
      command(0x20);
      return data() & 0x30;
    };
    const seen = [0xad, 0xa8, 0xae, 0xa7].map(code => {
      command(code);
      return commandByte();
    });
    expect(seen).toEqual([0x30, 0x10, 0x00, 0x20]);
  });

  test('D2h puts a byte in the output buffer as if the keyboard had sent it', () => {
    const { command, data, handle, status } = controller();
    command(0xd2, 0x1e);
    expect([handle.kbdIrq.level, status() & (OBF | AUX_OBF), data()]).toEqual([true, OBF, 0x1e]);
    expect(handle.kbdIrq.level).toBe(false);
  });

  test('D3h does so for the auxiliary device', () => {
    const { command, data, handle, status } = controller();
    command(0x60, 0x03);
    command(0xd3, 0x5a);
    expect([handle.auxIrq.level, handle.kbdIrq.level]).toEqual([true, false]);
    expect([status() & (OBF | AUX_OBF), data()]).toEqual([OBF | AUX_OBF, 0x5a]);
    expect(handle.auxIrq.level).toBe(false);
  });

  test('D4h: no auxiliary device answers, so FEh comes with TIMEOUT', () => {
    const { command, data, status } = controller();
    command(0xd4, 0xf2);
    expect(status() & (OBF | AUX_OBF | TIMEOUT)).toBe(OBF | AUX_OBF | TIMEOUT);
    expect(data()).toBe(0xfe);
    expect(status() & (OBF | AUX_OBF | TIMEOUT)).toBe(0);
  });

  test('an answer waits until the buffer is empty', () => {
    const { command, data, log } = controller();
    command(0xaa);
    command(0xab);
    command(0x20);
    log.length = 0;
    expect([data(), data(), data()]).toEqual([0x55, 0x00, 0x65]);
    expect(log).toEqual(['kbdIrq=0', 'kbdIrq=1', 'kbdIrq=0', 'kbdIrq=1', 'kbdIrq=0']); // an edge for each
  });

  test('answers that nobody reads do not pile up', () => {
    const { command, device } = controller();
    for (let n = 0; n < 1000; n++) command(0xaa);
    expect((device.save().state.answers as number[]).length).toBe(16);
  });

  test('FEh pulses the reset line; F1h does not', () => {
    const { command, log } = controller();
    command(0xf1);
    expect(log).toEqual([]);
    command(0xfe);
    expect(log).toEqual(['reset=1', 'reset=0']);
  });
});

describe('Input and output ports', () => {
  test('A20 is on after reset', () => {
    expect(controller().handle.a20.level).toBe(true);
  });

  test('D1h drives A20, D0h reads the port', () => {
    const { command, data, handle } = controller();
    command(0xd1, 0xdd);
    expect(handle.a20.level).toBe(false);
    command(0xd0);
    expect(data()).toBe(0xcd);
    command(0xd1, 0xdf);
    expect(handle.a20.level).toBe(true);
  });

  test('D0h shows the interrupt lines as they were', () => {
    const { command, data } = controller();
    command(0xd2, 0x1e);
    command(0xd0);
    expect([data(), data()]).toEqual([0x1e, 0xdf]);
  });

  test('DDh and DFh drive A20 in one command', () => {
    const { command, handle } = controller();
    command(0xdd);
    expect(handle.a20.level).toBe(false);
    command(0xdf);
    expect(handle.a20.level).toBe(true);
  });

  test('D1h with bit 0 low resets the system', () => {
    const { command, log } = controller();
    command(0xd1, 0xde);
    expect(log).toEqual(['reset=1', 'reset=0']);
  });
});

describe('Keyboard data stream', () => {
  test('a byte takes 11 clocks, and the next one comes after the guest has read', () => {
    const { clock, data, handle, keyboard, status } = controller();
    keyboard.press('KeyA');
    keyboard.release('KeyA');
    clock.advance(FRAME - 1);
    expect(status() & OBF).toBe(0);
    clock.advance(1);
    expect([status() & OBF, handle.kbdIrq.level]).toEqual([OBF, true]);
    clock.advance(10 * FRAME);
    expect(data()).toBe(0x1e);
    expect([status() & OBF, handle.kbdIrq.level]).toEqual([0, false]);
    clock.advance(FRAME - 1);
    keyboard.press('KeyB');
    clock.advance(FRAME);
    expect(status() & OBF).toBe(0); // F0h alone has come, and the translation keeps it
    clock.advance(1);
    expect(data()).toBe(0x9e);
    clock.advance(FRAME - 1);
    expect(status() & OBF).toBe(0);
    clock.advance(1);
    expect(data()).toBe(0x30);
  });

  test('a byte that waited while the guest was slow takes its time from the read on', () => {
    const { clock, data, keyboard, status } = controller();
    keyboard.press('KeyA', 'KeyB');
    clock.advance(10 * FRAME);
    expect(data()).toBe(0x1e);
    clock.advance(FRAME - 1);
    expect(status() & OBF).toBe(0);
    clock.advance(1);
    expect(data()).toBe(0x30);
  });

  test('a disabled interface holds the keyboard back', () => {
    const { command, drain, keyboard } = controller();
    command(0xad);
    keyboard.press('KeyA');
    expect(drain()).toEqual([]);
    command(0xae);
    expect(drain()).toEqual([0x1e]);
  });

  test('a byte for the keyboard enables its interface', () => {
    const { command, keyboardCommand } = controller();
    command(0xad);
    expect(keyboardCommand(0xee)).toEqual([0xee]);
  });
});

describe('Scan code translation', () => {
  test.each([
    ['KeyA', [0x1e], [0x9e]],
    ['F7', [0x41], [0xc1]],
    ['ArrowUp', [0xe0, 0x48], [0xe0, 0xc8]],
    ['PrintScreen', [0xe0, 0x2a, 0xe0, 0x37], [0xe0, 0xb7, 0xe0, 0xaa]],
    ['Pause', [0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5], []],
  ])('%s', (code, down, up) => {
    const { drain, keyboard } = controller();
    keyboard.press(code);
    expect(drain()).toEqual(down);
    keyboard.release(code);
    expect(drain()).toEqual(up);
  });

  test('off: set 2 as it is', () => {
    const { drain, keyboard } = controller().untranslated();
    keyboard.press('ControlRight');
    keyboard.release('ControlRight');
    expect(drain()).toEqual([0xe0, 0x14, 0xe0, 0xf0, 0x14]);
  });
});

describe('Keyboard commands', () => {
  test('EDh set/reset indicators, F3h set typematic rate: ACK for the command and for its parameter', () => {
    const { keyboardCommand } = controller();
    expect(keyboardCommand(0xed, 0x07)).toEqual([0xfa, 0xfa]);
    expect(keyboardCommand(0xf3, 0x00)).toEqual([0xfa, 0xfa]);
  });

  test('EEh echo', () => {
    expect(controller().keyboardCommand(0xee)).toEqual([0xee]);
  });

  test.each([0x00, 0x55, 0xef, 0xf1])('%i is no command: RESEND', code => {
    expect(controller().keyboardCommand(code)).toEqual([0xfe]);
  });

  test('F0h selects and reports the scan code set', () => {
    const { drain, keyboard, keyboardCommand } = controller().untranslated();
    expect(keyboardCommand(0xf0, 0x00)).toEqual([0xfa, 0xfa, 0x02]);
    const seen = [1, 2, 3].map(set => {
      keyboardCommand(0xf0, set);
      keyboard.press('ArrowUp');
      keyboard.release('ArrowUp');
      return drain();
    });
    expect(seen).toEqual([
      [0xe0, 0x48, 0xe0, 0xc8],
      [0xe0, 0x75, 0xe0, 0xf0, 0x75],
      [0x63, 0xf0, 0x63],
    ]);
    expect(keyboardCommand(0xf0, 0x04)).toEqual([0xfa, 0xfe]);
  });

  test('F2h read ID; translated, 83h becomes 41h', () => {
    expect(controller().untranslated().keyboardCommand(0xf2)).toEqual([0xfa, 0xab, 0x83]);
    expect(controller().keyboardCommand(0xf2)).toEqual([0xfa, 0xab, 0x41]);
  });

  test('F5h stops scanning, F4h starts it', () => {
    const { drain, keyboard, keyboardCommand } = controller();
    expect(keyboardCommand(0xf5)).toEqual([0xfa]);
    keyboard.press('KeyA');
    expect(drain()).toEqual([]);
    expect(keyboardCommand(0xf4)).toEqual([0xfa]);
    keyboard.press('KeyB');
    expect(drain()).toEqual([0x30]);
  });

  test('F4h forgets the codes that wait', () => {
    const { drain, keyboard, write } = controller();
    keyboard.press('KeyA');
    write(0xf4);
    expect(drain()).toEqual([0xfa]);
  });

  test('F6h sets the defaults: set 2 again', () => {
    const { keyboardCommand } = controller().untranslated();
    keyboardCommand(0xf0, 0x03);
    expect(keyboardCommand(0xf6)).toEqual([0xfa]);
    expect(keyboardCommand(0xf0, 0x00)).toEqual([0xfa, 0xfa, 0x02]);
  });

  test('FEh repeats the last byte', () => {
    const { keyboardCommand } = controller().untranslated();
    keyboardCommand(0xf2);
    expect(keyboardCommand(0xfe)).toEqual([0x83]);
  });

  test('FEh in the middle of an answer: the byte again, then the rest', () => {
    const { clock, data, drain, write } = controller().untranslated();
    write(0xf2);
    clock.advance(FRAME);
    const first = data();
    write(0xfe);
    expect([first, ...drain()]).toEqual([0xfa, 0xfa, 0xab, 0x83]);
  });

  test('FEh for the ACK of a command: its parameter is still awaited', () => {
    const { keyboardCommand } = controller().untranslated();
    expect(keyboardCommand(0xf0, 0xfe, 0x03)).toEqual([0xfa, 0xfa, 0xfa]);
    expect(keyboardCommand(0xf0, 0x00)).toEqual([0xfa, 0xfa, 0x03]);
  });

  test('FEh again and again without a read: a few bytes wait, not more and more', () => {
    const { device, drain, write } = controller().untranslated();
    for (let n = 0; n < 1000; n++) write(0xfe);
    expect((device.save().state.kbdAnswers as number[]).length).toBe(4);
    expect(drain()).toEqual([0, 0, 0, 0]);
  });

  test('FFh: ACK, then the self-test passed', () => {
    expect(controller().keyboardCommand(0xff)).toEqual([0xfa, 0xaa]);
  });

  test('a new command drops what is left of the answer to the one before', () => {
    const { clock, data, drain, write } = controller().untranslated();
    write(0xf2);
    clock.advance(FRAME);
    expect(data()).toBe(0xfa);
    write(0xf4);
    expect(drain()).toEqual([0xfa]);
  });

  test('a command in place of a parameter ends the one before', () => {
    const { keyboardCommand } = controller();
    expect(keyboardCommand(0xed, 0xf4)).toEqual([0xfa, 0xfa]);
    expect(keyboardCommand(0x02)).toEqual([0xfe]);
  });

  test('an answer goes before the scan codes that wait', () => {
    const { command, drain, keyboard, write } = controller();
    command(0xad);
    keyboard.press('KeyA');
    write(0xee);
    expect(drain()).toEqual([0xee, 0x1e]);
  });
});

describe('Keyboard buffer', () => {
  const KEYS = ['KeyA', 'KeyB', 'KeyC', 'KeyD', 'KeyE', 'KeyF', 'KeyG', 'KeyH', 'KeyI'];

  test('sixteen codes wait; then an overrun code tells that some were lost', () => {
    const { command, drain, keyboard } = controller();
    command(0x60, 0x11); // interface off, no translation
    for (let i = 0; i < 2; i++) keyboard.press(...KEYS);
    command(0xae);
    const seen = drain();
    expect(seen).toHaveLength(17);
    expect(seen.at(-1)).toBe(0x00);
  });

  test('a sequence is kept or lost as a whole', () => {
    const { command, drain, keyboard } = controller();
    command(0x60, 0x11);
    keyboard.press(...KEYS, ...KEYS.slice(0, 6));
    keyboard.press('ArrowUp');
    command(0xae);
    expect(drain().slice(14)).toEqual([0x2b, 0x00]);
  });
});

describe('Typematic', () => {
  test('500 ms, then 10.9 a second, until the key goes up', () => {
    const { clock, data, keyboard, status } = controller();
    const times: number[] = [];
    keyboard.press('KeyA');
    for (let at = 0; at < 800; at++) {
      clock.advance(MS);
      if (!(status() & OBF)) continue;
      expect(data()).toBe(0x1e);
      times.push(at + 1);
    }
    expect(times).toEqual([1, 501, 593, 685, 777]);
    keyboard.release('KeyA');
    clock.advance(1_000 * MS);
    expect(data()).toBe(0x9e);
  });

  test('Pause does not repeat', () => {
    const { clock, drain, keyboard } = controller();
    keyboard.press('Pause');
    const once = drain();
    clock.advance(2_000 * MS);
    expect([once, drain()]).toEqual([[0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5], []]);
  });

  test('F3h sets delay and rate', () => {
    const { clock, data, keyboard, keyboardCommand, status } = controller();
    keyboardCommand(0xf3, 0x00); // 250 ms, 30 a second
    keyboard.press('KeyA');
    let count = 0;
    for (let at = 0; at < 320; at++) {
      clock.advance(MS);
      if (!(status() & OBF)) continue;
      data();
      count++;
    }
    expect(count).toBe(4);
  });

  test('only the key pressed last repeats', () => {
    const { clock, data, drain, keyboard } = controller();
    keyboard.press('KeyA', 'KeyB');
    drain();
    clock.advance(600 * MS);
    expect(data()).toBe(0x30);
  });
});

describe("GUEST: Linux's i8042 driver", () => {
  test('controller, keyboard port and auxiliary port are found; the mouse probe ends at once', () => {
    const { command, data, handle, keyboardCommand, status } = controller();
    expect(status() & OBF).toBe(0); // i8042_flush
    command(0x20);
    const ctr = data();
    expect([ctr & 0x40, status() & INH]).toEqual([0x40, INH]); // translating, not locked
    command(0x60, (ctr & ~0x01) | 0x10);
    command(0xd3, 0xa5); // AUX_LOOP
    expect([status() & AUX_OBF, data()]).toEqual([AUX_OBF, 0xa5]);
    command(0xa7);
    command(0x20);
    expect(data() & 0x20).toBe(0x20);
    command(0xa8);
    command(0x20);
    expect(data() & 0x20).toBe(0x00);
    command(0x60, 0x42); // IRQ 12 comes
    command(0xd3, 0xa5);
    expect([handle.auxIrq.level, data()]).toEqual([true, 0xa5]);
    command(0xd4, 0xf2); // psmouse: get ID
    expect([status() & TIMEOUT, data()]).toEqual([TIMEOUT, 0xfe]);
    command(0x60, 0x47);
    expect(keyboardCommand(0xf2)).toEqual([0xfa, 0xab, 0x41]); // atkbd: translated set 2
    expect(keyboardCommand(0xed, 0x00)).toEqual([0xfa, 0xfa]);
    expect(keyboardCommand(0xf3, 0x00)).toEqual([0xfa, 0xfa]);
    expect(keyboardCommand(0xf4)).toEqual([0xfa]);
  });
});
