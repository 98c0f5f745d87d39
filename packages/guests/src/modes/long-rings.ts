import {
  al,
  ax,
  bl,
  byte,
  cr0,
  cs,
  dr6,
  dword,
  dx,
  eax,
  ebp,
  ebx,
  ecx,
  edi,
  edx,
  esp,
  far,
  m,
  qword,
  r8,
  r8d,
  r9,
  r10,
  r11,
  r12d,
  rax,
  rbx,
  rcx,
  rdi,
  rsi,
  rsp,
  ss,
  word,
} from '../assembler/index.ts';
import { EFLAGS } from './flags.ts';
import type { Check, Context } from './harness.ts';
import { RAM, SEL, V } from './layout.ts';
import { MSR, writeMsr } from './msr.ts';

/** Goes to `label` at ring 3, in 64-bit mode or compatibility mode. */
export function toRing3({ a }: Context, label: string, selector: number = SEL.userCode64, flags = 0): void {
  a.push(SEL.userData);
  a.push(RAM.userStack);
  a.push(flags | 2);
  a.push(selector);
  a.push(label);
  a.iretq();
}

/** The assertion that the instructions of `body` end in this exception at ring 3. */
export function trapsInRing3(c: Context, vector: number, error: number, body: () => void, flags = 0): void {
  c.traps({ vector, error }, () => {
    const user = c.a.fresh('user');
    toRing3(c, user, SEL.userCode64, flags);
    c.a.label(user);
    body();
    return user;
  });
}

