import { eax, ecx, edx } from '../assembler/index.ts';
import type { Context } from './harness.ts';

/** Model-specific registers (Intel SDM vol. 4). */
export const MSR = {
  EFER: 0xc000_0080,
  STAR: 0xc000_0081,
  LSTAR: 0xc000_0082,
  FMASK: 0xc000_0084,
  FS_BASE: 0xc000_0100,
  GS_BASE: 0xc000_0101,
  KERNEL_GS_BASE: 0xc000_0102,
} as const;

/** Writes a number, or the address of a label. Clobbers eax, ecx, edx. */
export function writeMsr({ a }: Context, msr: number, value: number | bigint | string): void {
  a.mov(ecx, msr);
  if (typeof value === 'string') {
    a.mov(eax, value);
    a.xor(edx, edx);
  } else {
    a.mov(eax, BigInt(value) & 0xffff_ffffn);
    a.mov(edx, BigInt(value) >> 32n);
  }
  a.wrmsr();
}
