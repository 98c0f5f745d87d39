import {
  al,
  at,
  ax,
  bx,
  byte,
  cl,
  cr0,
  cs,
  cx,
  distance,
  dr6,
  dr7,
  dword,
  dx,
  eax,
  ebp,
  ebx,
  ecx,
  edi,
  edx,
  esi,
  esp,
  far,
  fs,
  m,
  qword,
  ss,
  word,
} from '../assembler/index.ts';
import { gate, SEG, SYSTEM, segment } from '../descriptors.ts';
import { EFLAGS } from './flags.ts';
import type { Check, Context } from './harness.ts';
import { GDT_BYTES, HOLE, RAM, SEL, V } from './layout.ts';
import { timerChecks } from './timer.ts';

const CODE = SEG.code | SEG.accessed;
const DATA = SEG.data | SEG.accessed;

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
export function trapsInRing3(c: Context, vector: number, error: number, body: () => void, flags = 0): void {
  c.traps({ vector, error }, () => {
    const user = c.a.fresh('user');
    toRing3(c, user, flags);
    c.a.label(user);
    body();
    return user;
  });
}

/** Checks in 32-bit protected mode at ring 0 without paging. */
export const PROTECTED_CHECKS: readonly Check[] = [
  {
    name: 'segment register loads',
    emit(c) {
      const { a } = c;
      a.mov(cx, GDT_BYTES); // past the end of the GDT
      c.traps({ vector: 13, error: GDT_BYTES }, () => a.mov(fs, cx));
      c.descriptor(SEL.test0, segment(0, 0xffff, DATA | SEG.writable));
      a.mov(cx, SEL.test0);
      c.traps({ vector: 11, error: SEL.test0 }, () => a.mov(fs, cx));
      c.traps({ vector: 12, error: SEL.test0 }, () => a.mov(ss, cx));
      c.descriptor(SEL.test0, segment(0, 0xffff, DATA | SEG.present));
      c.traps({ vector: 13, error: SEL.test0 }, () => a.mov(ss, cx)); // not writable
      a.mov(fs, cx);
      c.descriptor(SEL.test0, segment(0, 0xffff, CODE | SEG.present));
      c.traps({ vector: 13, error: SEL.test0 }, () => a.mov(fs, cx)); // not readable
      a.xor(cx, cx);
      c.traps({ vector: 13 }, () => a.mov(ss, cx));
      a.mov(cx, SEL.data | 3);
      c.traps({ vector: 13, error: SEL.data }, () => a.mov(fs, cx)); // RPL above DPL
      a.xor(cx, cx);
      a.mov(fs, cx);
    },
  },
  {
    name: 'far jumps to what is no code',
    emit(c) {
      const { a } = c;
      c.traps({ vector: 13, error: SEL.data }, () => a.jmp(far(SEL.data, 0)));
      c.traps({ vector: 13 }, () => a.jmp(far(0, 0)));
      c.descriptor(SEL.test0, segment(0, 0xffff, CODE | SEG.big | SEG.pages));
      c.traps({ vector: 11, error: SEL.test0 }, () => a.jmp(far(SEL.test0, 0)));
      c.traps({ vector: 13, error: SEL.userCode32 & ~3 }, () => a.jmp(far(SEL.userCode32, 0)));
    },
  },
  {
    name: 'accessed bit of a descriptor',
    emit(c) {
      const { a } = c;
      c.descriptor(SEL.test0, segment(0, 0xffff, SEG.data | SEG.writable | SEG.present));
      a.mov(cx, SEL.test0);
      a.mov(fs, cx);
      c.equal(byte(RAM.gdt + SEL.test0 + 5), 0x93);
    },
  },
  {
    name: 'LAR, LSL, VERR, VERW, ARPL',
    emit(c) {
      const { a } = c;
      a.mov(cx, SEL.data);
      a.lar(eax, ecx);
      c.expectZero();
      a.and(eax, 0x00f0_ff00);
      c.equal(eax, 0x00c0_9300);
      a.lsl(eax, ecx);
      c.expectZero();
      c.equal(eax, 0xffff_ffff);
      a.verw(cx);
      c.expectZero();
      a.mov(cx, SEL.code32);
      a.verr(cx);
      c.expectZero();
      a.verw(cx);
      c.flags(EFLAGS.ZF, 0);
      a.mov(cx, GDT_BYTES);
      a.lar(eax, ecx);
      c.flags(EFLAGS.ZF, 0);
      a.mov(cx, 0x10);
      a.mov(dx, 0x23);
      a.arpl(cx, dx);
      c.expectZero();
      c.equal(cx, 0x13);
    },
  },
  {
    name: 'segment limits and rights',
    emit(c) {
      const { a } = c;
      const use = (descriptor: bigint) => {
        c.descriptor(SEL.test0, descriptor);
        a.mov(cx, SEL.test0);
        a.mov(fs, cx);
      };
      use(segment(RAM.scratch, 0xf, DATA | SEG.writable | SEG.present | SEG.big));
      a.mov(eax, dword(fs, 0xc));
      c.traps({ vector: 13 }, () => a.mov(al, byte(fs, 0x10)));
      use(segment(0, 0xf, DATA | SEG.present | SEG.big | SEG.pages));
      a.mov(eax, dword(fs, 0xfffc));
      c.traps({ vector: 13 }, () => a.mov(byte(fs, 0), al)); // read-only
      use(segment(0, 0xf_ffff, CODE | SEG.readable | SEG.present | SEG.big | SEG.pages));
      a.mov(eax, dword(fs, 0));
      c.traps({ vector: 13 }, () => a.mov(byte(fs, 0), al));
      use(segment(0, 0xfff, DATA | SEG.writable | SEG.expandDown | SEG.present | SEG.big));
      a.mov(eax, dword(fs, 0x1000));
      c.traps({ vector: 13 }, () => a.mov(al, byte(fs, 0xfff)));
      a.xor(cx, cx);
      a.mov(fs, cx);
      c.traps({ vector: 13 }, () => a.mov(al, byte(fs, 0))); // null
    },
  },
  {
    name: 'access across a segment limit',
    emit(c) {
      const { a } = c;
      c.descriptor(SEL.test0, segment(RAM.scratch, 0xf, DATA | SEG.writable | SEG.present | SEG.big));
      a.mov(cx, SEL.test0);
      a.mov(fs, cx);
      c.traps({ vector: 13 }, () => a.mov(edx, dword(fs, 0xd)));
      a.mov(fs, cx); // a trap flattens the segments
      c.traps({ vector: 13 }, () => a.mov(word(fs, 0xf), ax));
    },
  },
  {
    name: 'stack limit',
    emit(c) {
      const { a } = c;
      c.descriptor(SEL.test0, segment(0, RAM.stack + 0xfff, DATA | SEG.writable | SEG.present | SEG.big));
      a.mov(cx, SEL.test0);
      a.mov(ss, cx);
      a.mov(ebp, RAM.stack + 0x1000);
      c.traps({ vector: 12 }, () => a.mov(al, byte(ebp)));
    },
  },
  {
    name: 'local descriptor table',
    emit(c) {
      const { a } = c;
      c.descriptor(SEL.test0, segment(RAM.scratch + 0x100, 0xf, SYSTEM.ldt | SEG.present));
      a.mov(cx, SEL.test0);
      a.lldt(cx);
      const descriptor = segment(RAM.scratch, 0xff, DATA | SEG.writable | SEG.present);
      a.mov(dword(RAM.scratch + 0x108), descriptor & 0xffff_ffffn);
      a.mov(dword(RAM.scratch + 0x10c), descriptor >> 32n);
      a.mov(dword(RAM.scratch + 0x20), 0x1357_9bdf);
      a.mov(cx, 0x0c);
      a.mov(fs, cx);
      c.equal(dword(fs, 0x20), 0x1357_9bdf);
      a.mov(cx, 0x14);
      c.traps({ vector: 13, error: 0x14 }, () => a.mov(fs, cx));
      a.xor(cx, cx);
      a.mov(fs, cx);
      a.lldt(cx);
      a.mov(cx, 0x0c);
      c.traps({ vector: 13, error: 0x0c }, () => a.mov(fs, cx));
    },
  },
  {
    name: '16-bit code segment',
    emit(c) {
      const { a } = c;
      a.call(far(SEL.code16, at('protected 16', -0xf_0000)));
      c.equal(ebx, 0x1_2345);
      a.jmp('protected 16 end');
      a.bits(16, 0xf_0000);
      a.label('protected 16');
      a.mov(ebx, 0x1_ffff);
      a.mov(bx, 0x2345);
      a.exact('Retfd');
      a.bits(32);
      a.label('protected 16 end');
    },
  },
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
  { name: 'self-modifying code', emit: selfModifying },
  { name: 'memory that nothing answers', emit: hole },
  {
    name: 'exchange, compare and bit instructions',
    emit(c) {
      const { a } = c;
      a.mov(dword(RAM.scratch), 5);
      a.mov(eax, 5);
      a.mov(ecx, 9);
      a.lock().cmpxchg(dword(RAM.scratch), ecx);
      c.expectZero();
      c.equal(dword(RAM.scratch), 9);
      a.cmpxchg(dword(RAM.scratch), ecx);
      c.equal(eax, 9);
      a.lock().xadd(dword(RAM.scratch), ecx);
      c.equal(ecx, 9);
      c.equal(dword(RAM.scratch), 18);
      a.mov(eax, 0x1122_3344);
      a.bswap(eax);
      c.equal(eax, 0x4433_2211);
      a.mov(dword(RAM.scratch + 4), 0);
      a.xor(edx, edx);
      a.mov(eax, 18);
      a.mov(ebx, 1);
      a.mov(ecx, 2);
      a.lock().cmpxchg8b(qword(RAM.scratch));
      c.expectZero();
      c.equal(dword(RAM.scratch), 1);
      c.equal(dword(RAM.scratch + 4), 2);
      a.mov(ebx, RAM.scratch);
      a.mov(ecx, 0x45); // bit 5 of the dword at 8
      a.mov(dword(RAM.scratch + 8), 0);
      a.bts(dword(ebx), ecx);
      c.expectCarry(false);
      c.equal(dword(RAM.scratch + 8), 0x20);
      a.mov(ecx, -8); // bit 24 of the dword below
      a.mov(dword(RAM.scratch + 12), 0x0100_0000);
      a.mov(ebx, RAM.scratch + 16);
      a.btr(dword(ebx), ecx);
      c.expectCarry(true);
      c.equal(dword(RAM.scratch + 12), 0);
      a.mov(al, -2);
      a.movsx(ecx, al);
      c.equal(ecx, -2);
      a.movzx(ecx, al);
      c.equal(ecx, 0xfe);
      a.cmp(ecx, 0xfe);
      a.setbe(al);
      c.equal(al, 1);
      a.mov(edx, 7);
      a.cmp(ecx, 0);
      a.cmove(edx, ecx);
      c.equal(edx, 7);
      a.cmp(ecx, 0);
      a.cmovg(edx, ecx);
      c.equal(edx, 0xfe);
    },
  },
  {
    name: 'stack of 16 bits, LSS, PUSHAD',
    emit(c) {
      const { a } = c;
      a.mov(ebx, esp);
      a.mov(dword(RAM.scratch), 0xabcd_8000);
      a.mov(word(RAM.scratch + 4), SEL.data16);
      a.lss(esp, m(RAM.scratch));
      a.push(0x77); // SP, not ESP: the upper half stays
      c.equal(esp, 0xabcd_7ffc);
      a.mov(dword(RAM.scratch), ebx);
      a.mov(word(RAM.scratch + 4), SEL.data);
      a.lss(esp, m(RAM.scratch));
      c.equal(dword(0x7ffc), 0x77);
      a.mov(ecx, 0x1234);
      a.pushad();
      c.equal(dword(esp, 12), ebx);
      a.popad();
      c.equal(ecx, 0x1234);
    },
  },
  {
    name: 'ENTER with nesting levels',
    emit(c) {
      const { a } = c;
      a.mov(ebx, esp);
      a.mov(ebp, RAM.scratch + 0x40);
      a.mov(dword(RAM.scratch + 0x3c), 0x55);
      a.enter(8, 2);
      c.equal(dword(ebp), RAM.scratch + 0x40);
      c.equal(dword(ebp, -4), 0x55);
      c.equal(dword(ebp, -8), ebp);
      a.leave();
      c.equal(esp, ebx);
    },
  },
  ...timerChecks('protected'),
];

