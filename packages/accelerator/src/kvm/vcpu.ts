import type { CpuBus, CpuState, Exit, Vcpu } from '@mainboard/core';
import { KVM_EXIT, KVM_MP_STATE } from './abi/constants.ts';
import * as io from './abi/ioctls.ts';
import { Struct } from './abi/layout.ts';
import { kvmInterrupt, kvmMpState } from './abi/structs.ts';
import { shapeCpuid, writeCpuid } from './cpuid.ts';
import { KvmError } from './errors.ts';
import { decodeExit, errorExit, HALT, SLICE } from './exits.ts';
import type { Descriptor } from './ioctl.ts';
import { EINTR, errnoName, type Libc } from './libc.ts';
import { RunPage } from './run-page.ts';
import { SliceTimer } from './slice-timer.ts';
import { VcpuState } from './vcpu-state.ts';
import type { KvmVm } from './vm.ts';

const RUN = io.KVM_RUN.request;
/** An access of one instruction can be several exits (two pages, string parts); more than that is a broken kernel. */
const MAX_UNFINISHED_EXITS = 4096;

/**
 * The third level: one vCPU, in the thread that made it.
 *
 * DEVIATION Intel SDM vol. 3 §22.33 (A20M#): KVM cannot mask A20, so addresses never wrap at 1 MiB.
 * DEVIATION Intel SDM vol. 3 §18.17: the time-stamp counter is the host's and goes on while the machine is paused.
 *
 * With an in-kernel irqchip the chips decide about interrupts, and a HLT waits inside `KVM_RUN` until one comes or the
 * slice ends: the thread sleeps there, `run` says `slice`, and the embedder's events wait one slice at most. It cannot
 * say `halt`, since nobody outside the kernel would learn of the next tick.
 */
export class KvmVcpu implements Vcpu {
  readonly index: number;
  readonly #libc: Libc;
  readonly #bus: CpuBus;
  readonly #vcpu: Descriptor;
  readonly #fd: number;
  readonly #area: { readonly address: number; readonly size: number };
  readonly #timer: SliceTimer;
  readonly #state: VcpuState;
  readonly #powerOn: CpuState;
  readonly #interrupt = new Struct(kvmInterrupt);
  readonly #mpState = new Struct(kvmMpState);
  readonly #kernelApic: boolean;
  #page: RunPage;
  #intr = false;
  #nmiLevel = false;
  #nmiArrived = false;
  #halted = false;
  #running = false;
  #disposed = false;
  /** Registers to put in place when the run that is on the stack has finished its access. */
  #deferred: CpuState | undefined;
  readonly #whereabouts = (): string => this.#state.whereabouts();

