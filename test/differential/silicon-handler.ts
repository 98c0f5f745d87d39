import {
  type Assembler,
  al,
  byte,
  ds,
  dword,
  eax,
  ecx,
  edi,
  es,
  m,
  qword,
  r8,
  r8d,
  r8w,
  r9,
  r9d,
  r9w,
  r10,
  r11,
  r11d,
  r12,
  r13,
  r14b,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
  word,
} from '@mainboard/guests/assembler';
import {
  CODE,
  COMPARED_FLAGS,
  DATA,
  INPUT,
  INPUT_SIZE,
  MAX_CHANGES,
  MAX_CODE,
  OUTPUT,
  OUTPUT_SIZE,
  TIMEOUT,
  WINDOW,
} from './case.ts';
import { call, SELECTOR, SIGVTALRM } from './linux.ts';
import { AT } from './silicon-memory.ts';

/** Offsets in `ucontext_t`, and in its registers, by their numbers. */
const CONTEXT = { registers: 40, fpu: 224 } as const;
const REGISTER = [13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7].map(n => 8 * n);
const SAVED = { rip: 128, flags: 136, cs: 144, ss: 150, error: 152, vector: 160, cr2: 176 } as const;
/** The kernel's XSAVE image: bytes of FXSAVE that are used, where the kernel says that there is more, and what is set. */
const XSAVE = { used: 416, magic: 464, present: 512 } as const;
const FP_XSTATE_MAGIC1 = 0x4650_5853;

/** RBX is the case, RBP its outcome, R12 the saved registers, R13 the saved FPU. R14B says that time is up. */
export function handler(a: Assembler): void {
  a.label('restore');
  call(a, 'rt_sigreturn');

  a.label('handle');
  // POPF may have set NT, AC and ID, which the kernel leaves to the handler, and so to the next case.
  a.pushfq();
  a.and(dword(rsp), ~0x24_4000);
  a.popfq();
  a.lea(r12, m(rdx, CONTEXT.registers));
  a.mov(r13, qword(rdx, CONTEXT.fpu));
  a.mov(rax, qword('at'));
  a.cmp(edi, SIGVTALRM);
  a.sete(r14b);
  a.jne('ended');
  a.cmp(rax, qword('lastTick'));
  a.mov(qword('lastTick'), rax);
  a.je('ended');
  a.ret();
  a.label('ended');
  a.test(rax, rax);
  a.js('next');
  a.imul(rbx, rax, INPUT_SIZE);
  a.mov(rcx, AT.inputs);
  a.add(rbx, rcx);
  a.imul(rbp, rax, OUTPUT_SIZE);
  a.mov(rcx, AT.outputs);
  a.add(rbp, rcx);
  store(a);
  a.label('next');
  a.inc(qword('at'));
  a.mov(rax, qword('at'));
  a.cmp(rax, qword('count'));
  a.je('finish');
  a.imul(rbx, rax, INPUT_SIZE);
  a.mov(rcx, AT.inputs);
  a.add(rbx, rcx);
  load(a);
  a.ret();
}

