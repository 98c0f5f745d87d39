import { ACCELERATOR_ARENA, type CpuState, type GuestMemory, type SegmentState } from '@mainboard/core';

/** Where a guest of a few instructions can run without setting anything up itself. */
export type FlatMode = 'real' | 'protected' | 'long' | 'long-user';

/** Guest-physical addresses that {@link flatState} and {@link writeFlatTables} use; RAM begins at 0. */
export const FLAT = {
  GDT: 0x800,
  PML4: 0x1000,
  PDPT: 0x2000,
  PAGE_DIRECTORY: 0x3000,
  IDT: 0x4000,
  TSS: 0x5000,
  /** Grows down. */
  STACK: 0x7000,
  CODE: 0x8000,
} as const;

/** Selectors of the flat GDT. */
export const SELECTOR = {
  CODE_32: 0x08,
  DATA: 0x10,
  CODE_64: 0x18,
  USER_DATA: 0x23,
  USER_CODE: 0x2b,
  TSS: 0x30,
} as const;

// Descriptors (Intel SDM vol. 3 §3.4.5), all with base 0 and limit 4 GiB − 1 but the TSS.
const GDT = [
  0n,
  0x00cf_9b00_0000_ffffn, // 32-bit code
  0x00cf_9300_0000_ffffn, // data
  0x00af_9b00_0000_ffffn, // 64-bit code
  0x00cf_f300_0000_ffffn, // data, ring 3
  0x00af_fb00_0000_ffffn, // 64-bit code, ring 3
  0x0000_8b00_5000_0067n, // TSS at FLAT.TSS, its upper half follows
  0n,
];
const PRESENT_WRITABLE_USER = 7n;
const LARGE = 0x80n;
const TSS_RSP0 = 4;

/** Writes GDT, TSS and page tables that map the first 8 MiB to themselves, for ring 3 too. The IDT is the caller's. */
export const writeFlatTables = ({ view }: GuestMemory): void => {
  const put = (address: number, value: bigint): void => view.setBigUint64(ACCELERATOR_ARENA + address, value, true);
  GDT.forEach((descriptor, i) => {
    put(FLAT.GDT + 8 * i, descriptor);
  });
  put(FLAT.TSS + TSS_RSP0, BigInt(FLAT.STACK));
  put(FLAT.PML4, BigInt(FLAT.PDPT) | PRESENT_WRITABLE_USER);
  put(FLAT.PDPT, BigInt(FLAT.PAGE_DIRECTORY) | PRESENT_WRITABLE_USER);
  for (let i = 0; i < 4; i++) put(FLAT.PAGE_DIRECTORY + 8 * i, BigInt(i * 0x20_0000) | PRESENT_WRITABLE_USER | LARGE);
};

/** @returns `powerOn` changed so that the processor executes at {@link FLAT}.CODE in `mode`, interrupts off, IOPL 3. */
export const flatState = (powerOn: CpuState, mode: FlatMode): CpuState => {
  const state: CpuState = {
    ...powerOn,
    gpr: powerOn.gpr.slice(),
    segments: { ...powerOn.segments },
    dr: { ...powerOn.dr },
    msrs: new Map(powerOn.msrs),
    fxsave: powerOn.fxsave.slice(),
  };
  state.rip = BigInt(FLAT.CODE);
  state.gpr[4] = BigInt(FLAT.STACK);
  state.rflags = 0x3002n;
  state.gdtr = { base: BigInt(FLAT.GDT), limit: 8 * GDT.length - 1 };
  if (mode === 'real') {
    state.segments.cs = { ...state.segments.cs, selector: 0, base: 0n };
    return state;
  }
  const user = mode === 'long-user';
  const long = mode !== 'protected';
  // Access rights: 32-bit and 64-bit code, data; DPL 3 for the user.
  const dpl = user ? 0x60 : 0;
  const code: SegmentState = {
    selector: user ? SELECTOR.USER_CODE : long ? SELECTOR.CODE_64 : SELECTOR.CODE_32,
    base: 0n,
    limit: 0xffff_ffff,
    rights: (long ? 0xa09b : 0xc09b) | dpl,
  };
  const data: SegmentState = {
    selector: user ? SELECTOR.USER_DATA : SELECTOR.DATA,
    base: 0n,
    limit: 0xffff_ffff,
    rights: 0xc093 | dpl,
  };
  state.segments.cs = code;
  for (const name of ['ss', 'ds', 'es', 'fs', 'gs'] as const) state.segments[name] = { ...data };
  state.segments.tr = { selector: SELECTOR.TSS, base: BigInt(FLAT.TSS), limit: 0x67, rights: 0x8b };
  state.cr0 = 0x11n; // PE, ET
  if (long) {
    state.cr0 |= 0x8000_0022n; // PG, NE, MP
    state.cr3 = BigInt(FLAT.PML4);
    state.cr4 = 0x620n; // PAE, OSFXSR, OSXMMEXCPT
    state.efer = 0x500n; // LME, LMA
    state.idtr = { base: BigInt(FLAT.IDT), limit: 0xfff };
  }
  return state;
};
