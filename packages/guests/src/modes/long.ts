import {
  al,
  ax,
  bl,
  byte,
  cl,
  cr0,
  cr3,
  cx,
  distance,
  ds,
  dword,
  dx,
  eax,
  ebx,
  ecx,
  edi,
  edx,
  es,
  fs,
  gs,
  m,
  oword,
  qword,
  r8,
  r10,
  r15,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  word,
} from '../assembler/index.ts';
import { EFLAGS } from './flags.ts';
import type { Check, Context } from './harness.ts';
import { HOLE, RAM, SEL } from './layout.ts';
import { LONG_RING_CHECKS, toRing3, trapsInRing3 } from './long-rings.ts';
import { MSR, writeMsr } from './msr.ts';
import { HIGH, LARGE, PAGE, TABLE, TEST } from './tables.ts';
import { timerChecks } from './timer.ts';

const { P, W, U, A, D, NX } = PAGE;

const page = (i: number) => TEST + i * 0x1000;
const frame = (i: number) => RAM.pages + i * 0x1000;

function map({ a }: Context, i: number, bits: number, nx = false): void {
  a.mov(dword(TABLE.paeTestPt + i * 8), bits & P ? frame(i) | bits : 0);
  a.mov(dword(TABLE.paeTestPt + i * 8 + 4), nx ? NX >> 32n : 0);
  a.invlpg(m(page(i)));
}

function wide(c: Context, operand: typeof rax, value: bigint): void {
  c.a.mov(r15, value);
  c.equal(operand, r15);
}

