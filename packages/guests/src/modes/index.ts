import {
  type Assembler,
  al,
  ax,
  cr0,
  cr3,
  cr4,
  cs,
  cx,
  di,
  ds,
  dword,
  dx,
  eax,
  ecx,
  edi,
  es,
  esi,
  esp,
  far,
  fs,
  gs,
  linear,
  m,
  si,
  sp,
  ss,
  word,
} from '../assembler/index.ts';
import { SEG, SYSTEM, segment } from '../descriptors.ts';
import { ROM_BASE, ROM_SEGMENT, romImage } from '../rom-image.ts';
import { BITS, type Check, Context, type Mode } from './harness.ts';
import { GDT, GDT_BYTES, RAM, SEL, V } from './layout.ts';
import { LONG_CHECKS } from './long.ts';
import { PAGING_CHECKS } from './paging.ts';
import { PROTECTED_CHECKS } from './protected.ts';
import { REAL_CHECKS } from './real.ts';
import { EXIT, exit, modeRoutines, type Output, print, runChecks } from './run.ts';
import { buildTables, TABLE } from './tables.ts';
import { VIRTUAL_8086_CHECKS } from './virtual-8086.ts';

export { REFUSED_BY_EMULATING_KVM } from './refused.ts';
export type { Output } from './run.ts';
export { EXIT } from './run.ts';

const ALL: Readonly<Record<Mode, readonly Check[]>> = {
  real: REAL_CHECKS,
  protected: [...PROTECTED_CHECKS, ...PAGING_CHECKS, ...VIRTUAL_8086_CHECKS],
  long: LONG_CHECKS,
};

const MODES = ['real', 'protected', 'long'] as const;

/** Names of all checks, as they are printed: `long: SYSCALL and SYSRET`. */
export const CHECKS: readonly string[] = MODES.flatMap(mode => ALL[mode].map(({ name }) => `${mode}: ${name}`));

export interface SelfTestOptions {
  /** Names of {@link CHECKS} to leave out: {@link REFUSED_BY_EMULATING_KVM}, for one. */
  readonly without?: readonly string[];
  /** Names of {@link CHECKS} to run; all unless told otherwise. */
  readonly only?: readonly string[];
  /** The UART at 3F8h unless told otherwise. */
  readonly output?: Output;
}

/**
 * Assembles the self-test: it checks modes, rings, interrupts, port and memory-mapped I/O and prints a line for each
 * check, `<mode>: <name> ok`, or `FAILED at assertion <n>`. It prints nothing that differs between processors or
 * between runs. It ends through the debug exit at F4h with value 10h when all passed, else 11h. It needs 1 MiB of
 * RAM and a little, a UART at 3F8h, the PIC and the PIT, and nothing at physical address D0000000h.
 */
export function assembleModes(options: SelfTestOptions = {}): Uint8Array {
  const { without = [], only, output = 'serial' } = options;
  for (const name of [...without, ...(only ?? [])])
    if (!CHECKS.includes(name)) throw new RangeError(`No check is named "${name}"; CHECKS lists the names.`);
  const chosen = (mode: Mode) =>
    ALL[mode].filter(({ name }) => {
      const full = `${mode}: ${name}`;
      return !without.includes(full) && (only === undefined || only.includes(full));
    });
  return romImage(a => {
    startReal(a);
    runChecks(a, 'real', chosen('real'));
    toProtected(a);
    runChecks(a, 'protected', chosen('protected'));
    toLong(a);
    runChecks(a, 'long', chosen('long'));
    end(a);
    for (const mode of MODES) modeRoutines(a, mode, output);
    data(a);
  });
}

function outputs(a: Assembler, values: readonly (readonly [number, number])[]): void {
  for (const [port, value] of values) {
    a.mov(al, value);
    if (port < 0x100) a.out(port, al);
    else {
      a.mov(dx, port);
      a.out(dx, al);
    }
  }
}

function startReal(a: Assembler): void {
  a.cli();
  a.cld();
  a.xor(ax, ax);
  for (const register of [ds, es, ss]) a.mov(register, ax);
  a.mov(sp, RAM.realStack);
  a.in(al, 0x92);
  a.or(al, 2); // fast A20
  a.and(al, 0xfe);
  a.out(0x92, al);
  a.xor(ax, ax);
  a.mov(di, RAM.variables);
  a.mov(cx, (0xf000 - RAM.variables) / 2);
  a.rep().stosw();
  // All interrupts lead to `real unexpected`.
  a.xor(di, di);
  a.mov(cx, 256);
  a.label('ivt');
  a.mov(word(di), 'real unexpected');
  a.mov(word(di, 2), ROM_SEGMENT);
  a.add(di, 4);
  a.loop('ivt');
  a.mov(si, 'rom gdt');
  a.mov(di, RAM.gdt);
  a.mov(cx, GDT_BYTES);
  a.rep().seg(cs).movsb();
  a.mov(word(0x20 * 4), 'real tick');
  outputs(a, [
    // 16550: 115200 baud, 8N1, no interrupts
    [0x3fb, 0x83],
    [0x3f8, 1],
    [0x3f9, 0],
    [0x3fb, 3],
    [0x3f9, 0],
    // 8259A: vectors from 20h, all masked
    [0x20, 0x11],
    [0x21, 0x20],
    [0x21, 0x04],
    [0x21, 0x01],
    [0xa0, 0x11],
    [0xa1, 0x28],
    [0xa1, 0x02],
    [0xa1, 0x01],
    [0x21, 0xff],
    [0xa1, 0xff],
  ]);
}

