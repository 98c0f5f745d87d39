import {
  type Assembler,
  al,
  byte,
  dword,
  eax,
  ebp,
  ebx,
  ecx,
  edi,
  edx,
  esi,
  m,
  qword,
  r12d,
  r13,
  rax,
  rbx,
  rcx,
  rdi,
  rsi,
} from '../assembler/index.ts';
import { say } from './console.ts';
import { DEVICE, RAM, V } from './layout.ts';

/** `show cpu`, `show memory`, `show devices`, `show clock`: print what was found. All registers are clobbered. */
export function showRoutines(a: Assembler): void {
  cpu(a);
  features(a);
  memory(a);
  devices(a);
  clock(a);
}

const CPUID_REGISTERS = { eax, ebx, ecx, edx };

interface FeatureWord {
  readonly leaf: number;
  readonly register: keyof typeof CPUID_REGISTERS;
  /** Names by bit; few enough for a line of 80 columns. */
  readonly names: Readonly<Record<number, string>>;
}

/** The bits that people look for, by leaf (Intel SDM vol. 2, CPUID; AMD APM vol. 3 appendix E for 80000001h). */
// biome-ignore format: one row per register
const FEATURES: readonly FeatureWord[] = [
  { leaf: 1, register: 'edx', names: { 0: 'fpu', 3: 'pse', 4: 'tsc', 5: 'msr', 6: 'pae', 8: 'cx8', 9: 'apic', 11: 'sep', 13: 'pge', 15: 'cmov', 16: 'pat', 19: 'clflush', 23: 'mmx', 24: 'fxsr', 25: 'sse', 26: 'sse2' } },
  { leaf: 1, register: 'ecx', names: { 0: 'sse3', 9: 'ssse3', 12: 'fma', 13: 'cx16', 19: 'sse4.1', 20: 'sse4.2', 21: 'x2apic', 22: 'movbe', 23: 'popcnt' } },
  { leaf: 1, register: 'ecx', names: { 25: 'aes', 26: 'xsave', 28: 'avx', 30: 'rdrand', 31: 'hypervisor' } },
  { leaf: 7, register: 'ebx', names: { 0: 'fsgsbase', 3: 'bmi1', 5: 'avx2', 7: 'smep', 8: 'bmi2', 9: 'erms', 16: 'avx512f', 20: 'smap' } },
  { leaf: 0x8000_0001, register: 'edx', names: { 11: 'syscall', 20: 'nx', 26: 'pdpe1gb', 27: 'rdtscp', 29: 'lm' } },
];

function cpu(a: Assembler): void {
  a.label('show cpu');
  say(a, 'cpu      ');
  a.xor(eax, eax);
  a.cpuid();
  for (const [i, register] of [ebx, edx, ecx].entries()) a.mov(dword(RAM.line + i * 4), register);
  a.mov(byte(RAM.line + 12), 0);
  a.mov(esi, RAM.line);
  a.call('puts');
  // The brand string, without the blanks that pad it on the left.
  a.mov(eax, 0x8000_0000);
  a.cpuid();
  a.cmp(eax, 0x8000_0004);
  a.jb('cpu signature');
  a.mov(edi, RAM.line);
  a.mov(r12d, 0x8000_0002);
  a.label('brand next');
  a.mov(eax, r12d);
  a.cpuid();
  for (const [i, register] of [eax, ebx, ecx, edx].entries()) a.mov(dword(rdi, i * 4), register);
  a.add(rdi, 16);
  a.inc(r12d);
  a.cmp(r12d, 0x8000_0005);
  a.jb('brand next');
  a.mov(byte(rdi), 0);
  a.mov(esi, RAM.line - 1);
  a.label('brand blank');
  a.inc(rsi);
  a.cmp(byte(rsi), ' '.charCodeAt(0));
  a.je('brand blank');
  a.cmp(byte(rsi), 0);
  a.je('cpu signature');
  a.mov(rbx, rsi);
  say(a, ', ');
  a.mov(rsi, rbx);
  a.call('puts');

  // Leaf 1 EAX: extended family 27:20, extended model 19:16, family 11:8, model 7:4, stepping 3:0.
  a.label('cpu signature');
  say(a, '\n         family ');
  a.mov(eax, 1);
  a.cpuid();
  a.mov(ebx, eax);
  a.mov(ebp, eax);
  a.shr(ebx, 8);
  a.and(ebx, 0xf);
  a.cmp(ebx, 0xf);
  a.jne('cpu family');
  a.mov(ecx, ebp);
  a.shr(ecx, 20);
  a.and(ecx, 0xff);
  a.add(ebx, ecx);
  a.label('cpu family');
  a.mov(eax, ebx);
  a.call('decimal');
  say(a, ', model ');
  a.mov(eax, ebp);
  a.shr(eax, 4);
  a.mov(ecx, eax);
  a.and(eax, 0xf);
  a.shr(ecx, 8);
  a.and(ecx, 0xf0);
  a.or(eax, ecx);
  a.call('decimal');
  say(a, ', stepping ');
  a.mov(eax, ebp);
  a.and(eax, 0xf);
  a.call('decimal');
  a.jmp('show features');
}

