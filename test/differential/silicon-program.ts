import {
  type Assembler,
  al,
  assembler,
  byte,
  distance,
  dword,
  ecx,
  edi,
  edx,
  esi,
  m,
  qword,
  r8,
  r9d,
  r10d,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
} from '@mainboard/guests/assembler';
import { CODE, DATA, DATA_16, GS_BASE, INPUT, INPUT_SIZE, OUTPUT_SIZE } from './case.ts';
import {
  ARCH_SET_GS,
  call,
  EXCEPTIONS,
  ITIMER_VIRTUAL,
  MAP,
  PF,
  PR_SET_SECCOMP,
  PROT,
  PT_GNU_STACK,
  PT_LOAD,
  SA,
  SECCOMP_MODE_STRICT,
  SIGVTALRM,
} from './linux.ts';
import { handler } from './silicon-handler.ts';
import { AT, END_OF_USER_SPACE, ORIGIN, ROOM, STACK } from './silicon-memory.ts';

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

/** Microseconds; a case that outlives a tick hangs. */
const TICK = 20_000;

/** Flags of a `user_desc`: its `contents` say code. */
const LDT_CODE = 2 << 1;

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
  a.test(rax, rax);
  a.js('failed');
  a.add(rbx, rax);
  a.test(rax, rax);
  a.jnz('more');
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
