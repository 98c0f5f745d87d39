import { describe, expect } from '@jest/globals';
import {
  type Assembler,
  al,
  ax,
  bl,
  bx,
  eax,
  ebx,
  ecx,
  esi,
  qword,
  r8,
  r9,
  rax,
  rbx,
  rdx,
  rsi,
} from '@mainboard/guests/assembler';
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