function features(a: Assembler): void {
  a.label('show features');
  a.xor(eax, eax);
  a.cpuid();
  a.mov(r12d, eax); // the highest basic leaf
  for (const [row, { leaf, register, names }] of FEATURES.entries()) {
    const done = a.fresh('features');
    if (leaf < 0x8000_0000) {
      a.cmp(r12d, leaf);
      a.jb(done);
    }
    a.mov(eax, leaf);
    a.xor(ecx, ecx);
    a.cpuid();
    a.mov(ebp, CPUID_REGISTERS[register]);
    a.and(ebp, mask(names));
    a.lea(rbx, m(`feature row ${row}`));
    a.call('feature names');
    a.label(done);
  }
  say(a, '\n');
  a.ret();

  // ebp: bits; rbx: a byte with the bit number and a name for each, FFh at the end. A line for each word.
  a.label('feature names');
  a.test(ebp, ebp);
  a.je('feature done');
  say(a, '\n        ');
  a.label('feature next');
  a.movzx(ecx, byte(rbx));
  a.inc(rbx);
  a.cmp(ecx, 0xff);
  a.je('feature done');
  a.bt(ebp, ecx);
  a.jnc('feature skip');
  a.mov(al, ' '.charCodeAt(0));
  a.call('putc');
  a.mov(rsi, rbx);
  a.call('puts');
  a.label('feature skip');
  a.cmp(byte(rbx), 0);
  a.lea(rbx, m(rbx, 1));
  a.jne('feature skip');
  a.jmp('feature next');
  a.label('feature done');
  a.ret();

  for (const [row, { names }] of FEATURES.entries()) {
    a.label(`feature row ${row}`);
    for (const [bit, name] of Object.entries(names)) {
      a.db(Number(bit));
      a.asciz(name);
    }
    a.db(0xff);
  }
}

function mask(names: Readonly<Record<number, string>>): number {
  return Object.keys(names).reduce((bits, bit) => (bits | (1 << Number(bit))) >>> 0, 0);
}

function memory(a: Assembler): void {
  a.label('show memory');
  say(a, 'memory   ');
  a.mov(rax, qword(V.memoryBelow4G));
  a.add(rax, qword(V.memoryAbove4G));
  a.shr(rax, 20);
  a.call('decimal');
  a.cmp(byte(V.memoryByCmos), 0);
  a.je('memory was probed');
  say(a, ' MiB (by the CMOS)\n');
  a.ret();
  a.label('memory was probed');
  say(a, ' MiB (probed)\n');
  a.ret();
}

const DEVICE_LINES: Readonly<Record<keyof typeof DEVICE, string>> = {
  uart: '3f8  UART',
  fifo: '     with FIFOs (16550A)',
  pic: '20   interrupt controllers (8259A)',
  pit: '40   timer (8254), 100 Hz',
  rtc: '70   real-time clock (MC146818)',
  i8042: '60   keyboard controller (8042)',
  fastA20: '92   fast A20 and reset',
  debugcon: 'e9   debug console',
  power: '604  power register',
};

function devices(a: Assembler): void {
  a.label('show devices');
  a.lea(rbx, m('device lines'));
  a.lea(r13, m('device prefix'));
  a.label('device next');
  a.movzx(ecx, byte(rbx));
  a.inc(rbx);
  a.cmp(ecx, 0xff);
  a.je('device irq');
  a.bt(dword(V.devices), ecx);
  a.jnc('device skip');
  a.mov(rsi, r13);
  a.call('puts');
  a.lea(r13, m('device indent'));
  a.mov(rsi, rbx);
  a.call('puts');
  say(a, '\n');
  a.label('device skip');
  a.cmp(byte(rbx), 0);
  a.lea(rbx, m(rbx, 1));
  a.jne('device skip');
  a.jmp('device next');

  a.label('device irq');
  say(a, 'serial   ');
  a.cmp(byte(V.serialIrq), 0);
  a.je('serial is polled');
  a.cmp(qword(V.directIrqs), 0);
  a.jne('serial is direct');
  say(a, 'interrupts by IRQ 4\n');
  a.ret();
  a.label('serial is direct');
  say(a, 'interrupts straight to INTR\n');
  a.ret();
  a.label('serial is polled');
  say(a, 'polled: its interrupt does not arrive\n');
  a.ret();

  a.label('device prefix');
  a.asciz('devices  ');
  a.label('device indent');
  a.asciz('         ');
  a.label('device lines');
  for (const [name, line] of Object.entries(DEVICE_LINES)) {
    a.db(DEVICE[name as keyof typeof DEVICE]);
    a.asciz(line);
  }
  a.db(0xff);
}

function clock(a: Assembler): void {
  a.label('show clock');
  say(a, 'clock    TSC ');
  a.mov(rax, qword(V.tscHz));
  a.test(rax, rax);
  a.je('clock is unknown');
  a.xor(edx, edx);
  a.mov(ecx, 1_000_000);
  a.div(rcx);
  a.call('decimal');
  say(a, ' MHz, ');
  a.mov(rsi, qword(V.tscSource));
  a.call('puts');
  say(a, '\n');
  a.ret();
  a.label('clock is unknown');
  say(a, 'of unknown rate\n');
  a.ret();
}
