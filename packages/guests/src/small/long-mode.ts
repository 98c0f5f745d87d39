import {
  type Assembler,
  ax,
  cr0,
  cr3,
  cr4,
  cs,
  ds,
  dword,
  eax,
  ecx,
  edi,
  es,
  esp,
  far,
  linear,
  m,
  ss,
} from '../assembler/index.ts';
import { FLAT } from '../descriptors.ts';
import { romImage } from '../rom-image.ts';

/** Page tables of {@link longModeImage}: three pages from here. */
const TABLES = 0x1000;
const STACK = 0x8000;

/**
 * A ROM that goes straight to 64-bit mode, with the first GiB mapped one to one, a stack below 8000h, no IDT and
 * interrupts off, and runs `program` there. It needs 32 KiB of RAM.
 */
export function longModeImage(program: (a: Assembler) => void): Uint8Array {
  return romImage(a => {
    a.cli();
    a.lgdt(m(cs, 'gdtr'));
    a.mov(eax, cr0);
    a.or(eax, 1);
    a.mov(cr0, eax);
    a.jmp(far(0x08, linear('protected'), 32));
    a.align(8);
    a.label('gdt');
    a.dq(0, FLAT.code32, FLAT.data, FLAT.code64);
    a.label('gdtr');
    a.dw(4 * 8 - 1);
    a.dd(linear('gdt'));

    a.bits(32);
    a.label('protected');
    a.mov(ax, 0x10);
    for (const register of [ds, es, ss]) a.mov(register, ax);
    a.mov(esp, STACK);
    a.cld();
    a.xor(eax, eax);
    a.mov(edi, TABLES);
    a.mov(ecx, (3 * 0x1000) / 4);
    a.rep().stosd();
    a.mov(dword(TABLES), (TABLES + 0x1000) | 3);
    a.mov(dword(TABLES + 0x1000), (TABLES + 0x2000) | 3);
    a.mov(edi, TABLES + 0x2000);
    a.mov(eax, 0x83); // present, writable, 2 MiB
    a.label('map');
    a.mov(dword(edi), eax);
    a.add(edi, 8);
    a.add(eax, 0x20_0000);
    a.cmp(edi, TABLES + 0x3000);
    a.jb('map');
    a.mov(eax, 1 << 5); // CR4.PAE
    a.mov(cr4, eax);
    a.mov(eax, TABLES);
    a.mov(cr3, eax);
    a.mov(ecx, 0xc000_0080);
    a.rdmsr();
    a.or(eax, 1 << 8); // EFER.LME
    a.wrmsr();
    a.mov(eax, cr0);
    a.or(eax, 0x8000_0000);
    a.mov(cr0, eax);
    a.jmp(far(0x18, 'long'));
    a.bits(64);
    a.label('long');
    program(a);
  });
}
