import {
  type Assembler,
  ah,
  al,
  byte,
  cl,
  dl,
  dword,
  eax,
  ebx,
  ecx,
  edx,
  esi,
  m,
  qword,
  r12,
  r13,
  r13d,
  r14,
  r15,
  rax,
  rbx,
  rcx,
  rdx,
  rsi,
} from '../assembler/index.ts';
import { say } from './console.ts';
import { DEVICE, PORT, RAM, V } from './layout.ts';

/** `time` and `bench`. */
export function clockCommands(a: Assembler): void {
  duration(a);
  time(a);
  bench(a);
}

const NANOSECONDS = 1_000_000_000;

function duration(a: Assembler): void {
  // rax: TSC ticks. Returns nanoseconds; CF: the TSC's rate is unknown, and rax is as it was. Clobbers rcx, rdx.
  a.label('nanoseconds');
  a.mov(rcx, qword(V.tscHz));
  a.cmp(rcx, 1);
  a.jb('nanoseconds done');
  a.mov(edx, NANOSECONDS);
  a.mul(rdx);
  a.div(rcx);
  a.clc();
  a.label('nanoseconds done');
  a.ret();
}

/** Registers of the MC146818 in the order in which they are printed. The century is where a PC has it. */
const RTC = { century: 0x32, year: 9, month: 8, day: 7, hours: 4, minutes: 2, seconds: 0 } as const;

function time(a: Assembler): void {
  a.label('time');
  a.bt(dword(V.devices), DEVICE.rtc);
  a.jnc('time up');
  const fields = Object.values(RTC);

  // Register A, bit 7 (UIP): an update is near; and a read that an update broke shows by other seconds after it.
  a.mov(ebx, 10_000);
  a.label('rtc again');
  a.dec(ebx);
  a.je('rtc read');
  cmos(a, 0x0a);
  a.test(al, 0x80);
  a.jne('rtc again');
  for (const [i, register] of fields.entries()) {
    cmos(a, register);
    a.mov(byte(RAM.line + i), al);
  }
  cmos(a, RTC.seconds);
  a.cmp(al, byte(RAM.line + fields.indexOf(RTC.seconds)));
  a.jne('rtc again');
  a.label('rtc read');

  // Register B: bit 2 says binary, bit 1 24 hours. All becomes BCD-printable binary and 24 hours.
  cmos(a, 0x0b);
  a.mov(dl, al);
  const hours = RAM.line + fields.indexOf(RTC.hours);
  a.mov(cl, byte(hours));
  a.and(byte(hours), 0x7f);
  a.test(dl, 4);
  a.jne('rtc binary');
  for (const i of fields.keys()) {
    a.movzx(eax, byte(RAM.line + i));
    a.mov(ah, al);
    a.shr(ah, 4);
    a.and(al, 0x0f);
    a.movzx(esi, al);
    a.shr(eax, 8);
    a.imul(eax, eax, 10);
    a.add(eax, esi);
    a.mov(byte(RAM.line + i), al);
  }
  a.label('rtc binary');
  a.test(dl, 2);
  a.jne('rtc 24 hours');
  a.cmp(byte(hours), 12);
  a.jne('rtc not 12');
  a.mov(byte(hours), 0);
  a.label('rtc not 12');
  a.test(cl, 0x80);
  a.je('rtc 24 hours');
  a.add(byte(hours), 12);
  a.label('rtc 24 hours');
  for (const [i, separator] of ['', '-', '-', ' ', ':', ':', '\n'].entries()) {
    a.movzx(eax, byte(RAM.line + i));
    a.call('two digits');
    if (separator) say(a, separator);
  }

  a.label('time up');
  a.call('tsc');
  a.sub(rax, qword(V.tscStart));
  a.call('nanoseconds');
  a.jc('time in ticks');
  a.mov(ecx, NANOSECONDS);
  a.xor(edx, edx);
  a.div(rcx);
  a.mov(rbx, rdx);
  a.push(rax);
  say(a, 'up ');
  a.pop(rax);
  a.call('decimal');
  say(a, '.');
  a.mov(rax, rbx);
  a.xor(edx, edx);
  a.mov(ecx, NANOSECONDS / 100);
  a.div(rcx);
  a.call('two digits');
  say(a, ' s\n');
  a.ret();
  a.label('time in ticks');
  a.push(rax);
  say(a, 'up ');
  a.pop(rax);
  a.call('decimal');
  say(a, ' ticks of the TSC\n');
  a.ret();

  // eax: 0–99.
  a.label('two digits');
  a.xor(edx, edx);
  a.mov(ecx, 10);
  a.div(ecx);
  a.mov(ah, dl);
  a.add(eax, 0x3030);
  a.push(rax);
  a.call('putc raw');
  a.pop(rax);
  a.mov(al, ah);
  a.jmp('putc raw');
}

/** al: a CMOS register. */
function cmos(a: Assembler, register: number): void {
  a.mov(al, register);
  a.out(PORT.cmosIndex, al);
  a.in(al, PORT.cmosData);
}

/** Instructions in one turn of the loop that `bench` times. */
const LOOP = 4;
const FIRST_COUNT = 0x10_0000;
/** Without a COUNT, the loop grows until it takes so long: nanoseconds, or ticks of a TSC of unknown rate. */
const LONG_ENOUGH = 50_000_000;

function bench(a: Assembler): void {
  a.label('bench');
  a.mov(ebx, FIRST_COUNT);
  a.mov(r13, LONG_ENOUGH);
  a.call('skip blanks');
  a.cmp(byte(rsi), 0);
  a.je('bench run');
  a.call('number');
  a.jc('bench usage');
  a.lea(rbx, m(rax, LOOP - 1));
  a.and(rbx, -LOOP);
  a.je('bench usage');
  a.xor(r13d, r13d);
  a.call('skip blanks');
  a.cmp(byte(rsi), 0);
  a.jne('bench usage');

  a.label('bench run');
  a.call('tsc');
  a.mov(r12, rax);
  a.mov(rcx, rbx);
  a.shr(rcx, Math.log2(LOOP));
  a.xor(eax, eax);
  a.align(16, 0x90);
  a.label('bench loop');
  a.add(rax, rcx);
  a.xor(rax, rbx);
  a.dec(rcx);
  a.jne('bench loop');
  a.call('tsc');
  a.sub(rax, r12);
  a.call('nanoseconds');
  a.sbb(r15, r15); // −1: ticks
  a.mov(r14, rax);
  a.cmp(r14, r13);
  a.jae('bench print');
  a.shl(rbx, 2);
  a.jmp('bench run');

  a.label('bench print');
  a.mov(rax, rbx);
  a.call('decimal');
  say(a, ' instructions in ');
  a.mov(rax, r14);
  a.call('decimal');
  a.test(r15, r15);
  a.jne('bench ticks');
  say(a, ' ns, ');
  a.mov(rax, rbx);
  a.mov(ecx, 1000);
  a.mul(rcx);
  a.cmp(rdx, r14);
  a.jae('bench end'); // no time passed at all
  a.div(r14);
  a.call('decimal');
  say(a, ' million a second');
  a.label('bench end');
  say(a, '\n');
  a.ret();
  a.label('bench ticks');
  say(a, ' ticks of the TSC\n');
  a.ret();
  a.label('bench usage');
  say(a, 'usage: bench [COUNT], hexadecimal, not 0\n');
  a.ret();
}
