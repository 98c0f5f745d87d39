import { describe, expect, test } from '@jest/globals';
import { connect } from '@mainboard/core';
import { deviceContract, testbench } from '@mainboard/testing';
import { timeOfCycle } from '../timer/cycles.ts';
import { i8254 } from '../timer/i8254.ts';
import { i8259 } from './i8259.ts';

const EOI = 0x20;
const SPECIFIC_EOI = 0x60;
const AEOI = 0x02;
const SFNM = 0x10;
/** What `irr()` and `isr()` write before they read. */
const READ_IRR = 0x0a;
const READ_ISR = 0x0b;

type Role = 'master' | 'slave';

/** One controller, not initialized. */
function chip(role: Role = 'master') {
  const bench = testbench(i8259, { properties: { role } });
  const { regs, elcr, inta, int } = bench.handle;
  const command = (value: number) => regs.write(0, 1, value);
  const data = (value: number) => regs.write(1, 1, value);
  return {
    ...bench,
    regs,
    elcr,
    command,
    data,
    int: () => int.level,
    ack: () => inta.acknowledge(),
    mask: () => regs.read(1, 1),
    irr() {
      command(READ_IRR);
      return regs.read(0, 1);
    },
    isr() {
      command(READ_ISR);
      return regs.read(0, 1);
    },
    raise(...levels: number[]) {
      for (const n of levels) bench.drive.ir[n]!.set(true);
    },
    lower(...levels: number[]) {
      for (const n of levels) bench.drive.ir[n]!.set(false);
    },
    init(icw4 = 0, icw1 = 0x13, base = 0x20) {
      command(icw1);
      data(base);
      if ((icw1 & 2) === 0) data(role === 'master' ? 0x04 : 0x02);
      data(0x01 | icw4);
    },
  };
}
/** A single controller at vector 20h. */
function single(icw4 = 0) {
  const pic = chip();
  pic.init(icw4);
  return pic;
}
/** The PC/AT's pair: master at 20h, slave at 28h on its IR2. */
function pair(icw4 = 0, slaveIcw4 = icw4) {
  const master = chip('master');
  const slave = chip('slave');
  connect([slave.handle.int, master.handle.ir[2]]);
  master.handle.cascade[2].source = slave.handle.inta;
  master.init(icw4, 0x11, 0x20);
  slave.init(slaveIcw4, 0x11, 0x28);
  return { master, slave };
}

