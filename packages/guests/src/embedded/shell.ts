import {
  type Assembler,
  al,
  byte,
  cl,
  dword,
  eax,
  ebp,
  ecx,
  esi,
  m,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rsi,
  rsp,
} from '../assembler/index.ts';
import { COMMANDS, commandRoutines } from './commands.ts';
import { say } from './console.ts';
import { LINE_MAX, RAM, V } from './layout.ts';

const BELL = 0x07;
const BACKSPACE = 0x08;
const CTRL_C = 0x03;
const CTRL_D = 0x04;
const CTRL_U = 0x15;
const DELETE = 0x7f;

/** `prompt`: reads lines and runs commands for ever. */
export function shell(a: Assembler): void {
  a.label('prompt');
  a.mov(rsp, RAM.stackTop);
  say(a, '> ');
  a.call('read line');
  a.mov(esi, RAM.line);
  a.call('skip blanks');
  a.cmp(byte(rsi), 0);
  a.je('prompt');
  a.lea(rdi, m('commands'));
  a.label('command next');
  a.cmp(byte(rdi), 0);
  a.je('command unknown');
  a.mov(rbx, rsi);
  a.label('command compare');
  a.mov(al, byte(rdi));
  a.test(al, al);
  a.je('command end');
  a.cmp(al, byte(rbx));
  a.jne('command skip');
  a.inc(rbx);
  a.inc(rdi);
  a.jmp('command compare');
  a.label('command end');
  a.cmp(byte(rbx), ' '.charCodeAt(0));
  a.ja('command skip');
  a.mov(eax, dword(rdi, 1));
  a.mov(rsi, rbx);
  a.lea(rcx, m('prompt'));
  a.push(rcx);
  a.jmp(rax);
  a.label('command skip');
  a.inc(rdi);
  a.cmp(byte(rdi, -1), 0);
  a.jne('command skip');
  a.add(rdi, 4);
  a.jmp('command next');

  a.label('command unknown');
  a.push(rsi);
  say(a, 'unknown command: ');
  a.pop(rsi);
  a.call('puts');
  say(a, '; try help\n');
  a.jmp('prompt');

  a.label('commands');
  for (const { name, routine } of COMMANDS) {
    a.asciz(name);
    a.dd(routine);
  }
  a.db(0);

  lineEditor(a);
  parser(a);
  commandRoutines(a);
}

function lineEditor(a: Assembler): void {
  // Reads a line into RAM.line, zero at its end. ebp: its length so far. Clobbers rax, rcx, rdx, rbp.
  a.label('read line');
  a.xor(ebp, ebp);
  a.label('read next');
  a.call('getc');
  // CR, LF and CR LF all end a line.
  a.cmp(al, 0x0a);
  a.jne('read not lf');
  a.cmp(byte(V.afterCr), 0);
  a.mov(byte(V.afterCr), 0);
  a.jne('read next');
  a.jmp('read done');
  a.label('read not lf');
  a.mov(byte(V.afterCr), 0);
  a.cmp(al, 0x0d);
  a.jne('read not cr');
  a.mov(byte(V.afterCr), 1);
  a.label('read done');
  a.mov(byte(RAM.line, rbp), 0);
  a.mov(al, 0x0a);
  a.jmp('putc');

  a.label('read not cr');
  for (const [code, label] of [
    [BACKSPACE, 'read rubout'],
    [DELETE, 'read rubout'],
    [CTRL_U, 'read kill'],
    [CTRL_C, 'read cancel'],
    [CTRL_D, 'read end'],
  ] as const) {
    a.cmp(al, code);
    a.je(label);
  }
  a.cmp(al, 0x20);
  a.jb('read next');
  a.cmp(al, DELETE);
  a.ja('read next');
  a.cmp(ebp, LINE_MAX);
  a.jae('read bell');
  a.mov(byte(RAM.line, rbp), al);
  a.inc(ebp);
  a.call('putc');
  a.jmp('read next');

  a.label('read bell');
  a.mov(al, BELL);
  a.call('putc');
  a.jmp('read next');

  a.label('read rubout');
  a.test(ebp, ebp);
  a.je('read next');
  a.call('rubout');
  a.jmp('read next');

  a.label('read kill');
  a.test(ebp, ebp);
  a.je('read next');
  a.call('rubout');
  a.jmp('read kill');

  a.label('read cancel');
  say(a, '^C\n> ');
  a.jmp('read line');

  // End of input: at an empty line there is nobody left to talk to.
  a.label('read end');
  a.test(ebp, ebp);
  a.jne('read bell');
  say(a, '\n');
  a.jmp('poweroff');

  a.label('rubout');
  a.dec(ebp);
  a.push(rsi);
  say(a, '\b \b');
  a.pop(rsi);
  a.ret();
}

function parser(a: Assembler): void {
  // rsi: text; moves on to what is not a blank.
  a.label('skip blanks');
  a.cmp(byte(rsi), ' '.charCodeAt(0));
  a.jne('skipped');
  a.inc(rsi);
  a.jmp('skip blanks');
  a.label('skipped');
  a.ret();

  // rsi: text. rax: the hexadecimal number there (0x… or not), rsi: behind it. CF: there is none, or it is too long.
  // Clobbers rcx.
  a.label('number');
  a.call('skip blanks');
  a.cmp(byte(rsi), 0x30);
  a.jne('number start');
  a.mov(al, byte(rsi, 1));
  a.or(al, 0x20);
  a.cmp(al, 'x'.charCodeAt(0));
  a.jne('number start');
  a.add(rsi, 2);
  a.label('number start');
  a.mov(rdi, rsi);
  a.xor(eax, eax);
  a.label('number next');
  a.movzx(ecx, byte(rsi));
  a.sub(cl, 0x30);
  a.cmp(cl, 10);
  a.jb('number digit');
  a.or(cl, 0x20); // 'A' − '0' is 11h, 'a' − '0' 31h
  a.sub(cl, 0x31);
  a.cmp(cl, 6);
  a.jae('number end');
  a.add(cl, 10);
  a.label('number digit');
  a.shl(rax, 4);
  a.or(rax, rcx);
  a.inc(rsi);
  a.jmp('number next');
  a.label('number end');
  a.cmp(byte(rsi), ' '.charCodeAt(0));
  a.ja('number bad');
  a.mov(rcx, rsi);
  a.sub(rcx, rdi);
  a.dec(rcx);
  a.cmp(rcx, 16);
  a.jae('number bad');
  a.clc();
  a.ret();
  a.label('number bad');
  a.stc();
  a.ret();
}
