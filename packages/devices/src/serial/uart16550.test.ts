import { describe, expect, test } from '@jest/globals';
import type { ChardevSink } from '@mainboard/core';
import { deviceContract, FakeChardev, testbench } from '@mainboard/testing';
import { uart16550 } from './uart16550.ts';

const DLAB = 0x80;
const BITS_8N1 = 10;
const CHARACTER_NS = Math.round((BITS_8N1 * 16 * 12 * 1e9) / 1_843_200); // 8N1 at divisor 12: 9600 baud

const [RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const THR = RBR;
const FCR = IIR;

/** A channel that can damage characters. */
class NoisyChardev extends FakeChardev {
  #sink: ChardevSink | undefined;

  override attach(sink: ChardevSink): void {
    this.#sink = sink;
    super.attach(sink);
  }

  fault(kind: 'break' | 'parity' | 'framing', byte: number): void {
    this.#sink?.fault?.(kind, byte);
  }
}

/** A UART set to 8N1 with DTR, RTS and OUT2 on, as a driver leaves it. */
function uart(properties: { paced?: boolean; handshake?: boolean } = {}) {
  const chardev = new NoisyChardev();
  const bench = testbench(uart16550, { properties, backends: { chardev } });
  const { regs, irq } = bench.handle;
  const port = {
    ...bench,
    chardev,
    irq,
    read: (at: number) => regs.read(at, 1),
    peek: (at: number) => regs.peek(at, 1),
    write: (at: number, value: number) => regs.write(at, 1, value),
  };
  port.write(LCR, 0x03);
  port.write(MCR, 0x0b);
  port.log.length = 0;
  return port;
}

describe('contract', () => {
  test.each(
    deviceContract(uart16550, {
      '': { stimulate: (bench, random) => (bench.backends.chardev as FakeChardev).send([random.below(256)]) },
      paced: { options: () => ({ properties: { paced: true, handshake: false } }) },
    }),
  )('$name', ({ run }) => run());
});

describe('§Accessible registers', () => {
  test('reset values (table 1)', () => {
    const { handle } = testbench(uart16550);
    expect([IER, IIR, LCR, MCR, LSR].map(at => handle.regs.read(at, 1))).toEqual([0, 1, 0, 0, 0x60]);
    expect(Object.values(testbench(uart16550).levels())).toEqual([false, false, false, false, false]);
  });

  test('DLAB puts the divisor latch at 0 and 1, and leaves IER alone', () => {
    const { read, write } = uart();
    write(IER, 0x05);
    write(LCR, DLAB | 0x03);
    write(0, 0x34);
    write(1, 0x12);
    expect([read(0), read(1)]).toEqual([0x34, 0x12]);
    write(LCR, 0x03);
    expect(read(IER)).toBe(0x05);
  });

  test('DLAB set: a write to offset 0 sends nothing', () => {
    const { chardev, write } = uart();
    write(LCR, DLAB);
    write(0, 0x41);
    expect(chardev.sent).toEqual([]);
  });

  test('IER7:4 and MCR7:6 read as zero', () => {
    const { read, write } = uart();
    write(IER, 0xff);
    write(MCR, 0xff);
    expect([read(IER), read(MCR)]).toEqual([0x0f, 0x3f]);
  });

  test('the scratch register keeps a byte', () => {
    const { read, write } = uart();
    write(SCR, 0xa5);
    expect(read(SCR)).toBe(0xa5);
  });
});

describe('§Transmitter holding register', () => {
  test('a byte goes out, and THRE and TEMT stay set', () => {
    const { chardev, read, write } = uart();
    write(THR, 0x41);
    expect(chardev.text).toBe('A');
    expect(read(LSR)).toBe(0x60);
  });

  test('THRE is low until the chardev takes the byte', () => {
    const { chardev, read, write } = uart();
    chardev.capacity = 0;
    write(THR, 0x41);
    expect(read(LSR)).toBe(0x00);
    chardev.accept(1);
    expect(chardev.text).toBe('A');
    expect(read(LSR)).toBe(0x60);
  });

  test('a guest that waits for THRE loses nothing, however slow the host is', () => {
    const { chardev, read, write } = uart();
    write(FCR, 0x01);
    chardev.capacity = 3;
    let next = 0;
    for (let turn = 0; turn < 40; turn++) {
      if (read(LSR) & 0x20) for (let i = 0; i < 16; i++) write(THR, next++ & 0xff);
      chardev.accept(7);
    }
    chardev.accept();
    expect(chardev.sent).toEqual(Array.from({ length: next }, (_, i) => i & 0xff));
    expect(next).toBeGreaterThan(100);
  });

  test('without FIFOs a second byte overwrites the one that waits', () => {
    const { chardev, write } = uart();
    chardev.capacity = 0;
    write(THR, 0x41);
    write(THR, 0x42);
    chardev.accept();
    expect(chardev.text).toBe('B');
  });

  test('with FIFOs sixteen bytes wait', () => {
    const { chardev, write } = uart();
    write(FCR, 0x01);
    chardev.capacity = 0;
    for (let i = 0; i < 16; i++) write(THR, 0x61 + i);
    chardev.accept();
    expect(chardev.text).toBe('abcdefghijklmnop');
  });

  test('paced: a character takes its time on the line; THRE comes before TEMT', () => {
    const { chardev, clock, read, write } = uart({ paced: true });
    write(THR, 0x41);
    expect(read(LSR)).toBe(0x20);
    write(THR, 0x42);
    expect(read(LSR)).toBe(0x00);
    clock.advance(CHARACTER_NS - 1);
    expect(chardev.text).toBe('');
    clock.advance(1);
    expect(chardev.text).toBe('A');
    expect(read(LSR)).toBe(0x20);
    clock.advance(CHARACTER_NS);
    expect(chardev.text).toBe('AB');
    expect(read(LSR)).toBe(0x60);
  });

  test('paced: what the chardev refuses stays in the shift register', () => {
    const { chardev, clock, read, write } = uart({ paced: true });
    chardev.capacity = 0;
    write(THR, 0x41);
    write(THR, 0x42);
    clock.advance(10 * CHARACTER_NS);
    expect(read(LSR)).toBe(0x00);
    chardev.accept();
    clock.advance(CHARACTER_NS);
    expect(chardev.text).toBe('AB');
  });

  test('a snapshot taken while the host is slow sends the rest where it is restored', () => {
    const { chardev, device, write } = uart();
    write(FCR, 0x01);
    chardev.capacity = 1;
    for (const byte of [1, 2, 3]) write(THR, byte);
    const other = uart();
    other.device.restore(device.save());
    expect([chardev.sent, other.chardev.sent]).toEqual([[1], [2, 3]]);
  });
});

describe('§Receiver buffer register', () => {
  test('a byte from outside sets DR; reading it clears DR', () => {
    const { chardev, read } = uart();
    chardev.send('A');
    expect(read(LSR)).toBe(0x61);
    expect(read(RBR)).toBe(0x41);
    expect(read(LSR)).toBe(0x60);
  });

  test('what finds no room waits outside and follows in order', () => {
    const { chardev, read, write } = uart();
    write(FCR, 0x01);
    const text = 'The quick brown fox jumps over the lazy dog.';
    chardev.send(text);
    expect(chardev.pending).toBe(text.length - 16);
    let seen = '';
    while (read(LSR) & 0x01) seen += String.fromCharCode(read(RBR));
    expect(seen).toBe(text);
  });

  test('without FIFOs there is room for one', () => {
    const { chardev, read } = uart();
    chardev.send('AB');
    expect(chardev.pending).toBe(1);
    expect([read(RBR), read(RBR)]).toEqual([0x41, 0x42]);
  });

  test('bytes wait until the guest asserts RTS or takes receive interrupts', () => {
    const { chardev, peek, write } = uart();
    write(MCR, 0x00);
    chardev.send('AB');
    write(FCR, 0x07); // a driver that clears its FIFOs while it starts loses nothing
    expect(chardev.pending).toBe(2);
    write(MCR, 0x02);
    expect([chardev.pending, peek(RBR)]).toEqual([0, 0x41]);
    const other = uart();
    other.write(MCR, 0x00);
    other.chardev.send('A');
    other.write(IER, 0x01);
    expect(other.peek(LSR)).toBe(0x61);
  });

  test('handshake off: bytes come whatever the guest does', () => {
    const { chardev, peek, write } = uart({ handshake: false });
    write(MCR, 0x00);
    chardev.send('A');
    expect(peek(RBR)).toBe(0x41);
  });

  test('peek takes nothing away', () => {
    const { chardev, peek } = uart();
    chardev.send('A');
    expect([peek(RBR), peek(RBR), peek(LSR)]).toEqual([0x41, 0x41, 0x61]);
  });

  test('a snapshot restored elsewhere takes what waits there', () => {
    const { device } = uart();
    const other = testbench(uart16550);
    const chardev = other.backends.chardev as FakeChardev;
    chardev.send('A');
    expect(chardev.pending).toBe(1);
    other.device.restore(device.save());
    expect(chardev.pending).toBe(0);
  });
});

describe('§Line status register', () => {
  test('parity, framing and break go with their character, and reading LSR clears them', () => {
    const { chardev, read, write } = uart();
    write(FCR, 0x01);
    chardev.send('A');
    chardev.fault('parity', 0x42);
    chardev.fault('framing', 0x43);
    chardev.fault('break', 0);
    expect(read(LSR)).toBe(0xe1); // FIFO error, but the first character is sound
    expect(read(RBR)).toBe(0x41);
    expect(read(LSR)).toBe(0xe5);
    expect(read(LSR)).toBe(0xe1);
    read(RBR);
    expect(read(LSR)).toBe(0xe9);
    read(RBR);
    expect(read(LSR)).toBe(0xf9);
    expect(read(LSR)).toBe(0x61); // the last error is gone from the FIFO, the null character is still there
  });

  test('LSR7 is 0 without FIFOs', () => {
    const { chardev, read } = uart();
    chardev.fault('parity', 0x41);
    expect(read(LSR)).toBe(0x65);
  });

  test('OE: without FIFOs the new character destroys the old', () => {
    const { read, write } = uart();
    write(MCR, 0x10);
    write(THR, 0x41);
    write(THR, 0x42);
    expect(read(LSR)).toBe(0x63);
    expect(read(LSR)).toBe(0x61);
    expect(read(RBR)).toBe(0x42);
  });

  test('OE: with FIFOs the seventeenth character is lost', () => {
    const { read, write } = uart();
    write(FCR, 0x01);
    write(MCR, 0x10);
    for (let i = 0; i < 17; i++) write(THR, i);
    expect(read(LSR)).toBe(0x63);
    expect(Array.from({ length: 17 }, () => read(RBR))).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0,
    ]);
  });

  test('writes have no effect', () => {
    const { read, write } = uart();
    write(LSR, 0x00);
    expect(read(LSR)).toBe(0x60);
  });
});