describe('Initialization Command Words', () => {
  test('before its initialization a controller requests nothing', () => {
    const pic = chip();
    pic.raise(0, 1, 2);
    expect(pic.int()).toBe(false);
    pic.command(0x13);
    pic.raise(3);
    expect(pic.int()).toBe(false);
    pic.data(0x20);
    expect(pic.int()).toBe(false);
    pic.data(0x01);
    expect(pic.int()).toBe(true);
  });

  test('ICW2: the vector is T7–T3 and the level', () => {
    const pic = chip();
    pic.init(0, 0x13, 0x77);
    pic.raise(5);
    expect(pic.ack()).toBe(0x75);
  });

  test('SNGL: no ICW3', () => {
    const pic = chip();
    pic.command(0x13);
    pic.data(0x40);
    pic.data(0x01);
    pic.data(0xaa); // OCW1 already
    expect(pic.mask()).toBe(0xaa);
  });

  test('without SNGL ICW3 comes before ICW4', () => {
    const pic = chip();
    pic.command(0x11);
    pic.data(0x40);
    pic.data(0x04);
    pic.data(0x01);
    pic.data(0xaa);
    expect(pic.mask()).toBe(0xaa);
  });

  test('IC4 = 0: no ICW4, and its functions are off', () => {
    const pic = chip();
    pic.init(AEOI);
    pic.command(0x12);
    pic.data(0x40);
    pic.data(0x55);
    expect(pic.mask()).toBe(0x55);
    pic.raise(1);
    expect(pic.ack()).toBe(0x41);
    expect(pic.isr()).toBe(0x02);
  });

  test('ICW1 with IC4 = 0 and SNGL = 0 takes ICW2 and ICW3', () => {
    const pic = chip();
    pic.command(0x10);
    pic.data(0x40);
    pic.data(0x04);
    pic.data(0x55);
    expect(pic.mask()).toBe(0x55);
  });

  test('(a) edges are forgotten: an input must go low and high to request', () => {
    const pic = single();
    pic.raise(3);
    pic.init();
    expect([pic.int(), pic.irr()]).toEqual([false, 0]);
    pic.lower(3);
    pic.raise(3);
    expect([pic.int(), pic.irr()]).toEqual([true, 0x08]);
  });

  test('(b) the mask register is cleared', () => {
    const pic = single();
    pic.data(0xff);
    pic.init();
    expect(pic.mask()).toBe(0);
  });

  test('(c) IR7 has the lowest priority again', () => {
    const pic = single();
    pic.command(0xc3); // IR3 lowest
    pic.init();
    pic.raise(0, 4);
    expect(pic.ack()).toBe(0x20);
  });

  test('rotation in automatic EOI ends; the list (a) to (f) leaves it out', () => {
    const pic = single(AEOI);
    pic.command(0x80);
    pic.init(AEOI);
    pic.raise(3);
    pic.ack();
    pic.lower(3);
    pic.raise(4, 3);
    expect(pic.ack()).toBe(0x23); // IR3 has not become the lowest
  });

  test('(e) special mask mode ends and status reads give IRR', () => {
    const pic = single();
    pic.command(0x68);
    pic.command(READ_ISR);
    pic.raise(1);
    pic.ack();
    pic.init();
    pic.lower(1);
    pic.raise(1, 6);
    expect(pic.regs.read(0, 1)).toBe(0x42);
    expect(pic.ack()).toBe(0x21);
    pic.data(0x02);
    expect(pic.int()).toBe(false); // no special mask: IR1 in service holds IR6 back
  });

  test('nothing is in service afterwards, and a pending poll is dropped', () => {
    const pic = single();
    pic.raise(1);
    pic.ack();
    pic.command(0x0c);
    pic.init();
    expect(pic.isr()).toBe(0);
    pic.data(0x5a);
    expect(pic.mask()).toBe(0x5a);
  });

  test('a second ICW1 in the middle starts over', () => {
    const pic = chip();
    pic.command(0x11);
    pic.data(0x40);
    pic.init(0, 0x13, 0x60);
    pic.raise(0);
    expect(pic.ack()).toBe(0x60);
  });
});

describe('Interrupt Sequence', () => {
  test('INT while a request waits; the acknowledge moves it from IRR to ISR and lowers INT', () => {
    const pic = single();
    pic.raise(4);
    expect([pic.int(), pic.irr(), pic.isr()]).toEqual([true, 0x10, 0]);
    expect(pic.ack()).toBe(0x24);
    expect([pic.int(), pic.irr(), pic.isr()]).toEqual([false, 0, 0x10]);
  });

  test('requests while one is in service wait in IRR', () => {
    const pic = single();
    pic.raise(4);
    pic.ack();
    pic.lower(4);
    pic.raise(4);
    expect([pic.int(), pic.irr(), pic.isr()]).toEqual([false, 0x10, 0x10]);
    pic.command(EOI);
    expect(pic.int()).toBe(true);
  });
});

describe('Fully Nested Mode', () => {
  test('IR0 has the highest priority, IR7 the lowest', () => {
    const pic = single(AEOI);
    pic.raise(7, 6, 5, 4, 3, 2, 1, 0);
    expect(Array.from({ length: 8 }, () => pic.ack())).toEqual([0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27]);
    expect(pic.int()).toBe(false);
  });

  test('a level in service holds back its own and lower levels only', () => {
    const pic = single();
    pic.raise(4);
    pic.ack();
    pic.raise(5);
    expect(pic.int()).toBe(false);
    pic.raise(3);
    expect(pic.int()).toBe(true);
    expect(pic.ack()).toBe(0x23);
    expect(pic.isr()).toBe(0x18);
    pic.command(EOI);
    expect(pic.int()).toBe(false);
    pic.command(EOI);
    expect(pic.ack()).toBe(0x25);
  });
});