/** Checks in 64-bit mode at ring 0, with 4-level paging. */
export const LONG_CHECKS: readonly Check[] = [
  {
    name: 'EFER and control registers',
    emit(c) {
      const { a } = c;
      a.mov(ecx, MSR.EFER);
      a.rdmsr();
      a.and(eax, 0xd01);
      c.equal(eax, 0xd01); // SCE, LME, LMA, NXE
      a.mov(rax, cr0);
      a.and(eax, 0x8000_0001);
      c.equal(eax, 0x8000_0001);
      a.mov(rax, cr3);
      c.equal(rax, TABLE.pml4);
    },
  },
  { name: '64-bit arithmetic', emit: arithmetic },
  {
    name: 'writes to 32-bit registers clear the upper half',
    emit(c) {
      const { a } = c;
      a.mov(rbx, -1);
      a.mov(ebx, ebx);
      wide(c, rbx, 0xffff_ffffn);
      a.mov(rcx, -1);
      a.mov(cx, 0);
      wide(c, rcx, 0xffff_ffff_ffff_0000n);
      a.mov(rdx, -1);
      a.xor(eax, eax);
      a.cmp(eax, 1);
      a.cmove(edx, eax); // not taken: cleared all the same
      wide(c, rdx, 0xffff_ffffn);
    },
  },
  {
    name: 'page faults and CR2 of 64 bits',
    emit(c) {
      const { a } = c;
      map(c, 0, 0);
      map(c, 2, P);
      map(c, 1, P | W);
      c.traps({ vector: 14, error: 0, cr2: page(0) + 8 }, () => a.mov(rcx, qword(page(0) + 8)));
      c.traps({ vector: 14, error: 2, cr2: page(0) }, () => a.mov(qword(page(0)), rcx));
      a.mov(rax, cr0);
      a.or(eax, 1 << 16);
      a.mov(cr0, rax);
      c.traps({ vector: 14, error: 3, cr2: page(2) }, () => a.mov(qword(page(2)), rcx));
      a.mov(rbx, HIGH + BigInt(page(0)) + 0x10n);
      c.traps({ vector: 14, error: 0, cr2: HIGH + BigInt(page(0)) + 0x10n }, () => a.mov(al, byte(rbx)));
      a.mov(rbx, 0x7fff_ffff_f000n);
      c.traps({ vector: 14, error: 2, cr2: 0x7fff_ffff_f000n }, () => a.mov(byte(rbx), al));
      trapsInRing3(c, 14, 5, () => a.mov(rcx, qword(page(1))));
      a.mov(rax, cr0);
      a.and(eax, ~(1 << 16));
      a.mov(cr0, rax);
    },
  },
  {
    name: 'the same page at the top of the address space, and by a large page',
    emit(c) {
      const { a } = c;
      a.mov(rbx, HIGH + BigInt(frame(3)));
      a.mov(qword(rbx), 0x1234_5678);
      c.equal(qword(frame(3)), 0x1234_5678);
      c.equal(qword(LARGE + frame(3)), 0x1234_5678);
      map(c, 5, P | W | U);
      a.mov(al, byte(page(5)));
      c.equal(dword(TABLE.paeTestPt + 5 * 8), frame(5) | P | W | U | A);
      a.mov(byte(page(5)), al);
      c.equal(dword(TABLE.paeTestPt + 5 * 8), frame(5) | P | W | U | A | D);
    },
  },
  {
    name: 'no-execute',
    emit(c) {
      const { a } = c;
      a.mov(byte(frame(10)), 0xc3); // RET
      map(c, 10, P | W | U);
      a.mov(ebx, page(10));
      a.call(rbx);
      map(c, 10, P | W | U, true);
      c.traps({ vector: 14, error: 0x11, cr2: page(10) }, () => {
        a.call(rbx);
        return page(10);
      });
      c.traps({ vector: 14, error: 0x15, cr2: page(10) }, () => {
        const user = a.fresh('user');
        toRing3(c, user);
        a.label(user);
        a.jmp(rbx);
        return page(10);
      });
    },
  },
  {
    name: 'addresses that are not canonical',
    emit(c) {
      const { a } = c;
      a.mov(rbx, 0x8000_0000_0000n);
      c.traps({ vector: 13 }, () => a.mov(al, byte(rbx)));
      a.mov(rbx, 0xffff_7fff_ffff_fff8n);
      c.traps({ vector: 13 }, () => a.mov(qword(rbx), rax));
      a.mov(rbx, 0x7fff_ffff_fffcn);
      c.traps({ vector: 13 }, () => a.mov(rax, qword(rbx, 4)));
    },
  },
  {
    name: 'stack addresses that are not canonical',
    emit(c) {
      const { a } = c;
      a.mov(rbp, 0x8000_0000_0000n);
      c.traps({ vector: 12 }, () => a.mov(al, byte(rbp)));
    },
  },
  {
    name: 'FS, GS and SWAPGS',
    emit(c) {
      const { a } = c;
      writeMsr(c, MSR.FS_BASE, RAM.scratch);
      writeMsr(c, MSR.GS_BASE, HIGH + BigInt(RAM.scratch) + 0x40n);
      writeMsr(c, MSR.KERNEL_GS_BASE, RAM.scratch + 0x80);
      a.mov(qword(RAM.scratch + 8), 0x11);
      a.mov(qword(RAM.scratch + 0x48), 0x22);
      a.mov(qword(RAM.scratch + 0x88), 0x33);
      a.mov(ebx, 8);
      c.equal(qword(fs, rbx), 0x11);
      c.equal(qword(gs, rbx), 0x22);
      a.swapgs();
      c.equal(qword(gs, rbx), 0x33);
      a.swapgs();
      c.equal(qword(gs, rbx), 0x22);
      a.mov(ecx, MSR.GS_BASE);
      a.rdmsr();
      c.equal(edx, Number(HIGH >> 32n));
      c.equal(eax, Number(HIGH & 0xffff_ffffn) + RAM.scratch + 0x40);
      // The bases of DS and ES do not count.
      a.mov(cx, SEL.data16);
      a.mov(ds, cx);
      a.mov(es, cx);
      c.equal(qword(RAM.scratch + 8), 0x11);
      a.mov(cx, SEL.data);
      for (const register of [ds, es, fs, gs]) a.mov(register, cx);
      c.equal(qword(fs, RAM.scratch + 8), 0x11); // a load gives the base of the descriptor
    },
  },
  {
    name: 'string instructions',
    emit(c) {
      const { a } = c;
      a.mov(rdi, RAM.scratch);
      a.mov(rax, 0x0807_0605_0403_0201n);
      a.mov(ecx, 4);
      a.rep().stosq();
      c.equal(rdi, RAM.scratch + 32);
      a.mov(rsi, RAM.scratch);
      a.mov(rdi, RAM.scratch + 0x40);
      a.mov(ecx, 31);
      a.rep().movsb();
      a.mov(byte(RAM.scratch + 0x5f), 0);
      a.mov(rsi, RAM.scratch);
      a.mov(rdi, RAM.scratch + 0x40);
      a.mov(ecx, 100);
      a.repe().cmpsb();
      c.equal(rcx, 100 - 32);
      a.std();
      a.mov(rdi, RAM.scratch + 31);
      a.mov(al, 6);
      a.mov(ecx, 100);
      a.repne().scasb();
      a.cld();
      c.equal(rcx, 97);
      c.equal(rdi, RAM.scratch + 28);
      a.mov(ecx, 0);
      a.rep().movsq();
      c.equal(rdi, RAM.scratch + 28);
    },
  },
  {
    name: 'string port output and input',
    emit(c) {
      const { a } = c;
      a.mov(dx, 0x3ff);
      a.mov(dword(RAM.scratch), 0x8877_6655);
      a.mov(rsi, RAM.scratch);
      a.mov(ecx, 4);
      a.rep().outsb();
      c.equal(rsi, RAM.scratch + 4);
      a.mov(rdi, RAM.scratch + 8);
      a.mov(qword(rdi), 0);
      a.mov(ecx, 5);
      a.rep().insb();
      a.mov(rax, 0x88_8888_8888n);
      c.equal(qword(RAM.scratch + 8), rax);
      c.equal(rcx, 0);
    },
  },
  {
    name: 'memory that nothing answers',
    emit(c) {
      const { a } = c;
      a.mov(ebx, HOLE);
      a.mov(rax, qword(rbx));
      c.equal(rax, -1);
      a.xor(eax, eax);
      a.mov(ax, word(rbx));
      c.equal(eax, 0xffff);
      a.mov(al, byte(rbx, 7));
      c.equal(al, 0xff);
      a.mov(qword(rbx), 0);
      c.equal(qword(rbx), -1);
      a.inc(qword(rbx));
      c.expectZero();
      a.xor(eax, eax);
      a.xchg(qword(rbx, 8), rax);
      c.equal(rax, -1);
      a.movsxd(rcx, dword(rbx));
      c.equal(rcx, -1);
      a.mov(eax, 1);
      a.lock().xadd(dword(rbx), eax);
      c.equal(eax, 0xffff_ffff);
      a.mov(rax, qword(rbx, 0xffd)); // not aligned, and across pages
      c.equal(rax, -1);
    },
  },
  {
    name: 'exchange and bit instructions',
    emit(c) {
      const { a } = c;
      a.mov(qword(RAM.scratch), 5);
      a.mov(eax, 5);
      a.mov(rcx, -9);
      a.lock().cmpxchg(qword(RAM.scratch), rcx);
      c.expectZero();
      c.equal(qword(RAM.scratch), -9);
      a.mov(rdx, 10);
      a.lock().xadd(qword(RAM.scratch), rdx);
      c.equal(rdx, -9);
      c.equal(qword(RAM.scratch), 1);
      a.mov(ecx, 64 + 3);
      a.mov(qword(RAM.scratch + 8), 0);
      a.mov(ebx, RAM.scratch);
      a.btc(qword(rbx), rcx);
      c.expectCarry(false);
      c.equal(qword(RAM.scratch + 8), 8);
      a.mov(rax, 0x0102_0304_0506_0708n);
      a.bswap(rax);
      wide(c, rax, 0x0807_0605_0403_0201n);
    },
  },
  {
    name: 'CMPXCHG16B',
    emit(c) {
      const { a } = c;
      a.mov(qword(RAM.scratch), 1);
      a.mov(qword(RAM.scratch + 8), 2);
      a.mov(eax, 1);
      a.mov(edx, 2);
      a.mov(ebx, 3);
      a.mov(ecx, 4);
      a.lock().cmpxchg16b(oword(RAM.scratch));
      c.expectZero();
      c.equal(qword(RAM.scratch), 3);
      c.equal(qword(RAM.scratch + 8), 4);
      c.traps({ vector: 13 }, () => a.cmpxchg16b(oword(RAM.scratch + 8)));
    },
  },
  {
    name: 'self-modifying code',
    emit(c) {
      const { a } = c;
      a.jmp('long smc test');
      a.label('long smc');
      a.mov(ecx, 2);
      a.label('long smc loop');
      a.mov(al, 0x11);
      a.add(byte(rbx, distance('long smc', 'long smc loop', 1)), 0x11);
      a.loop('long smc loop');
      a.ret();
      a.label('long smc end');
      a.label('long smc test');
      a.lea(rsi, m('long smc'));
      a.mov(edi, RAM.scratch);
      a.mov(ecx, distance('long smc', 'long smc end'));
      a.rep().movsb();
      a.mov(ebx, RAM.scratch);
      a.call(rbx);
      c.equal(al, 0x22);
      a.call(rbx);
      c.equal(al, 0x44);
      // Through another linear address of the same page.
      a.mov(rdx, HIGH + BigInt(RAM.scratch));
      a.mov(byte(rdx, distance('long smc', 'long smc loop', 1)), 0x70);
      a.call(rbx);
      c.equal(al, 0x81);
    },
  },
  ...LONG_RING_CHECKS,
  ...timerChecks('long'),
];

