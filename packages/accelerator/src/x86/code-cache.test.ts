import { beforeEach, describe, expect, test } from '@jest/globals';
import { PRIVILEGE } from './privilege.ts';
import { TLB } from './state.ts';
import { AT, VcpuBench } from './vcpu-bench.ts';

let bench: VcpuBench;
beforeEach(() => {
  bench = new VcpuBench().long();
});

const LAST = AT.code + 0xfff;
/** A number as four bytes of code. */
const hex = (n: number): string => [0, 8, 16, 24].map(s => ((n >> s) & 0xff).toString(16).padStart(2, '0')).join('');

describe('self-modifying code (SDM vol. 3 §8.1.3)', () => {
  test('a store changes the next instruction', () => {
    // MOV BYTE [code+9], C3 makes INC EAX of INC EBX
    bench.run('c60425 09000300 c0 ffc3 f4');
    expect([bench.gpr(0), bench.gpr(3)]).toEqual([1, 0]);
  });

  test('a store changes the instruction that makes it: the next time it runs as changed', () => {
    bench.set({ gpr: bench.vcpu.save().gpr.with(1, 3n) });
    bench.run('800425 07000300 01 ffc9 75f4 f4'); // ADD BYTE [code+7], 1, which is its own 1
    expect([bench.view.getUint8(AT.code + 7), bench.gpr(1)]).toEqual([8, 0]);
  });

  test('a store before the block, by a loop that was linked to it', () => {
    // 0: INC EAX; 2: XOR BYTE [code+1], 3 (INC EAX ⇄ INC EBX); a: DEC ECX; c: JNZ 0
    bench.set({ gpr: bench.vcpu.save().gpr.with(1, 100n) });
    bench.run('ffc0 803425 01000300 03 ffc9 75f2 f4');
    expect([bench.gpr(0), bench.gpr(3)]).toEqual([50, 50]);
  });

  test('PUSH, CALL and REP STOS onto code', () => {
    bench.set({ gpr: bench.vcpu.save().gpr.with(4, BigInt(AT.code + 0x108)) });
    bench.put(AT.code + 0x100, 'ffc0 f4');
    bench.put(AT.code + 0x40, 'ffc3 c3'); // INC EBX; RET
    // JMP 100 (INC EAX; HLT) once, so that it is decoded; then CALL 40 overwrites it with its return address
    bench.run('e9fb000000');
    expect(bench.gpr(0)).toBe(1);
    bench.set({
      halted: false,
      rip: BigInt(AT.code + 0x10),
      gpr: bench.vcpu.save().gpr.with(4, BigInt(AT.code + 0x108)),
    });
    bench.run('e82b000000 bf00010300 b90a000000 b0f4 f3aa e9d8000000'.replace(/ /g, ''));
    expect([bench.gpr(3), bench.rip]).toEqual([1, AT.code + 0x101]);
  });

  test('data beside code: writes to it drop nothing', () => {
    const { code } = bench.vcpu.cpu;
    bench.set({ gpr: bench.vcpu.save().gpr.with(1, 1000n) });
    bench.run('ff0425 00080300 ffc9 75f5 f4');
    expect(bench.view.getUint32(AT.code + 0x800, true)).toBe(1000);
    expect(code.holdsCode(bench.vcpu.cpu.mmu.fetch(AT.code, 0, PRIVILEGE.supervisor))).toBe(true);
  });

  test('a device writes code, while the guest runs and while it does not', () => {
    bench.onOut = () => bench.deviceWrites(AT.code + 2, 'ffc3');
    bench.run('e680 ffc0 f4');
    expect([bench.gpr(0), bench.gpr(3)]).toEqual([0, 1]);
    bench.deviceWrites(AT.code + 2, 'ffc1');
    bench.onOut = () => {};
    bench.set({ halted: false, rip: BigInt(AT.code) });
    bench.vcpu.run(1e6);
    expect(bench.gpr(1)).toBe(1);
  });

  test('an undefined instruction becomes one that is defined, by its second byte', () => {
    bench.put(AT.handlers + 6 * 16, 'c60425 01000300 90 48cf'); // #UD: MOV BYTE [code+1], NOP; IRETQ
    bench.put(AT.code, '66ff ffc0 f4'); // 66 FF /7 is undefined
    bench.run();
    // 66 90 is NOP
    expect([bench.exception, bench.gpr(0), bench.rip]).toEqual([undefined, 1, AT.code + 5]);
  });

  test('the room for records runs out: everything is decoded anew', () => {
    // 60 times INC EAX, then its own first byte is written, and again
    const body = 'ffc0'.repeat(60);
    bench.set({ gpr: bench.vcpu.save().gpr.with(1, 70_000n) });
    bench.run(`${body} c60425 00000300 ff ffc9 0f8578ffffff f4`);
    expect([bench.gpr(0), bench.gpr(1)]).toEqual([60 * 70_000, 0]);
  });
});

