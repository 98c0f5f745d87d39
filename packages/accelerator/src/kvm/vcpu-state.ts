import type { CpuState, DeliveringEvent } from '@mainboard/core';
import {
  KVM_VCPUEVENT_VALID_NMI_PENDING,
  KVM_VCPUEVENT_VALID_SHADOW,
  KVM_X86_SHADOW_INT_STI,
} from './abi/constants.ts';
import * as io from './abi/ioctls.ts';
import { Struct } from './abi/layout.ts';
import { kvmDebugregs, kvmFpu, kvmRegs, kvmSregs, kvmVcpuEvents, kvmXcr, kvmXcrs, kvmXsave } from './abi/structs.ts';
import { KvmError } from './errors.ts';
import { fxsaveToKvmFpu, kvmFpuToFxsave } from './fpu.ts';
import type { Descriptor } from './ioctl.ts';
import { Msrs } from './msrs.ts';
import { readRegs, readSregs, writeRegs, writeSregs } from './registers.ts';
import type { KvmSystem } from './system.ts';

const FXSAVE_SIZE = 512;
/** From here on FXSAVE's area is software's (Intel SDM vol. 1 §10.5.1); the kernel keeps notes of its own there. */
const SOFTWARE_BYTES = 464;
/** XSTATE_BV, in the XSAVE header (Intel SDM vol. 1 §13.4.2): which components are not in their initial state. */
const XSTATE_BV = 512;
const X87_AND_SSE = 3n;
const NMI_VECTOR = 2;

type Events = Struct<keyof typeof kvmVcpuEvents.fields>;

/** Copies a vCPU's registers out of KVM and into it. Never while `KVM_RUN` has an access half done. */
export class VcpuState {
  readonly #vcpu: Descriptor;
  readonly #localApic: boolean;
  readonly #msrs: Msrs;
  readonly #hasXsave: boolean;
  readonly #hasXcrs: boolean;
  readonly #regs = new Struct(kvmRegs);
  readonly #sregs = new Struct(kvmSregs);
  readonly #debugregs = new Struct(kvmDebugregs);
  readonly #events = new Struct(kvmVcpuEvents);

  /** @param localApic the kernel emulates one. */
  constructor(system: KvmSystem, vcpu: Descriptor, localApic: boolean) {
    this.#vcpu = vcpu;
    this.#localApic = localApic;
    this.#msrs = new Msrs(vcpu);
    // An area of more than a page needs permissions (AMX) that we do not ask for.
    this.#hasXsave = system.extension('XSAVE') !== 0 && system.extension('XSAVE2') <= kvmXsave.size;
    this.#hasXcrs = system.extension('XCRS') !== 0;
  }

