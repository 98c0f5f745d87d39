import { describe, expect, test } from '@jest/globals';
import { MSR } from './msr.ts';
import { AT, VcpuBench } from './vcpu-bench.ts';

/** mov ecx, msr; mov eax, low; mov edx, 0; wrmsr; hlt */
const wrmsr = (msr: number, low: number): string => {
  const bytes = (n: number): string =>
    [0, 8, 16, 24].map(at => ((n >>> at) & 0xff).toString(16).padStart(2, '0')).join('');
  return `b9${bytes(msr)}b8${bytes(low)}ba000000000f30f4`;
};

describe('KVM paravirtual clock', () => {
  test('msr.rst, MSR_KVM_SYSTEM_TIME_NEW: counter, time, and how they go together', () => {
    const bench = new VcpuBench().long();
    bench.run(wrmsr(MSR.kvmSystemTime, AT.data | 1));
    const { view } = bench;
    expect(view.getUint32(AT.data, true) % 2).toBe(0);
    const tsc = view.getBigUint64(AT.data + 8, true);
    const time = view.getBigUint64(AT.data + 16, true);
    expect(time).toBeGreaterThan(0n);
    // (ticks << shift) × multiplier / 2^32: a counter of 1 GHz counts nanoseconds.
    const shift = view.getInt8(AT.data + 28);
    const multiplier = BigInt(view.getUint32(AT.data + 24, true));
    expect(((1_000_000n << BigInt(shift)) * multiplier) >> 32n).toBe(1_000_000n);
    expect(view.getUint8(AT.data + 29) & 1).toBe(1);
    // The bench's clock moves at every look; both were read within a few of them.
    expect(Math.abs(Number(tsc - time))).toBeLessThan(100_000);
  });

  test('without the enable bit nothing is written', () => {
    const bench = new VcpuBench().long();
    bench.run(wrmsr(MSR.kvmSystemTime, AT.data));
    expect(bench.view.getBigUint64(AT.data + 16, true)).toBe(0n);
  });

  test('a write to the counter shows in the structure', () => {
    const bench = new VcpuBench().long();
    bench.run(wrmsr(MSR.kvmSystemTime, AT.data | 1).slice(0, -2) + wrmsr(MSR.tsc, 0x7000_0000));
    const tsc = Number(bench.view.getBigUint64(AT.data + 8, true));
    expect(tsc).toBeGreaterThanOrEqual(0x7000_0000);
    expect(tsc).toBeLessThan(0x7000_0000 + 1_000_000);
  });

  test('an address that nothing answers is no trouble', () => {
    const bench = new VcpuBench().long();
    expect(bench.run(wrmsr(MSR.kvmSystemTime, 0x7fff_f001)).kind).toBe('halt');
    expect(bench.exception).toBeUndefined();
  });
});
