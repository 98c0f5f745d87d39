import type { Cpu } from '../cpu.ts';
import { Decoder } from '../decode/decoder.ts';
import { RECORD } from '../interpreter/record.ts';
import { MODE } from '../mode.ts';
import { RECORDS } from '../state.ts';
import { compileModule } from '../wasm/compile-module.ts';
import { compileRegion } from './compile.ts';
import type { JitMode } from './jit-mode.ts';
import { type CodeSource, findRegion, pageOf } from './region.ts';
import { RegionCache } from './region-cache.ts';
import { MAX_REGION_RECORDS, RegionRecords } from './region-records.ts';

/** Times that the run loop finds the processor at a place before its region is compiled. */
const THRESHOLD = 4;
/** So often, code is compiled anew together with what it calls, even if that has been compiled by itself. */
const WIDE = 32;
/** Samples after which earlier ones count half: code that runs now and then is not worth a module. */
const PERIOD = 2048;
/** Fewer instructions are not worth a module, unless they are found {@link WIDE} times. */
const MIN_INSTRUCTIONS = 3;
/** Places that the table of handlers grows by. */
const GROWTH = 64;
/** Pages that a region may reach, to either side; and to what little there may be beyond. */
const REACH = 16;
const FARTHEST = 2 ** 18;

/** Compiles the code that runs often; where that is, samples of RIP tell. */
export class Jit {
  readonly mode: JitMode;
  readonly #cpu: Cpu;
  readonly #table: WebAssembly.Table;
  readonly #imports: Readonly<Record<string, unknown>>;
  readonly #decoder: Decoder;
  /** By place and mode of the code. */
  readonly #samples = new Map<number, number>();
  /** Places of regions that were given up. */
  readonly #unfit = new Set<number>();
  readonly #regions = new RegionCache<RegionRecords>();
  /** Places in the table that no region uses. */
  readonly #free: number[] = [];

  /** @param table of handlers @param imports memory and runtime of the interpreter, for compiled regions */
  constructor(cpu: Cpu, mode: JitMode, table: WebAssembly.Table, imports: Readonly<Record<string, unknown>>) {
    this.#cpu = cpu;
    this.#decoder = new Decoder(feature => cpu.has(feature));
    this.mode = mode;
    this.#table = table;
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
    this.#regions.seen(this.#cpu.r.u32[(block.records + RECORD.handler) >> 2]!);
    const key = block.at * MODE.count + this.#cpu.mode;
    const count = (this.#samples.get(key) ?? 0) + 1;
    this.#samples.set(key, count);
    if (count % THRESHOLD === 0) this.#compile(block.records, block.at, count >= WIDE);
    if (++this.#taken % PERIOD === 0) this.#fade();
  }
  #taken = 0;

  /** What was hot some time ago counts half. */
  #fade(): void {
    for (const [key, count] of this.#samples)
      if (count > 1) this.#samples.set(key, count >> 1);
      else this.#samples.delete(key);
  }

  #clear(): void {
    for (const region of this.#regions.all) this.#release(region);
    this.#samples.clear();
    this.#unfit.clear();
  }

  #release(region: RegionRecords): void {
    const { handler } = region;
    if (!this.#regions.delete(region)) return; // given up before
    region.remove();
    this.#table.set(handler, null);
    this.#free.push(handler);
  }

  /** The region that a record enters cannot run where it is mapped now; it is not compiled again. */
  giveUp(record: number): void {
    const region = this.#regions.get(this.#cpu.r.u32[(record + RECORD.handler) >> 2]!);
    if (!region) return;
    this.#unfit.add(region.place);
    this.#release(region);
  }

  /** A place in the table. */
  #place(): number {
    if (this.#free.length === 0) {
      const first = this.#table.grow(GROWTH);
      for (let i = GROWTH - 1; i >= 0; i--) this.#free.push(first + i);
    }
    return this.#free.pop()!;
  }

  /** Where the code around a block is, as far as it is certain. */
  #source(at: number, wide: boolean): CodeSource {
    const { code, r, codeBits, hasVex, mode } = this.#cpu;
    const pages = new Map([[0, at - (at & 0xfff)]]);
    const oneBits = (mode & MODE.wholeCode) === 0;
    const page = (n: number): number => {
      let found = pages.get(n);
      if (found === undefined) {
        found = oneBits || Math.abs(n) > FARTHEST ? -1 : code.pageNear(n);
        pages.set(n, found);
      }
      return found;
    };
    const record = (place: number): number => {
      const offset = page(pageOf(place));
      return offset < 0 ? 0 : code.blockAt(offset + (place & 0xfff));
    };
    const eager = this.mode === 'eager';
    const ran = (place: number): boolean => (eager ? page(pageOf(place)) >= 0 : record(place) !== 0);
    // What other regions begin with is theirs: a link goes there.
    const isTaken = (place: number): boolean =>
      !eager && !wide && this.#regions.get(r.u32[(record(place) + RECORD.handler) >> 2]!) !== undefined;
    const known = (place: number): boolean => Math.abs(pageOf(place)) <= REACH && ran(place) && !isTaken(place);
    return { memory: r.u8, bits: codeBits, vex: hasVex, page, ran, known };
  }

  /** @param records first record of the block at RIP @param at place of its code in the guest memory */
  #compile(records: number, at: number, wide = false): void {
    const cpu = this.#cpu;
    const { r, code, mode } = cpu;
    const before = this.#regions.get(r.u32[(records + RECORD.handler) >> 2]!);
    if (before && (!wide || before.wide)) return;
    if (this.#unfit.has(at) || code.free + (MAX_REGION_RECORDS + 1) * RECORD.size > RECORDS.end) return;
    const source = this.#source(at, wide);
    const region = findRegion(this.#decoder, source, at & 0xfff);
    if (!region || region.count < (this.mode === 'eager' || wide ? 1 : MIN_INSTRUCTIONS)) return;
    const handler = this.#place();
    const kept = new RegionRecords(r, code.predecoder, at, handler, code.free, wide);
    const { bytes, entries } = compileRegion(region, {
      bits: cpu.codeBits,
      stack: cpu.stackBits,
      flat: (mode & MODE.flat) !== 0,
      wholeCode: (mode & MODE.wholeCode) !== 0,
      user: (mode & MODE.user) !== 0,
      page: source.page,
      records: kept,
    });
    for (const excess of this.#regions.excess(bytes.length)) this.#release(excess);
    const instance = new WebAssembly.Instance(compileModule(bytes), { env: this.#imports });
    this.#table.set(handler, instance.exports.region);
    this.#regions.add(kept, bytes.length);
    const place = (n: number): number => source.page(pageOf(n)) + (n & 0xfff);
    code.addRegion(
      kept,
      [...region.blocks.values()].map(block => ({ at: place(block.at), end: place(block.at) + block.end - block.at })),
    );
    for (const [number, entry] of entries.entries()) {
      const record = entry === (at & 0xfff) ? records : code.blockAt(place(entry));
      if (record === 0) continue;
      const before = r.u32[(record + RECORD.handler) >> 2]!;
      kept.enter(record, number, this.#regions.get(before)?.interpreted(record) ?? before);
    }
  }
}
