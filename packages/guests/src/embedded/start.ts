import {
  type Assembler,
  al,
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
  sp,
  ss,
} from '../assembler/index.ts';
import { FLAT } from '../descriptors.ts';
import { PORT, RAM } from './layout.ts';

const CODE32 = 0x08;
const DATA = 0x10;
export const CODE64 = 0x18;

/** From the reset vector to 64-bit code at label `main`, with the first 4 GiB mapped one to one. */
export function start(a: Assembler): void {
  a.cli();
  a.cld();
  a.xor(ax, ax);
  a.mov(ss, ax);
  a.mov(sp, RAM.stackTop - 16);
  // The fast A20 gate, without its reset bit. Where there is none, nothing listens.
  a.in(al, PORT.fastA20);
  a.or(al, 2);
  a.and(al, 0xfe);
  a.out(PORT.fastA20, al);

  a.lgdt(m(cs, 'gdtr'));
  a.mov(eax, cr0);
  a.or(al, 1);
  a.mov(cr0, eax);
  a.jmp(far(CODE32, linear('protected'), 32));

  a.align(8);
  a.label('gdt');
  a.dq(0, FLAT.code32, FLAT.data, FLAT.code64);
  a.label('gdtr');
  a.dw(4 * 8 - 1);
  a.dd(linear('gdt'));

  a.bits(32);
  a.label('protected');
  a.mov(ax, DATA);
  for (const register of [ds, es, ss]) a.mov(register, ax);
  a.mov(esp, RAM.stackTop);
  a.xor(eax, eax);
  a.mov(edi, RAM.pml4);
  a.mov(ecx, (RAM.stackTop - RAM.pml4) / 4);
  a.rep().stosd();

  // Intel SDM vol. 3 §5.5: PML4E, four PDPTEs, 2048 pages of 2 MiB; present, writable.
  a.mov(dword(RAM.pml4), RAM.pdpt | 3);
  for (let i = 0; i < 4; i++) a.mov(dword(RAM.pdpt + i * 8), (RAM.directories + i * 0x1000) | 3);
  a.mov(edi, RAM.directories);
  a.mov(eax, 0x83);
  a.label('map');
  a.mov(dword(edi), eax);
  a.add(edi, 8);
  a.add(eax, 0x20_0000);
  a.jnc('map');

  // §10.8.5: PAE, CR3, EFER.LME, paging.
  a.mov(eax, cr4);
  a.or(eax, 1 << 5);
  a.mov(cr4, eax);
  a.mov(eax, RAM.pml4);
  a.mov(cr3, eax);
  a.mov(ecx, 0xc000_0080);
  a.rdmsr();
  a.or(eax, 1 << 8);
  a.wrmsr();
  a.mov(eax, cr0);
  a.or(eax, 0x8000_0000);
  a.mov(cr0, eax);
  a.jmp(far(CODE64, 'main'));
  a.bits(64);
}
