import {
  type Assembler,
  ah,
  al,
  ax,
  byte,
  dl,
  dword,
  dx,
  eax,
  ebx,
  ecx,
  edi,
  m,
  qword,
  r8d,
  r9,
  r10,
  r10d,
  r11,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
} from '../assembler/index.ts';
import { DEVICE, PIT_HZ, PORT, TICK_DIVISOR, UART, V } from './layout.ts';

/** `find devices`, `find memory`, `find clock`: fill in the variables. All registers are clobbered. */
export function findRoutines(a: Assembler): void {
  devices(a);
  memory(a);
  clock(a);
}

/** Reads a port into al or ax. */
function input(a: Assembler, port: number, register = al): void {
  if (port > 0xff) {
    a.mov(dx, port);
    a.in(register, dx);
  } else a.in(register, port);
}

function output(a: Assembler, port: number, value: number): void {
  a.mov(al, value);
  if (port > 0xff) {
    a.mov(dx, port);
    a.out(dx, al);
  } else a.out(port, al);
}

function devices(a: Assembler): void {
  const found = (device: keyof typeof DEVICE) => a.or(dword(V.devices), 1 << DEVICE[device]);

  // Each device shows itself by a register that reads back what was written, or that cannot read as all ones.
  a.label('find devices');
  output(a, PORT.uart + UART.scratch, 0x5a);
  input(a, PORT.uart + UART.scratch);
  a.cmp(al, 0x5a);
  a.jne('no uart');
  found('uart');
  output(a, PORT.uart + UART.ier, 0);
  output(a, PORT.uart + UART.lcr, 0x83); // DLAB, 8N1
  output(a, PORT.uart + UART.data, 1); // 115200 baud
  output(a, PORT.uart + UART.ier, 0);
  output(a, PORT.uart + UART.lcr, 0x03);
  output(a, PORT.uart + UART.fcr, 0x01);
  input(a, PORT.uart + UART.iir);
  a.cmp(al, 0xc0);
  a.jb('no uart');
  found('fifo');
  a.label('no uart');

  // i8259A OCW1: the mask reads back.
  for (const mask of [0xa5, 0xff]) {
    output(a, PORT.pic1 + 1, mask);
    input(a, PORT.pic1 + 1);
    a.cmp(al, mask);
    a.jne('no pic');
  }
  found('pic');
  a.label('no pic');

  // i8254 read-back command: the status has the mode that was programmed.
  output(a, PORT.pitControl, 0x34);
  output(a, PORT.pit, TICK_DIVISOR & 0xff);
  output(a, PORT.pit, TICK_DIVISOR >> 8);
  output(a, PORT.pitControl, 0xe2);
  input(a, PORT.pit);
  a.and(al, 0x3f);
  a.cmp(al, 0x34);
  a.jne('no pit');
  found('pit');
  a.label('no pit');

  // MC146818 register D: bits 6:0 read as 0.
  output(a, PORT.cmosIndex, 0x0d);
  input(a, PORT.cmosData);
  a.test(al, 0x7f);
  a.jne('no rtc');
  found('rtc');
  a.label('no rtc');

  for (const [port, device] of [
    [PORT.ps2Status, 'i8042'],
    [PORT.fastA20, 'fastA20'],
  ] as const) {
    input(a, port);
    a.cmp(al, 0xff);
    a.je(`no ${device}`);
    found(device);
    a.label(`no ${device}`);
  }

  // The debug console reads as its own port number.
  input(a, PORT.debugcon);
  a.cmp(al, PORT.debugcon);
  a.jne('no debugcon');
  found('debugcon');
  a.label('no debugcon');

  input(a, PORT.power, ax);
  a.cmp(ax, 0xffff);
  a.je('no power');
  found('power');
  a.label('no power');
  a.ret();
}

/** CMOS bytes in which a PC's firmware leaves the memory size. */
const CMOS = {
  /** KiB above 1 MiB, at most 64 MiB. */
  extended: 0x30,
  /** Units of 64 KiB above 16 MiB, below 4 GiB. */
  above16M: 0x34,
  /** Units of 64 KiB above 4 GiB, three bytes. */
  above4G: 0x5b,
} as const;

function memory(a: Assembler): void {
  // cl: index of the lower byte. Returns a CMOS word in ax.
  a.label('cmos word');
  a.lea(eax, m(rcx, 1));
  a.out(PORT.cmosIndex, al);
  a.in(al, PORT.cmosData);
  a.mov(dl, al);
  a.mov(eax, ecx);
  a.out(PORT.cmosIndex, al);
  a.in(al, PORT.cmosData);
  a.mov(ah, dl);
  a.ret();

  a.label('find memory');
  a.bt(dword(V.devices), DEVICE.rtc);
  a.jnc('probe memory');
  a.mov(ecx, CMOS.above4G + 1);
  a.call('cmos word');
  a.movzx(ebx, ax);
  a.shl(rbx, 8);
  a.dec(ecx);
  a.call('cmos word');
  a.movzx(eax, al);
  a.or(rax, rbx);
  a.shl(rax, 16);
  a.mov(qword(V.memoryAbove4G), rax);
  a.mov(ecx, CMOS.above16M);
  a.call('cmos word');
  a.movzx(eax, ax);
  a.shl(rax, 16);
  a.lea(rbx, m(rax, 0x100_0000));
  a.test(rax, rax);
  a.jne('memory by cmos');
  a.mov(ecx, CMOS.extended);
  a.call('cmos word');
  a.movzx(eax, ax);
  a.shl(rax, 10);
  a.je('probe memory');
  a.lea(rbx, m(rax, 0x10_0000));
  a.label('memory by cmos');
  a.mov(qword(V.memoryBelow4G), rbx);
  a.mov(byte(V.memoryByCmos), 1);
  a.ret();

  // Looks at one word in each MiB until one does not hold what is written to it; ends below the ROM at 4 GiB.
  a.label('probe memory');
  a.mov(ebx, 0x10_0000);
  a.label('probe next');
  a.mov(rsi, qword(rbx));
  a.mov(rax, 0x5aa5_c33c_0ff0_9669n);
  a.mov(qword(rbx), rax);
  a.mov(rdi, qword(rbx));
  a.mov(qword(rbx), rsi);
  a.cmp(rdi, rax);
  a.jne('probe done');
  a.add(ebx, 0x10_0000);
  a.cmp(ebx, 0xfff0_0000);
  a.jb('probe next');
  a.label('probe done');
  a.mov(qword(V.memoryBelow4G), rbx);
  a.ret();
}