describe('§FIFO control register', () => {
  test('FCR0 shows in IIR7:6', () => {
    const { read, write } = uart();
    expect(read(IIR)).toBe(0x01);
    write(FCR, 0x01);
    expect(read(IIR)).toBe(0xc1);
    write(FCR, 0x00);
    expect(read(IIR)).toBe(0x01);
  });

  test('FCR1 clears the receiver, FCR2 the transmitter', () => {
    const { chardev, read, write } = uart();
    write(FCR, 0x01);
    chardev.capacity = 0;
    chardev.send('A');
    write(THR, 0x42);
    write(FCR, 0x03);
    expect(read(LSR)).toBe(0x00);
    write(FCR, 0x05);
    expect(read(LSR)).toBe(0x60);
    chardev.accept();
    expect(chardev.sent).toEqual([]);
  });

  test('a change of FCR0 clears both', () => {
    const { chardev, read, write } = uart();
    chardev.send('A');
    write(FCR, 0x01);
    expect(read(LSR)).toBe(0x60);
  });

  test('without FCR0 the trigger level is not taken', () => {
    const { chardev, read, write } = uart();
    write(FCR, 0xc0);
    write(FCR, 0x01);
    write(IER, 0x01);
    chardev.send('A');
    expect(read(IIR)).toBe(0xc4);
  });
});