/** A routine is copied to RAM and changed between calls, and while it runs: the next instruction, as it comes. */
function selfModifying(c: Context): void {
  const { a } = c;
  const [begin, end] = ['smc begin', 'smc end'];
  a.jmp('smc test');
  a.label(begin);
  a.mov(eax, 0x1111);
  a.ret();
  a.label('smc ahead');
  a.mov(byte(ebx, distance(begin, 'smc patched', 1)), 0x77);
  a.label('smc patched');
  a.mov(al, 0x11);
  a.ret();
  a.label(end);
  a.label('smc test');
  a.mov(esi, begin);
  a.mov(edi, RAM.scratch);
  a.mov(ecx, distance(begin, end));
  a.rep().movsb();
  a.mov(ebx, RAM.scratch);
  a.call(ebx);
  c.equal(eax, 0x1111);
  a.mov(dword(ebx, 1), 0x2222);
  a.call(ebx);
  c.equal(eax, 0x2222);
  a.lea(ecx, m(ebx, distance(begin, 'smc ahead')));
  a.call(ecx);
  c.equal(al, 0x77);
}

/** Reads give all ones and writes vanish, in every size and for every kind of access. */
function hole(c: Context): void {
  const { a } = c;
  a.mov(ebx, HOLE);
  a.xor(eax, eax);
  a.mov(al, byte(ebx));
  c.equal(eax, 0xff);
  a.xor(eax, eax);
  a.mov(ax, word(ebx, 2));
  c.equal(eax, 0xffff);
  a.mov(eax, dword(ebx, 4));
  c.equal(eax, 0xffff_ffff);
  a.mov(eax, dword(ebx, 0xffe)); // not aligned, and across pages
  c.equal(eax, 0xffff_ffff);
  a.movzx(eax, byte(ebx, 1));
  c.equal(eax, 0xff);
  a.mov(dword(ebx), 0);
  a.mov(byte(ebx), 0);
  c.equal(dword(ebx), 0xffff_ffff);
  // Read, modify, write: the flags are those of all ones.
  a.add(dword(ebx), 1);
  c.flags(EFLAGS.CF | EFLAGS.ZF, EFLAGS.CF | EFLAGS.ZF);
  a.and(byte(ebx), 0x80);
  c.flags(EFLAGS.SF | EFLAGS.ZF, EFLAGS.SF);
  a.xor(eax, eax);
  a.xchg(dword(ebx), eax);
  c.equal(eax, 0xffff_ffff);
  a.xor(eax, eax);
  a.cmpxchg(dword(ebx), ecx);
  c.equal(eax, 0xffff_ffff);
  a.push(dword(ebx));
  a.pop(ecx);
  c.equal(ecx, 0xffff_ffff);
  a.mov(esi, ebx);
  a.mov(edi, RAM.scratch);
  a.mov(dword(RAM.scratch + 8), 0);
  a.mov(ecx, 2);
  a.rep().movsd();
  c.equal(dword(RAM.scratch + 4), 0xffff_ffff);
  c.equal(dword(RAM.scratch + 8), 0);
  a.mov(edi, ebx);
  a.mov(ecx, 3);
  a.xor(eax, eax);
  a.rep().stosw();
  c.equal(edi, HOLE + 6);
  c.equal(dword(ebx), 0xffff_ffff);
}