/** Clocks of the PIT to measure over: 30 ms. */
const ENOUGH_CLOCKS = 35_795;
/** Ticks of the TSC that a look at the PIT may take: a few hundred microseconds. */
const LONG_GAP = 1 << 20;
const TRIES = 16;

function clock(a: Assembler): void {
  const source = (label: string) => {
    a.lea(rax, m(label));
    a.mov(qword(V.tscSource), rax);
  };

  a.label('find clock');
  a.call('tsc');
  a.mov(qword(V.tscStart), rax);
  a.bt(dword(V.devices), DEVICE.pit);
  a.jnc('clock by cpuid');

  // The PIT counts down from 65536 for 55 ms. If it turns round before we look again, the host was busy: once more.
  a.mov(ebx, TRIES);
  a.label('clock again');
  a.dec(ebx);
  a.je('clock by cpuid');
  output(a, PORT.pitControl, 0x34); // counter 0, both bytes, mode 2
  output(a, PORT.pit, 0);
  output(a, PORT.pit, 0);
  a.call('pit and tsc');
  a.mov(r9, rax);
  a.mov(r10, rcx);
  a.mov(edi, 4_000_000); // gives up on a PIT that stands still
  a.label('clock wait');
  a.dec(edi);
  a.je('clock by cpuid');
  a.call('pit and tsc');
  a.mov(r11, r10);
  a.sub(r11, rcx);
  a.jb('clock again');
  a.cmp(r11, ENOUGH_CLOCKS);
  a.jb('clock wait');
  a.sub(rax, r9);
  a.mov(ecx, PIT_HZ);
  a.mul(rcx);
  a.div(r11);
  a.mov(qword(V.tscHz), rax);
  source('source pit');
  a.ret();

  // Intel SDM vol. 2, CPUID leaf 15h: TSC = crystal × EBX / EAX.
  a.label('clock by cpuid');
  a.xor(eax, eax);
  a.cpuid();
  a.cmp(eax, 0x15);
  a.jb('clock by hypervisor');
  a.mov(eax, 0x15);
  a.xor(ecx, ecx);
  a.cpuid();
  a.mov(r10d, eax);
  a.mov(eax, ecx);
  a.mul(rbx);
  a.test(rax, rax);
  a.je('clock by hypervisor');
  a.test(r10, r10);
  a.je('clock by hypervisor');
  a.div(r10);
  a.mov(qword(V.tscHz), rax);
  source('source cpuid');
  a.ret();

  // The timing leaf that hypervisors share: EAX is the TSC's kHz.
  a.label('clock by hypervisor');
  a.mov(eax, 1);
  a.cpuid();
  a.test(ecx, ecx); // bit 31: a hypervisor is present
  a.jns('clock unknown');
  a.mov(eax, 0x4000_0000);
  a.cpuid();
  a.cmp(eax, 0x4000_0010);
  a.jb('clock unknown');
  a.mov(eax, 0x4000_0010);
  a.cpuid();
  a.imul(rax, rax, 1000);
  a.mov(qword(V.tscHz), rax);
  source('source hypervisor');
  a.label('clock unknown');
  a.ret();

  a.label('source pit');
  a.asciz('measured against the PIT');
  a.label('source cpuid');
  a.asciz('by CPUID leaf 15h');
  a.label('source hypervisor');
  a.asciz('by CPUID leaf 40000010h');

  // rax: the TSC. Clobbers rdx.
  a.label('tsc');
  a.rdtsc();
  a.shl(rdx, 32);
  a.or(rax, rdx);
  a.ret();

  // rcx: counter 0 of the PIT; rax: the TSC at the same time, near enough: a pause in between would spoil the measure,
  // so it is taken again, up to a limit. Clobbers rdx, rsi, r8.
  a.label('pit and tsc');
  a.mov(r8d, TRIES);
  a.label('pit sample');
  a.call('tsc');
  a.mov(rsi, rax);
  a.xor(eax, eax);
  a.out(PORT.pitControl, al); // latch counter 0
  a.in(al, PORT.pit);
  a.movzx(ecx, al);
  a.in(al, PORT.pit);
  a.movzx(eax, al);
  a.shl(eax, 8);
  a.or(ecx, eax);
  a.call('tsc');
  a.sub(rsi, rax);
  a.neg(rsi);
  a.cmp(rsi, LONG_GAP);
  a.jb('pit sampled');
  a.dec(r8d);
  a.jne('pit sample');
  a.label('pit sampled');
  a.ret();
}