describe('§Interrupt identification register', () => {
  test('priorities: line status, data, THRE, modem status', () => {
    const { chardev, drive, irq, read, write } = uart();
    drive.cts.set(true);
    drive.cts.set(false);
    read(MSR);
    drive.cts.set(true);
    chardev.fault('parity', 0x41);
    expect(chardev.pending).toBe(0);
    write(IER, 0x0f);
    expect(irq.level).toBe(true);
    const seen = [read(IIR)];
    read(LSR);
    seen.push(read(IIR));
    read(RBR);
    seen.push(read(IIR)); // and this read clears THRE
    seen.push(read(IIR));
    read(MSR);
    seen.push(read(IIR));
    expect(seen).toEqual([0x06, 0x04, 0x02, 0x00, 0x01]);
    expect(irq.level).toBe(false);
  });

  test('THRE: enabling it raises it while the transmitter is empty, each time', () => {
    const { read, write } = uart();
    write(IER, 0x02);
    expect(read(IIR)).toBe(0x02);
    expect(read(IIR)).toBe(0x01);
    write(IER, 0x00);
    write(IER, 0x02);
    expect(read(IIR)).toBe(0x02);
  });

  test('THRE: a write of IER that leaves it enabled does not raise it anew', () => {
    const { read, write } = uart();
    write(IER, 0x02);
    read(IIR);
    write(IER, 0x03);
    expect(read(IIR)).toBe(0x01);
  });

  test('THRE: reading IIR clears it only when it is what IIR reports', () => {
    const { chardev, read, write } = uart();
    chardev.send('A');
    write(IER, 0x03);
    expect(read(IIR)).toBe(0x04);
    read(RBR);
    expect(read(IIR)).toBe(0x02);
  });

  test('THRE: writing THR clears it, and the byte leaving raises it again', () => {
    const { chardev, log, read, write } = uart();
    chardev.capacity = 0;
    write(IER, 0x02);
    write(THR, 0x41);
    expect(read(IIR)).toBe(0x01);
    chardev.accept();
    expect(read(IIR)).toBe(0x02);
    expect(log).toEqual(['irq=1', 'irq=0', 'irq=1', 'irq=0']);
  });
});

