import type { CpuBus } from '@mainboard/core';
import { KVM_EXIT_IO_OUT } from './abi/constants.ts';
import { kvmRun } from './abi/kvm-run.ts';

const f = kvmRun.fields;
const REQUEST_INTERRUPT_WINDOW = f.request_interrupt_window.offset;
const IMMEDIATE_EXIT = f.immediate_exit.offset;
const READY_FOR_INTERRUPT_INJECTION = f.ready_for_interrupt_injection.offset;
const IF_FLAG = f.if_flag.offset;
const EXIT_REASON = f.exit_reason.offset >> 2;
const IO_DIRECTION = f['io.direction'].offset;
const IO_SIZE = f['io.size'].offset;
const IO_PORT = f['io.port'].offset >> 1;
const IO_COUNT = f['io.count'].offset >> 2;
const IO_DATA_OFFSET = f['io.data_offset'].offset >> 2;
const MMIO_ADDRESS = f['mmio.phys_addr'].offset >> 2;
const MMIO_DATA = f['mmio.data'].offset;
const MMIO_LEN = f['mmio.len'].offset >> 2;
const MMIO_IS_WRITE = f['mmio.is_write'].offset;

/**
 * The area that a vCPU shares with the kernel (`struct kvm_run` and the data page behind it), read in place: an exit
 * costs a few loads from typed arrays, no copy, no object and no BigInt.
 */
export class RunPage {
  readonly view: DataView;
  readonly #u8: Uint8Array;
  readonly #u16: Uint16Array;
  readonly #u32: Uint32Array;

  /** @param area the whole mapping, KVM_GET_VCPU_MMAP_SIZE bytes. */
  constructor(area: ArrayBuffer) {
    this.view = new DataView(area);
    this.#u8 = new Uint8Array(area);
    this.#u16 = new Uint16Array(area);
    this.#u32 = new Uint32Array(area);
  }

  get exitReason(): number {
    return this.#u32[EXIT_REASON]!;
  }

  /** Asks for an exit as soon as the guest can take an interrupt. */
  requestInterruptWindow(wanted: boolean): void {
    this.#u8[REQUEST_INTERRUPT_WINDOW] = wanted ? 1 : 0;
  }

  /** Nothing stands between the guest and an interrupt: IF is set, no shadow, no other event under way. */
  get interruptible(): boolean {
    return this.#u8[READY_FOR_INTERRUPT_INJECTION] !== 0 && this.#u8[IF_FLAG] !== 0;
  }

  get interruptFlag(): boolean {
    return this.#u8[IF_FLAG] !== 0;
  }

  /** `KVM_RUN` finishes the access under way and returns EINTR before any guest code. */
  get immediateExit(): boolean {
    return this.#u8[IMMEDIATE_EXIT] !== 0;
  }

  set immediateExit(wanted: boolean) {
    this.#u8[IMMEDIATE_EXIT] = wanted ? 1 : 0;
  }

  /** KVM_EXIT_IO: one IN or OUT, or several of a string instruction to the same port. */
  portAccess(bus: CpuBus): void {
    const u8 = this.#u8;
    const size = u8[IO_SIZE]!;
    const port = this.#u16[IO_PORT]!;
    let at = this.#u32[IO_DATA_OFFSET]!;
    if (u8[IO_DIRECTION] === KVM_EXIT_IO_OUT)
      for (let left = this.#u32[IO_COUNT]!; left > 0; left--, at += size)
        bus.portWrite(port, size, this.#load(at, size));
    else
      for (let left = this.#u32[IO_COUNT]!; left > 0; left--, at += size)
        this.#store(at, size, bus.portRead(port, size));
  }

  /** KVM_EXIT_MMIO: up to 8 bytes; what crosses a page comes as two exits with odd lengths. */
  memoryAccess(bus: CpuBus): void {
    const u32 = this.#u32;
    let address = u32[MMIO_ADDRESS + 1]! * 0x1_0000_0000 + u32[MMIO_ADDRESS]!;
    const write = this.#u8[MMIO_IS_WRITE] !== 0;
    let at = MMIO_DATA;
    for (let left = u32[MMIO_LEN]!; left > 0; ) {
      const size = left >= 4 ? 4 : left >= 2 ? 2 : 1;
      if (write) bus.memoryWrite(address, size, this.#load(at, size));
      else this.#store(at, size, bus.memoryRead(address, size));
      address += size;
      at += size;
      left -= size;
    }
  }

  // Data is aligned to its size: KVM starts string data on a page, and we cut MMIO data large pieces first.
  #load(at: number, size: number): number {
    return size === 1 ? this.#u8[at]! : size === 2 ? this.#u16[at >> 1]! : this.#u32[at >> 2]!;
  }

  #store(at: number, size: number, value: number): void {
    if (size === 1) this.#u8[at] = value;
    else if (size === 2) this.#u16[at >> 1] = value;
    else this.#u32[at >> 2] = value;
  }
}
