import type { Exit } from '@mainboard/core';
import {
  KVM_EXIT,
  KVM_INTERNAL_ERROR,
  KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES,
  KVM_SYSTEM_EVENT,
} from './abi/constants.ts';
import { kvmRun } from './abi/kvm-run.ts';

const f = kvmRun.fields;

export const SLICE: Exit = Object.freeze({ kind: 'slice' });
export const HALT: Exit = Object.freeze({ kind: 'halt' });
export const SHUTDOWN: Exit = Object.freeze({ kind: 'shutdown' });

/** VT-x's entry failure for a guest state that breaks its rules (Intel SDM vol. 3 §27.8). */
const VMX_INVALID_GUEST_STATE = 0x8000_0021n;

const hostFailed = (detail: string): Exit => ({ kind: 'error', code: 'host-failed', detail });

/** @param whereabouts says where the vCPU is; asked only for errors. */
export const errorExit = (errno: string, whereabouts: () => string): Exit =>
  hostFailed(`KVM_RUN failed with ${errno} ${whereabouts()}.`);

/**
 * Reads the exits that end a run, out of the shared area. Accesses, HLT and interrupt windows are the run loop's.
 * @returns undefined for an exit that asks for nothing.
 */
export const decodeExit = (reason: number, run: DataView, whereabouts: () => string): Exit | undefined => {
  const u32 = (field: keyof typeof f): number => run.getUint32(f[field].offset, true);
  const u64 = (field: keyof typeof f, index = 0): bigint => run.getBigUint64(f[field].offset + 8 * index, true);
  switch (reason) {
    case KVM_EXIT.INTR:
    case KVM_EXIT.NMI:
    case KVM_EXIT.SET_TPR: // a write to CR8 opened a window; the loop looks for interrupts anyway
      return undefined;
    case KVM_EXIT.SHUTDOWN:
      return SHUTDOWN;
    case KVM_EXIT.DEBUG:
      return { kind: 'debug', vector: u32('debug.arch.exception'), rip: u64('debug.arch.pc') };
    case KVM_EXIT.SYSTEM_EVENT:
      return u32('system_event.type') === KVM_SYSTEM_EVENT.RESET ||
        u32('system_event.type') === KVM_SYSTEM_EVENT.SHUTDOWN
        ? SHUTDOWN
        : hostFailed(`KVM reports system event ${u32('system_event.type')} ${whereabouts()}.`);
    case KVM_EXIT.FAIL_ENTRY: {
      const why = u64('fail_entry.hardware_entry_failure_reason');
      const hint = why === VMX_INVALID_GUEST_STATE ? ': the state of its registers is one that VT-x cannot enter' : '';
      const detail = `The processor refused to enter the guest ${whereabouts()} (reason 0x${why.toString(16)}${hint}).`;
      return { kind: 'error', code: 'entry-failed', detail };
    }
    case KVM_EXIT.INTERNAL_ERROR:
      return internalError(run, u32('internal.suberror'), whereabouts);
    case KVM_EXIT.UNKNOWN:
      return hostFailed(
        `KVM does not know the processor's exit reason 0x${u64('hw.hardware_exit_reason').toString(16)} ${whereabouts()}.`,
      );
    default:
      return hostFailed(
        `KVM exited for reason ${reason}${exitName(reason)}, which nothing asked for, ${whereabouts()}.`,
      );
  }
};

const internalError = (run: DataView, suberror: number, whereabouts: () => string): Exit => {
  const count = Math.min(run.getUint32(f['internal.ndata'].offset, true), 16);
  const data = Array.from({ length: count }, (_, i) => run.getBigUint64(f['internal.data'].offset + 8 * i, true));
  const list = data.length > 0 ? `; data ${data.map(n => n.toString(16)).join(' ')}` : '';
  switch (suberror) {
    case KVM_INTERNAL_ERROR.EMULATION:
      return {
        kind: 'error',
        code: 'emulation-failed',
        detail: `KVM's emulator does not know the instruction ${instruction(run, data)}${whereabouts()}.`,
      };
    case KVM_INTERNAL_ERROR.SIMUL_EX:
      return hostFailed(`KVM met two exceptions at once ${whereabouts()}${list}.`);
    case KVM_INTERNAL_ERROR.DELIVERY_EV:
      return hostFailed(`KVM met an exit while it delivered an event ${whereabouts()}${list}.`);
    case KVM_INTERNAL_ERROR.UNEXPECTED_EXIT_REASON:
      return hostFailed(`KVM met an exit of the processor that it does not handle ${whereabouts()}${list}.`);
    default:
      return hostFailed(`KVM failed with internal error ${suberror} ${whereabouts()}${list}.`);
  }
};

/** The bytes of what could not be emulated, where KVM hands them out (Linux 5.13). */
const instruction = (run: DataView, data: readonly bigint[]): string => {
  const flags = data[0] ?? 0n;
  if ((flags & BigInt(KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)) === 0n || data.length < 3) return '';
  const size = Math.min(run.getUint8(f['emulation_failure.insn_size'].offset), 15);
  const at = f['emulation_failure.insn_bytes'].offset;
  const bytes = Array.from({ length: size }, (_, i) =>
    run
      .getUint8(at + i)
      .toString(16)
      .padStart(2, '0'),
  );
  return `${bytes.join(' ')} `;
};

const exitName = (reason: number): string => {
  const name = Object.entries(KVM_EXIT).find(([, n]) => n === reason)?.[0];
  return name === undefined ? '' : ` (KVM_EXIT_${name})`;
};
