import type { AddressSpace, Piece } from './address-space.ts';
import { hex } from './errors.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { CpuBus, MemoryRegion } from './ports/accelerator.ts';
import { registerMask } from './register.ts';
import { TRACE, type Trace } from './trace.ts';
import type { Window } from './window.ts';

const PAGE = 4096;
const PORTS = 65_536;

/** What the bus needs from its machine. */
export interface BusParts {
  readonly guest: GuestMemory;
  readonly memory: AddressSpace;
  readonly ports: AddressSpace<Window>;
  readonly trace: Trace;
  acknowledge(): number;
  now(): number;
  wallClock(): number;
}

/** The processors' way to devices. A port access is a table look-up and a call. */
export class MachineBus implements CpuBus {
  readonly guest: GuestMemory;
  readonly #memory: AddressSpace;
  readonly #ports: AddressSpace<Window>;
  readonly #trace: Trace;
  readonly #parts: BusParts;
  /** For each port one more than its index in `#portPieces`, or 0. */
  readonly #portTable = new Uint16Array(PORTS);
  #portPieces: readonly Piece<Window>[] = [];
  #regions: readonly MemoryRegion[] | undefined;
  /** The piece that answered the last memory access; guests poll. */
  #last: Piece | undefined;
  readonly #regionsChanged: (() => void)[] = [];
  readonly #written: ((offset: number, size: number) => void)[] = [];

