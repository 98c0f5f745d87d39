import { type Cpu, MODE } from '../cpu.ts';
import { Decoder } from '../decode/decoder.ts';
import { RECORD } from '../interpreter/record.ts';
import { compileRegion } from './compile.ts';
import { findRegion } from './region.ts';
import { RegionRecords } from './region-records.ts';

/** `off`: the interpreter alone. `eager`: everything, when it is first decoded, for tests. */
export type JitMode = 'on' | 'off' | 'eager';

/** Times that the run loop finds the processor at a place before its region is compiled. */
const THRESHOLD = 2;
/** Regions kept at most; the oldest goes. */
const MAX_REGIONS = 2048;
/** Places whose samples are counted at most. */
const MAX_SAMPLES = 2 ** 16;
/** Fewer instructions are not worth a module. */
const MIN_INSTRUCTIONS = 3;

/** What a region's module imports. */
export interface RegionImports {
  readonly memory: WebAssembly.Memory;
  readonly table: WebAssembly.Table;
  readonly [name: string]: unknown;
}

/** Compiles the code that runs often; where that is, samples of RIP tell. */
export class Jit {
  readonly mode: JitMode;
  readonly #cpu: Cpu;
  readonly #imports: RegionImports;
  readonly #decoder: Decoder;
  /** By place and mode of the code. */
  readonly #samples = new Map<number, number>();
  /** By handler, oldest first. */
  readonly #regions = new Map<number, RegionRecords>();
  /** Places in the table that no region uses. */
  readonly #free: number[] = [];

  constructor(cpu: Cpu, mode: JitMode, imports: RegionImports) {
    this.#cpu = cpu;
    this.#decoder = new Decoder(feature => cpu.has(feature));
    this.mode = mode;
    this.#imports = imports;
    cpu.code.onRegionDropped = region => this.#release(region);
    cpu.code.onClear = () => this.#clear();
    if (mode === 'eager') cpu.code.onBlock = (records, at) => this.#compile(records, at);
  }

  /** Regions in use. */
  get regions(): number {
    return this.#regions.size;
  }

  /** The run loop has stopped at an instruction, somewhere in a stretch of time. */
  sample(): void {
    if (this.mode !== 'on') return;
    const block = this.#cpu.code.blockAtRip();
    if (!block) return;
    const key = block.at * MODE.count + this.#cpu.mode;
    const count = (this.#samples.get(key) ?? 0) + 1;
    if (this.#samples.size === MAX_SAMPLES) this.#samples.clear();
    this.#samples.set(key, count);
    if (count === THRESHOLD) this.#compile(block.records, block.at);
  }

  #clear(): void {
    for (const region of [...this.#regions.values()]) this.#release(region);
    this.#samples.clear();
  }

  #release(region: RegionRecords): void {
    const { handler } = region;
    if (this.#regions.get(handler) !== region) return; // given up before; its place may be another's by now
    this.#regions.delete(handler);
    this.#imports.table.set(handler, null);
    this.#free.push(handler);
    // Written code may become hot again as something else.
    this.#samples.clear();
  }

  /** @param records first record of the block @param at place of its code in the guest memory */
  #compile(records: number, at: number): void {
    const cpu = this.#cpu;
    const { r, code, mode } = cpu;
    if (this.#regions.has(r.u32[(records + RECORD.handler) >> 2]!)) return;
    const page = at - (at & 0xfff);
    const region = findRegion(this.#decoder, r.u8, page, at & 0xfff, cpu.codeBits);
    if (!region || region.count < (this.mode === 'eager' ? 1 : MIN_INSTRUCTIONS)) return;
    if (this.#regions.size === MAX_REGIONS) {
      const oldest = this.#regions.values().next().value!;
      oldest.remove();
      this.#release(oldest);
    }
    const { table } = this.#imports;
    const handler = this.#free.pop() ?? table.grow(1);
    const kept = new RegionRecords(r, records, handler, code.free);
    const bytes = compileRegion(region, {
      bits: cpu.codeBits,
      stack: cpu.stackBits,
      flat: (mode & MODE.flat) !== 0,
      keepsLinks: (mode & MODE.wholeCode) !== 0,
      records: kept,
    });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: this.#imports });
    table.set(handler, instance.exports.region);
    this.#regions.set(handler, kept);
    code.addRegion(page, kept, region.blocks.values());
    kept.install();
  }
}
