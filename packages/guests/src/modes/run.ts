import {
  type Assembler,
  al,
  ax,
  byte,
  ch,
  cl,
  cr0,
  cr2,
  cs,
  ds,
  dword,
  dx,
  eax,
  ecx,
  es,
  esi,
  esp,
  fs,
  gs,
  qword,
  rax,
  rsi,
  rsp,
  si,
  sp,
  ss,
  word,
} from '../assembler/index.ts';
import { BITS, type Check, Context, type Mode } from './harness.ts';
import { SEL, V } from './layout.ts';

/** Vectors whose frame has an error code (Intel SDM vol. 3 §7.15). */
const WITH_ERROR_CODE = [8, 10, 11, 12, 13, 14, 17];

/** Exit values of the debug exit at F4h; a host sees `(value << 1) | 1`. */
export const EXIT = { passed: 0x10, failed: 0x11 } as const;

/** Where the self-test prints. */
export type Output = 'serial' | 'debugcon';

/** Emits the checks of one mode, one after the other. */
export function runChecks(a: Assembler, mode: Mode, checks: readonly Check[]): void {
  for (const check of checks) {
    const next = a.fresh('next');
    print(a, mode, `${mode}: ${check.name} `);
    if (mode === 'real') {
      a.mov(word(V.next), next);
      a.mov(word(V.checkSp), sp);
    } else {
      a.mov(dword(V.next), next);
      a.mov(dword(V.checkSp), esp);
    }
    check.emit(new Context(a, mode));
    print(a, mode, 'ok\n');
    a.label(next);
  }
}

/** Prints text that stands behind the call. Clobbers eax, ecx, edx, esi. */
export function print(a: Assembler, mode: Mode, text: string): void {
  a.call(`${mode} print`);
  a.asciz(text);
}

/** The routines of one mode: `print`, `failed` and `unexpected`; beyond real mode also the exceptions' entries. */
export function modeRoutines(a: Assembler, mode: Mode, output: Output): void {
  a.bits(BITS[mode], mode === 'real' ? 0xf_0000 : 0);
  printing(a, mode, output);
  hex(a, mode);
  failed(a, mode);
  a.label(`${mode} unexpected`);
  flatten(a, mode);
  print(a, mode, '\nunexpected interrupt or exception');
  for (const variable of [V.vector, V.error, V.trapIp]) {
    a.mov(eax, dword(variable));
    a.call(`${mode} hex`);
  }
  print(a, mode, '\n');
  a.mov(al, EXIT.failed);
  exit(a);
  tick(a, mode);
  if (mode !== 'real') traps(a, mode);
}

/** The handler of IRQ 0: counts, and keeps what ecx was. */
function tick(a: Assembler, mode: Mode): void {
  const accumulator = { real: ax, protected: eax, long: rax }[mode];
  a.label(`${mode} tick`);
  a.push(accumulator);
  a.inc(dword(V.ticks));
  a.mov(dword(V.error), ecx);
  a.mov(al, 0x20); // OCW2: non-specific EOI
  a.out(0x20, al);
  if (mode === 'protected') {
    // Other checks are for IRETD: an emulating KVM does not have it, and should show interrupts all the same.
    a.mov(eax, dword(esp, 4));
    a.mov(dword(V.trapIp), eax);
    a.pop(eax);
    a.add(esp, 8);
    a.popfd();
    a.jmp(dword(V.trapIp));
    return;
  }
  a.pop(accumulator);
  if (mode === 'real') a.iret();
  else a.iretq();
}

/** Ends the run with the value in al. */
export function exit(a: Assembler): void {
  const here = a.fresh('here');
  a.out(0xf4, al);
  a.label(here);
  a.cli();
  a.hlt();
  a.jmp(here);
}

function printing(a: Assembler, mode: Mode, output: Output): void {
  const [source, done, ready] = [{ real: si, protected: esi, long: rsi }[mode], a.fresh('done'), a.fresh('ready')];
  a.label(`${mode} print`);
  a.pop(source);
  const next = a.fresh('next');
  a.label(next);
  a.mov(cl, mode === 'real' ? byte(cs, si) : byte(source));
  a.inc(source);
  a.test(cl, cl);
  a.je(done);
  a.call(`${mode} putc`);
  a.jmp(next);
  a.label(done);
  a.jmp(source);

  // cl: a character. Clobbers ax, dx.
  a.label(`${mode} putc`);
  if (output === 'serial') {
    a.mov(dx, 0x3fd);
    a.label(ready);
    a.in(al, dx);
    a.test(al, 0x20); // LSR.THRE
    a.je(ready);
    a.mov(dx, 0x3f8);
  } else a.mov(dx, 0xe9);
  a.mov(al, cl);
  a.out(dx, al);
  a.ret();
}

