import { describe, expect, test } from '@jest/globals';
import { AT, VcpuBench } from '../vcpu-bench.ts';

const RAX = 0;
const RCX = 1;
const RSI = 6;
const RDI = 7;
const CF = 1;
const ZF = 0x40;
const DF = 0x400;
const HLT = 'f4';

/** Two pages of data, then two more, none like its neighbours. */
const FROM = AT.data;
const TO = AT.data + 0x4000;

interface Setup {
  readonly from?: number;
  readonly to?: number;
  readonly count: number;
  readonly rax?: bigint;
  readonly rflags?: bigint;
}

/** A processor whose memory is random at {@link FROM} and {@link TO}, the registers as given. */
function bench({ from = FROM, to = TO, count, rax = 0n, rflags = 2n }: Setup, mode: 'long' | 'protected'): VcpuBench {
  const b = new VcpuBench()[mode]();
  let x = 0x1234_5677;
  for (let at = 0; at < 0xc000; at++) {
    x = (Math.imul(x, 0x41c6_4e6d) + 12345) | 0;
    b.view.setUint8(FROM + at, x >>> 16);
  }
  const gpr = b.vcpu.save().gpr.with(RAX, rax).with(RCX, BigInt(count)).with(RSI, BigInt(from)).with(RDI, BigInt(to));
  b.set({ gpr, rflags });
  return b;
}

const memory = (b: VcpuBench): Uint8Array => new Uint8Array(b.view.buffer, b.view.byteOffset + FROM, 0xc000);

/** What the manual's pseudo-code makes of the memory: element after element. */
function expected(b: VcpuBench, step: (bytes: Uint8Array, n: number) => void, count: number): Uint8Array {
  const bytes = memory(b).slice();
  for (let n = 0; n < count; n++) step(bytes, n);
  return bytes;
}

describe.each(['long', 'protected'] as const)('repeated string instructions, %s mode', mode => {
  const widths = [
    ['a4', 'aa', 1],
    ['66a5', '66ab', 2],
    ['a5', 'ab', 4],
    ...(mode === 'long' ? ([['48a5', '48ab', 8]] as const) : []),
  ] as const;
  const rep = (opcode: string): string => `f3${opcode}${HLT}`;

  describe.each(widths)('%s', (movs, stos, bytes) => {
    const distances = [0x4000, 1, 2, 3, 5, 7, 8, 9, 12, 16, 24, 100, 4096, -1, -3, -8, -64, 0];
    test.each(distances)('MOVS to a place %i bytes further', distance => {
      for (const [start, count] of [
        [0, 1200],
        [0xffd, 17],
        [0xff8, 1100],
        [0x123, 1],
        [0x801, 33],
      ] as const) {
        const from = FROM + 0x1000 + start;
        const b = bench({ from, to: from + distance, count }, mode);
        const wanted = expected(
          b,
          (all, n) => {
            const at = from - FROM + n * bytes;
            all.set(all.slice(at, at + bytes), at + distance);
          },
          count,
        );
        b.run(rep(movs));
        expect([b.gpr(RCX), b.gpr(RSI) - from, b.gpr(RDI) - from - distance]).toEqual([
          0,
          count * bytes,
          count * bytes,
        ]);
        expect(Buffer.compare(memory(b), wanted)).toBe(0);
      }
    });

    test.each([0x0123_4567_89ab_cdefn, 0n, 0x5555_5555_5555_5555n])('STOS of %i', rax => {
      for (const [start, count] of [
        [0, 1500],
        [0xffd, 17],
        [0x701, 2],
        [0xfff, 1],
      ] as const) {
        const b = bench({ to: TO + start, count, rax }, mode);
        const wanted = expected(
          b,
          (all, n) => {
            for (let i = 0; i < bytes; i++)
              all[TO - FROM + start + n * bytes + i] = Number((rax >> BigInt(8 * i)) & 0xffn);
          },
          count,
        );
        b.run(rep(stos));
        expect([b.gpr(RCX), b.gpr(RDI) - TO - start]).toEqual([0, count * bytes]);
        expect(Buffer.compare(memory(b), wanted)).toBe(0);
      }
    });
  });

  test('backwards (DF = 1)', () => {
    const b = bench({ from: FROM + 0x1500, to: TO + 0x1500, count: 0x1400, rflags: BigInt(2 | DF) }, mode);
    const wanted = memory(b).slice(0x101, 0x1501);
    b.run(rep('a4'));
    expect([b.gpr(RCX), b.gpr(RSI), b.gpr(RDI)]).toEqual([0, FROM + 0x100, TO + 0x100]);
    expect(Buffer.compare(memory(b).subarray(0x4101, 0x5501), wanted)).toBe(0);
  });

  test('SCASB stops behind the byte that ends it, wherever that is', () => {
    for (const length of [0, 1, 15, 16, 17, 40, 0xffe, 0xfff, 0x1000, 0x1a2b]) {
      for (const equal of [false, true]) {
        const b = bench({ to: TO + 3, count: 0x3000, rax: equal ? 7n : 9n }, mode);
        memory(b).fill(7, 0x4000, 0x8000);
        memory(b)[0x4003 + length] = 9;
        b.run(`${equal ? 'f3' : 'f2'}ae${HLT}`);
        expect([b.gpr(RCX), b.gpr(RDI) - TO - 3]).toEqual([0x3000 - length - 1, length + 1]);
        expect(b.vcpu.save().rflags & BigInt(ZF)).toBe(equal ? 0n : BigInt(ZF));
      }
    }
  });

  test('SCASB that finds nothing ends with the flags of the last comparison', () => {
    const b = bench({ to: TO, count: 0x1800, rax: 7n }, mode);
    memory(b).fill(8, 0x4000, 0x8000);
    b.run(`f2ae${HLT}`);
    expect([b.gpr(RCX), b.gpr(RDI)]).toEqual([0, TO + 0x1800]);
    expect(b.vcpu.save().rflags & BigInt(ZF | CF)).toBe(BigInt(CF));
  });

  test.each([
    ['a6', 1],
    ['a7', 4],
  ] as const)('CMPS %s stops behind the element that ends it', (opcode, bytes) => {
    for (const same of [0, 1, 15, 16, 40, 0xfff, 0x1234]) {
      const b = bench({ from: FROM + 1, to: TO + 5, count: 0x800, rflags: 2n }, mode);
      memory(b).copyWithin(0x4005, 1, 0x3000);
      memory(b)[0x4005 + same]! ^= 0xff;
      b.run(`f3${opcode}${HLT}`);
      const done = Math.min(0x800, Math.floor(same / bytes) + 1);
      expect([b.gpr(RCX), b.gpr(RSI) - FROM - 1, b.gpr(RDI) - TO - 5]).toEqual([
        0x800 - done,
        done * bytes,
        done * bytes,
      ]);
      expect(b.vcpu.save().rflags & BigInt(ZF)).toBe(done === 0x800 && same >= 0x800 * bytes ? BigInt(ZF) : 0n);
    }
  });

  test('an iteration counts as an instruction', () => {
    const b = bench({ count: 0x1800 }, mode);
    const before = b.vcpu.instructions;
    b.run(rep('a4'));
    expect(b.vcpu.instructions - before).toBe(0x1800 + 1);
  });
});