  constructor(parts: BusParts) {
    this.#parts = parts;
    this.guest = parts.guest;
    this.#memory = parts.memory;
    this.#ports = parts.ports;
    this.#trace = parts.trace;
    this.#compilePorts();
    parts.ports.onChange(() => this.#compilePorts());
    parts.memory.onChange(() => {
      this.#regions = undefined;
      this.#last = undefined;
      for (const changed of this.#regionsChanged) changed();
    });
  }

  regions(): readonly MemoryRegion[] {
    this.#regions ??= regionsOf(this.#memory.pieces());
    return this.#regions;
  }

  onRegionsChanged(changed: () => void): void {
    this.#regionsChanged.push(changed);
  }

  onWrite(written: (offset: number, size: number) => void): void {
    this.#written.push(written);
  }

  acknowledge(): number {
    const vector = this.#parts.acknowledge();
    if (this.#trace.mask !== 0) this.#trace.emit('irq', 'cpu0', `acknowledges vector ${hex(vector)}`);
    return vector;
  }

  now(): number {
    return this.#parts.now();
  }

  wallClock(): number {
    return this.#parts.wallClock();
  }

  portRead(port: number, size: number): number {
    const slot = this.#portTable[port]!;
    let value: number;
    if (slot !== 0) {
      const piece = this.#portPieces[slot - 1]!;
      value =
        port + size <= piece.end
          ? piece.what.read(port - piece.base + piece.offset, size)
          : this.#portReadSplit(port, size);
    } else value = size === 1 ? this.#nothingRead(this.#ports, port, size) : this.#portReadSplit(port, size);
    if (this.#trace.mask !== 0) this.#traceAccess(TRACE.port, 'port', 'in', port, size, value);
    return value;
  }

  portWrite(port: number, size: number, value: number): void {
    if (this.#trace.mask !== 0) this.#traceAccess(TRACE.port, 'port', 'out', port, size, value);
    const slot = this.#portTable[port]!;
    if (slot !== 0) {
      const piece = this.#portPieces[slot - 1]!;
      if (port + size <= piece.end) {
        piece.what.write(port - piece.base + piece.offset, size, value);
        return;
      }
    } else if (size === 1) {
      this.#nothingWritten(this.#ports, port, size, value);
      return;
    }
    this.#portWriteSplit(port, size, value);
  }

  memoryRead(address: number, size: number): number {
    const value = this.#load(address, size, true);
    if (this.#trace.mask !== 0) this.#traceAccess(TRACE.memory, 'memory', 'load', address, size, value);
    return value;
  }

  memoryWrite(address: number, size: number, value: number): void {
    if (this.#trace.mask !== 0) this.#traceAccess(TRACE.memory, 'memory', 'store', address, size, value);
    const piece = this.#find(address);
    if (piece === undefined || address + size > piece.end) {
      if (size === 1) this.#nothingWritten(this.#memory, address, size, value);
      else for (let i = 0; i < size; i++) this.memoryWrite(address + i, 1, (value >>> (8 * i)) & 0xff);
      return;
    }
    const { what } = piece;
    const offset = address - piece.base + piece.offset;
    if (what.kind === 'window') what.write(offset, size, value);
    else if (what.kind === 'ram') {
      const at = what.offset + offset;
      this.announceWrite(at, size);
      if (size === 1) this.guest.view.setUint8(at, value);
      else if (size === 2) this.guest.view.setUint16(at, value, true);
      else this.guest.view.setUint32(at, value, true);
    }
  }

  /** A debugger's read: no side effects, no trace, no counting. */
  memoryPeek(address: number, size: number): number {
    return this.#load(address, size, false);
  }

  /** A debugger's read of a port. */
  portPeek(port: number, size: number): number {
    let result = 0;
    for (let i = 0; i < size; i++) {
      const slot = port + i < PORTS ? this.#portTable[port + i]! : 0;
      const piece = slot === 0 ? undefined : this.#portPieces[slot - 1]!;
      if (i === 0 && piece !== undefined && port + size <= piece.end)
        return piece.what.peek(port - piece.base + piece.offset, size);
      const byte = piece === undefined ? 0xff : piece.what.peek(port + i - piece.base + piece.offset, 1);
      result |= byte << (8 * i);
    }
    return result >>> 0;
  }

  /** Must precede every write to guest RAM that does not come from a processor. */
  announceWrite(offset: number, size: number): void {
    for (let i = 0; i < this.#written.length; i++) this.#written[i]!(offset, size);
  }

  /** The piece of the memory map that answers an address. */
  find(address: number): Piece | undefined {
    return this.#find(address);
  }

  #find(address: number): Piece | undefined {
    const last = this.#last;
    if (last !== undefined && address >= last.base && address < last.end) return last;
    const piece = this.#memory.at(address);
    if (piece !== undefined) this.#last = piece;
    return piece;
  }

  #load(address: number, size: number, effects: boolean): number {
    const piece = this.#find(address);
    if (piece === undefined || address + size > piece.end) {
      if (size === 1) return effects ? this.#nothingRead(this.#memory, address, size) : 0xff;
      let result = 0;
      for (let i = 0; i < size; i++) result |= this.#load(address + i, 1, effects) << (8 * i);
      return result >>> 0;
    }
    const { what } = piece;
    const offset = address - piece.base + piece.offset;
    if (what.kind === 'window') return effects ? what.read(offset, size) : what.peek(offset, size);
    const at = what.offset + offset;
    const { view } = this.guest;
    return size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
  }

  /** An access over the end of a window goes byte by byte, to the next window or to nothing, as on the ISA bus. */
  #portReadSplit(port: number, size: number): number {
    let result = 0;
    for (let i = 0; i < size; i++) {
      const slot = port + i < PORTS ? this.#portTable[port + i]! : 0;
      const piece = slot === 0 ? undefined : this.#portPieces[slot - 1]!;
      const byte =
        piece === undefined
          ? this.#nothingRead(this.#ports, port + i, 1)
          : piece.what.read(port + i - piece.base + piece.offset, 1);
      result |= byte << (8 * i);
    }
    return result >>> 0;
  }

  #portWriteSplit(port: number, size: number, value: number): void {
    for (let i = 0; i < size; i++) {
      const slot = port + i < PORTS ? this.#portTable[port + i]! : 0;
      const byte = (value >>> (8 * i)) & 0xff;
      if (slot === 0) this.#nothingWritten(this.#ports, port + i, 1, byte);
      else {
        const piece = this.#portPieces[slot - 1]!;
        piece.what.write(port + i - piece.base + piece.offset, 1, byte);
      }
    }
  }

  #nothingRead(space: AddressSpace, address: number, size: number): number {
    space.unhandled.reads++;
    if (this.#trace.mask !== 0) this.#traceAccess(TRACE.unhandled, space.name, 'read', address, size, undefined);
    return registerMask(size);
  }

  #nothingWritten(space: AddressSpace, address: number, size: number, value: number): void {
    space.unhandled.writes++;
    if (this.#trace.mask !== 0) this.#traceAccess(TRACE.unhandled, space.name, 'write', address, size, value);
  }

  #traceAccess(
    category: number,
    source: string,
    verb: string,
    address: number,
    size: number,
    value: number | undefined,
  ): void {
    if ((this.#trace.mask & category) === 0) return;
    const name = category === TRACE.port ? 'port' : category === TRACE.memory ? 'memory' : 'unhandled';
    this.#trace.emit(name, source, `${verb}${8 * size} ${hex(address)}${value === undefined ? '' : ` ${hex(value)}`}`);
  }

  #compilePorts(): void {
    this.#portPieces = this.#ports.pieces();
    this.#portTable.fill(0);
    this.#portPieces.forEach((piece, i) => {
      this.#portTable.fill(i + 1, piece.base, piece.end);
    });
  }
}

/**
 * The pieces as an accelerator maps them. RAM and ROM that do not fill whole, aligned pages are served by the bus, so
 * they are windows to it.
 */
export function regionsOf(pieces: readonly Piece[]): readonly MemoryRegion[] {
  const regions: MemoryRegion[] = [];
  const add = (kind: MemoryRegion['kind'], base: number, end: number, offset: number): void => {
    if (base >= end) return;
    const last = regions.at(-1);
    const joins =
      last !== undefined &&
      last.kind === kind &&
      last.base + last.size === base &&
      (kind === 'window' || last.offset + last.size === offset);
    if (joins) regions[regions.length - 1] = { ...last, size: end - last.base };
    else regions.push({ base, size: end - base, kind, offset });
  };
  for (const { base, end, what, offset } of pieces) {
    if (what.kind === 'window') {
      add('window', base, end, 0);
      continue;
    }
    const first = Math.ceil(base / PAGE) * PAGE;
    const last = Math.floor(end / PAGE) * PAGE;
    const start = what.offset + offset;
    if (first >= last || (start - base) % PAGE !== 0) {
      add('window', base, end, 0);
      continue;
    }
    add('window', base, first, 0);
    add(what.kind, first, last, start + first - base);
    add('window', last, end, 0);
  }
  return regions;
}
