/** Bytes in a WebAssembly page. */
const WASM_PAGE = 65_536;

/**
 * Bytes at the start of every guest memory that belong to the accelerator (the software CPU keeps its registers, TLB
 * and predecoded code there). Reserved under every accelerator, so that a running machine can change over; pages
 * that nobody touches cost nothing.
 */
export const ACCELERATOR_ARENA = 128 * 2 ** 20;

/** Guest RAM and ROM that one wasm32 memory can hold, in bytes. */
export const MAX_GUEST_MEMORY = 65_536 * WASM_PAGE - ACCELERATOR_ARENA - WASM_PAGE;

/**
 * A `WebAssembly.Memory`, spelt out: declarations that name the class would not compile for a program without the DOM
 * library, and declarations of our own would not compile for one that has it.
 */
export interface WasmMemory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  /** @param pages of 64 KiB. @returns how many there were. */
  grow(pages: number): number;
}

/**
 * All RAM and ROM of one machine, in one shared WebAssembly memory: KVM maps it as memory slots, the software CPU
 * addresses it directly, devices read it through these views. *Offsets* count from the start of the memory, so the
 * first guest byte is at {@link ACCELERATOR_ARENA}.
 */
export class GuestMemory {
  readonly memory: WasmMemory;
  /** Every byte of the memory, the accelerator's arena included; index by offset. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Bytes of guest RAM and ROM. */
  readonly size: number;

  /** @param size bytes of guest RAM and ROM, at most {@link MAX_GUEST_MEMORY}; rounded up to 64 KiB. */
  constructor(size: number) {
    const pages = Math.ceil((ACCELERATOR_ARENA + size) / WASM_PAGE);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.bytes = new Uint8Array(this.memory.buffer);
    this.view = new DataView(this.memory.buffer);
    this.size = pages * WASM_PAGE - ACCELERATOR_ARENA;
  }
}
