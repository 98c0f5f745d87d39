import {
  type Assembler,
  al,
  ax,
  byte,
  cl,
  dl,
  dx,
  eax,
  ebx,
  ecx,
  m,
  qword,
  r12,
  r12d,
  r13,
  r14,
  rax,
  rbp,
  rbx,
  rcx,
  rsi,
} from '../assembler/index.ts';
import { clockCommands } from './clock-commands.ts';
import { say, sayHex } from './console.ts';
import { DEVICE, PORT, V } from './layout.ts';

interface Command {
  readonly name: string;
  readonly routine: string;
  readonly help: string;
}

export const COMMANDS: readonly Command[] = [
  { name: 'help', routine: 'help', help: 'this list' },
  { name: 'mem', routine: 'show memory', help: 'memory size' },
  { name: 'dev', routine: 'dev', help: 'processor, devices and clock' },
  { name: 'irq', routine: 'irq', help: 'interrupts so far' },
  { name: 'time', routine: 'time', help: 'date, time, and how long the guest has been up' },
  { name: 'peek', routine: 'peek', help: 'peek ADDRESS [COUNT]: bytes of memory' },
  { name: 'poke', routine: 'poke', help: 'poke ADDRESS BYTE: writes one' },
  { name: 'bench', routine: 'bench', help: 'bench [COUNT]: times a loop of COUNT instructions' },
  { name: 'reboot', routine: 'reboot', help: 'resets the machine' },
  { name: 'poweroff', routine: 'poweroff', help: 'turns it off, as Ctrl-D does' },
];

/** The commands: rsi points behind the name; they return to the prompt and may clobber everything. */
export function commandRoutines(a: Assembler): void {
  a.label('help');
  a.lea(rsi, m('help text'));
  a.jmp('puts');
  a.label('help text');
  for (const { name, help } of COMMANDS) a.db(`  ${name.padEnd(10)}${help}\n`);
  a.asciz('  Numbers are hexadecimal.\n');

  a.label('dev');
  a.call('show cpu');
  a.call('show devices');
  a.jmp('show clock');

  interruptCounts(a);
  peek(a);
  poke(a);
  clockCommands(a);
  ends(a);
}

function interruptCounts(a: Assembler): void {
  a.label('irq');
  a.xor(ebx, ebx);
  a.label('irq next');
  a.mov(r12, qword(V.irqs, rbx.times(8)));
  a.test(r12, r12);
  a.je('irq skip');
  say(a, 'irq ');
  a.mov(eax, ebx);
  a.call('decimal');
  say(a, ': ');
  a.mov(rax, r12);
  a.call('decimal');
  for (const [irq, name] of [
    [0, ' timer'],
    [4, ' serial'],
  ] as const) {
    a.cmp(ebx, irq);
    a.jne(`irq not ${irq}`);
    say(a, name);
    a.label(`irq not ${irq}`);
  }
  say(a, '\n');
  a.label('irq skip');
  a.inc(ebx);
  a.cmp(ebx, 16);
  a.jb('irq next');
  a.mov(rax, qword(V.directIrqs));
  a.test(rax, rax);
  a.je('irq done');
  a.push(rax);
  say(a, 'intr: ');
  a.pop(rax);
  a.call('decimal');
  say(a, ' serial\n');
  a.label('irq done');
  a.ret();
}

function peek(a: Assembler): void {
  a.label('peek');
  a.call('number');
  a.jc('peek usage');
  a.mov(rbx, rax); // where
  a.mov(r12d, 16); // how many
  a.call('skip blanks');
  a.cmp(byte(rsi), 0);
  a.je('peek row');
  a.call('number');
  a.jc('peek usage');
  a.mov(r12, rax);
  a.dec(rax);
  a.cmp(rax, 0x1000);
  a.jae('peek usage');
  a.call('skip blanks');
  a.cmp(byte(rsi), 0);
  a.jne('peek usage');

  a.label('peek row');
  a.mov(rax, rbx);
  sayHex(a, 16);
  say(a, ' ');
  a.mov(r13, r12); // in this row
  a.mov(ecx, 16);
  a.cmp(r13, rcx);
  a.cmova(r13, rcx);
  a.mov(rbp, rbx);
  a.mov(r14, r13);
  a.label('peek byte');
  say(a, ' ');
  a.movzx(eax, byte(rbx));
  sayHex(a, 2);
  a.inc(rbx);
  a.dec(r14);
  a.jne('peek byte');
  a.mov(ebx, 17); // the text stands in one column
  a.sub(rbx, r13);
  a.label('peek pad');
  say(a, '   ');
  a.dec(ebx);
  a.jne('peek pad');
  a.mov(rbx, rbp);
  a.mov(r14, r13);
  a.label('peek character');
  a.mov(al, byte(rbx));
  a.mov(cl, al);
  a.sub(cl, 0x20);
  a.cmp(cl, 0x5f);
  a.jb('peek printable');
  a.mov(al, '.'.charCodeAt(0));
  a.label('peek printable');
  a.call('putc');
  a.inc(rbx);
  a.dec(r14);
  a.jne('peek character');
  say(a, '\n');
  a.sub(r12, r13);
  a.ja('peek row');
  a.ret();
  a.label('peek usage');
  say(a, 'usage: peek ADDRESS [COUNT], hexadecimal, COUNT at most 1000\n');
  a.ret();
}

function poke(a: Assembler): void {
  a.label('poke');
  a.call('number');
  a.jc('poke usage');
  a.mov(rbx, rax);
  a.call('number');
  a.jc('poke usage');
  a.cmp(rax, 0xff);
  a.ja('poke usage');
  a.mov(dl, al);
  a.call('skip blanks');
  a.cmp(byte(rsi), 0);
  a.jne('poke usage');
  a.mov(byte(rbx), dl);
  a.ret();
  a.label('poke usage');
  say(a, 'usage: poke ADDRESS BYTE, hexadecimal\n');
  a.ret();
}

/** Sleeps for ever: nothing wakes it but a reset. */
function hang(a: Assembler): void {
  const here = a.fresh('hang');
  a.label(here);
  a.cli();
  a.hlt();
  a.jmp(here);
}

function ends(a: Assembler): void {
  // The 8042 pulses its reset line (command FEh); if that does nothing, a fault without an IDT is a triple fault.
  a.label('reboot');
  a.call('flush');
  a.cli();
  a.bt(qword(V.devices), DEVICE.i8042);
  a.jnc('reboot fault');
  a.mov(al, 0xfe);
  a.out(PORT.ps2Status, al);
  a.mov(ecx, 100_000);
  a.label('reboot wait');
  a.pause();
  a.loop('reboot wait');
  a.label('reboot fault');
  a.mov(qword(V.idtr), 0);
  a.mov(qword(V.idtr + 8), 0);
  a.lidt(m(V.idtr));
  a.ud2();

  // The power register takes SLP_EN as an ACPI PM1a_CNT does; without one, the debug exit ends the emulator.
  a.label('poweroff');
  a.call('flush');
  a.mov(eax, 0x2000);
  a.mov(dx, PORT.power);
  a.out(dx, ax);
  a.mov(al, 0x10);
  a.out(PORT.debugExit, al);
  hang(a);
}
