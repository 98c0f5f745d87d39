import type { GuestMemory } from '../guest-memory.ts';
import { type Token, token } from '../token.ts';
import type { CpuState } from './cpu-state.ts';

/** A stretch of guest-physical addresses, as the processor sees it: overlays resolved, sorted, without overlaps. */
export interface MemoryRegion {
  /** Guest-physical address, 4 KiB aligned for `ram` and `rom`. */
  readonly base: number;
  /** Bytes; a multiple of 4 KiB for `ram` and `rom`. */
  readonly size: number;
  /** `rom` reads from guest memory and sends writes to the bus; `window` sends both to the bus. */
  readonly kind: 'ram' | 'rom' | 'window';
  /** Offset of the first byte in the {@link GuestMemory}; 0 for a window. */
  readonly offset: number;
}

/**
 * What a processor sees of its machine. Both accelerators call it in the middle of `run`, in the machine's thread;
 * no call allocates. Addresses that nothing answers read as all ones and swallow writes.
 */
export interface CpuBus {
  readonly guest: GuestMemory;
  /** The flattened physical map; the same array until it changes. */
  regions(): readonly MemoryRegion[];
  /** Calls `changed` after every change of {@link regions} (a BAR moved, a PAM register was written). */
  onRegionsChanged(changed: () => void): void;
  /** Calls `written` before a device or the host writes guest RAM; the software CPU drops code it decoded there. */
  onWrite(written: (offset: number, size: number) => void): void;
  /** @param size 1, 2 or 4 bytes. @returns the value, zero-extended, as an unsigned number. */
  portRead(port: number, size: number): number;
  portWrite(port: number, size: number, value: number): void;
  /** An access to a window or to nothing. @param size 1, 2 or 4 bytes; wider accesses are split by the caller. */
  memoryRead(address: number, size: number): number;
  memoryWrite(address: number, size: number, value: number): void;
  /** The interrupt-acknowledge cycle: the vector of the interrupt that the INTR pin announces, 0–255. */
  acknowledge(): number;
  /** Virtual nanoseconds since the machine was first reset; the base of the time-stamp counter. */
  now(): number;
  /** Wall-clock time in milliseconds since 1970-01-01 UTC, for guests that ask the processor; absent where there is none. */
  wallClock?(): number;
}

/** Why a processor stopped running. Accesses to ports and windows are calls on the bus and never end a run. */
export type Exit =
  /** The slice is used up, or somebody called `kick`. */
  | { readonly kind: 'slice' }
  /** HLT: nothing to do until an interrupt, NMI or INIT comes. */
  | { readonly kind: 'halt' }
  /** Triple fault (Intel SDM vol. 3 §6.15): the processor asks for a reset. */
  | { readonly kind: 'shutdown' }
  /** A guest debug event that the embedder asked for. */
  | { readonly kind: 'debug'; readonly vector: number; readonly rip: bigint }
  /** The accelerator cannot go on. `detail` says what was executing, in words. */
  | { readonly kind: 'error'; readonly code: ExitErrorCode; readonly detail: string };

export type ExitErrorCode = 'entry-failed' | 'emulation-failed' | 'host-failed';

/** One processor. Its pins are driven from the machine's thread, also while `run` is on the stack. */
export interface Vcpu {
  readonly index: number;
  /**
   * Runs guest code for `nanoseconds` of host time at most, or until there is a reason to stop. A promise when the
   * processor lives in another thread. Never throws for what a guest does.
   */
  run(nanoseconds: number): Exit | Promise<Exit>;
  /** Makes the current run return `slice` at the next instruction boundary; without one, does so to the next. */
  kick(): void;
  /** Level of the INTR pin. */
  setIntr(level: boolean): void;
  /** Level of the NMI pin; its rising edge counts. */
  setNmi(level: boolean): void;
  /** Level of the A20 line; low wraps addresses at each odd MiB. */
  setA20(level: boolean): void;
  /** Power-on reset: the state of Intel SDM vol. 3 §9.1.1, running at F000:FFF0. */
  reset(): void;
  /** Copies the whole architectural state out. */
  save(): CpuState;
  /** Replaces the whole architectural state. */
  restore(state: CpuState): void;
}

/** Runs the processors of one machine. A machine has its own; the container makes it. */
export interface Accelerator {
  /** `kvm` or `soft`, as on the command line. */
  readonly name: string;
  /** Joins the accelerator to the finished board, once, before the first `createVcpu`. */
  attach(bus: CpuBus): void;
  createVcpu(index: number): Vcpu;
  /** Gives back every descriptor, map, timer and thread. The guest memory is the machine's. */
  dispose(): void;
}
export const Accelerator: Token<Accelerator> = token('Accelerator');