describe('REP MOVSB in pages', () => {
  test('a fault in the middle leaves what was done, and the registers at the element that faults', () => {
    const b = bench({ from: FROM + 0x10, to: TO + 0x20, count: 0x1800 }, 'long');
    b.map(TO + 0x1000, 0, 0n);
    const wanted = memory(b).slice(0x10, 0x10 + 0xfe0);
    b.run(`f3a4${HLT}`);
    expect(b.exception).toBe(14);
    expect([b.gpr(RCX), b.gpr(RSI), b.gpr(RDI)]).toEqual([0x1800 - 0xfe0, FROM + 0xff0, TO + 0x1000]);
    expect(Buffer.compare(memory(b).subarray(0x4020, 0x5000), wanted)).toBe(0);
  });

  test('a fault at the first element leaves the upper halves of the registers', () => {
    const b = bench({ count: 2, to: 0 }, 'long');
    b.map(TO, 0, 0n);
    const gpr = b.vcpu
      .save()
      .gpr.with(RCX, 0xf_0000_0002n)
      .with(RDI, 0xf_0000_0000n + BigInt(TO));
    b.set({ gpr });
    b.run(`f367ab${HLT}`); // rep stosd [edi]
    expect(b.exception).toBe(14);
    expect([b.gpr(RCX), b.gpr(RDI)]).toEqual([0xf_0000_0002, 0xf_0000_0000 + TO]);
  });

  test('two linear pages on one physical page overlap', () => {
    const b = bench({ from: FROM, to: TO + 1, count: 0xf00 }, 'long');
    b.map(TO, FROM);
    const first = memory(b)[0]!;
    b.run(`f3a4${HLT}`);
    expect(
      memory(b)
        .subarray(0, 0xf01)
        .every(byte => byte === first),
    ).toBe(true);
  });

  test('code that it overwrites runs as written', () => {
    // The copy puts `mov al, 2` over the `mov al, 1` behind it.
    const b = bench({ count: 0x100 }, 'long');
    b.put(AT.code + 0x200, 'b001');
    b.put(FROM, 'b002f4');
    b.set({
      gpr: b.vcpu
        .save()
        .gpr.with(RDI, BigInt(AT.code + 2))
        .with(RCX, 3n),
    });
    b.run('f3a4b001f4');
    expect(b.gpr(RAX)).toBe(2);
  });

  test('device memory sees every element', () => {
    const b = bench({ to: AT.window, count: 0x20 }, 'long');
    b.run(`f3a5${HLT}`);
    expect(b.accesses.filter(({ kind }) => kind === 'write').map(({ address }) => address)).toEqual(
      Array.from({ length: 0x20 }, (_, n) => AT.window + 4 * n),
    );
  });
});