describe('§INTRPT: an edge for each interrupt, though characters take no time here', () => {
  test('a handler that reads one character and does not look at IIR is called for the next one', () => {
    const { chardev, log, read, write } = uart();
    write(IER, 0x01);
    chardev.send('AB');
    const seen = [read(RBR), read(RBR)];
    expect([seen, log]).toEqual([
      [0x41, 0x42],
      ['irq=1', 'irq=0', 'irq=1', 'irq=0'],
    ]);
  });

  test.each([
    ['without FIFOs', 0x00],
    ['with FIFOs', 0x01],
  ])('a handler that writes one character and does not look at IIR is called again, %s', (_, fcr) => {
    const { chardev, log, write } = uart();
    write(FCR, fcr);
    write(IER, 0x02);
    write(THR, 0x41);
    write(THR, 0x42);
    expect([chardev.text, log]).toEqual(['AB', ['irq=1', 'irq=0', 'irq=1', 'irq=0', 'irq=1']]);
  });
});

describe('§FIFO interrupt mode operation', () => {
  test.each([
    [0, 1],
    [1, 4],
    [2, 8],
    [3, 14],
  ])('trigger level %i: the data interrupt comes with %i characters', (code, level) => {
    const { chardev, irq, read, write } = uart();
    write(FCR, 0x01 | (code << 6));
    write(IER, 0x01);
    for (let n = 1; n < level; n++) chardev.send('x');
    expect(irq.level).toBe(false);
    chardev.send('x');
    expect(irq.level).toBe(true);
    expect(read(IIR)).toBe(0xc4);
    read(RBR);
    expect(irq.level).toBe(false);
  });

  test('character timeout: four characters after the last, below the trigger level', () => {
    const { chardev, clock, irq, read, write } = uart();
    write(FCR, 0x81);
    write(IER, 0x01);
    chardev.send('AB');
    clock.advance(4 * CHARACTER_NS - 1);
    expect(irq.level).toBe(false);
    clock.advance(1);
    expect(irq.level).toBe(true);
    expect(read(IIR)).toBe(0xcc);
    read(RBR);
    expect(read(IIR)).toBe(0xc1); // a read starts it anew
    clock.advance(4 * CHARACTER_NS);
    expect(read(IIR)).toBe(0xcc);
    read(RBR);
    clock.advance(8 * CHARACTER_NS);
    expect(read(IIR)).toBe(0xc1); // the FIFO is empty
  });

  test('character timeout: a new character starts it anew', () => {
    const { chardev, clock, irq, write } = uart();
    write(FCR, 0x81);
    write(IER, 0x01);
    for (let i = 0; i < 5; i++) {
      chardev.send('x');
      clock.advance(3 * CHARACTER_NS);
      expect(irq.level).toBe(false);
    }
  });
});