describe('End of Interrupt', () => {
  test('non-specific: the highest level in service ends', () => {
    const pic = single();
    for (const n of [6, 3, 1]) {
      pic.raise(n);
      pic.ack();
    }
    const seen = [1, 2, 3].map(() => {
      pic.command(EOI);
      return pic.isr();
    });
    expect(seen).toEqual([0x48, 0x40, 0]);
  });

  test('specific: the named level ends', () => {
    const pic = single();
    for (const n of [6, 3, 1]) {
      pic.raise(n);
      pic.ack();
    }
    pic.command(SPECIFIC_EOI | 3);
    expect(pic.isr()).toBe(0x42);
    pic.command(SPECIFIC_EOI | 3);
    expect(pic.isr()).toBe(0x42);
  });

  test('with nothing in service it does nothing', () => {
    const pic = single();
    pic.command(EOI);
    pic.command(0xa0); // rotating
    pic.raise(0, 7);
    expect(pic.ack()).toBe(0x20);
  });

  test('OCW2 010 is no operation', () => {
    const pic = single();
    pic.raise(1);
    pic.ack();
    pic.command(0x41);
    expect(pic.isr()).toBe(0x02);
  });
});

describe('Automatic End of Interrupt Mode', () => {
  test('nothing stays in service', () => {
    const pic = single(AEOI);
    pic.raise(2, 3);
    expect([pic.ack(), pic.isr()]).toEqual([0x22, 0]);
    expect(pic.int()).toBe(true);
    expect([pic.ack(), pic.int()]).toEqual([0x23, false]);
  });

  test('INT falls in each acknowledge, so that a master sees an edge for the next request', () => {
    const pic = single(AEOI);
    pic.raise(2, 3);
    pic.log.length = 0;
    pic.ack();
    expect(pic.log).toEqual(['int=0', 'int=1']);
  });
});

describe('Automatic Rotation', () => {
  test('rotate on non-specific EOI: the level served gets the lowest priority', () => {
    const pic = single();
    pic.raise(4, 6);
    pic.ack();
    pic.command(0xa0); // figure: IR4 served, IR5 is the highest now
    pic.lower(4);
    pic.raise(4);
    expect(pic.ack()).toBe(0x26);
    pic.command(0xa0);
    pic.raise(7, 0, 5);
    expect(pic.ack()).toBe(0x27);
  });

  test('rotate in automatic EOI mode, set and cleared', () => {
    const pic = single(AEOI);
    pic.command(0x80);
    pic.raise(2);
    pic.ack();
    pic.raise(1, 3);
    expect(pic.ack()).toBe(0x23);
    pic.command(0x00);
    pic.raise(4, 7);
    expect(pic.ack()).toBe(0x24);
    pic.lower(4);
    pic.raise(4);
    expect(pic.ack()).toBe(0x24); // no rotation: IR4 is still the highest
  });

  test('rotate in automatic EOI mode does not act on commanded ends', () => {
    const pic = single();
    pic.command(0x80);
    pic.raise(2);
    pic.ack();
    pic.command(EOI);
    pic.raise(1, 3);
    expect(pic.ack()).toBe(0x21);
  });
});

describe('Specific Rotation', () => {
  test('set priority: the named level becomes the lowest', () => {
    for (let lowest = 0; lowest < 8; lowest++) {
      const pic = single(AEOI);
      pic.command(0xc0 | lowest);
      pic.raise(0, 1, 2, 3, 4, 5, 6, 7);
      const order = Array.from({ length: 8 }, () => pic.ack() & 7);
      expect(order).toEqual(Array.from({ length: 8 }, (_, i) => (lowest + 1 + i) & 7));
    }
  });

  test('set priority leaves what is in service alone', () => {
    const pic = single();
    pic.raise(3);
    pic.ack();
    pic.command(0xc3);
    expect(pic.isr()).toBe(0x08);
    pic.raise(2);
    expect(pic.int()).toBe(true); // IR3 is the lowest now
  });

  test('rotate on specific EOI', () => {
    const pic = single();
    pic.raise(1, 5);
    pic.ack();
    pic.command(0xe5); // ends IR5, which is not in service, and makes it the lowest
    expect(pic.isr()).toBe(0x02);
    pic.command(0xe1);
    pic.raise(0, 2);
    expect(pic.ack()).toBe(0x22);
  });

  test('non-specific EOI goes by the rotated priorities', () => {
    const pic = single();
    pic.raise(5);
    pic.ack();
    pic.raise(1);
    pic.ack();
    pic.command(0xc3); // IR4 is the highest: 5 before 1
    pic.command(EOI);
    expect(pic.isr()).toBe(0x02);
  });
});

