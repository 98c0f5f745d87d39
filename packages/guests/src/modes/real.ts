import {
  ah,
  al,
  ax,
  bl,
  bp,
  bx,
  byte,
  cl,
  cr0,
  cs,
  cx,
  di,
  ds,
  dword,
  dx,
  eax,
  ebx,
  ecx,
  edx,
  es,
  esi,
  far,
  m,
  si,
  sp,
  word,
} from '../assembler/index.ts';
import { EFLAGS } from './flags.ts';
import type { Check, Context } from './harness.ts';
import { RAM, SEL } from './layout.ts';
import { timerChecks } from './timer.ts';

/** Checks in real mode: DS, ES and SS are 0, CS is F000h. */
export const REAL_CHECKS: readonly Check[] = [
  {
    name: 'segments',
    emit(c) {
      const { a } = c;
      a.mov(ax, RAM.scratch >> 4);
      a.mov(es, ax);
      a.mov(word(es, 0x10), 0x1234);
      c.equal(word(RAM.scratch + 0x10), 0x1234);
      a.inc(ax);
      a.mov(ds, ax);
      a.mov(bx, word(0)); // the same word through DS, one paragraph on
      a.mov(word(2), 0x5678);
      a.xor(ax, ax);
      a.mov(ds, ax);
      c.equal(bx, 0x1234);
      c.equal(word(RAM.scratch + 0x12), 0x5678);
      // BP goes with SS, and a prefix overrides it.
      a.mov(bp, 0x12);
      a.mov(ax, word(es, bp));
      c.equal(ax, 0x5678);
      a.mov(es, word(RAM.scratch + 0x100));
    },
  },
  {
    name: 'addresses above 1 MiB through segment FFFF',
    emit(c) {
      const { a } = c;
      a.mov(ax, 0xffff);
      a.mov(es, ax);
      a.mov(word(0x600), 0x1111);
      a.mov(word(es, 0x610), 0x2222);
      c.equal(word(0x600), 0x1111);
      a.xor(ax, ax);
      a.mov(es, ax);
    },
  },
  {
    name: 'limit of 64 KiB',
    emit(c) {
      const { a } = c;
      a.mov(bx, 0xffff);
      c.traps({ vector: 13 }, () => a.mov(ax, word(bx)));
      c.traps({ vector: 13 }, () => a.mov(dword(bx, -1), eax));
    },
  },
  {
    name: 'interrupt table, INT and IRET',
    emit(c) {
      const { a } = c;
      a.mov(word(0x40 * 4), 'real int 40');
      a.xor(bx, bx);
      a.mov(bp, sp);
      a.stc();
      a.sti();
      a.int(0x40);
      a.label('real int 40 back');
      a.cli();
      c.equal(bx, 1);
      c.equal(sp, bp);
      a.jmp('real int 40 end');
      a.label('real int 40');
      a.inc(bx);
      a.mov(bp, sp);
      a.mov(ax, word(bp, 4)); // flags as they were
      a.and(ax, EFLAGS.IF | EFLAGS.CF);
      c.equal(ax, EFLAGS.IF | EFLAGS.CF);
      c.flags(EFLAGS.IF | EFLAGS.TF, 0);
      c.equal(word(bp), 'real int 40 back');
      c.equal(word(bp, 2), 0xf000);
      a.add(bp, 6);
      a.iret();
      a.label('real int 40 end');
    },
  },
  {
    name: 'divide error',
    emit(c) {
      const { a } = c;
      a.xor(cx, cx);
      c.traps({ vector: 0 }, () => a.div(cl));
      a.mov(ax, 0x200);
      a.mov(cl, 2);
      c.traps({ vector: 0 }, () => a.div(cl)); // the quotient is too big
    },
  },
  { name: 'invalid opcode', emit: c => c.traps({ vector: 6 }, () => c.a.ud2()) },
  {
    name: 'BOUND',
    emit(c) {
      const { a } = c;
      a.mov(word(RAM.scratch), 2);
      a.mov(word(RAM.scratch + 2), 5);
      a.mov(ax, 5);
      a.bound(ax, m(RAM.scratch));
      a.inc(ax);
      c.traps({ vector: 5 }, () => a.bound(ax, m(RAM.scratch)));
    },
  },
  {
    name: 'INTO',
    emit(c) {
      const { a } = c;
      a.xor(al, al);
      a.into();
      a.mov(al, 0x7f);
      a.add(al, 1);
      const after = a.fresh('after');
      c.traps({ vector: 4 }, () => {
        a.into();
        a.label(after);
        return after;
      });
    },
  },
  {
    name: 'far calls, far pointers, frames',
    emit(c) {
      const { a } = c;
      a.mov(cx, sp);
      a.call(far(0xf000, 'real far'));
      c.equal(bx, 0xbeef);
      c.equal(sp, cx);
      a.push(7);
      a.push(8);
      a.push(cs);
      a.call('real far 4');
      c.equal(sp, cx);
      c.equal(bx, 15);
      a.mov(dword(RAM.scratch), (RAM.scratch >> 4) * 0x1_0000 + 0x20);
      a.mov(word(RAM.scratch + 0x20), 0x4321);
      a.les(di, m(RAM.scratch));
      c.equal(word(es, di), 0x4321);
      a.xor(ax, ax);
      a.mov(es, ax);
      a.pusha();
      a.mov(bx, 0);
      a.popa();
      c.equal(bx, 15);
      a.mov(bp, 0x99);
      a.enter(4, 0);
      a.mov(ax, sp);
      a.add(ax, 4);
      c.equal(ax, bp);
      c.equal(word(bp), 0x99);
      a.leave();
      c.equal(bp, 0x99);
      c.equal(sp, cx);
      a.jmp('real far end');
      a.label('real far');
      a.mov(bx, 0xbeef);
      a.retf();
      a.label('real far 4');
      a.mov(bp, sp);
      a.mov(bx, word(bp, 4));
      a.add(bx, word(bp, 6));
      a.retf(4);
      a.label('real far end');
    },
  },
  { name: 'flags of 8, 16 and 32 bits', emit: arithmeticFlags },
  {
    name: 'DAS, AAM, AAD',
    emit(c) {
      const { a } = c;
      a.mov(al, 0x83);
      a.sub(al, 0x45);
      a.das();
      c.equal(al, 0x38);
      a.mov(al, 63);
      a.aam(10);
      c.equal(ax, 0x0603);
      a.aad(10);
      c.equal(ax, 63);
    },
  },
  {
    name: 'DAA, AAA, AAS',
    emit(c) {
      const { a } = c;
      a.mov(al, 0x38);
      a.add(al, 0x45);
      a.daa();
      c.equal(al, 0x83);
      a.mov(ax, 0x0009);
      a.add(al, 8);
      a.aaa();
      c.equal(ax, 0x0107);
      a.mov(ax, 0x0204);
      a.sub(al, 9);
      a.aas();
      c.equal(ax, 0x0105);
    },
  },
  {
    name: 'string instructions',
    emit(c) {
      const { a } = c;
      a.mov(di, RAM.scratch);
      a.mov(cx, 8);
      a.mov(ax, 0x4241);
      a.rep().stosw();
      c.equal(di, RAM.scratch + 16);
      c.equal(cx, 0);
      // Overlapping forward copy spreads the first byte.
      a.mov(byte(RAM.scratch), 0x5a);
      a.mov(si, RAM.scratch);
      a.mov(di, RAM.scratch + 1);
      a.mov(cx, 15);
      a.rep().movsb();
      c.equal(dword(RAM.scratch + 12), 0x5a5a5a5a);
      a.mov(byte(RAM.scratch + 9), 0);
      a.mov(di, RAM.scratch);
      a.xor(al, al);
      a.mov(cx, 100);
      a.repne().scasb();
      c.expectZero();
      c.equal(cx, 90);
      a.std();
      a.mov(si, RAM.scratch + 15);
      a.mov(di, RAM.scratch + 8);
      a.mov(cx, 20);
      a.repe().cmpsb();
      c.equal(cx, 13); // bytes 15 to 10 are like 8 to 3, byte 9 is not like 2
      a.cld();
      a.mov(si, RAM.scratch);
      a.seg(cs).lodsb();
      a.mov(bx, RAM.scratch);
      a.mov(al, 9);
      a.xlatb();
      c.equal(al, 0);
    },
  },
  {
    name: 'string port output and input',
    emit(c) {
      const { a } = c;
      // The scratch register of the UART keeps the last byte of OUTSB, and INSB reads it.
      a.mov(dx, 0x3ff);
      a.mov(dword(RAM.scratch), 0x44332211);
      a.mov(si, RAM.scratch);
      a.mov(cx, 4);
      a.rep().outsb();
      c.equal(si, RAM.scratch + 4);
      a.mov(di, RAM.scratch + 8);
      a.mov(dword(di), 0);
      a.mov(cx, 3);
      a.rep().insb();
      c.equal(di, RAM.scratch + 11);
      c.equal(dword(RAM.scratch + 8), 0x00444444);
      c.equal(cx, 0);
    },
  },
  {
    name: '4 GiB limits kept from protected mode',
    emit(c) {
      const { a } = c;
      a.lgdt(m(cs, 'rom gdtr'));
      a.mov(eax, cr0);
      a.or(al, 1);
      a.mov(cr0, eax);
      a.mov(bx, SEL.data);
      a.mov(ds, bx);
      a.and(al, 0xfe);
      a.mov(cr0, eax);
      a.jmp(far(0xf000, 'real unreal'));
      a.label('real unreal');
      a.mov(esi, 0x10_8000);
      a.mov(dword(esi), 0xcafe_f00d);
      a.mov(ecx, dword(esi));
      a.xor(ax, ax);
      a.mov(ds, ax);
      c.equal(ecx, 0xcafe_f00d);
    },
  },
  ...timerChecks('real'),
];