describe('§Programmable baud generator', () => {
  test('the divisor and the character length decide the time of a character', () => {
    const { chardev, clock, write } = uart({ paced: true });
    write(LCR, DLAB);
    write(0, 96); // 1200 baud
    write(1, 0);
    write(LCR, 0x1f); // 8 bits, even parity, two stop bits: 12 bit times
    write(THR, 0x41);
    clock.advance(9_999_999);
    expect(chardev.text).toBe('');
    clock.advance(1);
    expect(chardev.text).toBe('A');
  });

  test('divisor 0 is undefined; it counts as 1', () => {
    const { chardev, clock, write } = uart({ paced: true });
    write(LCR, DLAB);
    write(0, 0);
    write(1, 0);
    write(LCR, 0x03); // 10 bit times of 16 clocks
    write(THR, 0x41);
    clock.advance(86_805);
    expect(chardev.text).toBe('');
    clock.advance(1);
    expect(chardev.text).toBe('A');
  });
});

describe('§Modem control register', () => {
  test('RTS, DTR, OUT1 and OUT2 drive their pins', () => {
    const { levels, write } = uart();
    write(MCR, 0x0f);
    expect(levels()).toMatchObject({ dtr: true, rts: true, out1: true, out2: true });
    write(MCR, 0x05);
    expect(levels()).toMatchObject({ dtr: true, rts: false, out1: true, out2: false });
  });

  test('OUT2 lets the interrupt on to the bus (IBM PC/AT)', () => {
    const { irq, read, write } = uart();
    write(MCR, 0x03);
    write(IER, 0x02);
    expect([irq.level, read(IIR) & 0x0f]).toEqual([false, 0x02]);
    write(IER, 0x00);
    write(IER, 0x02);
    write(MCR, 0x0b);
    expect(irq.level).toBe(true);
  });

  test('loopback: what is sent is received, nothing goes out, nothing comes in', () => {
    const { chardev, peek, read, write } = uart();
    write(MCR, 0x12);
    chardev.send('x');
    expect([chardev.pending, read(LSR) & 0x01]).toEqual([1, 0]);
    write(THR, 0x5a);
    expect([chardev.sent, chardev.pending, read(RBR)]).toEqual([[], 1, 0x5a]);
    write(MCR, 0x02);
    expect([chardev.pending, peek(RBR)]).toEqual([0, 0x78]);
  });

  test.each([
    [0x1a, 0x90], // GUEST: Linux's 8250 driver looks for exactly this
    [0x11, 0x20],
    [0x12, 0x10],
    [0x14, 0x40],
    [0x18, 0x80],
    [0x10, 0x00],
  ])('loopback: MCR %i gives MSR7:4 %i', (mcr, lines) => {
    const { read, write } = uart();
    write(MCR, mcr);
    expect(read(MSR) & 0xf0).toBe(lines);
  });

  test('loopback: the modem outputs are inactive', () => {
    const { levels, write } = uart();
    write(MCR, 0x1f);
    expect(levels()).toMatchObject({ dtr: false, rts: false, out1: false, out2: false });
  });
});

