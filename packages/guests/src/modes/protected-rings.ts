import {
  al,
  ax,
  byte,
  cl,
  cr0,
  cs,
  dr6,
  dr7,
  dword,
  dx,
  eax,
  ebx,
  ecx,
  edi,
  edx,
  esp,
  far,
  m,
  word,
} from '../assembler/index.ts';
import { gate, SEG, SYSTEM } from '../descriptors.ts';
import { EFLAGS } from './flags.ts';
import type { Check, Context } from './harness.ts';
import { RAM, SEL, V } from './layout.ts';

/** Goes to `label` at ring 3. */
export function toRing3({ a }: Context, label: string, flags = 0): void {
  a.push(SEL.userData);
  a.push(RAM.userStack);
  a.push(flags | 2);
  a.push(SEL.userCode32);
  a.push(label);
  a.iretd();
}

/** The assertion that the instructions of `body` end in this exception at ring 3. */
function trapsInRing3(c: Context, vector: number, error: number, body: () => void, flags = 0): void {
  c.traps({ vector, error }, () => {
    const user = c.a.fresh('user');
    toRing3(c, user, flags);
    c.a.label(user);
    body();
    return user;
  });
}

/** Checks of rings, gates and exceptions in 32-bit protected mode. */
export const PROTECTED_RING_CHECKS: readonly Check[] = [
  {
    name: 'software interrupt at ring 0',
    emit(c) {
      const { a } = c;
      c.gate(0x40, 'protected int 40');
      a.mov(ecx, esp);
      a.xor(ebx, ebx);
      a.sti();
      a.int(0x40);
      a.label('protected int 40 back');
      a.cli();
      c.equal(ebx, 1);
      c.equal(esp, ecx);
      a.jmp('protected int 40 end');
      a.label('protected int 40');
      a.inc(ebx);
      c.flags(EFLAGS.IF, 0);
      c.equal(dword(esp), 'protected int 40 back');
      c.equal(dword(esp, 4), SEL.code32);
      a.iretd();
      a.label('protected int 40 end');
      const after = a.fresh('after');
      c.traps({ vector: 3 }, () => {
        a.int3();
        a.label(after);
        return after;
      });
    },
  },
  {
    name: 'ring 3, a gate to ring 0 and the stack of the TSS',
    emit(c) {
      const { a } = c;
      c.gate(0x81, 'protected int 81', 3);
      c.traps({ vector: 13 }, () => {
        toRing3(c, 'protected user', EFLAGS.IF);
        a.label('protected user');
        a.int(0x81);
        a.label('protected user back');
        a.mov(ax, cs);
        a.mov(edx, esp);
        a.label('protected user cli');
        a.cli();
        a.label('protected int 81');
        a.mov(ebx, esp);
        a.mov(ecx, dword(esp, 12));
        a.mov(edi, dword(esp, 16));
        a.iretd();
        return 'protected user cli';
      });
      c.equal(dword(V.trapCs), SEL.userCode32);
      c.equal(dword(V.trapSp), RAM.userStack);
      c.equal(ebx, RAM.ring0Stack - 20);
      c.equal(ecx, RAM.userStack);
      c.equal(edi, SEL.userData);
      c.equal(edx, RAM.userStack);
      a.mov(eax, dword(V.trapFlags));
      a.and(eax, EFLAGS.IF | EFLAGS.IOPL3);
      c.equal(eax, EFLAGS.IF);
    },
  },
  {
    name: 'privileged instructions at ring 3',
    emit(c) {
      const { a } = c;
      trapsInRing3(c, 13, 0, () => a.hlt());
      trapsInRing3(c, 13, 0, () => a.sti());
      trapsInRing3(c, 13, 0, () => a.mov(eax, cr0));
      trapsInRing3(c, 13, 0, () => a.mov(cr0, eax));
      trapsInRing3(c, 13, 0, () => a.clts());
      trapsInRing3(c, 13, 0, () => a.lidt(m(RAM.scratch)));
      trapsInRing3(c, 13, 0, () => a.invlpg(m(0)));
      trapsInRing3(c, 13, 0, () => a.rdmsr());
      trapsInRing3(c, 13, 0, () => a.mov(eax, dr7));
      trapsInRing3(c, 6, 0, () => a.ud2());
    },
  },
  {
    name: 'gates that ring 3 may not use',
    emit(c) {
      const { a } = c;
      trapsInRing3(c, 13, 0x20 * 8 + 2, () => a.int(0x20));
      trapsInRing3(c, 13, 0xd * 8 + 2, () => a.int(0xd));
    },
  },
  {
    name: 'I/O permission bitmap and IOPL',
    emit(c) {
      const { a } = c;
      trapsInRing3(c, 13, 0, () => a.in(al, 0x21));
      a.and(byte(RAM.tss + 0x68 + (0x3ff >> 3)), 0x7f); // port 3FFh is allowed
      a.mov(dx, 0x3ff);
      c.traps({ vector: 13 }, () => {
        toRing3(c, 'bitmap user');
        a.label('bitmap user');
        a.mov(al, 0x6b);
        a.out(dx, al);
        a.xor(eax, eax);
        a.in(al, dx);
        a.mov(ecx, eax);
        a.label('bitmap user word');
        a.in(ax, dx); // 3FFh and 400h
        return 'bitmap user word';
      });
      c.equal(ecx, 0x6b);
      a.or(byte(RAM.tss + 0x68 + (0x3ff >> 3)), 0x80);
      c.traps({ vector: 6 }, () => {
        toRing3(c, 'iopl user', EFLAGS.IOPL3);
        a.label('iopl user');
        a.in(al, 0x21);
        a.mov(ecx, eax);
        a.sti();
        a.cli();
        a.label('iopl user end');
        a.ud2();
        return 'iopl user end';
      });
      c.equal(cl, 0xff);
    },
  },
  {
    name: 'call gate with parameters',
    emit(c) {
      const { a } = c;
      a.jmp('call gate begin');
      a.label('call gate target');
      a.mov(ebx, dword(esp, 8));
      a.mov(ecx, dword(esp, 12));
      a.mov(edx, dword(esp, 16));
      a.mov(ax, cs);
      a.movzx(edi, ax);
      a.exact('Retfd_imm16', 8);
      a.label('call gate begin');
      // The offset of a gate lies in two halves.
      a.mov(eax, 'call gate target');
      a.mov(word(RAM.gdt + SEL.test0), ax);
      a.shr(eax, 16);
      a.mov(word(RAM.gdt + SEL.test0 + 6), ax);
      const rest = gate(SEL.code32, 0, SYSTEM.callGate | SEG.dpl3 | SEG.present | 2);
      a.mov(word(RAM.gdt + SEL.test0 + 2), (rest >> 16n) & 0xffffn);
      a.mov(word(RAM.gdt + SEL.test0 + 4), (rest >> 32n) & 0xffffn);
      c.traps({ vector: 6 }, () => {
        toRing3(c, 'call gate user');
        a.label('call gate user');
        a.push(0x11);
        a.push(0x22);
        a.call(far(SEL.test0 | 3, 0));
        a.label('call gate back');
        a.ud2();
        return 'call gate back';
      });
      c.equal(ebx, 0x22);
      c.equal(ecx, 0x11);
      c.equal(edx, RAM.userStack - 8);
      c.equal(edi, SEL.code32);
      c.equal(dword(V.trapSp), RAM.userStack);
      c.equal(dword(V.trapCs), SEL.userCode32);
    },
  },
  {
    name: 'single step',
    emit(c) {
      const { a } = c;
      c.gate(1, 'protected step');
      a.xor(ebx, ebx);
      a.xor(ecx, ecx);
      a.xor(eax, eax);
      a.mov(dr6, eax);
      a.pushfd();
      a.or(dword(esp), EFLAGS.TF);
      a.popfd();
      a.nop(); // a trap after this, and the four that follow
      a.nop();
      a.pushfd();
      a.and(dword(esp), ~EFLAGS.TF);
      a.popfd();
      a.nop();
      a.jmp('protected step end');
      a.label('protected step');
      a.push(eax);
      a.inc(ebx);
      a.mov(eax, dr6);
      a.shr(eax, 14); // BS
      a.and(eax, 1);
      a.add(ecx, eax);
      a.xor(eax, eax);
      a.mov(dr6, eax);
      a.pop(eax);
      a.iretd();
      a.label('protected step end');
      c.restoreGate(1);
      c.equal(ebx, 5);
      c.equal(ecx, 5);
    },
  },
];
