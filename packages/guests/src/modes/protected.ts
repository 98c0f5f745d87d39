import {
  al,
  at,
  ax,
  bx,
  byte,
  cx,
  distance,
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
import { SEG, SYSTEM, segment } from '../descriptors.ts';
import { EFLAGS } from './flags.ts';
import type { Check, Context } from './harness.ts';
import { GDT_BYTES, HOLE, RAM, SEL } from './layout.ts';
import { PROTECTED_RING_CHECKS } from './protected-rings.ts';
import { timerChecks } from './timer.ts';

const CODE = SEG.code | SEG.accessed;
const DATA = SEG.data | SEG.accessed;

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
  ...PROTECTED_RING_CHECKS,
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
