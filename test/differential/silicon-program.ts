import {
  type Assembler,
  al,
  assembler,
  byte,
  distance,
  ds,
  dword,
  eax,
  ecx,
  edi,
  edx,
  es,
  esi,
  m,
  qword,
  r8,
  r8d,
  r8w,
  r9,
  r9d,
  r9w,
  r10,
  r10d,
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
  DATA_16,
  GS_BASE,
  INPUT,
  INPUT_SIZE,
  MAX_CHANGES,
  MAX_CODE,
  OUTPUT,
  OUTPUT_SIZE,
  TIMEOUT,
  WINDOW,
} from './case.ts';

/**
 * The program that runs instructions on the processor itself: an ELF for Linux on x86-64. Cases come in on stdin,
 * outcomes go out on stdout, both as case.ts lays them out.
 *
 * All the work is done in a signal handler. A case ends in an exception (INT3 when nothing else), the kernel saves every
 * register on the alternate stack, and the handler reads them there, puts the next case's in their place and returns:
 * the kernel then loads them all, RIP and RFLAGS included, and the next case runs. So nothing is lost to a trampoline,
 * and any value may be in any register.
 */
export function siliconProgram(): Uint8Array {
  const a = assembler({ bits: 64, origin: ORIGIN });
  header(a);
  start(a);
  handler(a);
  a.align(16);
  for (const name of ['count', 'scratch']) {
    a.label(name);
    a.dq(0);
  }
  a.label('at');
  a.dq(-1);
  a.label('lastTick');
  a.dq(-2);
  a.align(16);
  a.label('end');
  return a.assemble();
}

/** Where no case looks but by chance. Nothing else of the process stays, as Linux puts it where cases do look. */
const ORIGIN = 0x5a5a_5a50_0000;
/** Behind the program, as far apart as the largest is: outcomes, cases, and what cases run in, to write. */
const AT = {
  outputs: ORIGIN + 0x4000_0000,
  inputs: ORIGIN + 0x8000_0000,
  code: ORIGIN + 0xc000_0000,
  data: ORIGIN + 0xd000_0000,
  end: ORIGIN + 0xe000_0000,
} as const;
const END_OF_USER_SPACE = 0x7fff_ffff_f000;
/** Bytes of the stack that signals are taken on, behind the program: an XSAVE image takes up to 11 KiB. */
const STACK = 0x4_0000;
/** Bytes of address space for all cases, and for all outcomes. */
const ROOM = 0x4000_0000;

const SYSCALL = {
  read: 0,
  write: 1,
  mmap: 9,
  mprotect: 10,
  munmap: 11,
  rt_sigaction: 13,
  rt_sigreturn: 15,
  setitimer: 38,
  exit: 60,
  ftruncate: 77,
  sigaltstack: 131,
  modify_ldt: 154,
  prctl: 157,
  arch_prctl: 158,
  memfd_create: 319,
} as const;
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474_e551;
const PF = { execute: 1, write: 2, read: 4 } as const;
const PROT = { read: 1, write: 2, execute: 4 } as const;
const MAP = { shared: 1, private: 2, anonymous: 0x20, noReserve: 0x4000, fixedNoReplace: 0x10_0000 } as const;
const ARCH_SET_GS = 0x1001;
const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_STRICT = 1;
const SA = { siginfo: 4, restorer: 0x400_0000, onStack: 0x800_0000 } as const;
/** SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV. */
const EXCEPTIONS = [4, 5, 7, 8, 11] as const;
const SIGVTALRM = 26;
const ITIMER_VIRTUAL = 1;
/** Microseconds; a case that outlives a tick hangs. */
const TICK = 20_000;

/** Linux's selectors, and two of the local descriptor table. */
const SELECTOR = { code32: 0x23, code64: 0x33, data: 0x2b, code16: 0x07, data16: 0x0f } as const;
/** Flags of a `user_desc`: its `contents` say code. */
const LDT_CODE = 2 << 1;

/** Offsets in `ucontext_t`, and in its registers, by their numbers. */
const CONTEXT = { registers: 40, fpu: 224 } as const;
const REGISTER = [13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7].map(n => 8 * n);
const SAVED = { rip: 128, flags: 136, cs: 144, ss: 150, error: 152, vector: 160, cr2: 176 } as const;
/** The kernel's XSAVE image: bytes of FXSAVE that are used, where the kernel says that there is more, and what is set. */
const XSAVE = { used: 416, magic: 464, present: 512 } as const;
const FP_XSTATE_MAGIC1 = 0x4650_5853;

/** ELF header, one segment with everything in it, and that the stack is not to be executed (System V ABI). */
function header(a: Assembler): void {
  a.label('origin');
  a.db(0x7f, 'ELF', 2, 1, 1, 0);
  a.dq(0);
  a.dw(2, 62); // an executable, for x86-64
  a.dd(1);
  a.dq('start', 64, 0);
  a.dd(0);
  a.dw(64, 56, 2, 0, 0, 0);
  a.dd(PT_LOAD, PF.read | PF.write | PF.execute);
  a.dq(0, ORIGIN, ORIGIN);
  a.dq(distance('origin', 'end'), distance('origin', 'end', STACK), 0x1000);
  a.dd(PT_GNU_STACK, PF.read | PF.write);
  a.dq(0, 0, 0, 0, 0, 16);
}

/** The arguments in RDI, RSI, RDX, R10, R8 and R9. */
function call(a: Assembler, name: keyof typeof SYSCALL): void {
  a.mov(eax, SYSCALL[name]);
  a.syscall();
}

function exit(a: Assembler, status: number): void {
  a.mov(edi, status);
  call(a, 'exit');
}

