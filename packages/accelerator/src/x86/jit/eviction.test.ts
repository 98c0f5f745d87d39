import { describe, expect, test } from '@jest/globals';
import { ebx, ecx, esi, rax, rcx } from '@mainboard/guests/assembler';

import { Guest, HOT, onAllTiers, type Scenario } from './tiers.fixture.ts';

const FUNCTIONS = 2100;
const FIRST = 0x5_0000;

onAllTiers('more regions than are kept: what was given up still runs, and what was written is seen', {
  code(a) {
    a.label('start');
    a.mov(rax, FIRST);
    a.label('turn');
    a.call(rax);
    a.add(rax, 16);
    a.dec(ecx);
    a.jnz('turn');
    a.hlt();
    // Hot code, for the tier that compiles only that
    a.label('hot');
    a.inc(esi);
    a.inc(ebx);
    a.dec(ecx);
    a.jnz('hot');
    a.hlt();
  },
  prepare(guest) {
    for (let i = 0; i < FUNCTIONS; i++) guest.put(FIRST + 16 * i, 'ffc3 83c601 c3'); // INC EBX; ADD ESI, 1; RET
  },
  run(guest) {
    guest.call('hot', { rcx: HOT });
    guest.expectCompiled();
    for (let round = 0; round < 2; round++) {
      guest.call('start', { rcx: FUNCTIONS });
      expect(guest.registers('rbx', 'rsi')).toEqual([FUNCTIONS, FUNCTIONS]);
      if (guest.tier === 'eager') expect(guest.vcpu.regions).toBe(2048);
    }
    // One that was given up, and one that was not
    for (const n of [0, FUNCTIONS - 1]) guest.deviceWrites(FIRST + 16 * n + 4, '03');
    guest.call('start', { rcx: FUNCTIONS });
    expect(guest.registers('rbx', 'rsi')).toEqual([FUNCTIONS, FUNCTIONS + 4]);
  },
});

/** RBX and RSI count turns. */
const loop: Scenario = {
  code(a) {
    a.label('start');
    a.inc(ebx);
    a.add(rax, rcx);
    a.dec(ecx);
    a.jnz('start');
    a.hlt();
  },
  run() {},
};

describe('hot code goes on', () => {
  onAllTiers('after RESET#, with nothing compiled', {
    ...loop,
    run(guest) {
      const { vcpu } = guest;
      guest.start('start', { rcx: 100 * HOT });
      for (let i = 0; i < 5; i++) expect(vcpu.run(0)).toEqual({ kind: 'slice' });
      guest.expectCompiled();
      vcpu.reset();
      expect([vcpu.regions, vcpu.instructions, guest.rip]).toEqual([0, 0, 0xfff0]);
      guest.seen.length = 0;
      guest.long();
      guest.call('start', { rcx: HOT });
      guest.expectCompiled();
      expect(guest.registers('rbx', 'rcx')).toEqual([HOT, 0]);
    },
  });

  onAllTiers('when the state is saved and restored again and again', {
    ...loop,
    run(guest) {
      const { vcpu } = guest;
      let compiled = 0;
      guest.start('start', { rcx: 10 * HOT });
      for (let slices = 0; ; slices++) {
        if (vcpu.run(0).kind !== 'slice') break;
        compiled = Math.max(compiled, vcpu.regions);
        if (slices % 5 === 4) vcpu.restore(vcpu.save());
      }
      expect(compiled).toBe(guest.tier === 'off' ? 0 : 1);
      expect(guest.registers('rbx', 'rcx')).toEqual([10 * HOT, 0]);
    },
  });

  onAllTiers('after it was restored to an earlier time', {
    ...loop,
    heat: { rcx: HOT },
    run(guest) {
      guest.start('start', { rcx: HOT });
      const state = guest.vcpu.save();
      guest.toHalt();
      guest.vcpu.restore(state);
      guest.toHalt();
      expect(guest.registers('rbx', 'rcx')).toEqual([HOT, 0]);
    },
  });
});

test('two processors in one process: code of their own at the same address', () => {
  const other: Scenario = {
    ...loop,
    code(a) {
      a.label('start');
      a.add(ebx, 3);
      a.inc(esi);
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
  };
  for (const tiers of [
    ['on', 'on'],
    ['eager', 'on'],
    ['eager', 'off'],
  ] as const) {
    const guests = [new Guest(tiers[0], loop), new Guest(tiers[1], other)] as const;
    for (const guest of guests) guest.start('start', { rcx: 10 * HOT });
    for (let running = true; running; ) {
      running = false;
      for (const { vcpu } of guests) if (vcpu.run(0).kind === 'slice') running = true;
    }
    for (const guest of guests) guest.expectCompiled();
    expect(guests[0].registers('rbx', 'rcx')).toEqual([10 * HOT, 0]);
    expect(guests[1].registers('rbx', 'rsi', 'rcx')).toEqual([30 * HOT, 10 * HOT, 0]);
    guests[0].vcpu.reset();
    guests[1].call('start', { rcx: HOT });
    guests[1].expectCompiled();
  }
});