describe('§Autoflow control', () => {
  test('auto-CTS: the transmitter waits for CTS', () => {
    const { chardev, drive, read, write } = uart();
    drive.cts.set(false);
    write(MCR, 0x2b);
    write(THR, 0x41);
    expect([chardev.text, read(LSR)]).toEqual(['', 0x00]);
    drive.cts.set(true);
    expect(chardev.text).toBe('A');
  });

  test('auto-CTS in loopback: RTS is CTS', () => {
    const { read, write } = uart();
    write(MCR, 0x30);
    write(THR, 0x41);
    expect(read(LSR) & 0x01).toBe(0);
    write(MCR, 0x32);
    expect([read(LSR) & 0x01, read(RBR)]).toEqual([1, 0x41]);
  });

  test('auto-RTS: RTS goes away at the trigger level', () => {
    const { chardev, handle, read, write } = uart();
    write(FCR, 0x41);
    write(MCR, 0x2b);
    chardev.send('abc');
    expect(handle.rts.level).toBe(true);
    chardev.send('d');
    expect(handle.rts.level).toBe(false);
    read(RBR);
    expect(handle.rts.level).toBe(true);
  });
});

describe('§Modem status register', () => {
  test.each([
    ['cts', 0x11],
    ['dsr', 0x22],
    ['dcd', 0x88],
  ] as const)('%s: a change sets its delta, reading MSR clears it', (pin, set) => {
    const { drive, read } = uart();
    for (const other of ['cts', 'dsr', 'dcd', 'ri'] as const) drive[other].set(false);
    read(MSR);
    drive[pin].set(true);
    expect(read(MSR)).toBe(set);
    expect(read(MSR)).toBe(set & 0xf0);
    drive[pin].set(false);
    expect(read(MSR)).toBe(set & 0x0f);
  });

  test('TERI: only the trailing edge of RI', () => {
    const { drive, read } = uart();
    read(MSR);
    drive.ri.set(true);
    expect(read(MSR) & 0x4f).toBe(0x40);
    drive.ri.set(false);
    expect(read(MSR) & 0x4f).toBe(0x04);
  });

  test('a delta interrupts', () => {
    const { drive, irq, read, write } = uart();
    read(MSR);
    write(IER, 0x08);
    drive.dcd.set(true);
    expect([irq.level, read(IIR)]).toEqual([true, 0x00]);
    read(MSR);
    expect(irq.level).toBe(false);
  });
});

describe("GUEST: Linux's 8250 driver", () => {
  test('autoconfig: a UART is there, it is a 16550A, and no 16750, 16950 or XScale', () => {
    const { read, write } = uart();
    const probe = (port: number, value: number, seen: number) => {
      write(port, value);
      return read(seen);
    };
    expect([probe(IER, 0x00, IER) & 0x0f, probe(IER, 0x0f, IER) & 0x0f]).toEqual([0x00, 0x0f]);
    write(IER, 0x00);
    expect(probe(MCR, 0x1a, MSR) & 0xf0).toBe(0x90);
    write(MCR, 0x08);
    expect(probe(FCR, 0x01, IIR) >> 6).toBe(3);
    write(LCR, 0x80);
    expect(read(FCR)).not.toBe(0x00); // no EFR
    write(LCR, 0x00);
    write(FCR, 0x21); // 64-byte FIFO?
    expect(read(IIR) >> 5).toBe(6);
    write(LCR, 0x00);
    expect(probe(IER, 0x40, IER)).toBe(0x00);
    expect(read(LSR)).toBe(0x60);
  });

  test('startup: the THRE interrupt is asserted again when it is enabled again', () => {
    const { read, write } = uart();
    write(FCR, 0x07);
    const seen = [];
    for (let i = 0; i < 2; i++) {
      write(IER, 0x02);
      seen.push(read(IIR) & 0x01);
      write(IER, 0x00);
    }
    expect(seen).toEqual([0, 0]);
  });

  test('a long text leaves in bursts of sixteen, an interrupt edge for each', () => {
    const { chardev, log, read, write } = uart();
    write(FCR, 0x81);
    write(IER, 0x02);
    const text = Array.from({ length: 100 }, (_, i) => 0x20 + (i % 64));
    let bursts = 0;
    for (let at = 0; at < text.length; bursts++) {
      expect(read(IIR) & 0x0f).toBe(0x02);
      for (const end = Math.min(at + 16, text.length); at < end; at++) write(THR, text[at]!);
    }
    expect(chardev.sent).toEqual(text);
    expect(bursts).toBe(7);
    expect(log.filter(change => change === 'irq=1').length).toBeGreaterThan(bursts);
  });
});
