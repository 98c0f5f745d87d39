import { describe, expect } from '@jest/globals';
import {
  type Assembler,
  ah,
  al,
  bl,
  byte,
  cl,
  cx,
  di,
  dword,
  dx,
  eax,
  ebp,
  ebx,
  ecx,
  edi,
  edx,
  esi,
  m,
  qword,
  r8,
  r9,
  r10,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  word,
  xmm0,
  xmm1,
} from '@mainboard/guests/assembler';
import { AT } from '../vcpu-bench.ts';
import { type Guest, HOLE, HOT, onAllTiers, type RegisterValues } from './tiers.fixture.ts';

/** Handlers that return. */
const prepare = (guest: Guest): void => guest.returnsFrom(14);

describe('flags at a fault in the middle of a compiled loop', () => {
  const ZF = 0x40;
  const PF = 4;
  const CF = 1;
  const AF = 0x10;
  const SF = 0x80;
  /** RBX is 5, RAX 3, RDX −1, XMM0 and XMM1 are 0, CF is clear; the flags where the manual defines them all. */
  const KINDS: readonly [name: string, code: (a: Assembler) => void, flags?: number][] = [
    ['ADD', a => a.add(edx, 1), ZF | PF | AF | CF],
    ['ADD, 8 bits', a => a.add(ah, bl), PF],
    ['SUB', a => a.sub(eax, ebx), SF | AF | CF],
    ['SUB, 64 bits', a => a.sub(rbx, rax), 0],
    ['CMP, 16 bits', a => a.cmp(dx, -1), ZF | PF],
    ['CMP with memory', a => a.cmp(dword(rsi), ebx), SF | AF | CF],
    [
      'ADC',
      a => {
        a.stc();
        a.adc(edx, 0);
      },
      ZF | PF | AF | CF,
    ],
    [
      'SBB',
      a => {
        a.stc();
        a.sbb(eax, 3);
      },
      SF | PF | AF | CF,
    ],
    [
      'INC, which keeps CF',
      a => {
        a.stc();
        a.inc(edx);
      },
      ZF | PF | AF | CF,
    ],
    ['DEC in memory, the fourth of them', a => a.dec(byte(rsi)), SF | PF],
    ['NEG', a => a.neg(rax), SF | AF | CF],
    ['AND', a => a.and(eax, 4)],
    ['OR', a => a.or(rdx, rax)],
    ['XOR', a => a.xor(ebx, ebx)],
    ['TEST', a => a.test(bl, 1)],
    ['SHL', a => a.shl(edx, 3)],
    ['SHL by CL, which is 0', a => a.shl(edx, cl)],
    ['SHR', a => a.shr(rdx, 1)],
    ['SAR', a => a.sar(ebx, 1)],
    ['ROL', a => a.rol(ebx, 31)],
    ['ROR', a => a.ror(al, 1)],
    ['RCL', a => a.rcl(ebx, 1)],
    ['RCR', a => a.rcr(ebx, 1)],
    ['SHLD', a => a.shld(eax, edx, 5)],
    ['SHRD', a => a.shrd(rax, rdx, 5)],
    ['IMUL', a => a.imul(ebx, edx)],
    ['MUL', a => a.mul(edx)],
    ['BT', a => a.bt(ebx, 2)],
    ['BTS in memory', a => a.bts(dword(rsi), 2)],
    ['BSF', a => a.bsf(eax, ebx)],
    ['POPCNT', a => a.popcnt(eax, edx), 0],
    ['XADD', a => a.xadd(ebx, edx), AF | CF],
    ['CMPXCHG', a => a.cmpxchg(ebx, edx)],
    ['CMPXCHG in memory', a => a.cmpxchg(dword(rsi), edx)],
    [
      'CMC',
      a => {
        a.add(edx, 1);
        a.cmc();
      },
      ZF | PF | AF,
    ],
    [
      'SAHF',
      a => {
        a.mov(ah, 0xd5);
        a.sahf();
      },
      SF | ZF | AF | PF | CF,
    ],
    ['COMISS', a => a.comiss(xmm0, xmm1), ZF],
    ['PTEST', a => a.ptest(xmm0, xmm1), ZF | CF],
    [
      'two that set them',
      a => {
        a.add(edx, 1);
        a.cmp(ebx, 5);
      },
      ZF | PF,
    ],
    [
      'a branch that both sides leave flags from',
      a => {
        const skip = a.fresh();
        a.cmp(ebx, 4);
        a.ja(skip);
        a.add(ebx, 1);
        a.label(skip);
      },
      0,
    ],
  ];
  const registers: RegisterValues = { rdi: AT.data, rsi: AT.data + 0x100 };
  for (const [name, kind, flags] of KINDS)
    onAllTiers(name, {
      code(a) {
        a.label('start');
        a.mov(r8, rcx);
        a.label('turn');
        a.mov(ebx, 5);
        a.mov(eax, 3);
        a.mov(rdx, -1);
        a.xor(ecx, ecx);
        kind(a);
        a.label('access');
        a.mov(r10, qword(rdi));
        a.lea(rdi, m(rdi, r9));
        a.dec(r8);
        a.jnz('turn');
        a.hlt();
      },
      prepare,
      heat: { ...registers, rcx: 25_000 },
      run(guest) {
        guest.hide(HOLE);
        for (let i = 0; i < 0x200; i += 4) guest.view.setUint32(AT.data + i, 0, true);
        guest.call('start', { ...registers, rcx: 10, r9: 8, rdi: HOLE - 3 * 8 });
        expect([guest.exception, guest.cr2, guest.stack(1), ...guest.registers('r8', 'rdi')]).toEqual([
          14,
          HOLE,
          guest.at('access'),
          7,
          HOLE,
        ]);
        if (flags !== undefined) expect(guest.stack(3) & 0x8d5).toBe(flags);
        guest.remap(HOLE, HOLE);
        guest.goOn();
        expect(guest.registers('r8')).toEqual([0]);
      },
    });
});