function arithmetic(c: Context): void {
  const { a } = c;
  const { CF, OF, ZF, SF } = EFLAGS;
  a.mov(rbx, 0x7fff_ffff_ffff_ffffn);
  a.add(rbx, 1);
  c.flags(CF | OF | ZF | SF, OF | SF);
  a.add(rbx, rbx);
  c.flags(CF | OF | ZF | SF, CF | OF | ZF);
  a.mov(rax, 0x1_0000_0001n);
  a.mov(rcx, 0x1_0000_0000n);
  a.mul(rcx);
  c.equal(rdx, 1);
  wide(c, rax, 0x1_0000_0000n);
  a.div(rcx);
  wide(c, rax, 0x1_0000_0001n);
  c.equal(rdx, 0);
  a.mov(rax, -7);
  a.cqo();
  a.mov(ebx, 2);
  a.idiv(rbx);
  c.equal(rax, -3);
  c.equal(rdx, -1);
  a.mov(edx, 2);
  c.traps({ vector: 0 }, () => a.div(rbx)); // the quotient is too big
  a.mov(rbx, 0x0123_4567_89ab_cdefn);
  a.mov(cl, 68); // counts by 64
  a.rol(rbx, cl);
  wide(c, rbx, 0x1234_5678_9abc_def0n);
  a.shr(rbx, 36);
  c.equal(rbx, 0x123_4567);
  a.mov(ebx, 0x8000_0000);
  a.movsxd(rcx, ebx);
  wide(c, rcx, 0xffff_ffff_8000_0000n);
  a.imul(rcx, rcx, -3);
  wide(c, rcx, 0x1_8000_0000n);
  a.bsr(rax, rcx);
  c.equal(rax, 32);
  a.lea(r8, m(rcx, rax.times(4), 0x10));
  wide(c, r8, 0x1_8000_0090n);
  a.mov(bl, 0x80);
  a.movsx(r10, bl);
  c.equal(r10, -128);
}