describe('instructions on two pages', () => {
  /** MOV EAX, imm32 with two bytes of the immediate in the next page, then HLT. */
  const START = LAST - 2;
  const NEXT = AT.code + 0x1000;
  beforeEach(() => {
    bench.put(START, 'b81122 3344 f4');
    bench.set({ rip: BigInt(START) });
  });
  const again = (rip = START): void => {
    bench.set({ halted: false, rip: BigInt(rip) });
    bench.run();
  };

  test('run, and run again after a write to either page', () => {
    bench.run();
    expect(bench.gpr(0)).toBe(0x4433_2211);
    bench.vcpu.cpu.store8(BigInt(NEXT), 0x55);
    again();
    expect(bench.gpr(0)).toBe(0x4455_2211);
    bench.vcpu.cpu.store8(BigInt(LAST), 0x66);
    again();
    expect(bench.gpr(0)).toBe(0x4455_6611);
  });

  test('the next page is mapped to another one', () => {
    bench.put(AT.data, '7788 f4');
    bench.run();
    bench.map(NEXT, AT.data);
    bench.vcpu.cpu.flushPage(NEXT);
    again();
    expect(bench.gpr(0)).toBe(0x8877_2211);
  });

  test('the page at two addresses, with different pages behind', () => {
    const alias = 0x8_0000;
    bench.put(AT.data, '7788 f4');
    bench.map(alias, AT.code);
    bench.map(alias + 0x1000, AT.data);
    for (let i = 0; i < 3; i++) {
      again();
      expect(bench.gpr(0)).toBe(0x4433_2211);
      again(alias + 0xffd);
      expect(bench.gpr(0)).toBe(0x8877_2211);
    }
  });

  test('the next page is not there: #PF with its address, before and after it was decoded', () => {
    for (let i = 0; i < 2; i++) {
      bench.map(NEXT, NEXT, 2n);
      bench.vcpu.cpu.flushPage(NEXT);
      again();
      expect([bench.exception, Number(bench.vcpu.save().cr2), bench.stack(1)]).toEqual([14, NEXT, START]);
      bench.map(NEXT, NEXT);
      bench.vcpu.cpu.flushPage(NEXT);
      again();
      expect(bench.gpr(0)).toBe(0x4433_2211);
    }
  });

  test('an instruction that ends with the page does not look at the next', () => {
    bench.map(NEXT, NEXT, 2n);
    bench.put(START, 'ffc3 f4');
    bench.run();
    expect([bench.gpr(3), bench.rip]).toEqual([1, NEXT]);
  });

  test('a loop over the edge, linked on both sides', () => {
    bench.put(LAST - 4, 'ffc3 90 ffc9 75f9 f4'); // INC EBX; NOP; DEC ECX over the edge; JNZ
    bench.set({ rip: BigInt(LAST - 4), gpr: bench.vcpu.save().gpr.with(1, 1000n) });
    bench.run();
    expect([bench.gpr(3), bench.gpr(1)]).toEqual([1000, 0]);
  });

  test('from RAM into device memory, and from there back into RAM', () => {
    bench.put(AT.window - 3, 'b81122');
    // …33 44: MOV EAX; INC EBX; JMP to the last byte: INC EBX again, over the end
    bench.device.set([0x33, 0x44, 0xff, 0xc3, 0xe9, 0xf6, 0x0f, 0, 0]);
    bench.device[0xfff] = 0xff;
    bench.map(AT.window + 0x1000, AT.data);
    bench.put(AT.data, 'c3 f4');
    bench.set({ rip: BigInt(AT.window - 3) });
    bench.run();
    expect([bench.gpr(0), bench.gpr(3), bench.rip]).toEqual([0x4433_2211, 2, AT.window + 0x1002]);
  });
});

describe('translations of code', () => {
  test('INVLPG: the same address runs another page', () => {
    bench.put(AT.data, 'ffc3 c3');
    bench.put(AT.code + 0x2000, 'ffc0 c3');
    // CALL code+2000; MOV BYTE/DWORD [entry], data | 3; INVLPG [code+2000]; CALL code+2000; HLT
    const entry = bench.entry(AT.code + 0x2000);
    bench.run(
      `e8fb1f0000 c70425${hex(entry)}${hex(AT.data | 3)} 0f013c25${hex(AT.code + 0x2000)} e8${hex(0x2000 - 29)} f4`,
    );
    expect([bench.gpr(0), bench.gpr(3)]).toEqual([1, 1]);
  });

  test('a page that vanishes without INVLPG, under an instruction that is carried out in TypeScript', () => {
    // MOV [entry of code], 2; MOV AL, [as many pages on as the TLB has entries], which takes its place there; DIV of
    // 128 bits, which TypeScript reads again.
    const far = AT.code + 4096 * TLB.entries;
    bench.view.setUint32(AT.pml4 + 0x2000 + 8 * (far >> 21), 0x83, true);
    bench.set({ gpr: bench.vcpu.save().gpr.with(3, 5n).with(2, 1n) });
    bench.run(`c70425${hex(bench.entry(AT.code))}02000000 8a0425${hex(far)} 48f7f3 f4`);
    expect([bench.exception, Number(bench.vcpu.save().cr2), bench.stack(1)]).toEqual([14, AT.code + 18, AT.code + 18]);
  });

  test('code in device memory runs from what the device says each time', () => {
    bench.device.set([0xff, 0xc0, 0xf4]);
    bench.set({ rip: BigInt(AT.window) });
    bench.run();
    bench.device[1] = 0xc3;
    bench.set({ halted: false, rip: BigInt(AT.window) });
    bench.run();
    expect([bench.gpr(0), bench.gpr(3)]).toEqual([1, 1]);
  });

  test('code in ROM', () => {
    bench.put(AT.rom, 'ffc0 f4');
    bench.set({ rip: BigInt(AT.rom) });
    bench.run();
    expect(bench.gpr(0)).toBe(1);
  });

  test('the same code as 32-bit and as 64-bit code', () => {
    bench.put(AT.code, '40 48 90 f4'); // INC EAX; DEC EAX in 32-bit code; a prefixed NOP in 64-bit code
    bench.run();
    expect(bench.rip).toBe(AT.code + 4);
    const before = bench.vcpu.instructions;
    const { segments } = bench.vcpu.save();
    bench.set({
      halted: false,
      rip: BigInt(AT.code),
      segments: { ...segments, cs: { ...segments.cs, rights: 0xc09b } },
    });
    bench.run();
    expect(bench.vcpu.instructions - before).toBe(4);
  });
});
