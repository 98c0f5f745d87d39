/**
 * What the events cost that leave the records of the software CPU: instructions carried out in TypeScript, interrupts
 * and exceptions. Loops in 64-bit mode, at ring 0 and ring 3, in nanoseconds an event and in plain instructions of the
 * same run.
 *
 *   npm run build && node test/bench/escapes.mjs [part of a name]
 */
import { softModule } from '@mainboard/accelerator/x86';
import {
  al,
  ax,
  byte,
  cr0,
  cr2,
  cr3,
  ds,
  dword,
  dx,
  eax,
  ebx,
  ecx,
  edx,
  fs,
  m,
  qword,
  r15,
  rax,
  rbx,
  rsp,
  word,
} from '@mainboard/guests/assembler';
import { longModeImage } from '@mainboard/guests/small';
import { firmware, power, table } from './machine.mjs';

const ONLY = process.argv[2] ?? '';
const TURNS = 200_000;
const ROUNDS = 3;
const PLAIN = 50;

const GDT = 0x9000;
const TSS = 0x9800;
const IDT = 0xa000;
const KERNEL_STACK = 0xd000;
const USER_STACK = 0xe000;
const UNMAPPED = 0x4000_0000;
/** Null, 32-bit code, data, 64-bit code; null, and data and code of ring 3; the TSS. */
const DESCRIPTORS = [
  ...[0n, 0x00cf_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn, 0x00af_9b00_0000_ffffn],
  ...[0n, 0x00cf_f300_0000_ffffn, 0x00af_fb00_0000_ffffn],
  ...[0x8900_0000_0067n | (BigInt(TSS) << 16n), 0n],
];
const SEL = { data: 0x10, code: 0x18, userData: 0x2b, userCode: 0x33, tss: 0x38 };
const MSR = { star: 0xc000_0081, lstar: 0xc000_0082, fmask: 0xc000_0084, fsBase: 0xc000_0100 };

/** What a turn of a loop does, by ring and events of the turn. */
const KINDS = {
  'IN, a port of no device': [0, 1, a => a.in(al, dx)],
  'OUT, a port of no device': [0, 1, a => a.out(dx, al)],
  'IN, the mask of the PIC': [0, 1, a => a.in(al, 0x21)],
  'STI, CLI': [
    0,
    2,
    a => {
      a.sti();
      a.cli();
    },
  ],
  'POPFQ that sets IF, one that clears it': [
    0,
    2,
    a => {
      a.push(0x202);
      a.popfq();
      a.push(2);
      a.popfq();
    },
  ],
  RDTSC: [0, 1, a => a.rdtsc()],
  CPUID: [
    0,
    1,
    a => {
      a.mov(eax, 1);
      a.cpuid();
    },
  ],
  'RDMSR of FS.base': [
    0,
    1,
    a => {
      a.mov(ecx, MSR.fsBase);
      a.rdmsr();
    },
  ],
  'WRMSR to FS.base': [
    0,
    1,
    a => {
      a.mov(ecx, MSR.fsBase);
      a.xor(eax, eax);
      a.xor(edx, edx);
      a.wrmsr();
    },
  ],
  SWAPGS: [0, 1, a => a.swapgs()],
  'MOV from CR2': [0, 1, a => a.mov(rax, cr2)],
  'MOV to CR0': [
    0,
    1,
    a => {
      a.mov(rax, cr0);
      a.mov(cr0, rax);
    },
  ],
  'MOV to CR3': [
    0,
    1,
    a => {
      a.mov(rax, cr3);
      a.mov(cr3, rax);
    },
  ],
  CLTS: [0, 1, a => a.clts()],
  INVLPG: [0, 1, a => a.invlpg(byte(UNMAPPED))],
  'MOV to DS': [
    0,
    1,
    a => {
      a.mov(eax, SEL.data);
      a.mov(ds, eax);
    },
  ],
  'MOV to FS, null': [
    0,
    1,
    a => {
      a.xor(eax, eax);
      a.mov(fs, eax);
    },
  ],
  'INT n at ring 0, IRETQ': [0, 2, a => a.int(0x40)],
  'INTR at ring 0, IRETQ': [
    0,
    2,
    a => {
      a.sti();
      a.nop();
    },
  ],
  'INT n at ring 3, IRETQ': [3, 2, a => a.int(0x40)],
  '#PF at ring 3, IRETQ': [
    3,
    2,
    a => {
      a.mov(ebx, UNMAPPED);
      a.mov(al, byte(rbx));
    },
  ],
  'SYSCALL, SYSRET': [3, 2, a => a.syscall()],
};

function writeMsr(a, msr, high) {
  a.mov(ecx, msr);
  a.mov(edx, high);
  a.wrmsr();
}

function gate(a, vector, handler, dpl = 0) {
  const at = IDT + vector * 16;
  a.lea(rax, m(handler));
  a.mov(word(at), ax);
  a.mov(dword(at + 2), SEL.code | ((0x8e00 | (dpl << 13)) << 16));
  a.shr(rax, 16);
  a.mov(word(at + 6), ax);
  a.shr(rax, 16);
  a.mov(dword(at + 8), eax);
  a.mov(dword(at + 12), 0);
}

