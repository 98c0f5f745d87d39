/**
 * Where the loader keeps its own structures in the first 192 KiB of RAM. A kernel copies what it needs from here
 * before it uses low memory itself; nothing here is ever read back.
 */
export const LAYOUT = {
  /** A task-state segment that is never used: PVH wants one loaded. 104 bytes. */
  tss: 0x0000,
  /** Five descriptors. In RAM because LTR marks a TSS descriptor busy. */
  gdt: 0x0500,
  /** {@link Handover} as the boot ROM reads it. 16 bytes. */
  handover: 0x0600,
  /** PVH: hvm_start_info, then its module list and memory map. One page. */
  startInfo: 0x6000,
  /** Linux: struct boot_params, the "zero page". One page. */
  bootParams: 0x7000,
  /** ESP at the kernel's entry; one page below it is free. */
  stackTop: 0x9000,
  /** 64-bit protocol: PML4, PDPT and four page directories, which map the first 4 GiB onto themselves. Six pages. */
  pageTables: 0x9000,
  commandLine: 0x2_0000,
  /** Room for the command line with its NUL, in bytes. */
  commandLineRoom: 0x1_0000,
  /** First address after all of it. */
  end: 0x3_0000,
} as const;

/** Kernels and initrds go above the legacy hole. */
export const HIGH_MEMORY = 0x10_0000;
export const FOUR_GIB = 2 ** 32;
export const PAGE = 4096;

/** Bytes for the loader to put in RAM: `bytes`, then zeros up to `size`. */
export interface Segment {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly size: number;
}

/** How the boot ROM enters the kernel. */
export interface Handover {
  /** `linux64` enters in long mode with paging on, the others in 32-bit protected mode. */
  readonly protocol: 'linux32' | 'linux64' | 'pvh';
  readonly entry: number;
}

/** A kernel ready to be placed. */
export interface BootPlan extends Handover {
  readonly segments: readonly Segment[];
}

export const segment = (address: number, bytes: Uint8Array, size = bytes.length): Segment => ({ address, bytes, size });