describe('Interrupt Masks', () => {
  test('a masked request waits, the others go on', () => {
    const pic = single();
    pic.data(0x02);
    pic.raise(1);
    expect([pic.int(), pic.irr()]).toEqual([false, 0x02]);
    pic.raise(5);
    expect(pic.ack()).toBe(0x25);
    pic.data(0x00);
    expect(pic.ack()).toBe(0x21);
  });

  test('masking takes INT back', () => {
    const pic = single();
    pic.raise(1);
    pic.data(0xff);
    expect(pic.int()).toBe(false);
  });

  test('masking a level in service does not end it', () => {
    const pic = single();
    pic.raise(1);
    pic.ack();
    pic.data(0x02);
    pic.raise(4);
    expect([pic.int(), pic.isr()]).toEqual([false, 0x02]);
  });
});

describe('Special Mask Mode', () => {
  test('a masked level in service holds nothing back', () => {
    const pic = single();
    pic.raise(1);
    pic.ack();
    pic.data(0x02);
    pic.command(0x68);
    pic.raise(4);
    expect(pic.ack()).toBe(0x24);
    expect(pic.isr()).toBe(0x12);
  });

  test('an unmasked level in service does', () => {
    const pic = single();
    pic.command(0x68);
    pic.raise(1);
    pic.ack();
    pic.raise(4);
    expect(pic.int()).toBe(false);
    pic.raise(0);
    expect(pic.int()).toBe(true);
  });

  test('a non-specific EOI spares masked levels', () => {
    const pic = single();
    pic.raise(4);
    pic.ack();
    pic.raise(1);
    pic.ack();
    pic.data(0x02);
    pic.command(0x68);
    pic.command(EOI);
    expect(pic.isr()).toBe(0x02);
    pic.command(EOI);
    expect(pic.isr()).toBe(0x02);
    pic.command(SPECIFIC_EOI | 1);
    expect(pic.isr()).toBe(0);
  });

  test('SMM counts with ESMM only', () => {
    const pic = single();
    pic.raise(1);
    pic.ack();
    pic.data(0x02);
    pic.raise(4);
    pic.command(0x28);
    expect(pic.int()).toBe(false);
    pic.command(0x68);
    expect(pic.int()).toBe(true);
    pic.command(0x08);
    expect(pic.int()).toBe(true);
    pic.command(0x48);
    expect(pic.int()).toBe(false);
  });
});

describe('Poll Command', () => {
  test('the next read is the acknowledge: bit 7 and the level', () => {
    const pic = single();
    pic.raise(3, 6);
    pic.command(0x0c);
    expect(pic.regs.read(0, 1)).toBe(0x83);
    expect([pic.isr(), pic.irr(), pic.int()]).toEqual([0x08, 0x40, false]);
    pic.command(EOI);
    pic.command(0x0c);
    expect(pic.regs.read(0, 1)).toBe(0x86);
  });

  test('without a request bit 7 is clear and nothing is in service', () => {
    const pic = single();
    pic.command(0x0c);
    expect(pic.regs.read(0, 1) & 0x80).toBe(0);
    expect(pic.isr()).toBe(0);
  });

  test('it lasts for one read, at either address', () => {
    const pic = single();
    pic.data(0x44);
    pic.raise(1);
    pic.command(0x0c);
    expect([pic.regs.read(1, 1), pic.regs.read(1, 1)]).toEqual([0x81, 0x44]);
  });

  test('it overrides a read command given with it, and keeps the one before', () => {
    const pic = single();
    pic.raise(1);
    pic.ack();
    pic.command(READ_ISR);
    pic.command(0x0e);
    pic.regs.read(0, 1);
    expect(pic.regs.read(0, 1)).toBe(0x02);
  });

  test('a debugger that looks does not acknowledge', () => {
    const pic = single();
    pic.raise(3);
    pic.command(0x0c);
    expect([pic.regs.peek(0, 1), pic.regs.peek(0, 1)]).toEqual([0x83, 0x83]);
    expect(pic.int()).toBe(true);
    expect(pic.regs.read(0, 1)).toBe(0x83);
  });

  test('polling obeys automatic EOI', () => {
    const pic = single(AEOI);
    pic.raise(3);
    pic.command(0x0c);
    pic.regs.read(0, 1);
    expect(pic.isr()).toBe(0);
  });
});

