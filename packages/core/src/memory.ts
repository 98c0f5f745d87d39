import { hex, MainboardError } from './errors.ts';

/** One allocation in the guest memory. Its place is known when the board is frozen. */
export interface Block {
  readonly name: string;
  readonly size: number;
  /** Offset in the guest memory, in bytes; -1 before the board is frozen. */
  offset: number;
  /** What a ROM holds after every reset; undefined for RAM. */
  readonly contents: Uint8Array | undefined;
}

/** A stretch of guest memory, all of a block or a slice. Mapping it twice makes an alias. */
class Stretch<K extends 'ram' | 'rom'> {
  readonly kind: K;
  readonly block: Block;
  /** Bytes from the start of the block. */
  readonly start: number;
  /** Bytes. */
  readonly size: number;

  constructor(kind: K, block: Block, start = 0, size = block.size) {
    this.kind = kind;
    this.block = block;
    this.start = start;
    this.size = size;
  }

  get name(): string {
    return this.start === 0 && this.size === this.block.size
      ? this.block.name
      : `${this.block.name}[${hex(this.start)}..${hex(this.start + this.size)}]`;
  }

  /** Offset of the first byte in the guest memory. */
  get offset(): number {
    return this.block.offset + this.start;
  }

  /** The bytes from `low` up to, not including, `high`. @throws MainboardError `bad-range` */
  slice(low: number, high: number): Stretch<K> {
    if (!(low >= 0 && low < high && high <= this.size)) {
      throw new MainboardError(
        'bad-range',
        `${this.name} has ${hex(this.size)} bytes; the slice from ${hex(low)} to ${hex(high)} does not lie inside.`,
        { low, high, size: this.size },
      );
    }
    return new Stretch(this.kind, this.block, this.start + low, high - low);
  }
}

/** Guest RAM. */
export type Ram = Stretch<'ram'>;
/** Guest memory that the guest cannot write; a reset restores its contents. */
export type Rom = Stretch<'rom'>;

export const createRam = (name: string, size: number): Ram =>
  new Stretch('ram', { name, size, offset: -1, contents: undefined });
export const createRom = (name: string, size: number, contents: Uint8Array): Rom =>
  new Stretch('rom', { name, size, offset: -1, contents });
