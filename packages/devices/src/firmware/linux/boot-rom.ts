import { type Handover, LAYOUT, type Segment, segment } from './layout.ts';

/** One real-mode segment, so that the reset vector's near jump reaches all of it. */
const ROM_SIZE = 0x1_0000;
/** The ROM ends at 4 GiB. */
const ROM_BASE = 0xffff_0000;

// Offsets in the ROM.
const REAL_MODE = 0xff00;
const PROTECTED_MODE = 0xff20;
const HANDOVER = 0xffb0;
const GDTR = 0xffe0;
const RESET_VECTOR = 0xfff0; // Intel SDM vol. 3 §9.1.4

// Selectors in the GDT. 10h and 18h are __BOOT_CS and __BOOT_DS of the boot protocol.
const SEL_CODE32 = 0x08;
const SEL_BOOT_CS = 0x10;
const SEL_BOOT_DS = 0x18;
const SEL_TSS = 0x20;
const GDT_SIZE = 0x28;

const CR0_PE_ET = 0x0000_0011;
const CR0_PG_PE_ET = 0x8000_0011;
const CR4_PAE = 1 << 5;
const MSR_EFER = 0xc000_0080;
const EFER_LME = 1 << 8;

// struct at LAYOUT.handover, all dwords.
const HANDOVER_ENTRY = 0;
const HANDOVER_ESI = 4;
const HANDOVER_EBX = 8;
const HANDOVER_LONG_MODE = 12;
const HANDOVER_SIZE = 16;

const word = (n: number): number[] => [n & 0xff, (n >>> 8) & 0xff];
const dword = (n: number): number[] => [...word(n), ...word(n >>> 16)];

/**
 * The boot ROM: takes the processor from F000:FFF0 in real mode to the state in which a protocol enters its kernel.
 * RAM holds the GDT, page tables, parameters, kernel, and the {@link Handover} that says which protocol it is.
 */
export function bootRom(): Uint8Array {
  const rom = new Uint8Array(ROM_SIZE).fill(0xf4); // hlt, should anything jump astray
  const place = (at: number, ...code: number[][]) => rom.set(code.flat(), at);

  const enterLongMode = [
    [0xb8, ...dword(CR4_PAE)], //                           mov eax, CR4.PAE
    [0x0f, 0x22, 0xe0], //                                  mov cr4, eax
    [0xb8, ...dword(LAYOUT.pageTables)], //                 mov eax, PML4
    [0x0f, 0x22, 0xd8], //                                  mov cr3, eax
    [0xb9, ...dword(MSR_EFER)], //                          mov ecx, EFER
    [0x0f, 0x32], //                                        rdmsr
    [0x0d, ...dword(EFER_LME)], //                          or eax, LME
    [0x0f, 0x30], //                                        wrmsr
    [0xb8, ...dword(CR0_PG_PE_ET)], //                      mov eax, PG|PE|ET
    [0x0f, 0x22, 0xc0], //                                  mov cr0, eax          (Intel SDM vol. 3 §9.8.5)
  ];

  place(RESET_VECTOR, [0xe9, ...word(REAL_MODE - (RESET_VECTOR + 3))]); // jmp REAL_MODE
  place(
    REAL_MODE,
    [0xfa], //                                              cli
    [0xfc], //                                              cld
    [0x2e, 0x66, 0x0f, 0x01, 0x16, ...word(GDTR)], //       lgdt cs:[GDTR]        (o32: all of the base)
    [0x66, 0xb8, ...dword(CR0_PE_ET)], //                   mov eax, PE|ET        (caches on)
    [0x0f, 0x22, 0xc0], //                                  mov cr0, eax
    [0x66, 0xea, ...dword(ROM_BASE + PROTECTED_MODE), ...word(SEL_CODE32)], // jmp far
  );
  place(
    PROTECTED_MODE,
    [0x66, 0xb8, ...word(SEL_BOOT_DS)], //                  mov ax, 18h
    [0x8e, 0xd8], //                                        mov ds, ax
    [0x8e, 0xc0], //                                        mov es, ax
    [0x8e, 0xd0], //                                        mov ss, ax
    [0x8e, 0xe0], //                                        mov fs, ax
    [0x8e, 0xe8], //                                        mov gs, ax
    [0xbc, ...dword(LAYOUT.stackTop)], //                   mov esp, stackTop
    [0x66, 0xb8, ...word(SEL_TSS)], //                      mov ax, 20h
    [0x0f, 0x00, 0xd8], //                                  ltr ax
    [0x83, 0x3d, ...dword(LAYOUT.handover + HANDOVER_LONG_MODE), 0], // cmp dword [longMode], 0
    [0x74, enterLongMode.flat().length], //                 je +
    ...enterLongMode,
    [0xea, ...dword(ROM_BASE + HANDOVER), ...word(SEL_BOOT_CS)], // + jmp far: 32- or 64-bit code, as the GDT says
  );
  // These encodings mean the same in 32- and in 64-bit mode; loading a 32-bit register clears its upper half.
  place(
    HANDOVER,
    [0xbd, ...dword(LAYOUT.handover)], //                   mov ebp, handover
    [0x8b, 0x45, HANDOVER_ENTRY], //                        mov eax, [rbp + entry]
    [0x8b, 0x75, HANDOVER_ESI], //                          mov esi, [rbp + esi]
    [0x8b, 0x5d, HANDOVER_EBX], //                          mov ebx, [rbp + ebx]
    [0x31, 0xed], //                                        xor ebp, ebp
    [0x31, 0xff], //                                        xor edi, edi
    [0xff, 0xe0], //                                        jmp rax
  );
  place(GDTR, [...word(GDT_SIZE - 1), ...dword(LAYOUT.gdt)]);
  return rom;
}

/** What the boot ROM finds in RAM: how to enter the kernel, and the descriptors to do it with. */
export function handover({ protocol, entry }: Handover): readonly Segment[] {
  const long = protocol === 'linux64';
  const block = new DataView(new ArrayBuffer(HANDOVER_SIZE));
  block.setUint32(HANDOVER_ENTRY, entry, true);
  block.setUint32(HANDOVER_ESI, protocol === 'pvh' ? 0 : LAYOUT.bootParams, true);
  block.setUint32(HANDOVER_EBX, protocol === 'pvh' ? LAYOUT.startInfo : 0, true);
  block.setUint32(HANDOVER_LONG_MODE, long ? 1 : 0, true);

  // Flat segments (Intel SDM vol. 3 §3.4.5), accessed already, and a TSS of 104 bytes.
  const gdt = new DataView(new ArrayBuffer(GDT_SIZE));
  const descriptor = (selector: number, high: number, low: number) => {
    gdt.setUint32(selector, low, true);
    gdt.setUint32(selector + 4, high, true);
  };
  descriptor(SEL_CODE32, 0x00cf_9b00, 0x0000_ffff);
  descriptor(SEL_BOOT_CS, long ? 0x00af_9b00 : 0x00cf_9b00, 0x0000_ffff);
  descriptor(SEL_BOOT_DS, 0x00cf_9300, 0x0000_ffff);
  descriptor(SEL_TSS, 0x0000_8900, LAYOUT.tss * 2 ** 16 + 0x67);
  return [
    segment(LAYOUT.handover, new Uint8Array(block.buffer)),
    segment(LAYOUT.gdt, new Uint8Array(gdt.buffer)),
    segment(LAYOUT.tss, new Uint8Array(0x68)),
  ];
}