/** Checks of rings, system calls and exceptions in 64-bit mode. */
export const LONG_RING_CHECKS: readonly Check[] = [
  {
    name: 'ring 3 by IRETQ, the stack of the TSS',
    emit(c) {
      const { a } = c;
      c.traps({ vector: 13 }, () => {
        toRing3(c, 'long user', SEL.userCode64, EFLAGS.IF);
        a.label('long user');
        a.mov(ax, cs);
        a.movzx(ebx, ax);
        a.mov(r8, rsp);
        a.mov(r9, -1);
        a.label('long user cli');
        a.cli();
        return 'long user cli';
      });
      c.equal(dword(V.trapCs), SEL.userCode64);
      c.equal(dword(V.trapSp), RAM.userStack);
      c.equal(ebx, SEL.userCode64);
      c.equal(r8, RAM.userStack);
      c.equal(r9, -1);
    },
  },
  {
    name: 'privileged instructions at ring 3',
    emit(c) {
      const { a } = c;
      trapsInRing3(c, 13, 0, () => a.hlt());
      trapsInRing3(c, 13, 0, () => a.mov(rax, cr0));
      trapsInRing3(c, 13, 0, () => a.wrmsr());
      trapsInRing3(c, 13, 0, () => a.swapgs());
      trapsInRing3(c, 13, 0, () => a.sysretq());
      trapsInRing3(c, 13, 0, () => a.in(al, 0x21));
      trapsInRing3(c, 0, 0, () => a.div(byte('long zero')));
      trapsInRing3(c, 6, 0, () => a.ud2());
      a.jmp('long zero end');
      a.label('long zero');
      a.db(0);
      a.label('long zero end');
    },
  },
  {
    name: 'ports at ring 3 with IOPL 3',
    emit(c) {
      const { a } = c;
      c.traps({ vector: 6 }, () => {
        toRing3(c, 'long iopl', SEL.userCode64, EFLAGS.IOPL3);
        a.label('long iopl');
        a.mov(dx, 0x3ff);
        a.mov(al, 0x2d);
        a.out(dx, al);
        a.xor(eax, eax);
        a.in(al, dx);
        a.mov(ebx, eax);
        a.label('long iopl end');
        a.ud2();
        return 'long iopl end';
      });
      c.equal(ebx, 0x2d);
    },
  },
  { name: 'SYSCALL', emit: c => systemCall(c, 'iretq') },
  { name: 'SYSRET, and the flags and CS that SYSCALL sets', emit: c => systemCall(c, 'sysretq') },
  {
    name: 'compatibility mode at ring 3',
    emit(c) {
      const { a } = c;
      c.traps({ vector: 6 }, () => {
        toRing3(c, 'compat user', SEL.userCode32);
        a.bits(32);
        a.label('compat user');
        a.mov(ebx, -1);
        a.inc(ebx);
        a.dec(ecx); // 49h: a REX prefix in 64-bit mode
        a.mov(ax, cs);
        a.push(eax);
        a.pop(edi);
        a.label('compat user end');
        a.ud2();
        a.bits(64);
        return 'compat user end';
      });
      c.equal(ebx, 0);
      a.and(edi, 0xffff);
      c.equal(edi, SEL.userCode32);
      c.equal(dword(V.trapCs), SEL.userCode32);
    },
  },
  {
    name: 'compatibility mode at ring 0 by far return and far jump',
    emit(c) {
      const { a } = c;
      a.push(SEL.code32);
      a.push('compat ring 0');
      a.exact('Retfq');
      a.bits(32);
      a.label('compat ring 0');
      a.mov(ebx, 1);
      a.dec(ebx);
      a.mov(ecx, esp);
      a.push(0x55);
      a.pop(edx);
      a.jmp(far(SEL.code64, 'compat end'));
      a.bits(64);
      a.label('compat end');
      c.equal(ebx, 0);
      c.equal(edx, 0x55);
      c.equal(rcx, rsp);
      // An indirect far jump with a 32-bit offset.
      a.mov(dword(RAM.scratch), 'compat far');
      a.mov(word(RAM.scratch + 4), SEL.code64);
      a.exact('Jmp_m1632', m(RAM.scratch));
      c.fail();
      a.label('compat far');
    },
  },
  {
    name: 'software interrupt at ring 0',
    emit(c) {
      const { a } = c;
      c.gate(0x40, 'long int 40');
      a.mov(rcx, rsp);
      a.and(rsp, -16);
      a.sub(rsp, 8);
      a.mov(rdi, rsp);
      a.xor(ebx, ebx);
      a.sti();
      a.int(0x40);
      a.label('long int 40 back');
      a.cli();
      c.equal(ebx, 1);
      c.equal(rsp, rdi);
      a.mov(rsp, rcx);
      a.jmp('long int 40 end');
      a.label('long int 40');
      a.inc(ebx);
      c.flags(EFLAGS.IF, 0);
      c.equal(qword(rsp), 'long int 40 back');
      c.equal(qword(rsp, 24), rdi);
      // The processor aligns the stack before it pushes five words.
      a.lea(rax, m(rsp, 5 * 8 + 8));
      c.equal(rax, rdi);
      a.iretq();
      a.label('long int 40 end');
      const after = a.fresh('after');
      c.traps({ vector: 3 }, () => {
        a.int3();
        a.label(after);
        return after;
      });
    },
  },
  {
    name: 'software interrupt from ring 3',
    emit(c) {
      const { a } = c;
      c.gate(0x81, 'long int 81', 3);
      c.traps({ vector: 6 }, () => {
        toRing3(c, 'long gate user');
        a.label('long gate user');
        a.int(0x81);
        a.label('long gate end');
        a.ud2();
        a.label('long int 81');
        a.mov(rbx, rsp);
        a.mov(rcx, qword(rsp, 24));
        a.iretq();
        return 'long gate end';
      });
      c.equal(rbx, RAM.ring0Stack - 40);
      c.equal(rcx, RAM.userStack);
    },
  },
  {
    name: 'gates that ring 3 may not use',
    emit(c) {
      trapsInRing3(c, 13, 0x20 * 8 + 2, () => c.a.int(0x20));
      trapsInRing3(c, 13, 0xd * 8 + 2, () => c.a.int(0xd));
    },
  },
  {
    name: 'interrupt stack table',
    emit(c) {
      const { a } = c;
      c.gate(6, 'long ist', 0, 1);
      a.mov(rcx, rsp);
      a.xor(ebx, ebx);
      a.ud2();
      a.label('long ist back');
      c.restoreGate(6);
      c.equal(rbx, RAM.istStack - 40);
      c.equal(rsp, rcx);
      a.jmp('long ist end');
      a.label('long ist');
      a.mov(rbx, rsp);
      a.mov(qword(rsp), 'long ist back');
      a.iretq();
      a.label('long ist end');
    },
  },
  {
    name: 'single step',
    emit: c =>
      singleStep(c, 3, () => {
        c.a.nop();
        c.a.mov(ecx, 3);
        c.a.add(rcx, rcx);
      }),
  },
  {
    name: 'single step through REP',
    emit: c =>
      singleStep(c, 5, () => {
        c.a.mov(ecx, 3);
        c.a.mov(rdi, RAM.scratch);
        c.a.rep().stosb(); // a trap after each turn
      }),
  },
  {
    name: 'timer interrupt at ring 3',
    emit(c) {
      const { a } = c;
      c.gate(0x20, 'long tick');
      a.mov(dword(V.ticks), 0);
      for (const [port, value] of [
        [0x21, 0xfe],
        [0x43, 0x30],
        [0x40, 0xa9],
        [0x40, 0x04],
      ] as const) {
        a.mov(al, value);
        a.out(port, al);
      }
      c.traps({ vector: 6 }, () => {
        toRing3(c, 'tick user', SEL.userCode64, EFLAGS.IF);
        a.label('tick user');
        a.cmp(dword(V.ticks), 0);
        a.je('tick user');
        a.label('tick user end');
        a.ud2();
        return 'tick user end';
      });
      c.equal(dword(V.ticks), 1);
      a.mov(al, 0xff);
      a.out(0x21, al);
    },
  },
];

