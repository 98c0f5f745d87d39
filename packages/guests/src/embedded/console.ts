import {
  type Assembler,
  al,
  byte,
  cl,
  dl,
  dword,
  dx,
  eax,
  ecx,
  edx,
  qword,
  r8d,
  rax,
  rcx,
  rdx,
  rsi,
} from '../assembler/index.ts';
import { PORT, QUIET_AFTER, RAM, UART, V } from './layout.ts';

/** Prints `text`: it stands behind the call, and `say` returns past it. Clobbers rax, rcx, rdx, rsi. */
export function say(a: Assembler, text: string): void {
  a.call('say');
  a.asciz(text);
}

/** Prints rax in hexadecimal with `digits` digits at least. Clobbers rax, rcx, rdx, rsi, r8. */
export function sayHex(a: Assembler, digits: number): void {
  a.mov(ecx, digits);
  a.call('hex');
}

/** The serial line: `putc`, `puts`, `say`, `hex`, `decimal`, `getc`, `flush`. All clobber rax, rcx, rdx, rsi and r8 at most. */
export function consoleRoutines(a: Assembler): void {
  output(a);
  numbers(a);
  input(a);
}

function output(a: Assembler): void {
  // al: a character; LF goes out as CR LF.
  a.label('putc');
  a.cmp(al, 0x0a);
  a.jne('putc raw');
  a.push(rax);
  a.mov(al, 0x0d);
  a.call('putc raw');
  a.pop(rax);
  a.label('putc raw');
  a.mov(cl, al);
  a.mov(dx, PORT.uart + UART.lsr);
  a.label('putc wait');
  a.in(al, dx);
  a.test(al, 0x20); // LSR.THRE
  a.jne('putc ready');
  a.pause();
  a.jmp('putc wait');
  a.label('putc ready');
  a.mov(al, cl);
  a.mov(dx, PORT.uart + UART.data);
  a.out(dx, al);
  a.ret();

  // rsi: text with a zero at its end. Leaves rsi behind the zero.
  a.label('puts');
  a.lodsb();
  a.test(al, al);
  a.je('puts done');
  a.call('putc');
  a.jmp('puts');
  a.label('puts done');
  a.ret();

  a.label('say');
  a.pop(rsi);
  a.call('puts');
  a.jmp(rsi);

  // Waits until the last character is on the line.
  a.label('flush');
  a.mov(dx, PORT.uart + UART.lsr);
  a.mov(ecx, 1_000_000);
  a.label('flush wait');
  a.in(al, dx);
  a.test(al, 0x40); // LSR.TEMT
  a.loope('flush wait');
  a.ret();
}

function numbers(a: Assembler): void {
  // rax: a number, ecx: digits at least. The digits collect on the stack.
  a.label('hex');
  a.mov(edx, ecx);
  a.mov(rsi, rax);
  a.xor(r8d, r8d);
  a.label('hex next');
  a.mov(eax, 0x0f);
  a.and(rax, rsi);
  a.cmp(al, 10);
  a.jb('hex digit');
  a.add(al, 'a'.charCodeAt(0) - 10 - 0x30);
  a.label('hex digit');
  a.add(al, 0x30);
  a.push(rax);
  a.inc(r8d);
  a.shr(rsi, 4);
  a.jne('hex next');
  a.cmp(r8d, edx);
  a.jb('hex next');
  a.jmp('digits out');

  // rax: a number, in decimal.
  a.label('decimal');
  a.xor(r8d, r8d);
  a.mov(ecx, 10);
  a.label('decimal next');
  a.xor(edx, edx);
  a.div(rcx);
  a.add(dl, 0x30);
  a.push(rdx);
  a.inc(r8d);
  a.test(rax, rax);
  a.jne('decimal next');

  a.label('digits out');
  a.pop(rax);
  a.call('putc raw');
  a.dec(r8d);
  a.jne('digits out');
  a.ret();
}

function input(a: Assembler): void {
  // Waits for a character in al: asleep where the serial interrupt arrives, else polling.
  a.label('getc');
  a.cmp(byte(V.serialIrq), 0);
  a.je('getc poll');
  a.cli();
  a.mov(rcx, qword(V.ringOut));
  a.cmp(rcx, qword(V.ringIn));
  a.jne('getc take');
  // A guest that nobody talks to should cost its host nothing: the timer stops, the TSC keeps the time.
  a.inc(dword(V.wakeups));
  a.cmp(dword(V.wakeups), QUIET_AFTER);
  a.jne('getc sleep');
  a.mov(al, 0x30); // mode 0: it waits for a count that does not come
  a.out(PORT.pitControl, al);
  a.label('getc sleep');
  // No interrupt fits between the two: STI holds it back for one instruction.
  a.sti();
  a.hlt();
  a.jmp('getc');
  a.label('getc take');
  a.cmp(dword(V.wakeups), QUIET_AFTER);
  a.mov(dword(V.wakeups), 0);
  a.jb('getc ticking');
  a.call('start timer');
  a.label('getc ticking');
  a.mov(al, byte(RAM.ring, rcx));
  a.inc(cl);
  a.mov(qword(V.ringOut), rcx);
  a.cmp(byte(V.ringFull), 0);
  a.je('getc taken');
  a.mov(byte(V.ringFull), 0);
  a.push(rax);
  a.mov(al, 1); // IER.ERBFI
  a.mov(dx, PORT.uart + UART.ier);
  a.out(dx, al);
  a.pop(rax);
  a.label('getc taken');
  a.sti();
  a.ret();

  // Without interrupts there is nothing to wake a sleeping processor.
  a.label('getc poll');
  a.mov(dx, PORT.uart + UART.lsr);
  a.in(al, dx);
  a.test(al, 1); // LSR.DR
  a.jne('getc polled');
  a.pause();
  a.jmp('getc poll');
  a.label('getc polled');
  a.mov(dx, PORT.uart + UART.data);
  a.in(al, dx);
  a.ret();

  // The interrupt's half: moves what the UART holds to the ring. Clobbers rax, rcx, rdx.
  a.label('serial service');
  a.mov(dx, PORT.uart + UART.lsr);
  a.in(al, dx);
  a.test(al, 1); // LSR.DR
  a.je('serial done');
  a.mov(rcx, qword(V.ringIn));
  a.inc(cl);
  a.cmp(rcx, qword(V.ringOut));
  a.je('serial full');
  a.mov(dx, PORT.uart + UART.data);
  a.in(al, dx);
  a.dec(cl);
  a.mov(byte(RAM.ring, rcx), al);
  a.inc(cl);
  a.mov(qword(V.ringIn), rcx);
  a.jmp('serial service');
  a.label('serial full');
  a.mov(byte(V.ringFull), 1);
  a.xor(eax, eax);
  a.mov(dx, PORT.uart + UART.ier);
  a.out(dx, al);
  a.label('serial done');
  a.ret();
}