/** `hex`: prints a blank and eax. Clobbers ecx, edx, esi. */
function hex(a: Assembler, mode: Mode): void {
  const [next, digit] = [a.fresh('hex'), a.fresh('digit')];
  a.label(`${mode} hex`);
  a.mov(esi, eax);
  a.mov(cl, ' '.charCodeAt(0));
  a.call(`${mode} putc`);
  a.mov(ch, 8);
  a.label(next);
  a.rol(esi, 4);
  a.mov(eax, esi);
  a.and(al, 0x0f);
  a.add(al, 0x30);
  a.cmp(al, 0x3a);
  a.jb(digit);
  a.add(al, 0x27);
  a.label(digit);
  a.mov(cl, al);
  a.call(`${mode} putc`);
  a.dec(ch);
  a.jne(next);
  a.ret();
}

/** Puts segments and flags as checks expect them. Clobbers ax. */
function flatten(a: Assembler, mode: Mode): void {
  if (mode === 'real') a.xor(ax, ax);
  else a.mov(ax, SEL.data);
  for (const register of [ds, es, fs, gs, ss]) a.mov(register, ax);
  a.cld();
}

/** A check came to an assertion that does not hold: its number is printed, and the next check runs. */
function failed(a: Assembler, mode: Mode): void {
  a.label(`${mode} failed`);
  a.cli();
  if (mode === 'protected') {
    // It may have left paging on.
    a.mov(eax, cr0);
    a.and(eax, 1);
    a.mov(cr0, eax);
  }
  flatten(a, mode);
  if (mode === 'real') a.mov(sp, word(V.checkSp));
  else a.mov(esp, dword(V.checkSp));
  a.inc(dword(V.failures));
  print(a, mode, 'FAILED at assertion ');
  const [tens, ones] = [a.fresh('tens'), a.fresh('ones')];
  a.mov(cl, 0x30 - 1);
  a.label(tens);
  a.inc(cl);
  a.sub(byte(V.step), 10);
  a.jae(tens);
  a.call(`${mode} putc`);
  a.label(ones);
  a.mov(cl, byte(V.step));
  a.add(cl, 0x30 + 10);
  a.call(`${mode} putc`);
  print(a, mode, ', last exception');
  for (const variable of [V.vector, V.error, V.trapIp]) {
    a.mov(eax, dword(variable));
    a.call(`${mode} hex`);
  }
  print(a, mode, '\n');
  if (mode === 'real') a.jmp(word(V.next));
  else {
    a.mov(eax, dword(V.next));
    a.jmp(mode === 'long' ? rax : eax);
  }
}

/** The entries of vectors 0–31, and what takes an exception apart and resumes the check that expects it. */
function traps(a: Assembler, mode: 'protected' | 'long'): void {
  for (let vector = 0; vector < 32; vector++) {
    a.label(`${mode} vector ${vector}`);
    if (!WITH_ERROR_CODE.includes(vector)) a.push(0);
    a.push(vector);
    a.jmp(`${mode} trap`);
  }

  const [pointer, accumulator, size, width] = mode === 'long' ? [rsp, rax, qword, 8] : [esp, eax, dword, 4];
  a.label(`${mode} trap`);
  a.push(accumulator);
  a.mov(ax, SEL.data);
  a.mov(ds, ax);
  // On the stack: eax, vector, error code, ip, cs, flags, and the stack pointer if the privilege changed.
  for (const [i, variable] of [V.vector, V.error].entries()) {
    a.mov(eax, dword(pointer, (i + 1) * width));
    a.mov(dword(variable), eax);
  }
  for (const [i, variable] of [V.trapIp, V.trapCs, V.trapFlags, V.trapSp].entries()) {
    a.mov(accumulator, size(pointer, (i + 3) * width));
    a.mov(size(variable), accumulator);
  }
  a.mov(accumulator, cr2);
  a.mov(size(V.cr2), accumulator);
  flatten(a, mode);
  a.mov(eax, dword(V.resume));
  a.test(eax, eax);
  a.je(`${mode} unexpected`);
  a.mov(dword(V.resume), 0);
  a.mov(esp, dword(V.savedSp));
  a.jmp(accumulator);
}