/** Points all vectors at the mode's handlers. */
function buildIdt(a: Assembler, mode: 'protected' | 'long'): void {
  const c = new Context(a, mode);
  for (let vector = 0; vector < 32; vector++) c.restoreGate(vector);
  // The rest are copies of one gate.
  const width = mode === 'long' ? 16 : 8;
  c.restoreGate(32);
  a.mov(esi, RAM.idt + 32 * width);
  a.mov(edi, RAM.idt + 33 * width);
  a.mov(ecx, (256 - 33) * (width / 4));
  a.rep().movsd();
  a.mov(word(V.tableRegister), 256 * width - 1);
  a.mov(dword(V.tableRegister + 2), RAM.idt);
  if (mode === 'long') a.mov(dword(V.tableRegister + 6), 0);
  a.lidt(m(V.tableRegister));
}

function toProtected(a: Assembler): void {
  a.cli();
  a.lgdt(m(cs, 'rom gdtr'));
  a.mov(eax, cr0);
  a.or(al, 1);
  a.mov(cr0, eax);
  a.jmp(far(SEL.code32, linear('protected start'), 32));
  a.bits(BITS.protected);
  a.label('protected start');
  a.mov(ax, SEL.data);
  for (const register of [ds, es, fs, gs, ss]) a.mov(register, ax);
  a.mov(esp, RAM.stack);
  buildTables(a);
  buildIdt(a, 'protected');
  // TSS of 32 bits (Intel SDM vol. 3 §9.2.1): ESP0, SS0, the I/O map's place; no port is allowed.
  a.mov(dword(RAM.tss + 4), RAM.ring0Stack);
  a.mov(dword(RAM.tss + 8), SEL.data);
  a.mov(word(RAM.tss + 0x66), 0x68);
  a.mov(edi, RAM.tss + 0x68);
  a.mov(ecx, 0x2000 + 1);
  a.mov(al, 0xff);
  a.rep().stosb();
  task(a, 'protected');
}

function task(a: Assembler, mode: 'protected' | 'long'): void {
  const c = new Context(a, mode);
  c.descriptor(SEL.tss, segment(RAM.tss, 0x68 + 0x2000, SYSTEM.tss | SEG.present));
  c.descriptor(SEL.tss + 8, 0n);
  a.mov(ax, SEL.tss);
  a.ltr(ax);
}

function toLong(a: Assembler): void {
  a.mov(eax, 1 << 5); // CR4.PAE
  a.mov(cr4, eax);
  a.mov(eax, TABLE.pml4);
  a.mov(cr3, eax);
  a.mov(ecx, 0xc000_0080);
  a.rdmsr();
  a.or(eax, 0x901); // EFER: NXE, LME, SCE
  a.wrmsr();
  a.mov(eax, cr0);
  a.or(eax, 0x8000_0000);
  a.mov(cr0, eax);
  a.jmp(far(SEL.code64, 'long start'));
  a.bits(BITS.long);
  a.label('long start');
  buildIdt(a, 'long');
  // TSS of 64 bits (§9.7): RSP0, IST1.
  a.mov(dword(RAM.tss + 4), RAM.ring0Stack);
  a.mov(dword(RAM.tss + 8), 0);
  a.mov(dword(RAM.tss + 0x24), RAM.istStack);
  a.mov(dword(RAM.tss + 0x28), 0);
  task(a, 'long');
}

function end(a: Assembler): void {
  a.cmp(dword(V.failures), 0);
  a.je('end passed');
  print(a, 'long', 'some checks failed\n');
  a.mov(al, EXIT.failed);
  exit(a);
  a.label('end passed');
  print(a, 'long', 'all checks passed\n');
  a.mov(al, EXIT.passed);
  exit(a);
}

function data(a: Assembler): void {
  a.bits(BITS.real, ROM_BASE);
  a.align(8);
  a.label('rom gdt');
  a.dq(...GDT);
  a.label('rom gdtr');
  a.dw(GDT_BYTES - 1);
  a.dd(RAM.gdt);
}