function arithmeticFlags(c: Context): void {
  const { a } = c;
  const { CF, PF, AF, ZF, SF, OF } = EFLAGS;
  const ALL = CF | PF | AF | ZF | SF | OF;
  a.mov(al, 0x7f);
  a.add(al, 1);
  c.flags(ALL, OF | SF | AF);
  a.mov(al, 0xff);
  a.add(al, 1);
  c.flags(ALL, CF | ZF | PF | AF);
  a.mov(bx, 0x8000);
  a.sub(bx, 1);
  c.flags(ALL, OF | AF | PF);
  a.mov(ebx, 0);
  a.sub(ebx, 1);
  c.flags(ALL, CF | SF | PF | AF);
  a.stc();
  a.mov(bl, 0xff);
  a.inc(bl); // INC leaves CF
  c.flags(ALL, CF | ZF | PF | AF);
  a.stc();
  a.mov(bx, 0xffff);
  a.adc(bx, 0);
  c.flags(ALL, CF | ZF | PF | AF);
  a.stc();
  a.mov(ebx, 0);
  a.sbb(ebx, 0);
  c.equal(ebx, 0xffff_ffff);
  a.mov(ebx, 0x8000_0000);
  a.neg(ebx);
  c.flags(ALL, CF | OF | SF | PF);
  a.mov(bx, 0x00ff);
  a.and(bx, 0xff00);
  c.flags(CF | OF | ZF | PF | SF, ZF | PF);
  a.mov(bl, 0x81);
  a.shl(bl, 1);
  c.flags(CF | OF | ZF | SF, CF | OF);
  a.mov(bx, 0x8001);
  a.sar(bx, 1);
  c.equal(bx, 0xc000);
  a.mov(bl, 0x81);
  a.rol(bl, 1);
  c.expectCarry(true);
  c.equal(bl, 0x03);
  a.stc();
  a.mov(bl, 0x02);
  a.rcr(bl, 1);
  c.expectCarry(false);
  c.equal(bl, 0x81);
  a.mov(cl, 4);
  a.mov(eax, 0x1234_5678);
  a.mov(edx, 0x9abc_def0);
  a.shld(eax, edx, cl);
  c.equal(eax, 0x2345_6789);
  a.mov(al, 0x40);
  a.mov(bl, 4);
  a.mul(bl);
  c.flags(CF | OF, CF | OF);
  a.mov(al, -3);
  a.imul(bl);
  c.flags(CF | OF, 0);
  a.mov(ax, 0x10);
  a.imul(bx, ax, 0x1000);
  c.flags(CF | OF, CF | OF);
  a.mov(edx, 1);
  a.mov(eax, 5);
  a.mov(ecx, 16);
  a.div(ecx);
  c.equal(eax, 0x1000_0000);
  c.equal(edx, 5);
  a.mov(bx, 0x0140);
  a.bsf(ax, bx);
  c.equal(ax, 6);
  a.bsr(ax, bx);
  c.equal(ax, 8);
  a.xor(bx, bx);
  a.bsf(ax, bx);
  c.flags(ZF, ZF);
  a.mov(bx, 0x0100);
  a.bt(bx, 8);
  c.expectCarry(true);
  a.mov(ah, 0xd5);
  a.sahf();
  c.flags(CF | PF | AF | ZF | SF, 0xd5);
}
