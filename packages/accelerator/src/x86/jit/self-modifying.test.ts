import { describe, expect } from '@jest/globals';
import {
  al,
  byte,
  cl,
  cr3,
  dword,
  eax,
  ebx,
  ecx,
  edx,
  esi,
  m,
  mm0,
  qword,
  r8,
  r8d,
  rax,
  rbx,
  rdi,
  rsp,
  xmm0,
} from '@mainboard/guests/assembler';
import { STATE } from '../state.ts';
import { AT } from '../vcpu-bench.ts';
import { type Guest, HOT, onAllTiers } from './tiers.fixture.ts';

/** Another linear address of the code's page. */
const ALIAS = 0x8_0000;
const FUNCTION = AT.code + 0x1000;
/** ModRM that makes INC ESI of INC EBX. */
const INC_ESI = 0xc6;
const onData = { rcx: HOT, rdi: AT.data };
const after = (guest: Guest): number[] => guest.registers('rbx', 'rsi');

describe('self-modifying code (SDM vol. 3 §8.1.3): a store changes', () => {
  for (const [name, alias] of [
    ['the next instruction', 0],
    ['the next instruction, by another linear address of its page', ALIAS - AT.code],
  ] as const)
    onAllTiers(name, {
      code(a) {
        a.label('start');
        a.mov(byte(rdi), al);
        a.label('patch');
        a.inc(ebx);
        a.dec(ecx);
        a.jnz('start');
        a.hlt();
      },
      prepare: guest => guest.map(ALIAS, AT.code),
      heat: onData,
      run(guest) {
        guest.call('start', { rcx: 3, rax: INC_ESI, rdi: guest.at('patch', 1) + alias });
        expect(after(guest)).toEqual([0, 3]);
      },
    });

  onAllTiers('itself: the next time it runs as changed', {
    code(a) {
      a.label('start');
      a.add(byte(rdi), 1);
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    heat: onData,
    run(guest) {
      const immediate = guest.at('start', 2);
      guest.call('start', { rcx: 3, rdi: immediate });
      expect(guest.view.getUint8(immediate)).toBe(8);
    },
  });

  onAllTiers('an earlier one of the loop, again and again', {
    code(a) {
      a.label('start');
      a.inc(ebx);
      a.xor(byte(rdi), 0xc3 ^ INC_ESI);
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    heat: onData,
    run(guest) {
      guest.call('start', { rcx: 10, rdi: guest.at('start', 1) });
      expect(after(guest)).toEqual([5, 5]);
    },
  });

  onAllTiers('nothing, when it hits the page of the code but not the code', {
    code(a) {
      a.label('start');
      a.inc(dword(rdi));
      a.inc(ebx);
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    heat: onData,
    run(guest) {
      guest.call('start', { rcx: 1000, rdi: AT.code + 0x800 });
      expect(guest.dword(AT.code + 0x800)).toBe(1000);
      guest.expectCompiled();
    },
  });

  onAllTiers('the first instruction of the page, from the page before', {
    code(a) {
      a.label('patch');
      a.inc(ebx);
      a.dec(ecx);
      a.jz('end');
      a.label('start');
      a.mov(dword(rdi), eax);
      a.jmp('patch');
      a.label('end');
      a.hlt();
    },
    heat: onData,
    run(guest) {
      guest.call('start', { rcx: 3, rax: (INC_ESI << 24) | 0xff_0000, rdi: AT.code - 2 });
      expect(after(guest)).toEqual([0, 3]);
    },
  });

  onAllTiers('the last instructions of the page, up into the next', {
    code(a) {
      a.label('start');
      a.movups(m(rdi), xmm0);
      a.dec(ecx);
      a.jnz('patch');
      a.hlt();
      a.org(AT.code + 0xff0, 0x90);
      a.label('back');
      a.jmp('start');
      a.org(AT.code + 0xffa, 0x90);
      a.label('patch');
      a.inc(ebx);
      a.inc(ebx);
      a.jmp('back');
    },
    heat: onData,
    run(guest) {
      guest.vcpu.cpu.r.u8.set([0xff, INC_ESI, 0xff, INC_ESI, 0xeb, 0xf0], STATE.xmm);
      guest.call('start', { rcx: 3, rdi: guest.at('patch') });
      expect(after(guest)).toEqual([0, 4]);
    },
  });

  onAllTiers('the code after an MMX store, which still counts as MMX', {
    code(a) {
      a.label('start');
      a.emms();
      a.jmp('turn');
      a.label('turn');
      a.movq(qword(rdi), mm0);
      a.label('patch');
      for (let i = 0; i < 4; i++) a.inc(ebx);
      a.dec(ecx);
      a.jnz('turn');
      a.hlt();
    },
    heat: onData,
    run(guest) {
      guest.call('start', { rcx: 1, rdi: guest.at('patch') });
      // MM0 is 0: ADD [RAX], AL four times
      expect(after(guest)).toEqual([0, 0]);
      expect(guest.vcpu.save().fxsave[4]).toBe(0xff);
    },
  });
});

describe('the stack lies on the code', () => {
  onAllTiers('PUSH', {
    code(a) {
      a.label('start');
      a.push(rax);
      a.label('patch');
      for (let i = 0; i < 4; i++) a.inc(ebx);
      a.lea(rsp, m(rsp, 8));
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    heat: { rcx: HOT },
    run(guest) {
      guest.call('start', { rcx: 3, rax: 0xc6ff_c6ff_c6ff_c6ffn, rsp: guest.at('patch', 8) });
      expect(after(guest)).toEqual([0, 12]);
    },
  });

  onAllTiers('CALL of a place in the same region', {
    code(a) {
      a.label('start');
      a.test(edx, edx);
      a.jnz('function');
      a.nop();
      a.nop();
      a.call('function');
      a.label('return');
      a.label('function');
      for (let i = 0; i < 4; i++) a.inc(ebx);
      a.add(rsp, 8);
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    heat: { rcx: HOT },
    run(guest) {
      // The return address as code: OR EAX, [RAX]; ADD EAX, [RAX]; ADD [RAX], AL twice
      expect(guest.at('return')).toBe(0x3_000b);
      guest.view.setUint8(AT.data, 1);
      guest.call('start', { rcx: 1, rax: AT.data, rsp: guest.at('function', 8) });
      expect([...after(guest), guest.view.getUint8(AT.data + 1)]).toEqual([0, 0, 2]);
    },
  });
});

describe('REP writes code', () => {
  for (const [name, width] of [
    ['stosb', 1],
    ['stosd', 4],
    ['movsb', 1],
    ['movsq', 8],
  ] as const)
    onAllTiers(`REP ${name.toUpperCase()} over the code after it`, {
      code(a) {
        a.label('start');
        a.mov(rdi, r8);
        a.mov(esi, AT.data + 0x100);
        a.mov(ecx, 8 / width);
        a.rep()[name]();
        a.label('patch');
        for (let i = 0; i < 4; i++) a.inc(ebx);
        a.dec(edx);
        a.jnz('start');
        a.hlt();
      },
      prepare: guest => guest.put(AT.data + 0x100, '90'.repeat(8)),
      heat: { rdx: HOT, r8: AT.data },
      run(guest) {
        guest.call('start', { rdx: 3, r8: guest.at('patch'), rax: 0x9090_9090 });
        expect(guest.registers('rbx', 'rdx')).toEqual([0, 0]);
      },
    });

  onAllTiers('REP STOSB over itself: what has begun goes on, the next time it is other code', {
    code(a) {
      a.label('start');
      a.mov(rdi, r8);
      a.mov(ecx, 4);
      a.nop();
      a.label('patch');
      a.rep().stosb();
      a.inc(ebx);
      a.dec(edx);
      a.jnz('start');
      a.hlt();
    },
    heat: { rdx: HOT, r8: AT.data },
    run(guest) {
      guest.call('start', { rdx: 3, r8: guest.at('patch'), rax: 0x90 });
      expect(guest.registers('rbx', 'rcx', 'rdx')).toEqual([0, 4, 0]);
    },
  });
});

describe('a device writes code', () => {
  onAllTiers('during OUT', {
    code(a) {
      a.label('start');
      a.out(0x80, al);
      a.label('patch');
      a.inc(ebx);
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    heat: { rcx: 10_000 },
    run(guest) {
      guest.onOut = (_port, value) => value === 7 && guest.deviceWrites(guest.at('patch'), 'ffc6');
      guest.call('start', { rcx: 3, rax: 7 });
      expect(after(guest)).toEqual([0, 3]);
    },
  });

  onAllTiers('during a read of its registers: at the latest from the next turn of the loop', {
    code(a) {
      a.label('start');
      a.inc(ebx);
      a.mov(edx, dword(rdi));
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    heat: onData,
    run(guest) {
      guest.onRead = () => {
        if (guest.accesses.length === 3) guest.deviceWrites(guest.at('start'), 'ffc6');
      };
      guest.call('start', { rcx: 10, rdi: AT.window });
      expect(after(guest)).toEqual([3, 7]);
    },
  });

  onAllTiers('between two runs', {
    code(a) {
      a.label('start');
      a.inc(ebx);
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    heat: onData,
    run(guest) {
      guest.deviceWrites(guest.at('start'), 'ffc6');
      guest.call('start', { rcx: 10 });
      expect(after(guest)).toEqual([0, 10]);
    },
  });
});

describe('the same linear address, another page', () => {
  const OTHER = 0x5_0000;
  const TABLES = 0x4_0000;
  /** Adds EDX turns of 1 to EBX; {@link OTHER} holds the same for ESI. */
  const prepare = (guest: Guest): void => {
    for (const [at, register] of [
      [FUNCTION, ebx],
      [OTHER, esi],
    ] as const)
      guest.place(at, a => {
        a.mov(edx, r8d);
        a.label('turn');
        a.inc(register);
        a.dec(edx);
        a.jnz('turn');
        a.ret();
      });
    // The same tables again, but for the function
    for (let i = 0; i < 0x4000; i += 8)
      guest.view.setBigUint64(TABLES + i, guest.view.getBigUint64(AT.pml4 + i, true), true);
    for (const level of [0, 1, 2])
      guest.view.setBigUint64(TABLES + level * 0x1000, BigInt(TABLES + (level + 1) * 0x1000) | 7n, true);
    guest.view.setBigUint64(TABLES + 0x3000 + (FUNCTION >> 12) * 8, BigInt(OTHER) | 3n, true);
  };
  const heat = { r8: HOT, rax: AT.pml4 };

  onAllTiers('by CR3 (SDM vol. 3 §4.10.4.1)', {
    code(a) {
      a.label('start');
      a.call(FUNCTION);
      a.mov(cr3, rax);
      a.call(FUNCTION);
      a.mov(eax, AT.pml4);
      a.mov(cr3, rax);
      a.dec(ecx);
      a.jg('start');
      a.hlt();
    },
    prepare,
    heat,
    run(guest) {
      guest.call('start', { r8: 5, rax: TABLES });
      expect(after(guest)).toEqual([5, 5]);
      guest.call('start', { r8: HOT, rax: TABLES });
      expect(after(guest)).toEqual([HOT, HOT]);
      guest.call('start', { r8: 5, rax: TABLES });
      expect(after(guest)).toEqual([5, 5]);
    },
  });

  onAllTiers('by INVLPG', {
    code(a) {
      a.label('start');
      a.call(FUNCTION);
      a.mov(qword(rdi), rax);
      a.invlpg(m(FUNCTION));
      a.call(FUNCTION);
      a.hlt();
    },
    prepare,
    heat: guest => ({ r8: HOT, rax: FUNCTION | 3, rdi: guest.entry(FUNCTION) }),
    run(guest) {
      guest.call('start', { r8: 5, rax: OTHER | 3, rdi: guest.entry(FUNCTION) });
      expect(after(guest)).toEqual([5, 5]);
      guest.call('start', { r8: 5, rax: FUNCTION | 3, rdi: guest.entry(FUNCTION) });
      expect(after(guest)).toEqual([5, 5]);
    },
  });
});

onAllTiers('one page of code at two linear addresses knows at which it runs', {
  code(a) {
    a.label('start');
    a.lea(rax, m('start'));
    a.add(rbx, rax);
    a.dec(ecx);
    a.jnz('start');
    a.hlt();
  },
  prepare: guest => guest.map(ALIAS, AT.code),
  heat: { rcx: HOT },
  run(guest) {
    for (const base of [AT.code, ALIAS, AT.code, ALIAS]) {
      guest.call(base, { rcx: 10 });
      expect(guest.registers('rbx')).toEqual([10 * base]);
    }
  },
});

onAllTiers('code that changes before each of its runs, more often than anybody believes in', {
  code(a) {
    a.label('start');
    a.mov(al, cl);
    a.and(al, 0x7f);
    a.mov(byte(rdi), al);
    a.label('patch');
    a.add(ebx, 1);
    a.dec(ecx);
    a.jnz('start');
    a.hlt();
  },
  heat: onData,
  run(guest) {
    const turns = 300;
    guest.call('start', { rcx: turns, rdi: guest.at('patch', 2) });
    let sum = 0;
    for (let i = 1; i <= turns; i++) sum += i & 0x7f;
    expect(guest.registers('rbx')).toEqual([sum]);
  },
});
