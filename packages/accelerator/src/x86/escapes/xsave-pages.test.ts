import { beforeEach, describe, expect, test } from '@jest/globals';
import { CR4 } from '../registers.ts';
import { STATE } from '../state.ts';
import { AT, VcpuBench } from '../vcpu-bench.ts';
import { XSAVE_SIZE } from '../xsave-layout.ts';

/** Of what lies at [RDI], with 64-bit pointers. */
const SAVES = [
  ['XSAVE', '480fae27'],
  ['XSAVEOPT', '480fae37'],
  ['FXSAVE', '480fae07'],
] as const;
const RESTORES = [
  ['XRSTOR', '480fae2f'],
  ['FXRSTOR', '480fae0f'],
] as const;
const XSAVE = SAVES[0][1];
/** FNINIT; FLD1; MOVQ XMM0, RCX; MOVQ XMM15, RCX */
const FILL = 'dbe3 d9e8 66480f6ec1 664c0f6ef9';
/** FNINIT; PXOR XMM0, XMM0; PXOR XMM15, XMM15 */
const CLEAR = 'dbe3 660fefc0 66450fefff';
const HLT = 'f4';

const SECOND_PAGE = 0x6_1000;
const ACROSS = SECOND_PAGE - 0x100;
const VALUE = 0x1234_5678_9abc_def0n;

let bench: VcpuBench;
beforeEach(() => {
  bench = new VcpuBench().long();
  bench.set({ cr4: bench.vcpu.save().cr4 | BigInt(CR4.osxsave) });
  bench.vcpu.cpu.r.u64[STATE.xcr0 / 8] = 3n;
});

/** Runs code to its end with an area at `rdi`. */
function run(code: string, rdi: number): void {
  const { gpr } = bench.vcpu.save();
  bench.set({
    halted: false,
    rip: BigInt(AT.code),
    gpr: gpr.with(0, 3n).with(1, VALUE).with(2, 0n).with(4, BigInt(AT.stack)).with(7, BigInt(rdi)),
  });
  bench.run(code + HLT);
}
const area = (at: number): number[] => Array.from({ length: XSAVE_SIZE }, (_, n) => bench.view.getUint8(at + n));
const clean = (at: number, byte = 0): void => {
  for (let n = 0; n < XSAVE_SIZE; n++) bench.view.setUint8(at + n, byte);
};
const xmm = (n: number): bigint => bench.vcpu.cpu.r.u64[STATE.xmm / 8 + 2 * n]!;

/** Whether the TLB knows the pages by then: the first access to each goes by the page tables. */
describe.each([
  ['pages that the TLB does not know', 1],
  ['pages that it knows', 3],
] as const)('an area on two pages: %s', (_, runs) => {
  test.each(SAVES)('%s stores what it stores on one page', (_name, save) => {
    clean(AT.data);
    for (let n = 0; n < runs; n++) {
      clean(ACROSS);
      run(FILL + save, ACROSS);
    }
    run(save, AT.data);
    expect(area(ACROSS)).toEqual(area(AT.data));
    expect([bench.view.getBigUint64(ACROSS + 160, true), bench.view.getBigUint64(ACROSS + 400, true)]).toEqual([
      VALUE,
      VALUE,
    ]);
  });

  test.each(RESTORES)('%s loads what XSAVE stored there', (_name, restore) => {
    clean(ACROSS);
    run(FILL + XSAVE, ACROSS);
    if (runs === 1) bench.vcpu.cpu.flushTlb();
    run(CLEAR + restore, ACROSS);
    expect([xmm(0), xmm(15), bench.vcpu.cpu.x87.tags]).toEqual([VALUE, VALUE, 0x80]);
  });

  test.each([...SAVES, ...RESTORES])('%s faults on the second page, and has done nothing', (_name, code) => {
    clean(ACROSS, 0x55);
    if (runs > 1) run('8a07 8807 8a87 00010000 8887 00010000', ACROSS); // MOV to and from [RDI], [RDI+100]
    bench.map(SECOND_PAGE, SECOND_PAGE, 2n);
    bench.vcpu.cpu.flushPage(SECOND_PAGE);
    run(CLEAR + code, ACROSS);
    expect([bench.exception, bench.vcpu.save().cr2]).toEqual([14, BigInt(SECOND_PAGE)]);
    expect(new Set(area(ACROSS))).toEqual(new Set([0x55]));
    expect([xmm(0), bench.vcpu.cpu.x87.tags]).toEqual([0n, 0]);
  });
});

test('CPUID says that the error pointers are always saved, and they are (AMD APM vol. 3 appendix E)', () => {
  clean(AT.data);
  run(`b808000080 0fa2 89df ${HLT}`, 0); // CPUID of 8000_0008, EBX to EDI
  expect(bench.gpr(7) & 4).toBe(4);
  // FLD1 with no exception pending: FOP and FIP are those of it
  run(FILL + XSAVE, AT.data);
  expect([bench.view.getUint16(AT.data + 6, true), bench.view.getBigUint64(AT.data + 8, true)]).toEqual([
    0x1e8,
    BigInt(AT.code + 2),
  ]);
});