/** Memory that is there once it is used. */
function reserve(a: Assembler, address: number): void {
  a.mov(rdi, address);
  a.mov(esi, ROOM);
  a.mov(edx, PROT.read | PROT.write);
  a.mov(r10d, MAP.private | MAP.anonymous | MAP.noReserve | MAP.fixedNoReplace);
  a.mov(r8, -1);
  a.xor(r9d, r9d);
  call(a, 'mmap');
  a.test(rax, rax);
  a.js('failed');
}

/** Maps memory twice: where it belongs, and at `alias` to write. */
function mapTwice(a: Assembler, address: number, size: number, protection: number, alias: number): void {
  a.lea(rdi, m('empty'));
  a.xor(esi, esi);
  call(a, 'memfd_create');
  a.mov(rbx, rax);
  a.mov(rdi, rbx);
  a.mov(esi, size);
  call(a, 'ftruncate');
  for (const [place, allowed] of [
    [address, protection],
    [alias, PROT.read | PROT.write],
  ] as const) {
    a.mov(rdi, place);
    a.mov(esi, size);
    a.mov(edx, allowed);
    a.mov(r10d, MAP.shared | MAP.fixedNoReplace);
    a.mov(r8, rbx);
    a.xor(r9d, r9d);
    call(a, 'mmap');
    a.test(rax, rax);
    a.js('failed');
  }
  // Present from the start: a page fault must say what the page allows.
  for (let at = 0; at < size; at += 0x1000) a.mov(al, byte(address + at));
}

function start(a: Assembler): void {
  a.label('failed');
  exit(a, 2);
  a.label('no16');
  exit(a, 3);

  a.label('start');
  a.mov(rdi, AT.end);
  a.mov(rsi, END_OF_USER_SPACE - AT.end);
  call(a, 'munmap');
  reserve(a, AT.outputs);
  reserve(a, AT.inputs);
  a.mov(rbx, AT.inputs);
  a.label('more');
  a.xor(edi, edi);
  a.mov(rsi, rbx);
  a.mov(edx, ROOM / 2);
  call(a, 'read');
  a.add(rbx, rax);
  a.test(rax, rax);
  a.jg('more');
  a.mov(rax, rbx);
  a.mov(rcx, AT.inputs);
  a.sub(rax, rcx);
  a.xor(edx, edx);
  a.mov(ecx, INPUT_SIZE);
  a.div(rcx);
  a.mov(qword('count'), rax);
  a.test(rax, rax);
  a.jz('finish');

  mapTwice(a, CODE.address, CODE.size, PROT.read | PROT.execute, AT.code);
  mapTwice(a, DATA.address, DATA.size, PROT.read | PROT.write, AT.data);
  a.mov(edi, DATA.address + DATA.writable);
  a.mov(esi, DATA.size - DATA.writable);
  a.mov(edx, PROT.read);
  call(a, 'mprotect');
  a.mov(edi, ARCH_SET_GS);
  a.mov(esi, GS_BASE);
  call(a, 'arch_prctl');

  for (const segment of ['code16', 'data16']) {
    a.mov(edi, 1);
    a.lea(rsi, m(segment));
    a.mov(edx, 16);
    call(a, 'modify_ldt');
    a.or(qword('scratch'), rax);
  }
  // Without 16-bit segments, the other cases run all the same.
  a.cmp(qword('scratch'), 0);
  a.je('has16');
  a.mov(rax, AT.inputs);
  a.cmp(dword(rax, INPUT.bits), 16);
  a.je('no16');
  a.label('has16');

  a.lea(rdi, m('stack'));
  a.xor(esi, esi);
  call(a, 'sigaltstack');
  for (const signal of [...EXCEPTIONS, SIGVTALRM]) {
    a.mov(edi, signal);
    a.lea(rsi, m('action'));
    a.xor(edx, edx);
    a.mov(r10d, 8);
    call(a, 'rt_sigaction');
  }
  a.mov(edi, ITIMER_VIRTUAL);
  a.lea(rsi, m('tick'));
  a.xor(edx, edx);
  call(a, 'setitimer');
  // From here on the kernel does nothing for us but read, write, sigreturn and exit: a case may come to SYSCALL.
  a.mov(edi, PR_SET_SECCOMP);
  a.mov(esi, SECCOMP_MODE_STRICT);
  call(a, 'prctl');
  a.test(rax, rax);
  a.js('failed');
  a.ud2(); // the handler takes it from here

  a.label('finish');
  a.mov(rbx, AT.outputs);
  a.imul(rbp, qword('count'), OUTPUT_SIZE);
  a.label('write');
  a.test(rbp, rbp);
  a.jle('written');
  a.mov(edi, 1);
  a.mov(rsi, rbx);
  a.mov(rdx, rbp);
  call(a, 'write');
  a.test(rax, rax);
  a.jle('failed');
  a.add(rbx, rax);
  a.sub(rbp, rax);
  a.jmp('write');
  a.label('written');
  exit(a, 0);

  a.align(8);
  a.label('empty');
  a.dq(0);
  a.label('code16');
  a.dd(0, CODE.address, 0xffff, LDT_CODE);
  a.label('data16');
  a.dd(1, DATA_16.base, DATA_16.limit, 0);
  a.label('stack');
  a.dq('end', 0, STACK);
  a.label('action');
  a.dq('handle', SA.siginfo | SA.restorer | SA.onStack, 'restore', -1);
  a.label('tick');
  a.dq(0, TICK, 0, TICK);
}

/** RBX is the case, RBP its outcome, R12 the saved registers, R13 the saved FPU. R14B says that time is up. */
function handler(a: Assembler): void {
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
