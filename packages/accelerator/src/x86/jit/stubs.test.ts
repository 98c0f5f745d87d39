import { describe, expect } from '@jest/globals';
import { type Assembler, eax, ebp, ebx, esp, m, qword, r8, rax, rbp, rbx, rsi, rsp } from '@mainboard/guests/assembler';
import { AT } from '../vcpu-bench.ts';
import { type Guest, HOT, onAllTiers, type Scenario } from './tiers.fixture.ts';

/** Farther than a region reaches otherwise. */
const STUB = AT.code + 0x2_0000;
const OTHER = AT.code + 0x2_4000;
const TABLE = AT.data + 0x100;

/** A loop that calls the stub; RBX adds up what the stub says. */
const caller: Pick<Scenario, 'code' | 'heat'> = {
  code(a) {
    a.label('start');
    a.call(STUB);
    a.label('back');
    a.add(rbx, rax);
    a.dec(rbp);
    a.jnz('start');
    a.hlt();
    a.align(16);
    a.label('function');
    a.mov(eax, 5);
    a.ret();
    a.align(16);
    a.label('second');
    a.mov(eax, 7);
    a.ret();
  },
  heat: { rbp: HOT },
};
const whereAmI = (a: Assembler): void => {
  a.mov(rax, qword(rsp));
  a.ret();
};
const run = (guest: Guest, rbp = 10): number => {
  guest.call('start', { rbp });
  return Number(guest.register('rbx'));
};

describe('code of two instructions that is called from far away', () => {
  onAllTiers('a function that tells its caller where it is', {
    ...caller,
    prepare: guest => guest.place(STUB, whereAmI),
    run(guest) {
      expect(run(guest)).toBe(10 * guest.at('back'));
    },
  });

  onAllTiers('the same in 32-bit code', {
    mode: 'protected',
    code(a) {
      a.label('start');
      a.call(STUB);
      a.label('back');
      a.add(ebx, eax);
      a.dec(ebp);
      a.jnz('start');
      a.hlt();
    },
    prepare: guest =>
      guest.place(
        STUB,
        a => {
          a.mov(eax, m(esp));
          a.ret();
        },
        32,
      ),
    heat: { rbp: HOT },
    run(guest) {
      expect(run(guest)).toBe(10 * guest.at('back'));
    },
  });

  onAllTiers('a jump through a table that changes', {
    ...caller,
    prepare(guest) {
      guest.place(STUB, a => a.jmp(qword(TABLE)));
      guest.view.setBigUint64(TABLE, BigInt(guest.at('function')), true);
    },
    run(guest) {
      expect(run(guest)).toBe(50);
      guest.view.setBigUint64(TABLE, BigInt(guest.at('second')), true);
      expect(run(guest)).toBe(70);
    },
  });

  onAllTiers('one that returns elsewhere', {
    ...caller,
    prepare: guest =>
      guest.place(STUB, a => {
        a.add(qword(rsp), r8);
        a.ret();
      }),
    run(guest) {
      guest.call('start', { rbp: 10, rax: 2, r8: 0 });
      expect(guest.registers('rbx', 'rbp')).toEqual([20, 0]);
      guest.call('start', { rbp: 10, rax: 2, r8: 3 }); // past ADD RBX, RAX
      expect(guest.registers('rbx', 'rbp')).toEqual([0, 0]);
    },
  });

  onAllTiers('other code is mapped there, written there, or none', {
    ...caller,
    prepare(guest) {
      guest.place(STUB, whereAmI);
      guest.place(OTHER, a => {
        a.mov(rax, rsi);
        a.ret();
      });
    },
    run(guest) {
      expect(run(guest)).toBe(10 * guest.at('back'));
      guest.remap(STUB, OTHER);
      guest.call('start', { rbp: 10, rsi: 3 });
      expect(guest.registers('rbx')).toEqual([30]);
      guest.remap(STUB, STUB);
      expect(run(guest)).toBe(10 * guest.at('back'));
      guest.deviceWrites(STUB, '90909090c3');
      guest.call('start', { rbp: 10, rax: 4 });
      expect(guest.registers('rbx')).toEqual([40]);
      guest.hide(STUB);
      guest.call('start', { rbp: 10 });
      expect([guest.exception, guest.cr2, guest.stack(1)]).toEqual([14, STUB, STUB]);
    },
  });

  onAllTiers('the guest writes to it while its caller runs', {
    code(a) {
      a.label('start');
      a.call(STUB);
      a.add(rbx, rax);
      a.cmp(rbp, r8);
      a.jnz('on');
      a.mov(qword(STUB), rsi);
      a.label('on');
      a.dec(rbp);
      a.jnz('start');
      a.hlt();
    },
    prepare: guest => guest.place(STUB, whereAmI),
    heat: { rbp: HOT },
    run(guest) {
      const back = guest.at('start', 5);
      // MOV AX, 1; RET
      guest.call('start', { rbp: 10, r8: 8, rsi: 0xc3_0001_b866n });
      expect(guest.registers('rbx')).toEqual([3 * back + 7 * (Math.floor(back / 0x1_0000) * 0x1_0000 + 1)]);
    },
  });
});
