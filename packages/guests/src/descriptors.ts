/** Bits of a segment descriptor's access byte and flags, at their place in the upper dword (Intel SDM vol. 3 §3.4.5). */
export const SEG = {
  accessed: 1 << 8,
  /** Data: may be written. Code: may be read. */
  writable: 1 << 9,
  readable: 1 << 9,
  /** Data: grows down. */
  expandDown: 1 << 10,
  /** Code: runs at the caller's privilege. */
  conforming: 1 << 10,
  data: 1 << 12,
  code: (1 << 12) | (1 << 11),
  dpl3: 3 << 13,
  present: 1 << 15,
  /** L: 64-bit code. */
  long: 1 << 21,
  /** D/B: 32-bit code, stack or limit. */
  big: 1 << 22,
  /** G: the limit counts 4 KiB pages. */
  pages: 1 << 23,
} as const;

/** Types of system descriptors (Intel SDM vol. 3 §3.5), at their place in the upper dword. */
export const SYSTEM = {
  ldt: 0x2 << 8,
  taskGate: 0x5 << 8,
  tss: 0x9 << 8,
  callGate: 0xc << 8,
  interruptGate: 0xe << 8,
  trapGate: 0xf << 8,
} as const;

/** A segment descriptor of eight bytes. @param limit as stored: in bytes, or in pages with {@link SEG.pages}. */
export function segment(base: number, limit: number, flags: number): bigint {
  const low = (limit & 0xffff) | ((base & 0xffff) << 16);
  const high = ((base >>> 16) & 0xff) | flags | (limit & 0xf0000) | (base & 0xff000000);
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/** A gate of eight bytes. @param flags a {@link SYSTEM} type, {@link SEG.present}, a DPL; a call gate's count in 4:0. */
export function gate(selector: number, offset: number, flags: number): bigint {
  const low = (offset & 0xffff) | (selector << 16);
  const high = (offset & 0xffff0000) | flags;
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

const CODE = SEG.code | SEG.readable | SEG.accessed | SEG.present;
const DATA = SEG.data | SEG.writable | SEG.accessed | SEG.present;

/** Descriptors that cover all 4 GiB from 0. */
export const FLAT = {
  code32: segment(0, 0xfffff, CODE | SEG.big | SEG.pages),
  code64: segment(0, 0xfffff, CODE | SEG.long | SEG.pages),
  data: segment(0, 0xfffff, DATA | SEG.big | SEG.pages),
  userCode32: segment(0, 0xfffff, CODE | SEG.big | SEG.pages | SEG.dpl3),
  userCode64: segment(0, 0xfffff, CODE | SEG.long | SEG.pages | SEG.dpl3),
  userData: segment(0, 0xfffff, DATA | SEG.big | SEG.pages | SEG.dpl3),
} as const;
