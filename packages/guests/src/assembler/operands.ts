import iced from 'iced-x86';

/** A register operand; made once each, below. */
export interface Reg {
  readonly kind: 'register';
  readonly name: RegisterName;
  /** Its number in iced-x86's `Register`. */
  readonly id: number;
  /** Bytes. */
  readonly size: number;
  /** The register as a scaled index of a memory operand: `dword(rbx, rcx.times(4))`. */
  times(scale: 1 | 2 | 4 | 8): ScaledIndex;
}

export interface ScaledIndex {
  readonly kind: 'index';
  readonly register: Reg;
  readonly scale: 1 | 2 | 4 | 8;
}

/** The address of a label, plus a number, minus another label if there is one. */
export interface LabelRef {
  readonly kind: 'label';
  readonly name: string;
  readonly plus: number;
  readonly minus: string | undefined;
  /** The address itself; otherwise less the base of the section that uses it. */
  readonly linear: boolean;
}

/** A memory operand. `size` is in bytes, 0 when the instruction alone decides. */
export interface Mem {
  readonly kind: 'memory';
  readonly size: number;
  readonly segment: Reg | undefined;
  readonly base: Reg | undefined;
  readonly index: ScaledIndex | undefined;
  readonly displacement: bigint;
  readonly label: LabelRef | undefined;
}

/** `selector:offset`, for far jumps and calls. `bits` is the width of the offset; the section's when undefined. */
export interface FarPointer {
  readonly kind: 'far';
  readonly selector: number;
  readonly offset: LabelRef | number;
  readonly bits: 16 | 32 | undefined;
}

/** What stands after a mnemonic. A string is a label. */
export type Operand = Reg | Mem | FarPointer | LabelRef | string | number | bigint;

/** What a memory operand is the sum of; a segment register among the terms is an override. */
export type Term = Reg | ScaledIndex | LabelRef | string | number | bigint;

// biome-ignore format: one row per class of registers
const NAMES = [
  'al', 'cl', 'dl', 'bl', 'ah', 'ch', 'dh', 'bh', 'spl', 'bpl', 'sil', 'dil',
  'r8b', 'r9b', 'r10b', 'r11b', 'r12b', 'r13b', 'r14b', 'r15b',
  'ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di', 'r8w', 'r9w', 'r10w', 'r11w', 'r12w', 'r13w', 'r14w', 'r15w',
  'eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi', 'r8d', 'r9d', 'r10d', 'r11d', 'r12d', 'r13d', 'r14d', 'r15d',
  'rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15',
  'es', 'cs', 'ss', 'ds', 'fs', 'gs',
  'cr0', 'cr2', 'cr3', 'cr4', 'cr8', 'dr0', 'dr1', 'dr2', 'dr3', 'dr6', 'dr7',
  'st0', 'st1', 'st2', 'st3', 'st4', 'st5', 'st6', 'st7', 'mm0', 'mm1', 'mm2', 'mm3', 'mm4', 'mm5', 'mm6', 'mm7',
  'xmm0', 'xmm1', 'xmm2', 'xmm3', 'xmm4', 'xmm5', 'xmm6', 'xmm7',
  'xmm8', 'xmm9', 'xmm10', 'xmm11', 'xmm12', 'xmm13', 'xmm14', 'xmm15',
] as const;
export type RegisterName = (typeof NAMES)[number];

function makeRegister(name: RegisterName): Reg {
  // iced-x86 calls the byte registers R8L–R15L, as Intel does.
  const id = iced.Register[name.toUpperCase().replace(/^(R\d+)B$/, '$1L') as keyof typeof iced.Register];
  const register: Reg = {
    kind: 'register',
    name,
    id,
    size: iced.RegisterExt.size(id),
    times: scale => ({ kind: 'index', register, scale }),
  };
  return register;
}

/** Every register by name, for code that picks registers at random. */
export const registers = Object.fromEntries(NAMES.map(name => [name, makeRegister(name)])) as Record<RegisterName, Reg>;

// biome-ignore format: one row per class of registers
export const {
  al, cl, dl, bl, ah, ch, dh, bh, spl, bpl, sil, dil, r8b, r9b, r10b, r11b, r12b, r13b, r14b, r15b,
  ax, cx, dx, bx, sp, bp, si, di, r8w, r9w, r10w, r11w, r12w, r13w, r14w, r15w,
  eax, ecx, edx, ebx, esp, ebp, esi, edi, r8d, r9d, r10d, r11d, r12d, r13d, r14d, r15d,
  rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15,
  es, cs, ss, ds, fs, gs, cr0, cr2, cr3, cr4, cr8, dr0, dr1, dr2, dr3, dr6, dr7,
  st0, st1, st2, st3, st4, st5, st6, st7, mm0, mm1, mm2, mm3, mm4, mm5, mm6, mm7,
  xmm0, xmm1, xmm2, xmm3, xmm4, xmm5, xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15,
} = registers;

/** A label with a distance: `at('table', 8)`. */
export function at(name: string, plus = 0): LabelRef {
  return { kind: 'label', name, plus, minus: undefined, linear: false };
}

/** The linear address of a label, also where the section has a base (16-bit code that fills a descriptor). */
export function linear(name: string, plus = 0): LabelRef {
  return { kind: 'label', name, plus, minus: undefined, linear: true };
}

/** Bytes from label `start` to label `end`, plus a number. */
export function distance(start: string, end: string, plus = 0): LabelRef {
  return { kind: 'label', name: end, plus, minus: start, linear: true };
}

export function far(selector: number, offset: string | LabelRef | number, bits?: 16 | 32): FarPointer {
  return { kind: 'far', selector, offset: typeof offset === 'string' ? at(offset) : offset, bits };
}

function sum(size: number, terms: readonly Term[]): Mem {
  let segment: Reg | undefined;
  let base: Reg | undefined;
  let index: ScaledIndex | undefined;
  let label: LabelRef | undefined;
  let displacement = 0n;
  for (const term of terms) {
    if (typeof term === 'number' || typeof term === 'bigint') displacement += BigInt(term);
    else if (typeof term === 'string') label = at(term);
    else if (term.kind === 'label') label = term;
    else if (term.kind === 'index') index = term;
    else if (iced.RegisterExt.isSegmentRegister(term.id)) segment = term;
    else if (base === undefined) base = term;
    else index = term.times(1);
  }
  return { kind: 'memory', size, segment, base, index, displacement, label };
}

/** Memory whose size the instruction decides: `a.lgdt(m('gdtr'))`, `a.lea(rax, m(rbx, 8))`. */
export const m = (...terms: readonly Term[]): Mem => sum(0, terms);
export const byte = (...terms: readonly Term[]): Mem => sum(1, terms);
export const word = (...terms: readonly Term[]): Mem => sum(2, terms);
export const dword = (...terms: readonly Term[]): Mem => sum(4, terms);
export const qword = (...terms: readonly Term[]): Mem => sum(8, terms);
/** 80 bits, for the x87. */
export const tword = (...terms: readonly Term[]): Mem => sum(10, terms);
/** 128 bits. */
export const oword = (...terms: readonly Term[]): Mem => sum(16, terms);
