import { ACCELERATOR_ARENA, type Exit } from '@mainboard/core';
import { KvmAccelerator } from './accelerator.ts';
import { BareBus } from './bare-bus.ts';
import { KvmError, type KvmErrorCode } from './errors.ts';
import { FLAT, type FlatMode, flatState, writeFlatTables } from './flat-modes.ts';
import { KvmSystem } from './system.ts';

/** What this host's KVM is good for. */
export type KvmProbe =
  | {
      readonly usable: false;
      readonly nativeKernelMode: false;
      readonly code: KvmErrorCode;
      /** A sentence that says what is wrong and what to do. */
      readonly detail: string;
    }
  | {
      readonly usable: true;
      /** Ring-0 code runs on the processor itself. Where it does not, the software CPU is the faster choice. */
      readonly nativeKernelMode: boolean;
      readonly detail: string;
      /** Guest instructions a second in a loop of two, by mode; 0 where the guest did not run. */
      readonly rates: Readonly<Record<FlatMode, number>>;
    };

/** `dec ecx; jnz` back to it, as each mode encodes it. */
const LOOP: Readonly<Record<FlatMode, readonly number[]>> = {
  real: [0x66, 0x49, 0x75, 0xfc],
  protected: [0x49, 0x75, 0xfd],
  long: [0xff, 0xc9, 0x75, 0xfc],
  'long-user': [0xff, 0xc9, 0x75, 0xfc],
};
const INSTRUCTIONS_PER_TURN = 2;
const SLICE = 300_000;
const START = 0xffff_ffffn;
/** Emulators run some million instructions a second, processors some hundred million at the least. */
const NATIVE = 50_000_000;

/**
 * Tries KVM with guests of two instructions, one in each mode: some hosts (nested ones without hardware support) give
 * native speed to ring 3 and emulate everything else. Takes a few milliseconds, and gives all back.
 */
export const probeKvm = (): KvmProbe => {
  try {
    const rates = measure();
    const nativeKernelMode = rates.long >= NATIVE;
    const speed = (rate: number): string => `${(rate / 1e6).toFixed(rate < 1e7 ? 1 : 0)} M instructions/s`;
    const detail = nativeKernelMode
      ? `KVM runs kernel-mode code natively (${speed(rates.long)}).`
      : `KVM only emulates kernel-mode code here (${speed(rates.long)}; ring 3 ${speed(rates['long-user'])}).`;
    return { usable: true, nativeKernelMode, detail, rates };
  } catch (error) {
    if (!(error instanceof KvmError)) throw error;
    return { usable: false, nativeKernelMode: false, code: error.code, detail: error.message };
  }
};

/** Everything that `mainboard doctor` tells about KVM. @throws {@link KvmError} when there is none. */
export const inspectKvm = (): {
  readonly apiVersion: number;
  readonly extensions: Readonly<Record<string, number>>;
} => {
  const system = new KvmSystem();
  try {
    return { apiVersion: system.apiVersion(), extensions: system.extensions() };
  } finally {
    system.dispose();
  }
};

const measure = (): Record<FlatMode, number> => {
  const accelerator = new KvmAccelerator();
  try {
    const bus = new BareBus(0x1_0000);
    writeFlatTables(bus.guest);
    accelerator.attach(bus);
    const vcpu = accelerator.createVcpu(0);
    const powerOn = vcpu.save();
    const rate = (mode: FlatMode): number => {
      bus.guest.bytes.set(LOOP[mode], ACCELERATOR_ARENA + FLAT.CODE);
      const state = flatState(powerOn, mode);
      state.gpr[1] = START;
      vcpu.restore(state);
      const exit: Exit = vcpu.run(SLICE);
      if (exit.kind !== 'slice') return 0;
      return Number(START - vcpu.save().gpr[1]!) * INSTRUCTIONS_PER_TURN * (1e9 / SLICE);
    };
    return { real: rate('real'), protected: rate('protected'), long: rate('long'), 'long-user': rate('long-user') };
  } finally {
    accelerator.dispose();
  }
};
