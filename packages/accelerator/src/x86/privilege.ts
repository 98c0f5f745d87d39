import { TLB } from './state.ts';

/** As what memory is accessed: each has a TLB of its own, in this order. */
export const PRIVILEGE = {
  supervisor: 0,
  user: 1,
  /** A supervisor that SMAP keeps from user pages: EFLAGS.AC is clear, or the access is implicit (SDM vol. 3 §4.6.1). */
  guarded: 2,
} as const;
export type Privilege = (typeof PRIVILEGE)[keyof typeof PRIVILEGE];

/** Offset in the memory of the TLB of a privilege. */
export const tlbOf = (privilege: Privilege): number => TLB.base + privilege * TLB.size;

/** The privilege whose TLB lies at an offset. */
export const privilegeOf = (tlb: number): Privilege => ((tlb - TLB.base) / TLB.size) as Privilege;