describe('Reading the 8259A Status', () => {
  test('the choice between IRR and ISR lasts', () => {
    const pic = single();
    pic.raise(1);
    pic.ack();
    pic.raise(5);
    pic.command(READ_ISR);
    expect([pic.regs.read(0, 1), pic.regs.read(0, 1)]).toEqual([0x02, 0x02]);
    pic.command(0x08); // RR = 0: no change
    expect(pic.regs.read(0, 1)).toBe(0x02);
    pic.command(READ_IRR);
    expect([pic.regs.read(0, 1), pic.regs.read(0, 1)]).toEqual([0x20, 0x20]);
  });

  test('the mask register is always read at the other address', () => {
    const pic = single();
    pic.data(0xa5);
    pic.command(READ_ISR);
    expect(pic.mask()).toBe(0xa5);
  });
});

describe('Edge and Level Triggered Modes', () => {
  test('edge: an input that stays high requests once', () => {
    const pic = single();
    pic.raise(3);
    pic.ack();
    pic.command(EOI);
    expect([pic.int(), pic.irr()]).toEqual([false, 0]);
  });

  test('edge: a request that goes low before the acknowledge is gone', () => {
    const pic = single();
    pic.raise(3);
    pic.lower(3);
    expect([pic.int(), pic.irr()]).toEqual([false, 0]);
  });

  test('a request gone between INT and the acknowledge gives a default IR7, not in service', () => {
    const pic = single();
    pic.raise(3);
    pic.lower(3);
    expect([pic.ack(), pic.isr()]).toEqual([0x27, 0]);
    pic.raise(7);
    expect([pic.ack(), pic.isr()]).toEqual([0x27, 0x80]);
  });

  test('LTIM: an input requests as long as it is high', () => {
    const pic = chip();
    pic.init(0, 0x1b);
    pic.raise(3);
    pic.ack();
    expect([pic.irr(), pic.isr(), pic.int()]).toEqual([0x08, 0x08, false]);
    pic.command(EOI);
    expect(pic.ack()).toBe(0x23);
    pic.lower(3);
    pic.command(EOI);
    expect([pic.int(), pic.irr()]).toEqual([false, 0]);
  });

  test('LTIM: a level that is there at the initialization requests', () => {
    const pic = chip();
    pic.raise(3);
    pic.init(0, 0x1b);
    expect(pic.int()).toBe(true);
  });

  test('ELCR: one input by level, the others by edge', () => {
    const pic = single();
    pic.elcr.write(0, 1, 0x20);
    pic.raise(4, 5);
    pic.ack();
    pic.command(EOI);
    expect(pic.irr()).toBe(0x20);
    pic.ack();
    pic.command(EOI);
    expect([pic.irr(), pic.int()]).toEqual([0x20, true]);
    pic.lower(5);
    expect([pic.irr(), pic.int()]).toEqual([0, false]);
  });

  test('ELCR: sources wired together keep the level until the last is low', () => {
    const pic = single();
    const other = testbench(i8254).handle.out[0];
    connect([other, pic.handle.ir[5]]);
    pic.elcr.write(0, 1, 0x20);
    pic.raise(5);
    other.set(true);
    pic.lower(5);
    expect(pic.irr()).toBe(0x20);
    other.set(false);
    expect(pic.irr()).toBe(0);
  });

  test('ELCR: IRQ 0, 1, 2, 8 and 13 are edge-triggered for good; an initialization leaves it alone', () => {
    const { master, slave } = pair();
    master.elcr.write(0, 1, 0xff);
    slave.elcr.write(0, 1, 0xff);
    expect([master.elcr.read(0, 1), slave.elcr.read(0, 1)]).toEqual([0xf8, 0xde]);
    master.init();
    expect(master.elcr.read(0, 1)).toBe(0xf8);
    master.device.reset();
    expect(master.elcr.read(0, 1)).toBe(0);
  });
});

