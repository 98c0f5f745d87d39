/**
 * A case: a few instructions and all that they can see. Its outcome: all that they can have changed. The layout of both
 * in bytes is what `silicon-program.ts` works on.
 */

/** Where things are in the linear address space, on silicon and in software. */
export const CODE = { address: 0x1000_0000, size: 0x2000 } as const;
/** Two pages to read and write, then one to read only; no memory around them. */
export const DATA = { address: 0x1001_0000, size: 0x3000, writable: 0x2000 } as const;
/** The part of {@link DATA} whose contents a case gives, across its first page boundary. The rest is 0. */
export const WINDOW = { address: DATA.address + 0x1000 - 128, offset: 0x1000 - 128, size: 256 } as const;
export const GS_BASE = DATA.address + 0x800;
/** The data segment of 16-bit code, whose code segment starts at {@link CODE}. */
export const DATA_16 = { base: DATA.address - 0x4000, limit: 0x77ff } as const;
/** Room for the instructions; INT3 comes after them, and everywhere else in {@link CODE}. */
export const MAX_CODE = 64;
/** Quadwords of memory that an outcome can list. */
export const MAX_CHANGES = 96;
/** Bytes of an FXSAVE image (SDM vol. 1 table 10-2). */
export const FPU_SIZE = 512;

/** Vectors that do not exist. */
export const TIMEOUT = 255;
export const SHUTDOWN = 254;

/** CF PF AF ZF SF OF, and DF. */
export const COMPARED_FLAGS = 0xcd5;

export type Bits = 16 | 32 | 64;

export interface Case {
  readonly code: Uint8Array;
  /** Address of the first instruction, in {@link CODE}. */
  readonly rip: number;
  /** Sixteen general registers in the order of their numbers. */
  readonly gpr: BigUint64Array;
  /** Of {@link COMPARED_FLAGS}. */
  readonly flags: number;
  /** Of the code segment. */
  readonly bits: Bits;
  readonly window: Uint8Array;
  /** x87, MMX and SSE registers as FXSAVE64 has them; {@link FPU_SIZE} bytes. */
  readonly fpu: Uint8Array;
}

export interface Outcome {
  readonly gpr: BigUint64Array;
  /** Of the instruction that faulted; after INT3 where the case ended. */
  readonly rip: bigint;
  /** Of {@link COMPARED_FLAGS}. */
  readonly flags: number;
  /** The exception that ended the case: 3 (INT3) when nothing else did. */
  readonly vector: number;
  readonly error: number;
  /** Of a page fault, else 0. */
  readonly cr2: bigint;
  /** How many quadwords of {@link DATA} are not what they were. */
  readonly changed: number;
  /** The first of them: offset and value. */
  readonly changes: readonly (readonly [offset: number, value: bigint])[];
  /** As in {@link Case}, without pointers to instruction and operand. */
  readonly fpu: Uint8Array;
}

/** A case in bytes; `rip`, `flags` and `bits` are quadwords. */
export const INPUT = {
  gpr: 0,
  rip: 128,
  flags: 136,
  bits: 144,
  fpu: 152,
  code: 152 + FPU_SIZE,
  window: 152 + FPU_SIZE + MAX_CODE,
} as const;
export const INPUT_SIZE: number = INPUT.window + WINDOW.size;
/** An outcome in bytes; `vector`, `error` and `changed` are doublewords, a change is an offset and a value. */
export const OUTPUT = {
  gpr: 0,
  rip: 128,
  flags: 136,
  cr2: 144,
  vector: 152,
  error: 156,
  changed: 160,
  fpu: 168,
  changes: 168 + FPU_SIZE,
} as const;
export const OUTPUT_SIZE: number = OUTPUT.changes + MAX_CHANGES * 16;

/**
 * Clears what neither side's FXSAVE image says: pointers to instruction and operand, which AMD keeps only after
 * exceptions, the mask of MXCSR, and what is reserved.
 */
function dropReserved(fpu: Uint8Array): Uint8Array {
  fpu.fill(0, 5, 24);
  fpu.fill(0, 28, 32);
  for (let n = 0; n < 8; n++) fpu.fill(0, 32 + 16 * n + 10, 48 + 16 * n);
  return fpu.fill(0, 416);
}

/** An outcome in the neutral form, from what either side observed. */
export function outcome(raw: Omit<Outcome, 'changes'> & { changes: (readonly [number, bigint])[] }): Outcome {
  const pageFault = raw.vector === 14;
  // Linux reports any fault above a process's memory as a protection violation, so as not to tell what is mapped there.
  const upper = pageFault && raw.cr2 >= 0x7fff_ffff_f000n;
  return {
    ...raw,
    flags: raw.flags & COMPARED_FLAGS,
    error: upper ? raw.error | 1 : raw.error,
    cr2: pageFault ? raw.cr2 : 0n,
    changes: raw.changes.slice(0, MAX_CHANGES),
    fpu: dropReserved(raw.fpu),
  };
}

export function writeCase(c: Case, view: DataView, at: number): void {
  for (let n = 0; n < 16; n++) view.setBigUint64(at + INPUT.gpr + 8 * n, c.gpr[n]!, true);
  view.setBigUint64(at + INPUT.rip, BigInt(c.rip), true);
  view.setBigUint64(at + INPUT.flags, BigInt(c.flags), true);
  view.setBigUint64(at + INPUT.bits, BigInt(c.bits), true);
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, INPUT_SIZE);
  bytes.set(c.fpu, INPUT.fpu);
  bytes.fill(0xcc, INPUT.code, INPUT.code + MAX_CODE);
  bytes.set(c.code, INPUT.code);
  bytes.set(c.window, INPUT.window);
}

export function readOutcome(view: DataView, at: number): Outcome {
  const u64 = (offset: number): bigint => view.getBigUint64(at + offset, true);
  const u32 = (offset: number): number => view.getUint32(at + offset, true);
  const gpr = BigUint64Array.from({ length: 16 }, (_, n) => u64(OUTPUT.gpr + 8 * n));
  const changed = u32(OUTPUT.changed);
  const changes = Array.from({ length: Math.min(changed, MAX_CHANGES) }, (_, n) => {
    const change = OUTPUT.changes + 16 * n;
    return [Number(u64(change)), u64(change + 8)] as const;
  });
  return outcome({
    gpr,
    rip: u64(OUTPUT.rip),
    flags: u32(OUTPUT.flags),
    cr2: u64(OUTPUT.cr2),
    vector: u32(OUTPUT.vector),
    error: u32(OUTPUT.error),
    changed,
    changes,
    fpu: new Uint8Array(view.buffer, view.byteOffset + at + OUTPUT.fpu, FPU_SIZE).slice(),
  });
}
