import { al, at, ax, bx, byte, cr0, ds, dword, dx, eax, ebp, ecx, edi, edx, esp, m, word } from '../assembler/index.ts';
import { EFLAGS } from './flags.ts';
import type { Check, Context } from './harness.ts';
import { RAM, V } from './layout.ts';

const ROM = 0xf_0000;

/** Goes to `label` in virtual-8086 mode with segments 0 and CS F000h. */
function toVirtual8086({ a }: Context, label: string, flags: number): void {
  for (let i = 0; i < 4; i++) a.push(0); // GS, FS, DS, ES
  a.push(0); // SS
  a.push(RAM.userStack);
  a.push(EFLAGS.VM | flags | 2);
  a.push(ROM >> 4);
  a.push(at(label, -ROM));
  a.iretd();
}

/** The assertion that the instructions of `body` end in #GP(0). */
function protects(c: Context, flags: number, body: () => void): void {
  const { a } = c;
  c.traps({ vector: 13 }, () => {
    const label = a.fresh('virtual');
    toVirtual8086(c, label, flags);
    a.bits(16, ROM);
    a.label(label);
    body();
    a.bits(32);
    return at(label, -ROM);
  });
}

/** Checks of virtual-8086 mode, from ring 0 in protected mode without paging. */
export const VIRTUAL_8086_CHECKS: readonly Check[] = [
  {
    name: 'virtual-8086: segments, and a way out',
    emit(c) {
      const { a } = c;
      a.mov(dword(RAM.scratch + 0x20), 0);
      c.traps({ vector: 6 }, () => {
        toVirtual8086(c, 'virtual segments', 0);
        a.bits(16, ROM);
        a.label('virtual segments');
        a.mov(ax, RAM.scratch >> 4);
        a.mov(ds, ax);
        a.mov(word(0x20), 0x2468);
        a.push(0x1234);
        a.pop(bx);
        a.label('virtual segments end');
        a.ud2();
        a.bits(32);
        return at('virtual segments end', -ROM);
      });
      c.equal(dword(RAM.scratch + 0x20), 0x2468);
      c.equal(bx, 0x1234);
      c.equal(dword(V.trapCs), ROM >> 4);
      c.equal(dword(V.trapSp), RAM.userStack);
      a.mov(eax, dword(V.trapFlags));
      a.and(eax, EFLAGS.VM | EFLAGS.IOPL3);
      c.equal(eax, EFLAGS.VM);
    },
  },
  {
    name: 'virtual-8086: what IOPL and ring 3 trap',
    emit(c) {
      const { a } = c;
      protects(c, 0, () => a.cli());
      protects(c, 0, () => a.sti());
      protects(c, 0, () => a.pushf());
      protects(c, 0, () => a.popf());
      protects(c, 0, () => a.iret());
      protects(c, 0, () => a.int(0x21));
      protects(c, EFLAGS.IOPL3, () => a.hlt());
      protects(c, EFLAGS.IOPL3, () => a.mov(eax, cr0));
      protects(c, EFLAGS.IOPL3, () => a.lgdt(m(0)));
      // Ports go by the bitmap alone.
      protects(c, EFLAGS.IOPL3, () => a.in(al, 0x21));
    },
  },
  {
    name: 'virtual-8086: interrupt through the IDT and back, ports by the bitmap',
    emit(c) {
      const { a } = c;
      c.gate(0x82, 'virtual handler', 3);
      a.and(byte(RAM.tss + 0x68 + (0x3ff >> 3)), 0x7f);
      c.traps({ vector: 6 }, () => {
        toVirtual8086(c, 'virtual task', EFLAGS.IOPL3);
        a.bits(16, ROM);
        a.label('virtual task');
        a.mov(ax, 0x77);
        a.mov(ds, ax);
        a.mov(dx, 0x3ff);
        a.mov(al, 0x3c);
        a.out(dx, al);
        a.in(al, dx);
        a.mov(bx, ax);
        a.cli();
        a.sti();
        a.pushf();
        a.int(0x82);
        a.mov(ax, ds);
        a.label('virtual task end');
        a.ud2();
        a.bits(32);
        a.label('virtual handler');
        a.mov(ecx, esp);
        a.mov(edx, dword(esp, 5 * 4 + 4)); // DS, after EIP, CS, EFLAGS, ESP, SS, ES
        a.mov(edi, dword(esp, 2 * 4)); // EFLAGS
        a.mov(ebp, ds);
        a.iretd();
        return at('virtual task end', -ROM);
      });
      a.or(byte(RAM.tss + 0x68 + (0x3ff >> 3)), 0x80);
      c.equal(bx, 0x3c);
      c.equal(ecx, RAM.ring0Stack - 9 * 4);
      c.equal(edx, 0x77);
      c.equal(ebp, 0); // the handler begins with null segments
      a.and(edi, EFLAGS.VM | EFLAGS.IF);
      c.equal(edi, EFLAGS.VM | EFLAGS.IF);
      c.equal(dword(V.trapSp), RAM.userStack - 2);
    },
  },
];
