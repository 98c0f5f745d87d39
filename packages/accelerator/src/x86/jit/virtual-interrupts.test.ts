import { expect } from '@jest/globals';
import { type Assembler, ax, dword, eax, ebx, ecx, edi, edx, esi, esp } from '@mainboard/guests/assembler';
import { CR4 } from '../registers.ts';
import { FLAG } from '../state.ts';
import { AT } from '../vcpu-bench.ts';
import { type Guest, onAllTiers, TSS } from './tiers.fixture.ts';

/** The program, and the handler of its INT 21h, by segment and offset. */
const PROGRAM = 0x3_1000;
const HANDLER = 0x80;
const VECTOR = 0x21;
const { vm, vif, vip, iopl, if: IF } = FLAG;
/** The 32-bit code at `start` ends by #GP, whose frame begins with an error code. */
const eflags = (guest: Guest): number => guest.stack(3, 4);
const eip = (guest: Guest): number => guest.stack(1, 4);

/** A 32-bit TSS with a stack for level 0, no redirected vector but one, and no port that may be used. */
function taskState(guest: Guest, cr4: number): void {
  const { view } = guest;
  view.setUint32(TSS + 4, AT.stack, true);
  view.setUint32(TSS + 8, 0x10, true);
  view.setUint16(TSS + 0x66, 0x88, true);
  for (let n = 0x68; n < 0x88; n++) view.setUint8(TSS + n, 0xff);
  view.setUint8(TSS + 0x68 + (VECTOR >> 3), ~(1 << (VECTOR & 7)));
  view.setUint32(4 * VECTOR, ((PROGRAM >> 4) << 16) | HANDLER, true);
  const { segments, cr4: old } = guest.vcpu.save();
  guest.set({
    cr4: old | BigInt(cr4),
    segments: { ...segments, tr: { selector: 0x28, base: BigInt(TSS), limit: 0x88, rights: 0x8b } },
  });
}

/** IRETD with the words of its frame pushed; EDI adds flags. */
function enter(a: Assembler, words: readonly number[]): void {
  a.label('start');
  for (const word of words) a.push(word);
  a.or(dword(esp, 8), edi); // EFLAGS
  a.iretd();
}

onAllTiers('SDM vol. 3 §20.3 VIF by CLI, STI, PUSHF, POPF, INT and IRET', {
  mode: 'protected',
  code: a => enter(a, [0, 0, 0, 0, 0x2000, 0x1000, vm | 2, PROGRAM >> 4, 0]),
  prepare(guest) {
    taskState(guest, CR4.vme);
    guest.place(
      PROGRAM,
      a => {
        a.label('loop');
        a.sti();
        a.pushf();
        a.pop(ax);
        a.and(eax, iopl | IF);
        a.add(ebx, eax);
        a.int(VECTOR);
        a.cli();
        a.pushf();
        a.pop(ax);
        a.and(eax, iopl | IF);
        a.add(edx, eax);
        a.push(0x3202);
        a.popf();
        a.dec(ecx);
        a.jnz('loop');
        a.hlt();
      },
      16,
    );
    guest.place(
      PROGRAM + HANDLER,
      a => {
        a.pushf();
        a.pop(ax);
        a.and(eax, iopl | IF);
        a.add(esi, eax);
        a.iretw();
      },
      16,
    );
  },
  heat: { rcx: 20_000 },
  run(guest) {
    guest.call('start', { rcx: 8 });
    expect([guest.exception, ...guest.registers('rcx', 'rbx', 'rdx', 'rsi')]).toEqual([
      13,
      0,
      8 * (iopl | IF),
      8 * iopl,
      8 * iopl,
    ]);
    expect(eflags(guest) & ~0x8d5).toBe(vm | vif | 2 | FLAG.rf);
    // A pending interrupt: #GP at the STI
    guest.call('start', { rcx: 8, rdi: vip });
    expect([guest.exception, eip(guest), eflags(guest) & ~0x8d5]).toEqual([13, 0, vm | vip | 2 | FLAG.rf]);
    // Both set by the IRET: #GP at the first instruction, which is the STI as well, but with VIF set
    guest.call('start', { rcx: 8, rdi: vip | vif });
    expect([guest.exception, eip(guest), eflags(guest) & ~0x8d5]).toEqual([13, 0, vm | vif | vip | 2 | FLAG.rf]);
    // IOPL 3: IF itself, and VIF stays
    guest.call('start', { rcx: 8, rdi: iopl });
    expect(eflags(guest) & ~0x8d5).toBe(vm | iopl | IF | 2 | FLAG.rf);
  },
});

onAllTiers('SDM vol. 3 §20.4 VIF by CLI and STI at level 3', {
  mode: 'protected',
  code(a) {
    enter(a, [0x23, AT.stack - 0x800, 2, 0x1b, PROGRAM]);
  },
  prepare(guest) {
    taskState(guest, CR4.pvi);
    for (const [at, access] of [
      [0x18, 0x00cf_fb00],
      [0x20, 0x00cf_f300],
    ] as const) {
      guest.view.setUint32(AT.gdt + at, 0xffff, true);
      guest.view.setUint32(AT.gdt + at + 4, access, true);
    }
    guest.set({ gdtr: { base: BigInt(AT.gdt), limit: 0x27 } });
    guest.place(
      PROGRAM,
      a => {
        a.label('loop');
        a.sti();
        a.pushfd();
        a.pop(eax);
        a.and(eax, vif | IF);
        a.add(ebx, eax);
        a.cli();
        a.pushfd();
        a.pop(eax);
        a.and(eax, vif | IF);
        a.add(edx, eax);
        a.dec(ecx);
        a.jnz('loop');
        a.hlt();
      },
      32,
    );
  },
  heat: { rcx: 20_000 },
  run(guest) {
    guest.call('start', { rcx: 8 });
    expect([guest.exception, ...guest.registers('rbx', 'rdx')]).toEqual([13, 8 * vif, 0]);
    guest.call('start', { rcx: 8, rdi: vip });
    expect([guest.exception, eip(guest)]).toEqual([13, PROGRAM]);
    guest.call('start', { rcx: 8, rdi: vip | vif });
    expect([guest.exception, eip(guest), eflags(guest) & vif]).toEqual([13, PROGRAM, vif]);
    guest.call('start', { rcx: 8, rdi: iopl });
    expect([guest.exception, ...guest.registers('rbx', 'rdx')]).toEqual([13, 8 * IF, 0]);
  },
});
