import { describe, expect } from '@jest/globals';
import {
  type Assembler,
  al,
  ax,
  bl,
  bx,
  byte,
  eax,
  ebx,
  ecx,
  edx,
  esi,
  esp,
  fs,
  m,
  qword,
  r8,
  r9,
  rax,
  rbx,
  rdx,
  rsi,
  xmm0,
  xmm1,
} from '@mainboard/guests/assembler';
import { STATE } from '../state.ts';
import { AT } from '../vcpu-bench.ts';
import { HOT, onAllTiers } from './tiers.fixture.ts';

/** A page of its own, with the code that looks at the flags. */
const LOOK = AT.code + 0x3000;
const SEEN = 0x7_0000;
/** Turns whose flags are kept. */
const KEPT = 0x1000;
const WIDTHS = [
  [8, al, bl],
  [16, ax, bx],
  [32, eax, ebx],
  [64, rax, rbx],
] as const;
const OPERATIONS = ['add', 'adc', 'sub', 'sbb', 'and', 'inc', 'dec', 'neg', 'shl'] as const;

/** Operands of all kinds, multiples of a running number; CF by turns. */
function operands(a: Assembler): void {
  a.mov(eax, esi);
  a.imul(rax, rax, 0x7f01_0181);
  a.imul(rax, rax, 0x5bd1_e995);
  a.mov(rbx, rax);
  a.ror(rbx, 29);
  a.bt(esi, 3);
}

/** An operation, then a jump to another region, which stores the flags, then back. */
const loop =
  (operation: (a: Assembler) => void) =>
  (a: Assembler): void => {
    a.label('start');
    a.label('turn');
    operands(a);
    operation(a);
    a.jmp(r8);
    a.org(AT.code + 0x100, 0x90);
    a.label('back');
    a.inc(esi);
    a.dec(ecx);
    a.jnz('turn');
    a.hlt();
    a.org(LOOK, 0x90);
    a.pushfq();
    a.pop(rdx);
    a.mov(rbx, rsi);
    a.and(ebx, KEPT - 1);
    a.mov(qword(SEEN, rbx.times(8)), rdx);
    a.jmp(r9);
  };

describe('flags go from region to region (SDM vol. 1 §3.4.3)', () => {
  for (const operation of OPERATIONS)
    for (const [width, a, b] of WIDTHS)
      onAllTiers(`${operation.toUpperCase()}, ${width} bits`, {
        code: loop(code => {
          if (operation === 'inc' || operation === 'dec' || operation === 'neg') code[operation](a);
          else if (operation === 'shl') code.shl(a, 3);
          else code[operation](a, b);
        }),
        heat: { rcx: HOT / 2, rsi: 0, r8: LOOK, r9: AT.code + 0x100 },
        run: guest => {
          if (guest.tier === 'on') expect(guest.vcpu.regions).toBeGreaterThan(1);
          const seen = new Set(Array.from({ length: KEPT }, (_, n) => guest.dword(SEEN + 8 * n) & 0x8d5));
          expect(seen.size).toBeGreaterThan(3);
        },
      });
});

describe('flags outlive an instruction between that TypeScript carries out', () => {
  onAllTiers('SSE arithmetic that is the first to round', {
    code(a) {
      a.label('start');
      a.ldmxcsr(m(SEEN)); // no exception noted
      a.movsd(xmm0, qword(SEEN, 8));
      a.cmp(esi, ecx);
      a.addsd(xmm0, xmm1);
      a.jbe('on');
      a.inc(ebx);
      a.label('on');
      a.dec(esi);
      a.addsd(xmm0, xmm1);
      a.jnz('start');
      a.hlt();
    },
    prepare(guest) {
      guest.view.setUint32(SEEN, 0x1f80, true);
      guest.view.setFloat64(SEEN + 8, 0.1, true);
      guest.vcpu.cpu.r.view.setFloat64(STATE.xmm + 16, 0.7, true);
    },
    heat: { rsi: HOT / 4 },
    run(guest) {
      guest.call('start', { rsi: 10, rcx: 4 });
      expect(guest.registers('rbx', 'rsi')).toEqual([6, 0]);
    },
  });

  onAllTiers('a comparison of what it changes', {
    mode: 'protected',
    code(a) {
      a.label('start');
      a.push(edx);
      a.cmp(esp, ecx);
      a.pop(fs); // of a segment that was never used: not for compiled code
      a.jnz('on');
      a.inc(ebx);
      a.label('on');
      a.mov(byte(AT.gdt + 0x1d), 0x92);
      a.dec(esi);
      a.jnz('start');
      a.hlt();
    },
    prepare(guest) {
      guest.view.setBigUint64(AT.gdt + 0x18, 0x00cf_9200_0000_ffffn, true);
      guest.set({ gdtr: { base: BigInt(AT.gdt), limit: 0x1f } });
    },
    heat: { rsi: HOT / 4, rdx: 0x18 },
    run(guest) {
      guest.call('start', { rsi: 10, rdx: 0x18, rcx: AT.stack - 4 });
      expect(guest.registers('rbx')).toEqual([10]);
      guest.call('start', { rsi: 10, rdx: 0x18, rcx: AT.stack });
      expect(guest.registers('rbx')).toEqual([0]);
    },
  });
});
