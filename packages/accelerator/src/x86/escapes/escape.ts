import type { Cpu } from '../cpu.ts';
import type { Decoded } from '../decode/decoded.ts';

/**
 * An instruction carried out in TypeScript. While it runs, `cpu.r.rip` is its own address and `cpu.nextRip` the next.
 * It throws `cpu.fault` (by `raise`, `gp`, a memory access…) before it has changed anything, or returns nothing when
 * the next instruction follows in the same mode, or the result of `leave`, `jump` or `again`.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a function that falls off its end returns nothing
export type Escape = (cpu: Cpu, insn: Decoded) => number | void;

/** Escapes by mnemonic. */
export type Escapes = Readonly<Record<string, Escape>>;
