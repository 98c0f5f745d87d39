import { expect, test } from '@jest/globals';
import { type CpuidEntry, readCpuid, shapeCpuid, writeCpuid } from './cpuid.ts';

const leaf = (fn: number, registers: Partial<CpuidEntry> = {}): CpuidEntry => ({
  function: fn,
  index: 0,
  flags: 0,
  eax: 0,
  ebx: 0,
  ecx: 0,
  edx: 0,
  ...registers,
});
const ALL = 0xffff_ffff;
const board = { apicId: 0, localApic: false, tscDeadline: true };
const kernel = { ...board, localApic: true };
const shapedLeaf = (entry: CpuidEntry, setting = board): CpuidEntry => shapeCpuid([entry], setting)[0]!;
const has = (register: number, bit: number): boolean => ((register >>> bit) & 1) === 1;

test('leaf 1: virtual, one processor, and no APIC without one in the kernel', () => {
  const { ebx, ecx, edx } = shapedLeaf(leaf(1, { ebx: 0x1234_5678, ecx: 0x7fff_ffff, edx: ALL }));
  expect(ebx).toBe(0x0001_5678);
  expect(has(ecx, 31)).toBe(true);
  for (const hidden of [3, 5, 15, 21, 24, 27]) expect([hidden, has(ecx, hidden)]).toEqual([hidden, false]);
  for (const kept of [0, 9, 13, 19, 20, 23, 25, 26]) expect([kept, has(ecx, kept)]).toEqual([kept, true]);
  expect([has(edx, 9), has(edx, 28)]).toEqual([false, false]);
  expect([has(edx, 4), has(edx, 12), has(edx, 26)]).toEqual([true, true, true]); // TSC, MTRR, SSE2
});

test('leaf 1: APIC, x2APIC and TSC deadline with the in-kernel irqchip', () => {
  const { ecx, edx } = shapedLeaf(leaf(1, { edx: ALL }), kernel);
  expect([has(ecx, 21), has(ecx, 24), has(edx, 9)]).toEqual([true, true, true]);
  expect(has(shapedLeaf(leaf(1), { ...kernel, tscDeadline: false }).ecx, 24)).toBe(false);
});

test('leaf 4 and 8000001DH: nobody shares the caches', () => {
  for (const fn of [4, 0x8000_001d]) expect(shapedLeaf(leaf(fn, { eax: 0xfc1f_c121 })).eax).toBe(0x121);
});

test('leaves without anything behind them are empty', () => {
  for (const fn of [5, 0xa, 0x12, 0x14, 0x8000_000a, 0x8000_001f])
    expect(shapedLeaf(leaf(fn, { eax: 1, ebx: 2, ecx: 3, edx: 4 }))).toEqual(leaf(fn));
});

test('leaf 6: ARAT with an APIC only', () => {
  expect(shapedLeaf(leaf(6, { eax: 4 })).eax).toBe(0);
  expect(shapedLeaf(leaf(6, { eax: 4 }), kernel).eax).toBe(4);
});

test('leaf 7: SGX and processor trace are hidden, in subleaf 0', () => {
  expect(shapedLeaf(leaf(7, { ebx: ALL })).ebx).toBe(0xfdff_6ffb);
  expect(shapedLeaf(leaf(7, { index: 1, ebx: ALL })).ebx).toBe(ALL);
});

test('leaves 7 and 0DH: CET, AMX and FRED are hidden with their XSAVE components', () => {
  const { ecx, edx } = shapedLeaf(leaf(7, { ecx: ALL, edx: ALL }));
  expect([has(ecx, 3), has(ecx, 7), has(edx, 20), has(edx, 24), has(edx, 26)]).toEqual([
    true,
    false,
    false,
    false,
    true,
  ]);
  expect(has(shapedLeaf(leaf(7, { index: 1, eax: ALL })).eax, 17)).toBe(false);
  expect(shapedLeaf(leaf(0xd, { eax: 0x6_00e7 })).eax).toBe(0xe7);
  expect(shapedLeaf(leaf(0xd, { index: 1, eax: 0x1f, ecx: 0x1800 }))).toMatchObject({ eax: 0xf, ecx: 0 });
  expect(shapedLeaf(leaf(0xd, { index: 2, eax: 0x100, ebx: 0x240 })).ebx).toBe(0x240); // AVX
  expect(shapedLeaf(leaf(0xd, { index: 11, eax: 16, ecx: 1 })).eax).toBe(0); // CET user state
});

test('leaves 0BH and 1FH: one thread in one core, as far as the maximum goes', () => {
  const shaped = shapeCpuid([leaf(0, { eax: 0xd }), leaf(0xb, { index: 1, ebx: 64 })], { ...board, apicId: 3 });
  expect(
    shaped.filter(e => e.function === 0xb).map(({ index, eax, ebx, ecx, edx }) => [index, eax, ebx, ecx, edx]),
  ).toEqual([
    [0, 0, 1, 0x100, 3],
    [1, 0, 1, 0x201, 3],
    [2, 0, 0, 2, 3],
  ]);
  expect(shaped.some(e => e.function === 0x1f)).toBe(false);
});

test("hypervisors' leaves are left out", () => {
  expect(shapeCpuid([leaf(0x4000_0000, { eax: 1 }), leaf(0x4000_0001)], board)).toEqual([]);
});

test('80000001H: SVM and the legacy multi-core bits are hidden', () => {
  const { ecx, edx } = shapedLeaf(leaf(0x8000_0001, { ecx: ALL, edx: ALL }));
  expect([has(ecx, 0), has(ecx, 1), has(ecx, 2), has(ecx, 5)]).toEqual([true, false, false, true]);
  expect([has(edx, 9), has(edx, 20), has(edx, 29)]).toEqual([false, true, true]); // APIC, NX, LM
});

test('struct kvm_cpuid2: written and read back', () => {
  const entries = [leaf(1, { eax: ALL, flags: 1 }), leaf(0x8000_0008, { index: 2, ebx: 7, ecx: 8, edx: 9 })];
  expect(readCpuid(writeCpuid(entries))).toEqual(entries);
});