/** Tables, handlers, and a request at the PIC that stays: level-triggered, with automatic EOI. */
function setUp(a) {
  a.lgdt(m('own gdtr'));
  a.lidt(m('own idtr'));
  for (const entry of [0x1000, 0x2000, 0x3000]) a.or(byte(entry), 4);
  a.mov(rax, cr3);
  a.mov(cr3, rax);
  for (const [i, value] of DESCRIPTORS.entries()) {
    a.mov(rax, value);
    a.mov(qword(GDT + 8 * i), rax);
  }
  a.mov(qword(TSS + 4), KERNEL_STACK);
  a.mov(ax, SEL.tss);
  a.ltr(ax);
  a.mov(rsp, KERNEL_STACK);
  gate(a, 14, 'page fault');
  gate(a, 0x20, 'intr');
  gate(a, 0x40, 'return', 3);
  a.mov(ecx, 0xc000_0080);
  a.rdmsr();
  a.or(eax, 1);
  a.wrmsr();
  a.xor(eax, eax);
  writeMsr(a, MSR.star, ((SEL.userData - 8) << 16) | SEL.code);
  a.lea(rax, m('system call'));
  writeMsr(a, MSR.lstar, 0);
  a.mov(eax, 0x200);
  writeMsr(a, MSR.fmask, 0);
  // ICW1 with LTIM and ICW4; counter 0 in mode 0 with a count of 1: its output rises and stays.
  for (const [port, value] of [
    [0x20, 0x19],
    [0x21, 0x20],
    [0x21, 0x04],
    [0x21, 0x03],
    [0x21, 0xfe],
    [0x43, 0x10],
    [0x40, 0x01],
  ]) {
    a.mov(al, value);
    a.out(port, al);
  }
}

function data(a) {
  a.align(8);
  a.label('own gdtr');
  a.dw(SEL.tss + 15);
  a.dq(GDT);
  a.label('own idtr');
  a.dw(0x41 * 16 - 1);
  a.dq(IDT);
  a.align(16, 0x90);
  a.label('page fault');
  a.add(rsp, 8);
  a.add(qword(rsp), 2); // past MOV AL, [RBX]
  a.iretq();
  a.label('intr');
  a.and(qword(rsp, 16), ~0x200); // the request is still there
  a.iretq();
  a.label('return');
  a.iretq();
  a.label('system call');
  a.sysretq();
}

const guest = (ring, masked, turns, body) =>
  longModeImage(a => {
    setUp(a);
    if (masked) {
      a.mov(al, 0xff);
      a.out(0x21, al);
    }
    a.mov(r15, turns);
    a.mov(edx, 0x0300);
    if (ring === 3) {
      a.push(SEL.userData);
      a.push(USER_STACK);
      a.push(0x3002);
      a.push(SEL.userCode);
      a.lea(rax, m('turn'));
      a.push(rax);
      a.iretq();
    } else a.jmp('turn');
    a.align(16, 0x90);
    a.label('turn');
    body(a);
    a.dec(r15);
    a.jnz('turn');
    a.mov(al, 0x10);
    a.out(0xf4, al);
    a.label('stop');
    a.jmp('stop');
    data(a);
  });

/** Nanoseconds of processor time of a run, and its instructions. */
async function once(ring, masked, turns, body) {
  const { machine } = power('microvm', softModule, firmware(guest(ring, masked, turns, body)));
  const [vcpu] = machine.vcpus;
  const start = process.cpuUsage();
  await machine.until('exit');
  const { user, system } = process.cpuUsage(start);
  const { instructions } = vcpu;
  await machine.dispose();
  return { nanoseconds: (user + system) * 1000, instructions };
}

/** The best of some rounds. */
async function best(ring, masked, turns, body) {
  let found = Number.POSITIVE_INFINITY;
  for (let i = 0; i < ROUNDS; i++) {
    const { nanoseconds, instructions } = await once(ring, masked, turns, body);
    if (instructions < turns * 2) throw new Error(`${instructions} instructions in ${turns} turns`);
    found = Math.min(found, nanoseconds);
  }
  return found;
}

const plain = a => {
  for (let i = 0; i < PLAIN; i++) a.add(rax, rbx);
};
const empty = await best(0, true, TURNS, () => {});
const instruction = ((await best(0, true, TURNS * 10, plain)) - empty) / (TURNS * 10 * PLAIN);

const rows = [['events of a turn', 'ns an event', 'plain instructions']];
rows.push(['a plain instruction', instruction.toFixed(1), '1']);
for (const [name, [ring, events, body]] of Object.entries(KINDS)) {
  if (!name.includes(ONLY)) continue;
  const cost = ((await best(ring, !name.startsWith('INTR'), TURNS, body)) - empty) / (TURNS * events);
  rows.push([name, cost.toFixed(0), (cost / instruction).toFixed(0)]);
}
table(rows);