describe('Cascade Mode', () => {
  test('the slave gives the vector; both are in service until each gets its EOI', () => {
    const { master, slave } = pair();
    slave.raise(3);
    expect([master.int(), master.irr()]).toEqual([true, 0x04]);
    expect(master.ack()).toBe(0x2b);
    expect([master.isr(), slave.isr()]).toEqual([0x04, 0x08]);
    slave.command(EOI);
    master.command(EOI);
    expect([master.isr(), slave.isr(), master.int()]).toEqual([0, 0, false]);
  });

  test("the slave's inputs rank where the slave sits", () => {
    const { master, slave } = pair(AEOI);
    slave.raise(0);
    master.raise(1, 3);
    expect([master.ack(), master.ack(), master.ack()]).toEqual([0x21, 0x28, 0x23]);
  });

  test('a second request of the slave comes after the EOI of both', () => {
    const { master, slave } = pair();
    slave.raise(4, 6);
    expect(master.ack()).toBe(0x2c);
    slave.command(EOI);
    expect([slave.int(), master.int()]).toEqual([true, false]);
    master.command(EOI);
    expect(master.ack()).toBe(0x2e);
  });

  test('EOI in the other order', () => {
    const { master, slave } = pair();
    slave.raise(4, 6);
    master.ack();
    master.command(EOI);
    expect(master.int()).toBe(false);
    slave.command(EOI);
    expect(master.ack()).toBe(0x2e);
  });

  test("in fully nested mode a higher request of the same slave waits for the master's EOI", () => {
    const { master, slave } = pair();
    slave.raise(4);
    master.ack();
    slave.raise(1);
    expect([slave.int(), master.int()]).toEqual([true, false]);
    master.command(EOI);
    expect(master.ack()).toBe(0x29);
    expect(slave.isr()).toBe(0x12);
  });

  test('with automatic EOI no request of the slave is lost', () => {
    const { master, slave } = pair(AEOI);
    slave.raise(7, 5, 3, 0);
    expect([1, 2, 3, 4].map(() => master.ack())).toEqual([0x28, 0x2b, 0x2d, 0x2f]);
    expect(master.int()).toBe(false);
  });

  test("a slave's request that is gone: a default IR15; the master has IR2 in service", () => {
    const { master, slave } = pair();
    slave.raise(3);
    const { ir } = master.handle;
    slave.lower(3);
    expect(ir[2].level).toBe(false);
    expect([master.ack(), master.isr()]).toEqual([0x27, 0]); // gone before the first INTA at the master too
    master.raise(2); // something holds the master's input while the slave has nothing
    expect([master.ack(), master.isr(), slave.isr()]).toEqual([0x2f, 0x04, 0]);
  });

  test('masking at the master or at the slave', () => {
    const { master, slave } = pair();
    master.data(0x04);
    slave.raise(1);
    expect(master.int()).toBe(false);
    master.data(0x00);
    expect(master.int()).toBe(true);
    slave.data(0x02);
    expect(master.int()).toBe(false);
  });

  test('an input whose bit in ICW3 is clear has no slave', () => {
    const pic = chip();
    pic.command(0x11);
    pic.data(0x20);
    pic.data(0x08);
    pic.data(0x01);
    pic.vectors['cascade[3]'] = 0x99;
    pic.vectors['cascade[2]'] = 0x98;
    pic.raise(2);
    expect(pic.ack()).toBe(0x22);
    pic.command(EOI);
    pic.raise(3);
    expect(pic.ack()).toBe(0x99);
  });

  test('SNGL: there are no slaves, whatever the wiring', () => {
    const { master, slave } = pair();
    master.init();
    slave.raise(1);
    expect(master.ack()).toBe(0x22);
  });

  test('a slave that is missing leaves the bus floating', () => {
    const pic = chip();
    pic.init(0, 0x11);
    pic.handle.cascade[2].source = undefined;
    pic.raise(2);
    expect(pic.ack()).toBe(0xff);
  });

  test('each polls for itself', () => {
    const { master, slave } = pair();
    slave.raise(5);
    master.command(0x0c);
    expect(master.regs.read(0, 1)).toBe(0x82);
    slave.command(0x0c);
    expect(slave.regs.read(0, 1)).toBe(0x85);
    expect([master.isr(), slave.isr()]).toEqual([0x04, 0x20]);
  });
});

describe('Buffered Mode', () => {
  test('ICW4 says which is the master, not the pin', () => {
    const pic = chip('slave');
    pic.vectors['cascade[2]'] = 0x77;
    pic.command(0x11);
    pic.data(0x20);
    pic.data(0x04);
    pic.data(0x0d); // BUF, M/S = 1
    pic.raise(2);
    expect(pic.ack()).toBe(0x77);
  });

  test('the other way round', () => {
    const pic = chip('master');
    pic.vectors['cascade[2]'] = 0x77;
    pic.command(0x11);
    pic.data(0x20);
    pic.data(0x04);
    pic.data(0x09); // BUF, M/S = 0
    pic.raise(2);
    expect(pic.ack()).toBe(0x22);
  });
});