/** Ring 3 calls ring 0, which returns by SYSRET or else by IRETQ. */
function systemCall(c: Context, way: 'iretq' | 'sysretq'): void {
  const { a } = c;
  const { CF, IF, DF } = EFLAGS;
  const entry = a.fresh('entry');
  const back = a.fresh('back');
  writeMsr(c, MSR.STAR, (BigInt(SEL.userCode32) << 48n) | (BigInt(SEL.code64) << 32n));
  writeMsr(c, MSR.LSTAR, entry);
  writeMsr(c, MSR.FMASK, CF | IF | DF);
  c.traps({ vector: 6 }, () => {
    const [user, end] = [a.fresh('user'), a.fresh('end')];
    toRing3(c, user, SEL.userCode64, IF);
    a.label(user);
    a.stc();
    a.syscall();
    a.label(back);
    a.setc(bl);
    a.movzx(ebp, bl);
    a.mov(ax, cs);
    a.movzx(r8d, ax);
    a.mov(ax, ss);
    a.shl(eax, 16);
    a.or(r8d, eax);
    a.label(end);
    a.ud2();

    a.label(entry); // still on the stack of ring 3
    a.pushfq();
    a.pop(r9);
    a.mov(ax, cs);
    a.movzx(r12d, ax);
    a.mov(r10, rcx);
    a.mov(rdi, r11);
    if (way === 'sysretq') a.sysretq();
    else {
      a.mov(rsi, rsp);
      a.push(SEL.userData);
      a.push(rsi);
      a.push(r11);
      a.push(SEL.userCode64);
      a.push(rcx);
      a.iretq();
    }
    return end;
  });
  if (way === 'sysretq') {
    a.and(r9, CF | IF);
    c.equal(r9, 0);
    c.equal(r12d, SEL.code64);
  }
  c.equal(r10, back);
  a.and(rdi, CF | IF);
  c.equal(rdi, CF | IF);
  c.equal(r8d, (SEL.userData << 16) | SEL.userCode64);
  c.equal(ebp, 1); // CF is as it was
  c.equal(dword(V.trapSp), RAM.userStack);
  if (way === 'iretq') return;
  a.mov(eax, dword(V.trapFlags));
  a.and(eax, IF);
  c.equal(eax, IF);
}

/** Runs `body` with TF set: `count` traps, with DR6.BS set in each. */
function singleStep(c: Context, count: number, body: () => void): void {
  const { a } = c;
  const [handler, over] = [a.fresh('step'), a.fresh('over')];
  c.gate(1, handler);
  a.xor(ebx, ebx);
  a.xor(r8d, r8d);
  a.xor(eax, eax);
  a.mov(dr6, rax);
  a.pushfq();
  a.or(dword(rsp), EFLAGS.TF);
  a.popfq();
  body();
  a.pushfq();
  a.and(dword(rsp), ~EFLAGS.TF);
  a.popfq();
  a.nop();
  a.jmp(over);
  a.label(handler);
  a.push(rax);
  a.inc(ebx);
  a.mov(rax, dr6);
  a.shr(eax, 14);
  a.and(eax, 1);
  a.add(r8d, eax);
  a.xor(eax, eax);
  a.mov(dr6, rax);
  a.pop(rax);
  a.iretq();
  a.label(over);
  c.restoreGate(1);
  c.equal(ebx, count + 3); // PUSHFQ, AND and POPFQ count too
  c.equal(r8d, count + 3);
}