  constructor(vm: KvmVm, index: number) {
    const { system, bus } = vm;
    this.index = index;
    this.#libc = system.libc;
    this.#bus = bus;
    this.#kernelApic = vm.hasIrqchip;
    this.#vcpu = vm.createVcpu(index);
    this.#fd = this.#vcpu.fd;
    const setting = {
      apicId: index,
      localApic: vm.hasIrqchip,
      tscDeadline: system.extension('TSC_DEADLINE_TIMER') !== 0,
    };
    const cpuid = shapeCpuid(system.supportedCpuid(), setting);
    this.#vcpu.callStruct(io.KVM_SET_CPUID2, writeCpuid(cpuid));
    this.#state = new VcpuState(system, this.#vcpu, vm.hasIrqchip);
    // A new vCPU is in the state of a processor after power-on, nearly; keep it for every later reset.
    this.#powerOn = poweredOn(this.#state.save(false), cpuid.find(entry => entry.function === 1)?.eax ?? 0);
    this.#timer = new SliceTimer(this.#libc);
    const size = system.vcpuMmapSize();
    // SAFETY: maps the vCPU's own pages; unmapped in dispose, after which `#page` no longer points there.
    const address = this.#libc.mmap(size, this.#fd);
    if (address === -1) {
      const errno = errnoName(this.#libc.errno());
      this.#timer.dispose();
      throw new KvmError('system-call', `The vCPU's shared area cannot be mapped (${errno}).`, errno);
    }
    this.#area = { address, size };
    this.#page = new RunPage(this.#libc.view(address, size));
    try {
      this.#vcpu.callStruct(io.KVM_SET_SIGNAL_MASK, this.#timer.signalMask());
      this.#refresh();
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  run(nanoseconds: number): Exit {
    if (this.#disposed) return errorExit('EBADF', () => 'after dispose');
    if (this.#halted && !this.#wakes()) {
      if (!this.#page.immediateExit) return HALT;
      this.#page.immediateExit = false;
      return SLICE;
    }
    this.#halted = false;
    this.#running = true;
    this.#timer.arm(nanoseconds);
    try {
      return this.#loop();
    } finally {
      this.#timer.disarm();
      this.#running = false;
      if (this.#deferred) this.restore(this.#deferred);
    }
  }

  kick(): void {
    this.#page.immediateExit = true;
  }

  setIntr(level: boolean): void {
    this.#intr = level;
    this.#page.requestInterruptWindow(level);
  }

  setNmi(level: boolean): void {
    const rises = level && !this.#nmiLevel;
    this.#nmiLevel = level;
    if (!rises || this.#disposed) return;
    this.#nmiArrived = true;
    this.#vcpu.call(io.KVM_NMI);
  }

  setA20(_level: boolean): void {
    // DEVIATION, see above.
  }

  reset(): void {
    this.restore(this.#powerOn);
  }

  /** @throws {@link KvmError} `wrong-state` from within a run: an access is half done. */
  save(): CpuState {
    if (this.#running)
      throw new KvmError('wrong-state', 'A processor can be saved between runs only: pause the machine.');
    return this.#state.save(this.#halted || this.#haltedInKernel());
  }

  /** Between runs at once; from within one (a device resets the machine) when the access that led here is finished. */
  restore(state: CpuState): void {
    if (this.#running) {
      this.#deferred = state;
      this.kick();
      return;
    }
    this.#deferred = undefined;
    this.#refresh();
    this.#state.restore(state);
    this.#nmiArrived = state.nmiPending ?? false;
    this.#halted = state.halted && !this.#kernelApic;
    if (this.#kernelApic) this.#setHaltedInKernel(state.halted);
    this.#refresh();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#timer.dispose();
    // Nobody may reach the mapping any more: pins go on moving while a machine is taken apart.
    this.#page = new RunPage(new ArrayBuffer(4096));
    // SAFETY: ours, unmapped once; the views on it have just been dropped.
    this.#libc.munmap(this.#area.address, this.#area.size);
    this.#vcpu.close();
  }

  #loop(): Exit {
    const { ioctl } = this.#libc;
    const fd = this.#fd;
    const bus = this.#bus;
    const page = this.#page;
    for (;;) {
      if (this.#intr && page.interruptible) this.#inject();
      // SAFETY: the vCPU's descriptor, in the thread of its timer; the kernel writes to the shared area only.
      if (ioctl(fd, RUN, 0) < 0) {
        const exit = this.#interrupted();
        if (exit) return exit;
        continue;
      }
      const reason = page.exitReason;
      if (reason === KVM_EXIT.IO) page.portAccess(bus);
      else if (reason === KVM_EXIT.MMIO) page.memoryAccess(bus);
      else if (reason === KVM_EXIT.HLT) {
        if (this.#wakes()) continue;
        this.#halted = true;
        return HALT;
      } else if (reason !== KVM_EXIT.IRQ_WINDOW_OPEN) {
        const exit = decodeExit(reason, page.view, this.#whereabouts);
        if (exit) return exit;
      }
    }
  }

  /** `KVM_RUN` returned an error. @returns undefined when a signal of somebody else's is all there is. */
  #interrupted(): Exit | undefined {
    const errno = this.#libc.errno();
    if (errno !== EINTR) return errorExit(errnoName(errno), this.#whereabouts);
    if (this.#page.immediateExit || this.#timer.expired()) {
      this.#page.immediateExit = false;
      return SLICE;
    }
    return undefined;
  }

  #inject(): void {
    this.#interrupt.set('irq', this.#bus.acknowledge());
    this.#vcpu.callStruct(io.KVM_INTERRUPT, this.#interrupt);
  }

  /** Whether there is something for a halted processor to do (Intel SDM vol. 2A, HLT). */
  #wakes(): boolean {
    if (this.#intr && this.#page.interruptFlag) return true;
    if (!this.#nmiArrived) return false;
    // It may have been served long ago, or wait for the IRET of the one before.
    const nmi = this.#state.nmi();
    this.#nmiArrived = nmi.pending;
    return nmi.pending && !nmi.masked;
  }

  /**
   * Runs no guest code: finishes an access that a run left half done (its bus threw), and brings the flags of the
   * shared area up to date with the registers.
   */
  #refresh(): void {
    this.#page.immediateExit = true;
    for (let exits = 0; exits < MAX_UNFINISHED_EXITS; exits++) {
      // SAFETY: as in the loop.
      if (this.#libc.ioctl(this.#fd, RUN, 0) < 0) break;
    }
    this.#page.immediateExit = false;
  }

  #haltedInKernel(): boolean {
    if (!this.#kernelApic) return false;
    this.#vcpu.callStruct(io.KVM_GET_MP_STATE, this.#mpState);
    return this.#mpState.get('mp_state') === KVM_MP_STATE.HALTED;
  }

  #setHaltedInKernel(halted: boolean): void {
    this.#mpState.set('mp_state', halted ? KVM_MP_STATE.HALTED : KVM_MP_STATE.RUNNABLE);
    this.#vcpu.callStruct(io.KVM_SET_MP_STATE, this.#mpState);
  }
}

/** What KVM's reset leaves different from Intel SDM vol. 3 §9.1.1, table 9-1. */
const poweredOn = (state: CpuState, signature: number): CpuState => {
  state.gpr[2] = BigInt(signature); // EDX: family, model, stepping
  state.msrs.set(0x10, 0n); // time-stamp counter
  state.fxsave[0] = 0x40; // FCW 0040H
  state.fxsave[1] = 0;
  state.fxsave[4] = 0xff; // FTW 5555H: all zero, none empty
  return state;
};