  /** @param halted the caller knows: without an in-kernel APIC, KVM keeps no such state. */
  save(halted: boolean): CpuState {
    this.#vcpu.callStruct(io.KVM_GET_REGS, this.#regs);
    this.#vcpu.callStruct(io.KVM_GET_SREGS, this.#sregs);
    this.#vcpu.callStruct(io.KVM_GET_DEBUGREGS, this.#debugregs);
    const events = this.#readEvents();
    const [db, dr6, dr7] = [this.#debugregs, this.#debugregs.get64('dr6'), this.#debugregs.get64('dr7')];
    const state = {
      gpr: new BigUint64Array(16),
      segments: {},
      xcr0: this.#xcr0(),
      dr: { 0: db.get64('db', 0), 1: db.get64('db', 1), 2: db.get64('db', 2), 3: db.get64('db', 3), 6: dr6, 7: dr7 },
      msrs: this.#msrs.read(),
      halted,
      interruptShadow: events.get('interrupt.shadow') !== 0,
      nmiMasked: events.get('nmi.masked') !== 0,
      ...this.#extended(),
    } as CpuState;
    readRegs(this.#regs, state);
    readSregs(this.#sregs, state);
    const delivering = deliveringOf(events);
    if (delivering) state.delivering = delivering;
    if (events.get('nmi.pending') !== 0) state.nmiPending = true;
    return state;
  }

  /** @throws {@link KvmError} when the state is none that a processor can be in, or the host lacks a part of it. */
  restore(state: CpuState): void {
    const vcpu = this.#vcpu;
    // The APIC's base is the interrupt controllers' business: keep it.
    vcpu.callStruct(io.KVM_GET_SREGS, this.#sregs);
    writeSregs(this.#sregs, state);
    // Else KVM sets CPUID's APIC bit again. GUEST: Linux would look for the APIC's timer and wait for it.
    if (!this.#localApic) this.#sregs.set64('apic_base', 0n);
    const errno = vcpu.tryStruct(io.KVM_SET_SREGS, this.#sregs);
    if (errno !== 0)
      throw new KvmError(
        'system-call',
        'KVM refused the processor state: its CR0, CR4, EFER and CS contradict each other.',
      );
    writeRegs(this.#regs, state);
    vcpu.callStruct(io.KVM_SET_REGS, this.#regs);
    this.#writeExtended(state);
    this.#msrs.write(state.msrs);
    for (const n of [0, 1, 2, 3] as const) this.#debugregs.set64('db', state.dr[n], n);
    this.#debugregs.set64('dr6', state.dr[6]);
    this.#debugregs.set64('dr7', state.dr[7]);
    this.#debugregs.set64('flags', 0n);
    vcpu.callStruct(io.KVM_SET_DEBUGREGS, this.#debugregs);
    // Last: KVM_SET_REGS and KVM_SET_SREGS disturb pending events.
    this.#writeEvents(state);
  }

  /** Whether an NMI waits, and whether it must go on waiting. */
  nmi(): { pending: boolean; masked: boolean } {
    const events = this.#readEvents();
    return { pending: events.get('nmi.pending') !== 0, masked: events.get('nmi.masked') !== 0 };
  }

  /** For messages: where the vCPU is, and in which mode. */
  whereabouts(): string {
    this.#vcpu.callStruct(io.KVM_GET_REGS, this.#regs);
    this.#vcpu.callStruct(io.KVM_GET_SREGS, this.#sregs);
    const { cs } = kvmSregs.fields;
    const view = this.#sregs.view;
    const selector = view.getUint16(cs.offset + 12, true);
    const long = (this.#sregs.get64('efer') & 0x400n) !== 0n && view.getUint8(cs.offset + 19) !== 0;
    const mode =
      (this.#sregs.get64('cr0') & 1n) === 0n
        ? 'real mode'
        : long
          ? '64-bit mode'
          : view.getUint8(cs.offset + 17) !== 0
            ? '32-bit mode'
            : '16-bit mode';
    return `at ${selector.toString(16)}:${this.#regs.get64('rip').toString(16)}, ${mode}, ring ${view.getUint8(cs.offset + 16)}`;
  }

  #xcr0(): bigint {
    if (!this.#hasXcrs) return 1n;
    const xcrs = new Struct(kvmXcrs);
    this.#vcpu.callStruct(io.KVM_GET_XCRS, xcrs);
    for (let i = 0; i < xcrs.get('nr_xcrs'); i++) {
      const at = kvmXcrs.fields.xcrs.offset + i * kvmXcr.size;
      if (xcrs.view.getUint32(at, true) === 0) return xcrs.view.getBigUint64(at + kvmXcr.fields.value.offset, true);
    }
    return 1n;
  }

  #extended(): { fxsave: Uint8Array; xsave?: Uint8Array } {
    if (!this.#hasXsave) {
      const fpu = new Struct(kvmFpu);
      this.#vcpu.callStruct(io.KVM_GET_FPU, fpu);
      return { fxsave: kvmFpuToFxsave(fpu) };
    }
    const xsave = new Struct(kvmXsave);
    this.#vcpu.callStruct(io.KVM_GET_XSAVE, xsave);
    xsave.bytes.fill(0, SOFTWARE_BYTES, FXSAVE_SIZE);
    return { fxsave: xsave.bytes.slice(0, FXSAVE_SIZE), xsave: xsave.bytes };
  }

  #writeExtended(state: CpuState): void {
    const vcpu = this.#vcpu;
    if (!this.#hasXsave) {
      vcpu.callStruct(io.KVM_SET_FPU, fxsaveToKvmFpu(state.fxsave));
      return;
    }
    if (this.#hasXcrs) {
      const xcrs = new Struct(kvmXcrs);
      xcrs.set('nr_xcrs', 1);
      xcrs.view.setBigUint64(kvmXcrs.fields.xcrs.offset + kvmXcr.fields.value.offset, state.xcr0, true);
      vcpu.callStruct(io.KVM_SET_XCRS, xcrs);
    }
    const xsave = new Struct(kvmXsave);
    if (state.xsave) xsave.bytes.set(state.xsave.subarray(0, kvmXsave.size));
    // Components beyond x87 and SSE that another accelerator does not have are in their initial state.
    xsave.view.setBigUint64(XSTATE_BV, xsave.view.getBigUint64(XSTATE_BV, true) | X87_AND_SSE, true);
    xsave.bytes.set(state.fxsave);
    xsave.bytes.fill(0, SOFTWARE_BYTES, FXSAVE_SIZE);
    vcpu.callStruct(io.KVM_SET_XSAVE, xsave);
  }

  #readEvents(): Events {
    this.#vcpu.callStruct(io.KVM_GET_VCPU_EVENTS, this.#events);
    return this.#events;
  }

  #writeEvents({ delivering, interruptShadow, nmiMasked, nmiPending = false }: CpuState): void {
    const events = this.#events;
    events.bytes.fill(0);
    if (delivering?.kind === 'interrupt') {
      events.set('interrupt.injected', 1);
      events.set('interrupt.nr', delivering.vector);
    } else if (delivering?.kind === 'exception') {
      events.set('exception.injected', 1);
      events.set('exception.nr', delivering.vector);
      events.set('exception.has_error_code', delivering.errorCode === undefined ? 0 : 1);
      events.set('exception.error_code', delivering.errorCode ?? 0);
    } else if (delivering?.kind === 'nmi') events.set('nmi.injected', 1);
    events.set('interrupt.shadow', interruptShadow ? KVM_X86_SHADOW_INT_STI : 0);
    events.set('nmi.masked', nmiMasked ? 1 : 0);
    events.set('nmi.pending', nmiPending ? 1 : 0);
    events.set('flags', KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW);
    this.#vcpu.callStruct(io.KVM_SET_VCPU_EVENTS, events);
  }
}

const deliveringOf = (events: Events): DeliveringEvent | undefined => {
  if (events.get('exception.injected') !== 0) {
    const event: DeliveringEvent = { kind: 'exception', vector: events.get('exception.nr') };
    if (events.get('exception.has_error_code') !== 0) event.errorCode = events.get('exception.error_code');
    return event;
  }
  if (events.get('nmi.injected') !== 0) return { kind: 'nmi', vector: NMI_VECTOR };
  if (events.get('interrupt.injected') !== 0) return { kind: 'interrupt', vector: events.get('interrupt.nr') };
  return undefined;
};