/** Notes the outcome of the case that has ended. */
function store(a: Assembler): void {
  const copy = (to: number, from: number): void => {
    a.mov(rax, qword(r12, from));
    a.mov(qword(rbp, to), rax);
  };
  for (const [n, from] of REGISTER.entries()) copy(OUTPUT.gpr + 8 * n, from);
  // With a 16-bit stack the kernel's own addresses show in the upper half, which such code cannot see.
  a.cmp(dword(rbx, INPUT.bits), 64);
  a.je('wholeStack');
  a.mov(dword(rbp, OUTPUT.gpr + 8 * 4 + 4), 0);
  a.label('wholeStack');
  copy(OUTPUT.rip, SAVED.rip);
  copy(OUTPUT.flags, SAVED.flags);
  copy(OUTPUT.cr2, SAVED.cr2);
  a.mov(eax, dword(r12, SAVED.error));
  a.mov(dword(rbp, OUTPUT.error), eax);
  a.mov(eax, dword(r12, SAVED.vector));
  a.mov(ecx, TIMEOUT);
  a.test(r14b, r14b);
  a.cmovnz(eax, ecx);
  a.mov(dword(rbp, OUTPUT.vector), eax);
  a.mov(rsi, r13);
  a.lea(rdi, m(rbp, OUTPUT.fpu));
  a.mov(ecx, XSAVE.used / 8);
  a.rep().movsq();

  // The quadwords (RCX) of memory that are not what they were: R9 counts them.
  a.mov(r8, AT.data);
  a.xor(ecx, ecx);
  a.xor(r9d, r9d);
  a.label('compare');
  a.xor(r11d, r11d);
  a.lea(rdx, m(rcx, -WINDOW.offset / 8));
  a.cmp(rdx, WINDOW.size / 8);
  a.jae('outside');
  a.mov(r11, qword(rbx, rdx.times(8), INPUT.window));
  a.label('outside');
  a.mov(rax, qword(r8, rcx.times(8)));
  a.cmp(rax, r11);
  a.je('same');
  a.cmp(r9d, MAX_CHANGES);
  a.jae('listed');
  a.mov(rdx, r9);
  a.shl(rdx, 4);
  a.lea(r10, m(rcx.times(8)));
  a.mov(qword(rbp, rdx, OUTPUT.changes), r10);
  a.mov(qword(rbp, rdx, OUTPUT.changes + 8), rax);
  a.label('listed');
  a.inc(r9d);
  a.label('same');
  a.inc(ecx);
  a.cmp(ecx, DATA.size / 8);
  a.jb('compare');
  a.mov(dword(rbp, OUTPUT.changed), r9d);
}

/** Puts the next case in place. */
function load(a: Assembler): void {
  a.mov(r8d, SELECTOR.code64);
  a.mov(r9d, SELECTOR.data);
  a.cmp(dword(rbx, INPUT.bits), 64);
  a.je('selectors');
  a.mov(r8d, SELECTOR.code32);
  a.cmp(dword(rbx, INPUT.bits), 32);
  a.je('selectors');
  a.mov(r8d, SELECTOR.code16);
  a.mov(r9d, SELECTOR.data16);
  a.label('selectors');
  a.mov(word(r12, SAVED.cs), r8w);
  a.mov(word(r12, SAVED.ss), r9w);
  // Code outside 64-bit mode needs them, and the kernel leaves them as the last case did.
  a.mov(ds, r9d);
  a.mov(es, r9d);

  a.mov(rdi, AT.code);
  a.mov(al, 0xcc);
  a.mov(ecx, CODE.size);
  a.rep().stosb();
  a.mov(rdi, AT.code);
  a.add(rdi, qword(rbx, INPUT.rip));
  a.sub(rdi, CODE.address);
  a.lea(rsi, m(rbx, INPUT.code));
  a.mov(ecx, MAX_CODE / 8);
  a.rep().movsq();
  a.mov(rdi, AT.data);
  a.xor(eax, eax);
  a.mov(ecx, DATA.size / 8);
  a.rep().stosq();
  a.mov(rdi, AT.data);
  a.add(rdi, WINDOW.offset);
  a.lea(rsi, m(rbx, INPUT.window));
  a.mov(ecx, WINDOW.size / 8);
  a.rep().movsq();
  a.mov(rdi, r13);
  a.lea(rsi, m(rbx, INPUT.fpu));
  a.mov(ecx, XSAVE.used / 8);
  a.rep().movsq();
  a.cmp(dword(r13, XSAVE.magic), FP_XSTATE_MAGIC1);
  a.jne('noXsave');
  a.or(byte(r13, XSAVE.present), 3); // x87 and SSE are not in their initial state
  a.label('noXsave');

  for (const [n, to] of REGISTER.entries()) {
    a.mov(rax, qword(rbx, INPUT.gpr + 8 * n));
    a.mov(qword(r12, to), rax);
  }
  a.mov(rax, qword(rbx, INPUT.rip));
  a.cmp(dword(rbx, INPUT.bits), 16);
  a.jne('linearRip');
  a.sub(rax, CODE.address);
  a.label('linearRip');
  a.mov(qword(r12, SAVED.rip), rax);
  a.mov(eax, dword(rbx, INPUT.flags));
  a.and(eax, COMPARED_FLAGS);
  a.or(eax, 0x202);
  a.mov(qword(r12, SAVED.flags), rax);
}