describe('The Special Fully Nested Mode', () => {
  test('a slave in service is not locked out: its higher requests get through', () => {
    const { master, slave } = pair(SFNM, 0);
    slave.raise(4);
    master.ack();
    slave.raise(1);
    expect(master.int()).toBe(true);
    expect(master.ack()).toBe(0x29);
    expect([master.isr(), slave.isr()]).toEqual([0x04, 0x12]);
  });

  test("its lower requests wait, and so do the master's", () => {
    const { master, slave } = pair(SFNM, 0);
    slave.raise(4);
    master.ack();
    slave.raise(6);
    master.raise(3);
    expect(master.int()).toBe(false);
    master.raise(1);
    expect(master.ack()).toBe(0x21);
  });

  test('inputs without a slave nest as ever', () => {
    const { master } = pair(SFNM, 0);
    master.raise(5);
    master.ack();
    master.lower(5);
    master.raise(5);
    expect(master.int()).toBe(false);
  });

  test("the software looks whether the slave has more in service before it ends the master's", () => {
    const { master, slave } = pair(SFNM, 0);
    slave.raise(4);
    master.ack();
    slave.raise(1);
    master.ack();
    slave.command(EOI);
    expect(slave.isr()).toBe(0x10); // not empty: no EOI to the master
    slave.command(EOI);
    expect(slave.isr()).toBe(0);
    master.command(EOI);
    expect([master.isr(), master.int()]).toEqual([0, false]);
  });
});

describe('PC/AT', () => {
  test('GUEST: the timer ticks through IR0, once for each period', () => {
    const pic = single(AEOI);
    const pit = testbench(i8254);
    connect([pit.handle.out[0], pic.handle.ir[0]]);
    for (const gate of pit.drive.gate) gate.set(true);
    pit.handle.regs.write(3, 1, 0x34);
    pit.handle.regs.write(0, 1, 0xa9); // 1193: 1000 Hz
    pit.handle.regs.write(0, 1, 0x04);
    const ticks: number[] = [];
    while (ticks.length < 5) {
      pit.clock.toNext();
      if (!pic.int()) continue;
      expect(pic.ack()).toBe(0x20);
      ticks.push(pit.clock.time);
    }
    expect(ticks.slice(1)).toEqual([1, 2, 3, 4].map(i => timeOfCycle(1193 * (i + 1) + 1, 1_193_182)));
  });

  test('GUEST: Linux probes for a controller by its mask register', () => {
    const { master, slave } = pair();
    slave.data(0xff);
    master.data(0xfb);
    expect(master.mask()).toBe(0xfb);
  });

  test('GUEST: Linux tells a spurious IRQ 7 by its clear bit in ISR', () => {
    const { master } = pair();
    expect(master.ack()).toBe(0x27);
    master.command(READ_ISR);
    expect(master.regs.read(0, 1) & 0x80).toBe(0);
  });
});

describe('state', () => {
  test('a saved controller goes on in the middle of its initialization and with interrupts in service', () => {
    const pic = chip();
    pic.command(0x11);
    pic.data(0x40);
    const half = chip();
    half.device.restore(structuredClone(pic.device.save()));
    half.data(0x04);
    half.data(0x01);
    half.raise(1);
    expect(half.ack()).toBe(0x41);
    const served = chip();
    served.device.restore(structuredClone(half.device.save()));
    served.raise(3);
    expect([served.isr(), served.int()]).toEqual([0x02, false]);
    served.command(EOI);
    expect(served.ack()).toBe(0x43);
  });

  test('a restored request announces itself', () => {
    const pic = single();
    pic.raise(3);
    const other = chip();
    other.device.restore(structuredClone(pic.device.save()));
    expect(other.int()).toBe(true);
  });
});

describe('device contract', () => {
  test.each(
    deviceContract(i8259, {
      master: { options: () => ({ properties: { role: 'master' as const } }) },
      slave: { options: () => ({ properties: { role: 'slave' as const } }) },
      'in use': {
        options: () => ({ properties: { role: 'master' as const } }),
        stimulate(bench) {
          bench.handle.regs.write(0, 1, 0x11);
          for (const icw of [0x20, 0x04, 0x01]) bench.handle.regs.write(1, 1, icw);
        },
      },
    }),
  )('$name', ({ run }) => run());
});
