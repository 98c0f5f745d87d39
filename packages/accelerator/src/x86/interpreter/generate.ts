import { OPERAND_KIND } from '../decode/decoded.ts';
import type { Row } from '../isa/row.ts';
import { ROWS } from '../isa/rows.ts';
import { descriptionOf } from '../semantics/index.ts';
import { SEGMENT, STATE, TLB } from '../state.ts';
import { FunctionWriter } from '../wasm/function.ts';
import { ModuleWriter } from '../wasm/module.ts';
import { ACCESS } from './access.ts';
import { RECORD, STOP } from './record.ts';
import { RecordOps } from './record-ops.ts';
import { type Runtime, writeEnterLazily, writeRuntime } from './runtime.ts';
import { ADDRESS_KINDS, ADDRESS_WIDTHS } from './special.ts';
import { tlbEntry } from './tlb-entry.ts';
import { formOf, maskOf, nameOf, pack, type Variant, variantsOf } from './variant.ts';

const HANDLER = { params: ['i32'], results: ['i32'] } as const;

export interface Interpreter {
  readonly bytes: Uint8Array;
  /** Pairs of key (`row.index << 13 | variant`) and handler. */
  readonly handlers: readonly number[];
  /** By handler: 1 when it writes its memory operand. */
  readonly writes: readonly number[];
}

/** Generates the interpreter: a handler for every form of every described instruction. */
export function generateInterpreter(): Interpreter {
  const module = new ModuleWriter();
  const runtime = writeRuntime(module);
  const table: number[] = [];
  const add = (write: (f: FunctionWriter) => void): number => {
    const index = module.declare(HANDLER);
    const f = new FunctionWriter(HANDLER);
    write(f);
    module.define(index, f.body());
    return table.push(index) - 1;
  };
  const plain: Variant = { opsize: 32, asize: 32, stack: 32, flat: true, long: true, rep: 0, addressing: 0 };
  const opsFor = (f: FunctionWriter): RecordOps =>
    new RecordOps(f, { ...plain, mnemonic: 'special', operands: [], aligned: false, condition: 0 }, 0, runtime);

  // In the order of SPECIAL.
  add(f => {
    const ops = opsFor(f);
    ops.escape();
    ops.next();
  });
  add(f => {
    f.store('i32.store', f.i32(0), STATE.record, f.param(0));
    f.return(f.i32(STOP.restart));
  });
  add(f => opsFor(f).through());
  add(f => writeStraddle(f, opsFor(f)));
  for (const width of ADDRESS_WIDTHS)
    for (const kind of ADDRESS_KINDS) add(f => writeAddress(f, runtime, opsFor(f), width, kind));

  const byName = new Map<string, number>();
  const handlers: number[] = [];
  const writes: number[] = table.map(() => 0);
  for (const row of ROWS)
    for (const variant of variantsOf(row)) {
      const name = nameOf(row, variant);
      let handler = byName.get(name);
      if (handler === undefined) {
        handler = add(f => {
          writes.push(writeHandler(f, runtime, row, variant) ? 1 : 0);
        });
        byName.set(name, handler);
      }
      handlers.push((row.index << 13) | (pack(variant) & maskOf(row)), handler);
    }
  writeEnterLazily(module, runtime, table.length);
  module.table(table);
  return { bytes: module.bytes(), handlers, writes };
}

/** @returns whether the handler writes its memory operand. */
function writeHandler(f: FunctionWriter, runtime: Runtime, row: Row, variant: Variant): boolean {
  const form = formOf(row, variant);
  const ops = new RecordOps(f, form, variant.addressing, runtime);
  const usesMm = form.operands.some(({ kind }) => kind === OPERAND_KIND.mm);
  if (row.unit === 'sse' || row.unit === 'sse+mmx') ops.checkUnit(STATE.sseFault);
  if (row.unit === 'mmx' || (row.unit === 'sse+mmx' && usesMm)) ops.checkUnit(STATE.mmxFault);
  descriptionOf(row.mnemonic)!.run(ops, form);
  if (!ops.ended) {
    if (usesMm) ops.enterMmx();
    ops.next();
  }
  return ops.writesMemory;
}

/**
 * Goes on if the TLB says that the page after the instruction's first is still the one that it was decoded from. The
 * immediate is a mask for linear addresses, the base that of CS.
 */
function writeStraddle(f: FunctionWriter, ops: RecordOps): void {
  const record = f.param(0);
  const zero = f.i32(0);
  const start = f.op('i64.add', f.load('i64.load', zero, STATE.blockRip), ops.base());
  const next = f.op(
    'i64.and',
    f.op('i64.add', f.op('i64.and', start, f.i64(-4096)), f.i64(4096)),
    f.load('i64.load', record, RECORD.imm),
  );
  const entry = tlbEntry(f, next);
  const offset = f.op('i32.add', f.op('i32.wrap_i64', next), f.load('i32.load', entry, TLB.addend));
  const same = f.op(
    'i32.and',
    f.op('i64.eq', f.load('i64.load', entry, TLB.execute), next),
    f.op('i32.eq', offset, f.load('i32.load', record, RECORD.nextPage)),
  );
  f.if(f.op('i32.eqz', same), () => ops.escape());
  ops.next();
}

/** base + index × scale + immediate, truncated; then the segment's base, after the limit check where there is one. */
function writeAddress(
  f: FunctionWriter,
  runtime: Runtime,
  ops: RecordOps,
  width: 16 | 32 | 64,
  kind: (typeof ADDRESS_KINDS)[number],
): void {
  const record = f.param(0);
  const zero = f.i32(0);
  const sum = f.op('i64.add', ops.baseAndIndex(), f.load('i64.load', record, RECORD.imm));
  const offset = width === 64 ? sum : f.op('i64.and', sum, f.i64(width === 32 ? 0xffff_ffffn : 0xffffn));
  const segment = f.load('i32.load16_u', record, RECORD.segment);
  let linear = offset;
  if (kind === 'based') linear = f.op('i64.add', offset, f.load('i64.load', segment, SEGMENT.base));
  if (kind === 'checked') {
    const access = f.op('i32.mul', f.load('i32.load16_u', record, RECORD.b), f.i32(ACCESS.write));
    const info = f.op('i32.or', f.load('i32.load16_u', record, RECORD.a), access);
    linear = f.call(runtime.segment, 'i64', segment, f.op('i32.wrap_i64', offset), info);
    f.if(f.op('i64.eq', linear, f.i64(-1)), () => {
      f.store('i32.store', zero, STATE.record, record);
      f.return(f.i32(STOP.fault));
    });
  }
  f.store('i64.store', zero, STATE.address, linear);
  ops.next();
}
