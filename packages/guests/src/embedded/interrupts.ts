import {
  type Assembler,
  al,
  ax,
  byte,
  cr2,
  dword,
  dx,
  eax,
  ecx,
  edi,
  m,
  qword,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
  word,
} from '../assembler/index.ts';
import { say, sayHex } from './console.ts';
import { DEVICE, FLOATING_VECTOR, IRQ_VECTOR, PORT, RAM, TICK_DIVISOR, UART, V } from './layout.ts';
import { CODE64 } from './start.ts';

/** Vectors whose frame has an error code (Intel SDM vol. 3 §7.15). */
const WITH_ERROR_CODE = [8, 10, 11, 12, 13, 14, 17, 21, 29, 30];

// biome-ignore format: eight a row
const EXCEPTIONS = [
  'divide error', 'debug', 'NMI', 'breakpoint', 'overflow', 'bound', 'invalid opcode', 'no FPU',
  'double fault', 'vector 9', 'invalid TSS', 'not present', 'stack fault', 'general protection', 'page fault', 'vector 15',
  'x87 error', 'alignment check', 'machine check', 'SIMD error', 'virtualization', 'control protection',
];

/** Bytes between the entries of two vectors. */
const STUB = 16;

/** `interrupts on`, the entries of vectors 0–47 and the rest, and what they do. */
export function interruptRoutines(a: Assembler): void {
  buildTable(a);
  entries(a);
  exception(a);
  interrupt(a);
  controllers(a);
}

function buildTable(a: Assembler): void {
  a.label('idt on');
  a.mov(edi, RAM.idt);
  a.xor(ecx, ecx);
  a.label('idt next');
  a.mov(eax, 'other vector');
  a.cmp(ecx, IRQ_VECTOR + 16);
  a.jae('idt put');
  a.mov(eax, ecx);
  a.shl(eax, Math.log2(STUB));
  a.add(eax, 'entries');
  a.label('idt put');
  a.call('gate');
  a.inc(ecx);
  a.cmp(ecx, 256);
  a.jb('idt next');
  a.mov(edi, RAM.idt + FLOATING_VECTOR * 16);
  a.mov(eax, 'direct serial');
  a.call('gate');
  a.mov(word(V.idtr), 0xfff);
  a.mov(qword(V.idtr + 2), RAM.idt);
  a.lidt(m(V.idtr));
  a.ret();

  // eax: handler; rdi: its place in the table, moves on by one gate.
  a.label('gate');
  a.mov(dword(rdi), eax);
  a.mov(word(rdi, 2), CODE64);
  a.shr(eax, 16);
  a.mov(word(rdi, 6), ax);
  a.mov(word(rdi, 4), 0x8e00); // present, interrupt gate
  a.mov(qword(rdi, 8), 0);
  a.add(rdi, 16);
  a.ret();
}

function entries(a: Assembler): void {
  a.align(STUB);
  a.label('entries');
  for (let vector = 0; vector < IRQ_VECTOR + 16; vector++) {
    a.align(STUB);
    if (vector >= IRQ_VECTOR) {
      a.push(vector - IRQ_VECTOR);
      a.jmp('interrupt');
    } else {
      if (!WITH_ERROR_CODE.includes(vector)) a.push(0);
      a.push(vector);
      a.jmp('exception');
    }
  }
  a.align(STUB);
  a.label('other vector');
  a.iretq();
}

function exception(a: Assembler): void {
  // [rsp]: vector, error code, rip. Prints them, drops the frame and goes back to the prompt.
  a.label('exception');
  a.cld();
  a.mov(rbx, rsp);
  a.mov(rsp, RAM.stackTop);
  say(a, '\nexception ');
  a.mov(rax, qword(rbx));
  sayHex(a, 2);
  say(a, 'h (');
  a.mov(rax, qword(rbx));
  a.lea(rsi, m('exception names'));
  a.mov(ecx, EXCEPTIONS.length);
  a.cmp(rax, rcx);
  a.cmovae(rax, rcx);
  a.label('exception name');
  a.sub(eax, 1);
  a.jb('exception named');
  a.label('exception skip');
  a.cmp(byte(rsi), 0);
  a.lea(rsi, m(rsi, 1));
  a.jne('exception skip');
  a.jmp('exception name');
  a.label('exception named');
  a.call('puts');
  say(a, '), error ');
  a.mov(rax, qword(rbx, 8));
  sayHex(a, 4);
  say(a, ', rip ');
  a.mov(rax, qword(rbx, 16));
  sayHex(a, 16);
  say(a, ', cr2 ');
  a.mov(rax, cr2);
  sayHex(a, 16);
  say(a, '\n');
  a.sti();
  a.jmp('prompt');
  a.label('exception names');
  for (const name of [...EXCEPTIONS, 'reserved']) a.asciz(name);
}

