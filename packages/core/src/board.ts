import { AddressSpace } from './address-space.ts';
import { Cpu } from './cpu.ts';
import type { AnyDeviceType, DeviceHandle, DeviceSpec, DeviceType, GivenProperties } from './device.ts';
import { listed, MainboardError } from './errors.ts';
import { ACCELERATOR_ARENA, GuestMemory, MAX_GUEST_MEMORY } from './guest-memory.ts';
import { DeviceInstance, type DeviceSurroundings } from './instance.ts';
import { type Block, createRam, createRom, type Ram, type Rom } from './memory.ts';
import { connect, InPin, type Net, type PinScope } from './pin.ts';
import { formatSize } from './property.ts';
import type { Window } from './window.ts';

/** Where a machine is composed: chips are added, windows mapped, pins wired. */
export interface Board<O> {
  readonly options: O;
  /** Guest-physical addresses, 52 bits. */
  readonly memory: AddressSpace;
  /** The 65 536 I/O ports. */
  readonly ports: AddressSpace<Window>;
  readonly cpus: readonly [Cpu, ...Cpu[]];
  /** Rising edge: the whole machine is reset at the next instruction boundary. */
  readonly reset: InPin;
  /** Rising edge: the machine ends, its power being off. */
  readonly poweroff: InPin;
  /**
   * Puts a chip on the board. Chips are reset and restored in the order in which they were added.
   * @param name the role: `com1`.
   * @throws MainboardError
   */
  add<S extends DeviceSpec>(name: string, type: DeviceType<S>, properties?: GivenProperties<S>): DeviceHandle<S>;
  /**
   * A chip that is on the board already: for a machine that adds to another's board.
   * @param type what it must be.
   * @throws MainboardError `unknown-device`
   */
  find<S extends DeviceSpec>(name: string, type: DeviceType<S>): DeviceHandle<S>;
  /** Guest RAM of `size` bytes, zero at first; a reset leaves it alone. */
  ram(size: number, name?: string): Ram;
  /** A ROM with these bytes, or an empty one (FFh) of so many; every reset restores it. */
  rom(name: string, contents: Uint8Array | number): Rom;
  /** Connects outputs to inputs, interrupt controllers to processors. @throws MainboardError `bad-wire` */
  wire(nets: readonly Net[]): void;
}

const MEMORY_SIZE = 2 ** 52;
const PORTS = 65_536;
/** RAM and ROM begin at a multiple of this, so that any of them can be mapped as a large page. */
const BLOCK_ALIGNMENT = 2 ** 21;

/** A board being put together, and afterwards the record of what is on it. */
export class BoardAssembly<O> implements Board<O> {
  readonly options: O;
  readonly memory = new AddressSpace('memory', MEMORY_SIZE);
  readonly ports = new AddressSpace<Window>('ports', PORTS, ['window']);
  readonly cpus: readonly [Cpu, ...Cpu[]];
  readonly reset: InPin;
  readonly poweroff: InPin;
  readonly devices = new Map<string, DeviceInstance>();
  readonly nets: Net[] = [];
  readonly blocks: Block[] = [];
  readonly #surroundings: DeviceSurroundings;
  #frozen = false;

  constructor(options: O, scope: PinScope, surroundings: DeviceSurroundings) {
    this.options = options;
    this.cpus = [new Cpu(0, scope)];
    this.reset = new InPin('board.reset', scope);
    this.poweroff = new InPin('board.poweroff', scope);
    this.#surroundings = surroundings;
    // board files take the board apart: ({ add, wire }) => …
    this.add = this.add.bind(this);
    this.find = this.find.bind(this);
    this.ram = this.ram.bind(this);
    this.rom = this.rom.bind(this);
    this.wire = this.wire.bind(this);
  }

  add<S extends DeviceSpec>(name: string, type: DeviceType<S>, properties?: GivenProperties<S>): DeviceHandle<S> {
    this.#mustBeOpen();
    if (this.devices.has(name)) {
      throw new MainboardError(
        'duplicate-name',
        `The board has two devices named ${name}; give one of them another role.`,
        { name },
      );
    }
    if (type === undefined) {
      throw new MainboardError('bad-declaration', `The type of device ${name} does not exist; check its import.`, {
        name,
      });
    }
    const instance = new DeviceInstance(
      name,
      type as AnyDeviceType,
      properties as Record<string, unknown>,
      this.#surroundings,
    );
    this.devices.set(name, instance);
    return instance.handle as DeviceHandle<S>;
  }

  find<S extends DeviceSpec>(name: string, type: DeviceType<S>): DeviceHandle<S> {
    const found = this.devices.get(name);
    if (found?.type.id !== type.id) {
      const alike = [...this.devices.values()].filter(device => device.type.id === type.id).map(device => device.name);
      throw new MainboardError(
        'unknown-device',
        `The board has no ${type.type} named ${name}; of that type it has ${listed(alike)}.`,
        { name, type: type.type },
      );
    }
    return found.handle as DeviceHandle<S>;
  }

  ram(size: number, name = `ram${this.blocks.filter(block => block.contents === undefined).length || ''}`): Ram {
    const ram = createRam(name, size);
    this.#own(ram.block);
    return ram;
  }

  rom(name: string, contents: Uint8Array | number): Rom {
    const bytes = typeof contents === 'number' ? new Uint8Array(contents).fill(0xff) : contents;
    const rom = createRom(name, bytes.length, bytes);
    this.#own(rom.block);
    return rom;
  }

  wire(nets: readonly Net[]): void {
    this.#mustBeOpen();
    for (const net of nets) {
      connect(net);
      this.nets.push(net);
    }
  }

  /** Ends the composition: allocates guest memory and fills the ROMs. @throws MainboardError `memory-too-large` */
  freeze(): GuestMemory {
    this.#mustBeOpen();
    this.#frozen = true;
    let size = 0;
    for (const block of this.blocks) {
      block.offset = ACCELERATOR_ARENA + size;
      size += Math.ceil(block.size / BLOCK_ALIGNMENT) * BLOCK_ALIGNMENT;
    }
    if (size > MAX_GUEST_MEMORY) {
      throw new MainboardError(
        'memory-too-large',
        `The board has ${formatSize(size)} of RAM and ROM, one machine can have ${formatSize(MAX_GUEST_MEMORY)}; give it less memory.`,
        { size, max: MAX_GUEST_MEMORY },
      );
    }
    const guest = new GuestMemory(size);
    for (const { contents, offset } of this.blocks) if (contents !== undefined) guest.bytes.set(contents, offset);
    return guest;
  }

  #own(block: Block): void {
    this.#mustBeOpen();
    if (!Number.isInteger(block.size) || block.size <= 0) {
      throw new MainboardError(
        'bad-range',
        `${block.name} has ${block.size} bytes; RAM and ROM need a whole number above 0.`,
        { name: block.name, size: block.size },
      );
    }
    if (this.blocks.some(other => other.name === block.name)) {
      throw new MainboardError('duplicate-name', `The board has two memories named ${block.name}; rename one.`, {
        name: block.name,
      });
    }
    this.blocks.push(block);
  }

  #mustBeOpen(): void {
    if (this.#frozen)
      throw new MainboardError('wrong-state', 'The board is frozen; add, map and wire inside the build function.');
  }
}