describe('an instruction that faults has changed nothing', () => {
  const start: RegisterValues = { rax: 1, rbx: 2, rdx: 3, rsi: AT.data, rdi: AT.data, rbp: AT.stack - 0x80 };
  type Case = readonly [name: string, code: (a: Assembler) => void, bad: RegisterValues, cr2?: number];
  const stack = { rsp: HOLE + 0x800 };
  const data = { rdi: HOLE + 0x10 };
  const CASES: readonly Case[] = [
    ['PUSH', a => a.push(rax), stack, HOLE + 0x7f8],
    ['PUSH of memory', a => a.push(qword(rdi)), data],
    ['POP', a => a.pop(rax), stack, HOLE + 0x800],
    ['PUSHF', a => a.pushfq(), stack, HOLE + 0x7f8],
    ['CALL', a => a.call('function'), stack, HOLE + 0x7f8],
    ['CALL by memory', a => a.call(qword(rdi)), data],
    ['RET', a => a.ret(), stack, HOLE + 0x800],
    ['LEAVE', a => a.leave(), { rbp: HOLE + 0x20 }, HOLE + 0x20],
    ['XCHG', a => a.xchg(dword(rdi), eax), data],
    ['XADD', a => a.xadd(dword(rdi), eax), data],
    ['CMPXCHG', a => a.cmpxchg(dword(rdi), ebx), data],
    ['CMPXCHG8B', a => a.cmpxchg8b(qword(rdi)), data],
    ['ADD to memory', a => a.add(qword(rdi), rax), data],
    ['ADC from memory', a => a.adc(eax, dword(rdi)), data],
    ['SHL of memory', a => a.shl(dword(rdi), 3), data],
    ['INC on two pages, the second one missing', a => a.inc(qword(rdi)), { rdi: HOLE - 4 }, HOLE],
    ['a store on two pages, the second one missing', a => a.mov(qword(rdi), rax), { rdi: HOLE - 1 }, HOLE],
    ['STOSQ', a => a.stosq(), data],
    ['LODSD', a => a.lodsd(), { rsi: HOLE + 0x10 }],
    ['MOVSB', a => a.movsb(), data],
    ['MOVUPS', a => a.movups(m(rdi), xmm0), { rdi: HOLE - 8 }, HOLE],
    ['ADDPS', a => a.addps(xmm0, m(rdi)), data],
    ['IMUL', a => a.imul(eax, dword(rdi)), data],
    ['DIV', a => a.div(dword(rdi)), data],
    ['MOVZX', a => a.movzx(eax, word(rdi)), data],
  ];
  for (const [name, code, bad, cr2 = HOLE + 0x10] of CASES)
    onAllTiers(name, {
      code(a) {
        a.label('start');
        a.mov(r8, rcx);
        a.label('turn');
        a.add(r9, rdx);
        a.test(r10, r10);
        a.jnz('fault');
        a.cmp(r9, r10);
        a.dec(r8);
        a.jnz('turn');
        a.hlt();
        a.label('fault');
        a.cmp(rdx, 4);
        a.label('instruction');
        code(a);
        a.label('function');
        a.dec(r8);
        a.jnz('turn');
        a.hlt();
      },
      prepare,
      heat: { rcx: 40_000, ...start },
      run(guest) {
        guest.hide(HOLE);
        guest.call('start', { ...start, ...bad, rcx: 2, r10: 1 });
        expect([guest.exception, guest.cr2, guest.stack(1), guest.stack(3) & 0x8d5]).toEqual([
          14,
          cr2,
          guest.at('instruction'),
          0x95, // of 3 − 4
        ]);
        const expected = { ...start, ...bad };
        expect(guest.registers('rax', 'rbx', 'rdx', 'rsi', 'rdi', 'rbp')).toEqual([
          expected.rax,
          expected.rbx,
          expected.rdx,
          expected.rsi,
          expected.rdi,
          expected.rbp,
        ]);
        expect(guest.stack(4)).toBe(bad.rsp ?? AT.stack);
      },
    });
});