function interrupt(a: Assembler): void {
  // [rsp]: IRQ 0–15.
  a.label('interrupt');
  a.push(rax);
  a.push(rcx);
  a.push(rdx);
  a.mov(rcx, qword(rsp, 24));
  a.inc(qword(V.irqs, rcx.times(8)));
  a.cmp(ecx, 4);
  a.jne('interrupt not serial');
  a.call('serial service');
  a.label('interrupt not serial');
  a.mov(rcx, qword(rsp, 24));
  a.mov(al, 0x20); // OCW2: non-specific EOI
  a.cmp(ecx, 8);
  a.jb('interrupt master');
  a.out(PORT.pic2, al);
  a.label('interrupt master');
  a.out(PORT.pic1, al);
  a.pop(rdx);
  a.pop(rcx);
  a.pop(rax);
  a.add(rsp, 8);
  a.iretq();

  // A machine without a PIC may wire the UART straight to INTR: the acknowledge cycle reads the floating bus.
  a.label('direct serial');
  a.push(rax);
  a.push(rcx);
  a.push(rdx);
  a.inc(qword(V.directIrqs));
  a.mov(dx, PORT.uart + UART.iir);
  a.in(al, dx); // takes back THRE
  a.call('serial service');
  a.pop(rdx);
  a.pop(rcx);
  a.pop(rax);
  a.iretq();
}

function controllers(a: Assembler): void {
  const out = (port: number, value: number) => {
    a.mov(al, value);
    if (port > 0xff) {
      a.mov(dx, port);
      a.out(dx, al);
    } else a.out(port, al);
  };

  // Sets up PIC, PIT and the UART's interrupt, and finds out whether the serial interrupt arrives.
  a.label('interrupts on');
  a.bt(dword(V.devices), DEVICE.pic);
  a.jnc('pic done');
  // i8259A: ICW1 (edge, cascade, ICW4), ICW2 (vectors), ICW3 (slave on IR2), ICW4 (8086), OCW1 (open: 0, 2, 4)
  out(PORT.pic1, 0x11);
  out(PORT.pic1 + 1, IRQ_VECTOR);
  out(PORT.pic1 + 1, 0x04);
  out(PORT.pic1 + 1, 0x01);
  out(PORT.pic2, 0x11);
  out(PORT.pic2 + 1, IRQ_VECTOR + 8);
  out(PORT.pic2 + 1, 0x02);
  out(PORT.pic2 + 1, 0x01);
  out(PORT.pic1 + 1, 0xea);
  out(PORT.pic2 + 1, 0xff);
  a.label('pic done');
  a.call('start timer');

  // The transmitter is empty, so its interrupt comes at once, if the line leads anywhere.
  a.call('flush');
  out(PORT.uart + UART.mcr, 0x0b); // DTR, RTS, OUT2: on a PC, OUT2 lets the interrupt through
  out(PORT.uart + UART.ier, 0x02); // ETBEI
  a.mov(ecx, 10_000);
  a.sti();
  a.label('serial trial');
  a.mov(rax, qword(V.irqs + 4 * 8));
  a.or(rax, qword(V.directIrqs));
  a.jne('serial arrives');
  a.pause();
  a.loop('serial trial');
  out(PORT.uart + UART.ier, 0);
  a.jmp('serial decided');
  a.label('serial arrives');
  a.mov(byte(V.serialIrq), 1);
  out(PORT.uart + UART.ier, 0x01); // ERBFI
  a.label('serial decided');
  a.ret();

  a.label('start timer');
  a.bt(dword(V.devices), DEVICE.pit);
  a.jnc('pit done');
  out(PORT.pitControl, 0x34); // counter 0, both bytes, mode 2
  out(PORT.pit, TICK_DIVISOR & 0xff);
  out(PORT.pit, TICK_DIVISOR >> 8);
  a.label('pit done');
  a.ret();
}
