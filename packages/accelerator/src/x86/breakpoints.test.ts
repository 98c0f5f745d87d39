import { beforeEach, describe, expect, test } from '@jest/globals';
import { AT, VcpuBench } from './vcpu-bench.ts';

const HLT = 'f4';
const STORE = 'c6042500000200 01'; // MOV BYTE [data], 1
const LOAD = '8a042500000200'; // MOV AL, [data]
const DE = 8n;
const RF = 0x1_0000;
/** Enables breakpoint 0. @param on R/W field @param length LEN field */
const dr7 = (on: number, length = 0): bigint => BigInt(0x402 | (on << 16) | (length << 18));

describe.each(['off', 'eager'] as const)('hardware breakpoints (SDM vol. 3 §17.2), jit %s', jit => {
  let bench: VcpuBench;
  beforeEach(() => {
    bench = new VcpuBench(jit).long();
  });
  const arm = (address: number, control: bigint): void => {
    const { dr } = bench.vcpu.save();
    bench.set({ dr: { ...dr, 0: BigInt(address), 7: control } });
  };
  const dr6 = (): number => Number(bench.vcpu.save().dr[6]) & 0xe00f;
  /** Address that the handler would return to. */
  const back = (): number => bench.stack(0) - AT.code;

  test('execution: a fault before the instruction, RF pushed', () => {
    arm(AT.code + 2, dr7(0));
    bench.run(`b001 b002${HLT}`);
    expect([bench.exception, back(), dr6(), bench.gpr(0) & 0xff]).toEqual([1, 2, 1, 1]);
    expect(bench.stack(2) & RF).toBe(RF);
  });

  test('IRET with RF gets past it, once', () => {
    arm(AT.code + 2, dr7(0));
    bench.put(AT.handlers + 16, '48ffc348cf'); // INC RBX; IRETQ
    // MOV CL, 3; loop: INC AL; LOOP
    bench.set({ gpr: bench.vcpu.save().gpr.with(0, 0n).with(1, 3n).with(3, 0n) });
    bench.run(`b103 fec0 e2fc${HLT}`);
    expect([bench.gpr(0), bench.gpr(3)]).toEqual([3, 3]);
  });

  test('writes: a trap after the instruction; reads do not count', () => {
    arm(AT.data, dr7(1));
    bench.run(LOAD + STORE + HLT);
    expect([bench.exception, back(), dr6()]).toEqual([1, 15, 1]);
    expect(bench.view.getUint8(AT.data)).toBe(1);
    expect(bench.stack(2) & RF).toBe(0);
  });

  test('reads and writes', () => {
    arm(AT.data, dr7(3));
    bench.run(LOAD + STORE + HLT);
    expect([bench.exception, back(), dr6()]).toEqual([1, 7, 1]);
  });

  test.each([
    [0, 1],
    [1, 2],
    [3, 4],
    [2, 8],
  ])('LEN %i: %i bytes', (length, bytes) => {
    const at = (offset: number): string =>
      `c60425${(AT.data + offset).toString(16).padStart(8, '0').match(/../g)!.reverse().join('')}01`;
    arm(AT.data, dr7(1, length));
    bench.run(at(bytes) + at(bytes - 1) + HLT);
    expect([bench.exception, back()]).toEqual([1, 16]);
  });

  test('a wide access that begins below', () => {
    arm(AT.data, dr7(3));
    bench.run(`48a1 fcff010000000000${HLT}`); // MOV RAX, [data − 4]
    expect([bench.exception, back()]).toEqual([1, 10]);
  });

  test('other addresses of the page do not count, and are still right', () => {
    arm(AT.data + 8, dr7(3));
    bench.run(STORE + LOAD + HLT);
    expect([bench.exception, bench.gpr(0) & 0xff, dr6()]).toEqual([undefined, 1, 0]);
  });

  test('REP MOVSB traps after the iteration that touches it', () => {
    arm(AT.data + 0x102, dr7(1));
    bench.set({
      gpr: bench.vcpu
        .save()
        .gpr.with(1, 5n)
        .with(6, BigInt(AT.data))
        .with(7, BigInt(AT.data + 0x100)),
    });
    bench.run(`f3a4${HLT}`);
    expect([bench.exception, back(), bench.gpr(1)]).toEqual([1, 0, 2]);
  });

  test('ports with CR4.DE only', () => {
    arm(0x80, dr7(2));
    bench.run(`e680 90${HLT}`);
    expect(bench.exception).toBeUndefined();
    bench = new VcpuBench(jit).long();
    bench.set({ cr4: bench.vcpu.save().cr4 | DE });
    arm(0x80, dr7(2));
    bench.run(`e680 90${HLT}`);
    expect([bench.exception, back(), dr6()]).toEqual([1, 2, 1]);
  });

  test('set by the guest itself', () => {
    // MOV EAX, data; MOV DR0, RAX; MOV EAX, 10402h; MOV DR7, RAX; store
    bench.run(`b800000200 0f23c0 b802040100 0f23f8${STORE}${HLT}`);
    expect([bench.exception, back(), dr6()]).toEqual([1, 24, 1]);
  });

  test('not enabled: nothing', () => {
    arm(AT.data, dr7(3) & ~3n);
    bench.run(LOAD + STORE + HLT);
    expect(bench.exception).toBeUndefined();
  });

  test('together with TF: one exception that says both', () => {
    arm(AT.data, dr7(1));
    bench.set({ rflags: 0x102n });
    bench.run(STORE + HLT);
    expect([bench.exception, back(), dr6()]).toEqual([1, 8, 0x4001]);
  });

  test('a fault of the instruction itself comes instead', () => {
    arm(AT.data, dr7(3));
    bench.run(`8b042500000200 0f0b${HLT}`);
    expect([bench.exception, back()]).toEqual([1, 7]);
    bench = new VcpuBench(jit).long();
    bench.map(AT.data + 0x1000, 0, 0n);
    arm(AT.data + 0xffc, dr7(3, 3));
    bench.run(`48a1 fc0f020000000000${HLT}`);
    expect([bench.exception, dr6()]).toEqual([14, 0]);
  });
});