describe('other faults in a hot loop', () => {
  onAllTiers('#DE (SDM vol. 2 DIV): after k turns', {
    code(a) {
      a.label('start');
      a.mov(eax, 100);
      a.xor(edx, edx);
      a.label('divide');
      a.div(ebx);
      a.sub(ebx, edi);
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    heat: { rcx: HOT, rbx: 7 },
    run(guest) {
      guest.call('start', { rcx: 10, rbx: 4, rdi: 1 });
      expect([guest.exception, guest.stack(0), ...guest.registers('rax', 'rbx', 'rcx', 'rdx')]).toEqual([
        0,
        guest.at('divide'),
        100,
        0,
        6,
        0,
      ]);
    },
  });

  for (const [name, segment, vector, register] of [
    ['DS: #GP', 'ds', 13, edi],
    ['SS: #SS', 'ss', 12, ebp],
  ] as const)
    onAllTiers(`beyond the limit of ${name} (SDM vol. 3 §5.3)`, {
      mode: 'protected',
      code(a) {
        a.label('start');
        a.mov(ecx, esi);
        a.label('turn');
        a.cmp(ecx, 1);
        a.label('store');
        a.add(dword(register), ecx);
        a.add(register, edx);
        a.dec(ecx);
        a.jnz('turn');
        a.hlt();
      },
      prepare(guest) {
        const { segments } = guest.vcpu.save();
        // What is smaller than the flat one; handlers push through SS, whose stack lies below
        guest.set({ segments: { ...segments, [segment]: { ...segments[segment], limit: 0x2_0fff } } });
      },
      heat: { rsi: HOT, rdi: AT.data, rbp: AT.data },
      run(guest) {
        guest.call('start', { rsi: 10, rdi: 0x2_0ff2, rbp: 0x2_0ff2, rdx: 4 });
        expect([guest.exception, guest.stack(0, 4), guest.stack(1, 4), ...guest.registers('rcx')]).toEqual([
          vector,
          0,
          guest.at('store'),
          7,
        ]);
      },
    });

  for (const [name, vector, bad] of [
    ['a word at offset FFFF: #GP', 13, { rdi: 0xffff }],
    ['PUSH with SP 1: #SS', 12, { rsp: 1 }],
  ] as const)
    onAllTiers(`in real mode, ${name} (SDM vol. 3 §20.1.4)`, {
      mode: 'real',
      code(a) {
        a.label('start');
        a.inc(word(di));
        a.label('push');
        a.push(dx);
        a.pop(dx);
        a.dec(cx);
        a.jnz('start');
        a.hlt();
      },
      prepare(guest) {
        guest.put(0x600, 'f4');
        guest.view.setUint16(4 * vector, 0x600, true);
        // The stack of a fault at SP 1 wraps to FFFF, which faults as well: a double fault, and then shutdown
        if (vector === 12) guest.view.setUint16(4 * 8, 0x600, true);
      },
      heat: { rcx: 50_000, rdi: 0x5000 },
      run(guest) {
        guest.start('start', { rcx: 5, rdi: 0x5000, ...bad });
        const exit = guest.run();
        expect([exit.kind, guest.rip]).toEqual(vector === 13 ? ['halt', 0x601] : ['shutdown', guest.at('push')]);
      },
    });

  onAllTiers('device memory: each access is one, in its order', {
    code(a) {
      a.label('start');
      a.mov(eax, dword(rdi));
      a.add(dword(rdi, 4), ecx);
      a.xchg(byte(rdi, 8), bl);
      a.mov(word(rdi, 0x10), dx);
      a.inc(qword(rdi, 0x18));
      a.cmpxchg(dword(rdi, 0x20), edx);
      a.mov(qword(rdi, 0xffc), rcx);
      a.add(ebx, eax);
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    heat: { rcx: HOT, rdi: AT.data },
    run(guest) {
      guest.device.set([1, 0, 0, 0, 2]);
      guest.call('start', { rcx: 2, rdi: AT.window, rdx: 0x1234 });
      const first = guest.accesses.slice(0, 8).map(({ kind, address, size }) => [kind, address - AT.window, size]);
      expect(first).toEqual([
        ['read', 0, 4],
        ['read', 4, 4],
        ['write', 4, 4],
        ['read', 8, 1],
        ['write', 8, 1],
        ['write', 0x10, 2],
        ['read', 0x18, 4],
        ['read', 0x1c, 4],
      ]);
    },
  });
});
